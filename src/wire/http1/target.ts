/**
 * The four forms of a request target (RFC 9112 §3.2). Called once for each request, after the head reader has checked every byte of
 * the target: visible ASCII without `#`. The path is not normalised here; that is routing's one normal form.
 *
 * An absolute-form target decides the authority and Host is ignored (§3.2.2: MUST), so the proxy has to send the authority as Host.
 */
import { parseAuthority } from './authority.ts'
import { E_BAD_HOST, E_TARGET_FORM, E_TARGET_USERINFO } from './codes.ts'
import { TARGET_ABSOLUTE, TARGET_ASTERISK, TARGET_AUTHORITY, TARGET_ORIGIN, type Head } from './head.ts'

const SLASH = 0x2f

/** Sets targetForm, path, query and, where the target has an authority, host. 0, or an error code. */
export function parseTarget(head: Head): number {
  const { text, targetStart, targetEnd } = head
  if (head.method === 'CONNECT') return parseConnectTarget(head)
  if (text.charCodeAt(targetStart) === SLASH) {
    head.targetForm = TARGET_ORIGIN
    setPath(head, targetStart)
    return 0
  }
  if (targetEnd - targetStart === 1 && text[targetStart] === '*') {
    if (head.method !== 'OPTIONS') return E_TARGET_FORM
    head.targetForm = TARGET_ASTERISK
    head.path = '*'
    return 0
  }
  return parseAbsoluteTarget(head)
}

function setPath(head: Head, pathStart: number): void {
  const { text, targetEnd, queryStart } = head
  if (queryStart === 0) {
    head.path = text.slice(pathStart, targetEnd)
  } else {
    head.path = text.slice(pathStart, queryStart)
    head.query = text.slice(queryStart, targetEnd)
  }
}

function parseAbsoluteTarget(head: Head): number {
  const { text, targetStart, targetEnd, queryStart } = head
  const scheme = text.slice(targetStart, targetStart + 8).toLowerCase()
  let start = targetStart
  if (scheme.startsWith('http://')) start += 7
  else if (scheme === 'https://') start += 8
  else return E_TARGET_FORM
  let end = start
  const authorityLimit = queryStart === 0 ? targetEnd : queryStart
  while (end < authorityLimit && text.charCodeAt(end) !== SLASH) end++
  const authority = text.slice(start, end)
  if (authority.includes('@')) return E_TARGET_USERINFO
  if (parseAuthority(authority) === null) return E_BAD_HOST
  head.targetForm = TARGET_ABSOLUTE
  head.host = authority
  setPath(head, end)
  // RFC 9112 §3.2.4: OPTIONS without path and query means the server as a whole.
  if (head.path === '') head.path = head.method === 'OPTIONS' && head.query === '' ? '*' : '/'
  return 0
}

/** RFC 9110 §9.3.6: host and port, both. */
function parseConnectTarget(head: Head): number {
  const authority = head.target
  if (authority.includes('@')) return E_TARGET_USERINFO
  const parsed = parseAuthority(authority)
  if (parsed === null || parsed.port === -1) return E_TARGET_FORM
  head.targetForm = TARGET_AUTHORITY
  head.host = authority
  return 0
}
