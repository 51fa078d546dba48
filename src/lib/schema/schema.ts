/**
 * The schema kit: one description of a value that checks it, decodes it, and can be read again by whatever prints
 * documentation, command line help or JSON Schema. Every option of the program is described with it exactly once.
 * This file is the core; scalars.ts and composites.ts hold the kinds.
 *
 * Invariants: a schema is immutable (each modifier returns a new one); decoding never throws on the value; all
 * issues are collected, not only the first.
 */
import { ConfigError } from '../errors.ts'
import type { Issue } from '../errors.ts'

export type { Issue } from '../errors.ts'

/** Returned by decoders instead of a value after they reported an issue. */
export const INVALID: unique symbol = Symbol('invalid')

export interface ParseOptions {
  /** Values come from flags, labels or environment: scalars are text, lists may be comma separated. */
  readonly isText?: boolean
  /** Keys of objects match in any case (Traefik's decoders). */
  readonly ignoreCase?: boolean
}

export type ParseResult<T> =
  /** `warnings`: options that are known and have no effect here; the value stands. */
  | { readonly ok: true; readonly value: T; readonly warnings: readonly Issue[] }
  | { readonly ok: false; readonly issues: readonly Issue[]; readonly warnings: readonly Issue[] }

/** State of one parse: where we are, and what was found. */
export class ParseContext {
  readonly path: (string | number)[] = []
  readonly issues: Issue[] = []
  readonly warnings: Issue[] = []
  readonly isText: boolean
  readonly ignoreCase: boolean

  constructor(options: ParseOptions) {
    this.isText = options.isText === true
    this.ignoreCase = options.ignoreCase === true
  }

  /** Reports at the present path, or at `key` below it. */
  report(message: string, suggestion?: string, key?: string): typeof INVALID {
    this.issues.push(this.#issue(message, suggestion, key))
    return INVALID
  }

  warn(message: string, suggestion?: string, key?: string): void {
    this.warnings.push(this.#issue(message, suggestion, key))
  }

  #issue(message: string, suggestion: string | undefined, key: string | undefined): Issue {
    const path = key === undefined ? [...this.path] : [...this.path, key]
    return suggestion === undefined ? { path, message } : { path, message, suggestion }
  }
}

/** What a schema describes, for those who print it. */
export type Shape =
  | {
      readonly kind: 'string'
      readonly format?: string
      readonly minLength: number
      readonly maxLength: number
    }
  | { readonly kind: 'integer' | 'number'; readonly min: number; readonly max: number }
  | { readonly kind: 'boolean' }
  /** Decoded to milliseconds. */
  | { readonly kind: 'duration'; readonly minMs: number; readonly maxMs: number }
  /** Decoded to bytes. */
  | { readonly kind: 'size'; readonly min: number; readonly max: number }
  | { readonly kind: 'enum'; readonly values: readonly string[] }
  | {
      readonly kind: 'list'
      readonly item: AnySchema
      readonly maxItems: number
      /** In text mode one value may hold several, with commas between. */
      readonly isCommaSeparated: boolean
    }
  | { readonly kind: 'map'; readonly value: AnySchema; readonly keyName: string }
  | {
      readonly kind: 'object'
      readonly fields: Readonly<Record<string, AnySchema>>
      /** `true` (or nothing, on the command line) stands for an object with only defaults. */
      readonly isGroup: boolean
      /** Known names that are refused or without effect: see ObjectOptions. */
      readonly unavailable: readonly string[]
    }
  | { readonly kind: 'union'; readonly options: readonly AnySchema[] }
  | { readonly kind: 'any' }

export type AnySchema = Schema<unknown, boolean>

/** Type of the decoded value. */
export type Infer<S> = S extends Schema<infer T, boolean> ? T : never

type Decoder<T> = (value: unknown, context: ParseContext) => T | typeof INVALID

interface Modifiers {
  readonly description: string
  readonly isOptional: boolean
  readonly defaultValue: unknown
  readonly placeholder: string
}

const NO_MODIFIERS: Modifiers = {
  description: '',
  isOptional: false,
  defaultValue: undefined,
  placeholder: '',
}

/**
 * A described value of type T. `Optional` is true for a key that may be absent from the decoded object;
 * one with a default is always there.
 */
export class Schema<T, Optional extends boolean = false> {
  declare readonly optionalMarker: Optional
  readonly shape: Shape
  /** One or more sentences for the reference. */
  readonly description: string
  readonly isOptional: boolean
  /** Decoded default; undefined when there is none. */
  readonly defaultValue: T | undefined
  /** Name of the value in help texts: `HOST:PORT`; empty: by kind. */
  readonly placeholder: string
  readonly #decode: Decoder<T>

