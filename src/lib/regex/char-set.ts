/**
 * Sets of characters as bit sets, for looking at expressions before they run: one bit per ASCII character, one
 * each for the two characters beyond ASCII that fold to ASCII letters (RE2 folds by Unicode), one for all others.
 */

/** Bit of U+017F, which folds to `s`. */
const LONG_S = 128
/** Bit of U+212A, which folds to `k`. */
const KELVIN = 129
const OTHERS = 130

export type CharSet = bigint

export const NO_CHARS: CharSet = 0n
export const ALL_CHARS: CharSet = (1n << 131n) - 1n

const SINGLE: readonly CharSet[] = Array.from({ length: 128 }, (_, code) => 1n << BigInt(code))

/** Characters `low` to `high`, both ASCII codes. */
export function charRange(low: number, high: number): CharSet {
  if (low === high) return SINGLE[low] as CharSet
  return ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low)
}

export const DIGITS: CharSet = charRange(0x30, 0x39)
export const WORD_CHARS: CharSet =
  DIGITS | charRange(0x41, 0x5a) | charRange(0x61, 0x7a) | charRange(0x5f, 0x5f)
/** RE2's `\s` has no vertical tab. */
export const SPACES: CharSet = charRange(0x09, 0x0a) | charRange(0x0c, 0x0d) | charRange(0x20, 0x20)
export const NEWLINE: CharSet = charRange(0x0a, 0x0a)

export function complement(set: CharSet): CharSet {
  return ALL_CHARS & ~set
}

/** The set with both cases of every letter. */
export function foldCase(set: CharSet): CharSet {
  let folded = set
  for (let lower = 0x61; lower <= 0x7a; lower++) {
    let letter = charRange(lower, lower) | charRange(lower - 0x20, lower - 0x20)
    if (lower === 0x73) letter |= 1n << BigInt(LONG_S)
    if (lower === 0x6b) letter |= 1n << BigInt(KELVIN)
    if ((set & letter) !== 0n) folded |= letter
  }
  return folded
}

/** JavaScript source that matches one character of the set. */
export function charSetSource(set: CharSet): string {
  let source = sources.get(set)
  if (source === undefined) {
    source = makeSource(set)
    if (sources.size < MAX_REMEMBERED) sources.set(set, source)
  }
  return source
}

/** Expressions use the same few sets again and again, and telling ranges is slow. */
const sources = new Map<CharSet, string>()
const MAX_REMEMBERED = 1000

function makeSource(set: CharSet): string {
  if (set === ALL_CHARS) return '[^]'
  const inside = rangesSource(set)
  const outside = rangesSource(complement(set))
  if (set !== NO_CHARS && outside.length < inside.length) return `[^${outside}]`
  return isSingle(set) ? inside : `[${inside}]`
}

function isSingle(set: CharSet): boolean {
  return set !== NO_CHARS && (set & (set - 1n)) === 0n && set < 1n << BigInt(LONG_S)
}

function rangesSource(set: CharSet): string {
  let source = ''
  for (let code = 0; code < 128; code++) {
    if (!has(set, code)) continue
    const low = code
    while (code < 127 && has(set, code + 1)) code++
    source += low === code ? codeSource(low) : `${codeSource(low)}-${codeSource(code)}`
  }
  if (has(set, LONG_S)) source += '\\u017f'
  if (has(set, KELVIN)) source += '\\u212a'
  if (has(set, OTHERS)) source += '\\u0080-\\u017e\\u0180-\\u2129\\u212b-\\uffff'
  return source
}

function has(set: CharSet, bit: number): boolean {
  return (set & (1n << BigInt(bit))) !== 0n
}

/** Letters and digits as they are, so that the translation stays readable; the rest by code. */
function codeSource(code: number): string {
  const char = String.fromCharCode(code)
  return /[A-Za-z0-9_]/.test(char) ? char : `\\x${code.toString(16).padStart(2, '0')}`
}
