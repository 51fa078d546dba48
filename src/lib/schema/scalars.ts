/**
 * Scalar kinds of the schema kit: text, numbers, booleans, durations, sizes, addresses and closed sets of names.
 * In text mode (flags, labels, environment) every scalar is given as text, and the last of repeated values counts.
 */
import { parsePrefix } from '../ip/prefix.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { nearestName } from './nearest.ts'
import { formatSize, parseSize } from './size.ts'
import { INVALID, Schema, kindOf, quoteValue } from './schema.ts'
import type { ParseContext } from './schema.ts'

export interface StringOptions {
  readonly minLength?: number
  readonly maxLength?: number
  /** Name of the format, for the reference: `host:port`. */
  readonly format?: string
}

export function string(options: StringOptions = {}): Schema<string> {
  const { minLength = 0, maxLength = 65_536, format } = options
  const shape = { kind: 'string', minLength, maxLength, ...(format === undefined ? {} : { format }) } as const
  return new Schema(shape, (given, context) => {
    const value = lastOfRepeated(given, context)
    if (typeof value !== 'string') {
      const isScalar = typeof value === 'number' || typeof value === 'boolean'
      return context.report(
        `must be text, not ${kindOf(value)}`,
        isScalar ? `write it with quotes: "${String(value)}"` : undefined,
      )
    }
    if (value.length < minLength) {
      return context.report(
        minLength === 1 ? 'must not be empty' : `must have at least ${minLength} characters`,
      )
    }
    if (value.length > maxLength) return context.report(`must have at most ${maxLength} characters`)
    return value
  })
}

export interface NumberOptions {
  readonly min?: number
  readonly max?: number
}

export function integer(options: NumberOptions = {}): Schema<number> {
  return numeric('integer', options)
}

export function number(options: NumberOptions = {}): Schema<number> {
  return numeric('number', options)
}

function numeric(kind: 'integer' | 'number', options: NumberOptions): Schema<number> {
  const { min = kind === 'integer' ? Number.MIN_SAFE_INTEGER : -Infinity } = options
  const { max = kind === 'integer' ? Number.MAX_SAFE_INTEGER : Infinity } = options
  const noun = kind === 'integer' ? 'a whole number' : 'a number'
  return new Schema({ kind, min, max }, (given, context) => {
    let value = lastOfRepeated(given, context)
    if (context.isText && typeof value === 'string' && /^[+-]?\d{1,17}(\.\d{1,17})?$/.test(value)) {
      value = Number(value)
    }
    if (
      typeof value !== 'number' ||
      !Number.isFinite(value) ||
      (kind === 'integer' && !Number.isInteger(value))
    ) {
      return context.report(`must be ${noun}, not ${kindOf(value)}`)
    }
    return value < min || value > max ? context.report(boundsText(noun, min, max, String, value)) : value
  })
}

export function boolean(): Schema<boolean> {
  return new Schema({ kind: 'boolean' }, (given, context) => {
    const value = lastOfRepeated(given, context)
    if (typeof value === 'boolean') return value
    if (context.isText && typeof value === 'string') {
      // What Go's strconv.ParseBool takes, as Traefik's users know it.
      if (/^(1|t|true)$/i.test(value)) return true
      if (/^(0|f|false)$/i.test(value)) return false
    }
    return context.report(`must be true or false, not ${kindOf(value)}`)
  })
}

export interface DurationOptions {
  readonly minMs?: number
  readonly maxMs?: number
}

/** `10s`, `1m30s`, or a bare number of seconds; decoded to milliseconds. At most about 24 days, as timers go. */
export function duration(options: DurationOptions = {}): Schema<number> {
  const { minMs = 0, maxMs = 2_147_483_647 } = options
  return new Schema({ kind: 'duration', minMs, maxMs }, (given, context) => {
    const value = lastOfRepeated(given, context)
    let ms: number | undefined
    if (typeof value === 'number') ms = value >= 0 ? value * 1000 : undefined
    else if (typeof value === 'string') ms = parseDuration(value)
    if (ms === undefined || !Number.isFinite(ms)) {
      return context.report(`must be a duration, not ${kindOf(value)}`, 'such as 10s, 1m30s or 250ms')
    }
    return ms < minMs || ms > maxMs
      ? context.report(boundsText('a duration', minMs, maxMs, formatDuration, ms))
      : ms
  })
}

/** `64KiB`, `1m`, or a bare number of bytes; decoded to bytes. */
export function size(options: NumberOptions = {}): Schema<number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = options
  return new Schema({ kind: 'size', min, max }, (given, context) => {
    const value = lastOfRepeated(given, context)
    let bytes: number | undefined
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) bytes = value
    else if (typeof value === 'string') bytes = parseSize(value)
    if (bytes === undefined) {
      return context.report(`must be a size, not ${kindOf(value)}`, 'such as 65536, 64KiB or 1MiB')
    }
    return bytes < min || bytes > max
      ? context.report(boundsText('a size', min, max, formatSize, bytes))
      : bytes
  })
}

/** An address or prefix (`10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`), kept as text. */
export function cidr(): Schema<string> {
  return string({ format: 'cidr' }).refine((value) =>
    parsePrefix(value) === null
      ? `must be an IP address or prefix such as 10.0.0.0/8, not ${quoteValue(value)}`
      : undefined,
  )
}

/** One of a closed set of names. In text mode case does not count; the decoded name is as listed. */
export function oneOf<const V extends string>(values: readonly V[]): Schema<V> {
  return new Schema<V>({ kind: 'enum', values }, (given, context) => {
    const value = lastOfRepeated(given, context)
    if (typeof value === 'string') {
      const folded = context.isText || context.ignoreCase ? value.toLowerCase() : undefined
      for (const candidate of values) {
        if (candidate === value || (folded !== undefined && candidate.toLowerCase() === folded))
          return candidate
      }
      const nearest = nearestName(value, values)
      const suggestion = nearest === undefined ? undefined : `did you mean ${nearest}?`
      return context.report(`must be one of ${values.join(', ')}, not ${quoteValue(value)}`, suggestion)
    }
    context.report(`must be one of ${values.join(', ')}, not ${kindOf(value)}`)
    return INVALID
  })
}

function lastOfRepeated(value: unknown, context: ParseContext): unknown {
  return context.isText && Array.isArray(value) && value.length > 0 ? value.at(-1) : value
}

function boundsText(
  noun: string,
  min: number,
  max: number,
  format: (value: number) => string,
  value: number,
): string {
  const isMinSet = min > Number.MIN_SAFE_INTEGER
  const isMaxSet = max < Number.MAX_SAFE_INTEGER
  let bounds = `at most ${format(max)}`
  if (isMinSet) bounds = isMaxSet ? `from ${format(min)} to ${format(max)}` : `at least ${format(min)}`
  return `must be ${noun} ${bounds}, not ${format(value)}`
}
