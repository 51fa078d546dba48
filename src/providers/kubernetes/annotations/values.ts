/**
 * The kinds of values that annotations have: pure readers, undefined where the text is not of the kind. Booleans are
 * those of Go's ParseBool, which is what manifests have been checked against so far. Called by the annotation table.
 */
import type { HashSource } from '#config/model/dynamic.ts'

export function readBoolean(text: string): boolean | undefined {
  switch (text) {
    case '1':
    case 't':
    case 'T':
    case 'TRUE':
    case 'true':
    case 'True':
      return true
    case '0':
    case 'f':
    case 'F':
    case 'FALSE':
    case 'false':
    case 'False':
      return false
    default:
      return undefined
  }
}

/** Decimal digits only, in `[min, max]`. */
export function readInteger(text: string, min: number, max: number): number | undefined {
  if (!/^\d{1,15}$/.test(text)) return undefined
  const value = Number(text)
  return value >= min && value <= max ? value : undefined
}

/** nginx's sizes: digits with an optional `b`, `k`, `m` or `g`; bytes. */
export function readSize(text: string): number | undefined {
  const match = /^(\d{1,12})([bkmg]?)$/i.exec(text)
  if (match === null) return undefined
  const unit = match[2]?.toLowerCase()
  const factor = unit === 'g' ? 1 << 30 : unit === 'm' ? 1 << 20 : unit === 'k' ? 1 << 10 : 1
  const value = Number(match[1]) * factor
  return Number.isSafeInteger(value) ? value : undefined
}

/** A token of RFC 9110 §5.6.2: what a cookie's name is made of. */
export function isToken(text: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/.test(text)
}

/** A cookie's Path or the like: begins with a slash, no semicolon, no control characters, ASCII. */
export function isCookiePath(text: string): boolean {
  return /^\/[\x21-\x3a\x3c-\x7e]*$/.test(text)
}

export function isCookieDomain(text: string): boolean {
  return /^\.?[a-z0-9](?:[-.a-z0-9]{0,252})$/i.test(text)
}

/** A path on this host that a redirect may name: one slash, not two (that would be another host), no control bytes. */
export function isLocalPath(text: string): boolean {
  return /^\/(?![/\\])[\x21-\x7e]*$/.test(text) || text === '/'
}

/** nginx's variables that a hash can be computed over, by their name without `$`. */
const VARIABLES: ReadonlyMap<string, string> = new Map([
  ['request_uri', 'uri'],
  ['uri', 'path'],
  ['document_uri', 'path'],
  ['host', 'host'],
  ['http_host', 'host'],
  ['best_http_host', 'host'],
  ['server_name', 'host'],
  ['remote_addr', 'clientAddress'],
  ['binary_remote_addr', 'clientAddress'],
  ['the_real_ip', 'clientAddress'],
  ['request_method', 'method'],
  ['scheme', 'scheme'],
])

/** Names of the variables above for documentation, without those that take a name. */
export const HASH_VARIABLES: readonly string[] = [...VARIABLES.keys()].map((name) => `\`$${name}\``)

/** A text with nginx variables (`$name` or `${name}`); or the variable that is unknown, as a string. */
export function readHashSource(text: string): HashSource | string {
  const parts: HashSource[number][] = []
  let literal = ''
  let at = 0
  for (const match of text.matchAll(/\$(?:\{(\w+)\}|(\w+))/g)) {
    literal += text.slice(at, match.index)
    at = match.index + match[0].length
    const part = readVariable(match[1] ?? match[2] ?? '')
    if (part === undefined) return match[0]
    if (literal !== '') parts.push({ kind: 'literal', value: literal })
    literal = ''
    parts.push(part)
  }
  literal += text.slice(at)
  if (literal !== '') parts.push({ kind: 'literal', value: literal })
  return parts
}

function readVariable(name: string): HashSource[number] | undefined {
  const variable = VARIABLES.get(name)
  if (variable !== undefined) return { kind: 'variable', name: variable }
  // nginx writes header names in lower case with underscores.
  if (name.startsWith('http_') && name.length > 5) {
    return { kind: 'header', name: name.slice(5).toLowerCase().replaceAll('_', '-') }
  }
  if (name.startsWith('cookie_') && name.length > 7) return { kind: 'cookie', name: name.slice(7) }
  if (name.startsWith('arg_') && name.length > 4) return { kind: 'query', name: name.slice(4) }
  return undefined
}
