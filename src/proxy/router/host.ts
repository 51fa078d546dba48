/**
 * Host names as routing compares them (RFC 9110 §7.2, RFC 3986 §3.2.2). Called once per request with the Host
 * field or the authority of an absolute-form target, and per server name of a ClientHello.
 *
 * Invariants: the result is lower case, without port, brackets and trailing dot; an IPv6 address is in its
 * canonical form and an IPv4-mapped one is the IPv4 address; Punycode is left as it is.
 */
import { canonicalAddress } from '#lib/ip/address.ts'

const NAME = 1
const UPPER = 2
const DOT = 3
const COLON = 4

const CHAR_DOT = 0x2e
const CHAR_COLON = 0x3a
const CHAR_BRACKET = 0x5b

/** RFC 1035 §2.3.4, without the trailing dot. */
const MAX_NAME_LENGTH = 253

const CLASSES = makeClasses()

/**
 * The host of `authority` (`host[:port]`). Null: not a host, answer 400. `''` for an empty one, which RFC 9112
 * §3.2 allows. What is normal already is returned as it is.
 */
export function normalizeHost(authority: string): string | null {
  const length = authority.length
  if (length === 0) return ''
  if (authority.charCodeAt(0) === CHAR_BRACKET) return normalizeLiteral(authority)
  let hasUpper = false
  let end = length
  let labelStart = 0
  for (let i = 0; i < length; i++) {
    const code = authority.charCodeAt(i)
    const kind = code < 128 ? CLASSES[code] : 0
    if (kind === NAME) continue
    if (kind === UPPER) {
      hasUpper = true
      continue
    }
    if (kind === DOT) {
      if (i === labelStart) return null
      labelStart = i + 1
      continue
    }
    if (kind !== COLON || i === 0 || !isPort(authority, i + 1)) return null
    end = i
    break
  }
  // A root dot (`a.example.`) names the same host; alone it names nothing.
  if (authority.charCodeAt(end - 1) === CHAR_DOT) end--
  if (end === 0 || end > MAX_NAME_LENGTH) return null
  const host = end === length ? authority : authority.slice(0, end)
  return hasUpper ? host.toLowerCase() : host
}

/** `[2001:db8::1]:8080`; RFC 9110 §4.2 knows no zones and nobody uses IPvFuture. */
function normalizeLiteral(authority: string): string | null {
  const close = authority.indexOf(']')
  // The longest text of an address has 45 characters.
  if (close < 0 || close > 46) return null
  if (close + 1 < authority.length) {
    if (authority.charCodeAt(close + 1) !== CHAR_COLON || !isPort(authority, close + 2)) return null
  }
  const text = authority.slice(1, close)
  if (text.includes('%') || !text.includes(':')) return null
  return canonicalAddress(text)
}

/** RFC 3986 §3.2.3: port = *DIGIT, so it may be empty. */
function isPort(text: string, start: number): boolean {
  if (text.length - start > 5) return false
  let port = 0
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x30 || code > 0x39) return false
    port = port * 10 + code - 0x30
  }
  return port <= 65535
}

function makeClasses(): Uint8Array {
  const table = new Uint8Array(128)
  for (const char of 'abcdefghijklmnopqrstuvwxyz0123456789-_') table[char.charCodeAt(0)] = NAME
  for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') table[char.charCodeAt(0)] = UPPER
  table[CHAR_DOT] = DOT
  table[CHAR_COLON] = COLON
  return table
}
