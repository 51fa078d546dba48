/** UTCTime and GeneralizedTime in the one form that RFC 5280 §4.1.2.5 allows: seconds, `Z`, no fraction. */
import { TAG_GENERALIZED_TIME, TAG_UTC_TIME } from './tags.ts'

/** Milliseconds since the epoch; NaN when the content is not such a time. */
export function parseTime(tag: number, content: Buffer): number {
  const yearDigits = tag === TAG_UTC_TIME ? 2 : tag === TAG_GENERALIZED_TIME ? 4 : 0
  if (yearDigits === 0 || content.length !== yearDigits + 11 || content.at(-1) !== 0x5a) return Number.NaN
  for (let i = 0; i < content.length - 1; i++) {
    const code = content[i] ?? 0
    if (code < 0x30 || code > 0x39) return Number.NaN
  }
  const pair = (at: number): number => (content[at] ?? 0) * 10 + (content[at + 1] ?? 0) - 0x30 * 11
  let year = pair(0)
  // RFC 5280 §4.1.2.5.1: two digits mean 1950 to 2049.
  if (yearDigits === 2) year += year >= 50 ? 1900 : 2000
  else year = year * 100 + pair(2)
  const at = yearDigits
  const month = pair(at)
  const day = pair(at + 2)
  const ms = Date.UTC(year, month - 1, day, pair(at + 4), pair(at + 6), pair(at + 8))
  // Date.UTC rolls 31 February over and takes years below 100 for the 1900s.
  const date = new Date(ms)
  const isSame =
    date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  return isSame && pair(at + 4) < 24 && pair(at + 6) < 60 && pair(at + 8) < 60 ? ms : Number.NaN
}

/** Tag and text of `ms`, cut to seconds: UTCTime until 2049, GeneralizedTime afterwards. */
export function timeText(ms: number): { tag: number; text: string } {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')
  const year = new Date(ms).getUTCFullYear()
  return year >= 1950 && year < 2050
    ? { tag: TAG_UTC_TIME, text: text.slice(2) }
    : { tag: TAG_GENERALIZED_TIME, text }
}
