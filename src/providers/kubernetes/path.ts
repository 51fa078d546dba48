/**
 * Paths of Ingress rules: from `path` and `pathType` to what routing matches. `Prefix` is by element, so a trailing
 * slash means nothing there (`/foo/` matches `/foo`, as the table in the API's documentation says). Literal values are
 * brought to the form that requests are matched in. Called by the rendering of routers.
 */
import type { PathMatch } from '#config/model/dynamic.ts'
import { errorText } from '#lib/errors.ts'
import { compileRegex } from '#lib/regex/regex.ts'
import { normalizeRulePath } from '#proxy/router/path.ts'

export type PathType = 'Exact' | 'ImplementationSpecific' | 'Prefix'

export const ANY_PATH: PathMatch = { kind: 'any' }

/** What makes a path more than its letters in a regular expression; a dot alone does not count. */
const REGEX_CHARACTER = /[\\^$|?*+()[\]{}]/

const MAX_KNOWN = 10_000

export function hasRegexCharacters(path: string): boolean {
  return REGEX_CHARACTER.test(path)
}

/** The match for a literal path. `isStringPrefix`: nginx's reading of ImplementationSpecific. Null: matches nothing. */
export function literalPath(path: string, type: PathType, isStringPrefix: boolean): PathMatch | null {
  const isPartial = type === 'ImplementationSpecific' && isStringPrefix
  const value = normalizeRulePath(path, isPartial)
  if (value === null) return null
  if (type === 'Exact') return { kind: 'exact', value }
  return isPartial ? { kind: 'stringPrefix', value } : { kind: 'prefix', value: trimSlashes(value) }
}

/**
 * The expression as requests can meet it: their paths are visible ASCII, so a space and everything beyond ASCII is the
 * percent-encoded bytes that it arrives as. Null: such a character stands in a class, where several bytes cannot.
 */
function asciiRegex(source: string): string | null {
  if (/^[\x21-\x7e]*$/.test(source)) return source
  let text = ''
  let isInClass = false
  let isEscaped = false
  for (const char of source) {
    if (char > '\x7e' || char === ' ') {
      if (isInClass && char !== ' ') return null
      // The backslash of an escaped one goes with it.
      if (isEscaped) text = text.slice(0, -1)
      text += isInClass ? char : `(?:${encodeURIComponent(char.isWellFormed() ? char : '\ufffd')})`
    } else text += char
    if (isEscaped) isEscaped = false
    else if (char === '\\') isEscaped = true
    else if (char === '[') isInClass = true
    else if (char === ']') isInClass = false
  }
  return text
}

/** nginx's regular expressions: without case, bound to the start, open at the end. */
function regexPath(path: string): PathMatch {
  return { kind: 'regex', value: path, caseInsensitive: true }
}

/** The match and its number of captures, or why the expression cannot be run in linear time. */
export type RegexCheck =
  | { readonly isGood: true; readonly match: PathMatch; readonly captures: number }
  | { readonly isGood: false; readonly reason: string }

/** Checks expressions; paths of many Ingresses are written alike, so results are kept. */
export class RegexChecker {
  readonly #known = new Map<string, RegexCheck>()

  check(source: string): RegexCheck {
    let result = this.#known.get(source)
    if (result !== undefined) return result
    result = checkRegex(source)
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    this.#known.set(source, result)
    return result
  }
}

function checkRegex(source: string): RegexCheck {
  const pattern = asciiRegex(source)
  if (pattern === null) return { isGood: false, reason: 'a character beyond ASCII stands in a class [...]' }
  try {
    const { groupCount } = compileRegex(pattern, { caseInsensitive: true, anchored: true })
    return { isGood: true, match: regexPath(pattern), captures: groupCount }
  } catch (error) {
    return { isGood: false, reason: errorText(error) }
  }
}

/**
 * A match that covers at least what the broken expression `source` could have meant: its literal beginning. Used to
 * close those paths.
 */
export function regexCover(source: string): PathMatch {
  const stop = source.search(REGEX_CHARACTER)
  let literal = stop === -1 ? source : source.slice(0, stop)
  const next = stop === -1 ? '' : source[stop]
  // The last letter may be optional, and an alternative may start with something else.
  if (next === '?' || next === '*' || next === '{') literal = literal.slice(0, -1)
  if (source.includes('|') || literal === '') literal = '/'
  // A dot stays the wildcard that it is: escaped it would cover less than was meant.
  return regexPath(asciiRegex(literal) ?? '/')
}

function trimSlashes(value: string): string {
  let end = value.length
  while (end > 1 && value.charCodeAt(end - 1) === 0x2f) end--
  return end === value.length ? value : value.slice(0, end)
}