  constructor(shape: Shape, decode: Decoder<T>, modifiers: Modifiers = NO_MODIFIERS) {
    this.shape = shape
    this.description = modifiers.description
    this.isOptional = modifiers.isOptional
    this.defaultValue = modifiers.defaultValue as T | undefined
    this.placeholder = modifiers.placeholder
    this.#decode = decode
  }

  /** Checks and decodes; never throws on the value. */
  parse(value: unknown, options: ParseOptions = {}): ParseResult<T> {
    const context = new ParseContext(options)
    const decoded = this.decode(value, context)
    const { issues, warnings } = context
    if (decoded === INVALID || issues.length > 0) return { ok: false, issues, warnings }
    return { ok: true, value: decoded, warnings }
  }

  /** Like parse, but throws a ConfigError with every issue. */
  parseOrThrow(value: unknown, options: ParseOptions = {}): T {
    const result = this.parse(value, options)
    if (!result.ok) throw new ConfigError(result.issues)
    return result.value
  }

  /** For composites: decodes a part of a larger value. */
  decode(value: unknown, context: ParseContext): T | typeof INVALID {
    if (value === undefined || value === null) {
      if (this.defaultValue !== undefined) return this.defaultValue
      if (this.isOptional) return undefined as T
      return context.report('required, but not given')
    }
    // `--ping=false`: a group that is switched off is as if not given.
    const isDispensable = this.isOptional || this.defaultValue !== undefined
    if (isDispensable && this.shape.kind === 'object' && this.shape.isGroup && isOff(value, context)) {
      return this.defaultValue as T
    }
    return this.#decode(value, context)
  }

  describe(description: string): Schema<T, Optional> {
    return new Schema<T, Optional>(this.shape, this.#decode, { ...this.#modifiers(), description })
  }

  /** Names the value in help texts. */
  named(placeholder: string): Schema<T, Optional> {
    return new Schema<T, Optional>(this.shape, this.#decode, { ...this.#modifiers(), placeholder })
  }

  optional(): Schema<T, true> {
    return new Schema<T, true>(this.shape, this.#decode, { ...this.#modifiers(), isOptional: true })
  }

  /** `value` is the decoded form (milliseconds, bytes, object with all its keys). */
  default(value: T): Schema<T> {
    return new Schema<T>(this.shape, this.#decode, { ...this.#modifiers(), defaultValue: value })
  }

  /** `check` returns what is wrong with a decoded value, or undefined. */
  refine(check: (value: T) => string | undefined): Schema<T, Optional> {
    const inner = this.#decode
    return new Schema<T, Optional>(
      this.shape,
      (value, context) => {
        const decoded = inner(value, context)
        if (decoded === INVALID) return INVALID
        const message = check(decoded)
        return message === undefined ? decoded : context.report(message)
      },
      this.#modifiers(),
    )
  }

  /** Decodes further: `convert` returns the new value, or an Error whose message is reported. */
  transform<U>(convert: (value: T) => U | Error): Schema<U, Optional> {
    const inner = this.#decode
    return new Schema<U, Optional>(
      this.shape,
      (value, context) => {
        const decoded = inner(value, context)
        if (decoded === INVALID) return INVALID
        const converted = convert(decoded)
        return converted instanceof Error ? context.report(converted.message) : converted
      },
      { ...this.#modifiers(), defaultValue: undefined },
    )
  }

  #modifiers(): Modifiers {
    const { description, isOptional, defaultValue, placeholder } = this
    return { description, isOptional, defaultValue, placeholder }
  }
}

function isOff(value: unknown, context: ParseContext): boolean {
  const last = context.isText && Array.isArray(value) ? (value as unknown[]).at(-1) : value
  return last === false || (context.isText && typeof last === 'string' && /^(0|f|false)$/i.test(last))
}

/** A value as it may stand in a message: quoted, one line, bounded. */
export function quoteValue(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? typeof value)
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`
}

/** `a string`, `a list`: the kind of a wrong value in a message. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  return `the ${typeof value} ${quoteValue(value)}`
}
