/**
 * Composite kinds of the schema kit: lists, maps with free keys, objects with known keys, and alternatives.
 * Objects are strict: an unknown key is an issue that proposes the nearest known one.
 */
import { nearestName } from './nearest.ts'
import { INVALID, Schema, kindOf } from './schema.ts'
import type { AnySchema, Infer, ParseContext } from './schema.ts'

export function list<T>(
  item: Schema<T, boolean>,
  options: { readonly maxItems?: number; readonly isCommaSeparated?: boolean } = {},
): Schema<readonly T[]> {
  const { maxItems = 100_000, isCommaSeparated = true } = options
  return new Schema<readonly T[]>({ kind: 'list', item, maxItems, isCommaSeparated }, (given, context) => {
    const values = context.isText ? splitText(given, isCommaSeparated) : given
    if (!Array.isArray(values)) return context.report(`must be a list, not ${kindOf(values)}`)
    if (values.length > maxItems) return context.report(`must have at most ${maxItems} items`)
    const decoded: T[] = []
    let isValid = true
    for (const [index, value] of values.entries()) {
      context.path.push(index)
      const result = item.decode(value, context)
      context.path.pop()
      if (result === INVALID) isValid = false
      else decoded.push(result)
    }
    return isValid ? decoded : INVALID
  })
}

/** `a,b` and repeated values, as flags and labels write lists. */
function splitText(given: unknown, isCommaSeparated: boolean): unknown {
  const parts = Array.isArray(given) ? given : [given]
  if (!isCommaSeparated) return parts
  if (!parts.every((part) => typeof part === 'string')) return given
  return parts
    .flatMap((part) => part.split(','))
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** Free keys, values all of one kind. `keyName` stands for the key in the reference: `NAME`. */
export function map<T>(
  value: Schema<T, boolean>,
  options: { readonly keyName?: string; readonly checkKey?: (key: string) => string | undefined } = {},
): Schema<Readonly<Record<string, T>>> {
  const { keyName = 'NAME', checkKey } = options
  return new Schema<Readonly<Record<string, T>>>({ kind: 'map', value, keyName }, (given, context) => {
    if (!isMapping(given)) return context.report(`must be a mapping, not ${kindOf(given)}`)
    const entries: [string, T][] = []
    let isValid = true
    for (const key of Object.keys(given)) {
      context.path.push(key)
      const wrongKey = checkKey?.(key)
      const result = wrongKey === undefined ? value.decode(given[key], context) : context.report(wrongKey)
      context.path.pop()
      if (result === INVALID) isValid = false
      else entries.push([key, result])
    }
    // fromEntries defines own properties, so that a key named __proto__ is only a key.
    return isValid ? Object.fromEntries(entries) : INVALID
  })
}

type Fields = Readonly<Record<string, AnySchema>>
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends Schema<unknown, infer O> ? (true extends O ? K : never) : never
}[keyof F]

/** Decoded form of an object schema: optional fields are absent, not undefined. */
export type ObjectOf<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalKeys<F>>]: Infer<F[K]>
} & { readonly [K in OptionalKeys<F>]?: Infer<F[K]> }

export interface ObjectOptions {
  /** `true` stands for an object with only defaults, `false` for none (Traefik's `--ping`). */
  readonly isGroup?: boolean
  /** Known names that are not available, with the reason. A given one is an error. */
  readonly later?: Readonly<Record<string, string>>
  /** Known names that have no effect here, with the reason. A given one is a warning. */
  readonly ignored?: Readonly<Record<string, string>>
}

export function object<F extends Fields>(fields: F, options: ObjectOptions = {}): Schema<ObjectOf<F>> {
  const { isGroup = false, later = {}, ignored = {} } = options
  const names = Object.keys(fields)
  const unavailable = [...Object.keys(later), ...Object.keys(ignored)]
  const byFoldedName = new Map([...names, ...unavailable].map((n) => [n.toLowerCase(), n]))
  return new Schema<ObjectOf<F>>({ kind: 'object', fields, isGroup, unavailable }, (value, context) => {
    const given = isGroup ? groupValue(value, context) : value
    if (!isMapping(given)) return context.report(`must be a mapping, not ${kindOf(given)}`)
    const found = new Map<string, string>()
    let isValid = true
    for (const key of Object.keys(given)) {
      const name = context.ignoreCase ? (byFoldedName.get(key.toLowerCase()) ?? key) : key
      const earlier = found.get(name)
      if (earlier !== undefined) {
        context.report(`is the same as ${earlier} (case does not count)`, 'keep one of them', key)
        isValid = false
      } else if (Object.hasOwn(fields, name)) {
        found.set(name, key)
      } else if (Object.hasOwn(ignored, name)) {
        context.warn(`has no effect: ${ignored[name]}`, undefined, key)
      } else {
        isValid = false
        if (Object.hasOwn(later, name)) context.report(`is not available: ${later[name]}`, undefined, key)
        else reportUnknown(key, names, context)
      }
    }
    const entries: [string, unknown][] = []
    for (const name of names) {
      const key = found.get(name)
      const field = fields[name]
      if (field === undefined) continue
      context.path.push(key ?? name)
      const result = field.decode(key === undefined ? undefined : given[key], context)
      context.path.pop()
      if (result === INVALID) isValid = false
      else if (result !== undefined) entries.push([name, result])
    }
    return isValid ? (Object.fromEntries(entries) as ObjectOf<F>) : INVALID
  })
}

/** The first alternative that takes the value; when none does, the issues of the one that got furthest. */
export function union<T>(options: readonly Schema<T, boolean>[]): Schema<T> {
  return new Schema<T>({ kind: 'union', options }, (value, context) => {
    let best: ReturnType<Schema<T>['parse']> | undefined
    let bestDepth = -1
    for (const option of options) {
      const result = option.parse(value, context)
      if (result.ok) return result.value
      const depth = Math.max(...result.issues.map((issue) => issue.path.length))
      if (depth > bestDepth) {
        best = result
        bestDepth = depth
      }
    }
    if (best?.ok === false) {
      for (const issue of best.issues)
        context.issues.push({ ...issue, path: [...context.path, ...issue.path] })
    }
    return INVALID
  })
}

/** Whatever was given, unchecked: for values that another schema takes apart later. */
export function any(): Schema<unknown> {
  return new Schema<unknown>({ kind: 'any' }, (value) => value)
}

function reportUnknown(key: string, names: readonly string[], context: ParseContext): void {
  const nearest = nearestName(key, names)
  const listed = names.length <= 12 ? `known: ${names.join(', ')}` : undefined
  context.report('is not known', nearest === undefined ? listed : `did you mean ${nearest}?`, key)
}

function groupValue(given: unknown, context: ParseContext): unknown {
  const value = context.isText && Array.isArray(given) ? (given as unknown[]).at(-1) : given
  if (value === true) return {}
  if (context.isText && typeof value === 'string' && /^(|1|t|true)$/i.test(value)) return {}
  return value
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
