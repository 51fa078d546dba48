/**
 * The authority of a request: Host fields, absolute-form and authority-form targets (RFC 9110 §4.2, §7.2; RFC 3986 §3.2).
 * Stricter than the grammar: a name has only letters, digits, `-`, `_` and `.`, because the further characters of reg-name
 * (`,` `;` `%` …) occur in no real name and have been used to make two readers see two hosts. No user information.
 * Called by the head reader for every Host that is not plainly fine, and by the proxy, which caches results.
 */
import { formatAddress, parseIPv6 } from '#lib/ip/address.ts'

export interface Authority {
  /** Lower case, without brackets and trailing dot; an IPv6 address in canonical form. */
  readonly host: string
  /** -1 when none was given (`a.example`, `a.example:`). */
  readonly port: number
}

/** Longest host name (RFC 1035 §2.3.4) with a trailing dot. */
const MAX_NAME = 254

const COLON = 0x3a
const DOT = 0x2e

/** Null when the text is not exactly a host with an optional port. */
export function parseAuthority(text: string): Authority | null {
  const length = text.length
  if (length === 0 || length > MAX_NAME + 6) return null
  if (text.charCodeAt(0) === 0x5b) {
    const close = text.indexOf(']')
    if (close === -1) return null
    const port = parsePort(text, close + 1)
    if (port === BAD_PORT) return null
    const inner = text.slice(1, close)
    // A zone is meaningful only on the machine that wrote it (RFC 6874 §4).
    if (inner.includes('%')) return null
    const bytes = parseIPv6(inner)
    return bytes === null ? null : { host: formatAddress(bytes), port }
  }
  let end = 0
  while (end < length && isNameCode(text.charCodeAt(end))) end++
  const port = parsePort(text, end)
  if (port === BAD_PORT) return null
  if (end > 1 && text.charCodeAt(end - 1) === DOT) end--
  if (end === 0 || end >= MAX_NAME) return null
  const host = text.slice(0, end).toLowerCase()
  if (host.charCodeAt(0) === DOT || host.charCodeAt(end - 1) === DOT || host.includes('..')) return null
  return { host, port }
}

const BAD_PORT = -2

/** The port in `text[at, …)`, which is empty or starts with a colon; -1 for none, BAD_PORT for anything else. */
function parsePort(text: string, at: number): number {
  if (at === text.length) return -1
  if (text.charCodeAt(at) !== COLON || text.length - at > 6) return BAD_PORT
  if (at + 1 === text.length) return -1
  let port = 0
  for (let i = at + 1; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return BAD_PORT
    port = port * 10 + digit
  }
  return port > 65535 ? BAD_PORT : port
}

function isNameCode(code: number): boolean {
  const lower = code | 0x20
  return (
    (lower >= 0x61 && lower <= 0x7a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2d ||
    code === DOT ||
    code === 0x5f
  )
}
