/**
 * What the fields that steer a message mean (RFC 9110 §7.2, §7.6, §7.8, §10.1.1; RFC 9112 §6, §9.3), called by the head reader: once for
 * each such field, while its bytes are at hand, and once at the end of the head. This is where two readers of one message
 * have to agree, so whatever could be read in two ways is refused.
 */
import { latin1Slice } from '#lib/latin1.ts'
import { parseAuthority } from './authority.ts'
import { COLON, CR, equalsIgnoreCase, TAB, TOKEN } from './char-class.ts'
import {
  E_BAD_CONNECTION,
  E_BAD_CONTENT_LENGTH,
  E_BAD_EXPECT,
  E_BAD_HOST,
  E_BAD_TRANSFER_ENCODING,
  E_BOTH_LENGTHS,
  E_CONTENT_LENGTH_TOO_LARGE,
  E_DUPLICATE_CONTENT_LENGTH,
  E_DUPLICATE_HOST,
  E_DUPLICATE_TRANSFER_ENCODING,
  E_FRAMING_NAME_VARIANT,
  E_MISSING_HOST,
  E_TRANSFER_ENCODING_IN_HTTP10,
  E_UNSUPPORTED_TRANSFER_ENCODING,
} from './codes.ts'
import type { Head } from './head.ts'
import { rememberedHost, rememberHost } from './host-cache.ts'
import {
  H_CONNECTION,
  H_CONTENT_LENGTH,
  H_EXPECT,
  H_FRAMING_VARIANT,
  H_HOST,
  H_TRANSFER_ENCODING,
  H_UPGRADE,
} from './known-names.ts'
import { parseTarget } from './target.ts'
import { LowerWords, viewOf } from './words.ts'

const NOTED_CLOSE = 1
const NOTED_KEEP_ALIVE = 2
const NOTED_UPGRADE = 4
const NOTED_HOST = 8

/** 1 for the ids that `noteField` wants to see. */
export const STEERING = new Uint8Array(64)
for (const id of [H_HOST, H_CONNECTION, H_TRANSFER_ENCODING, H_CONTENT_LENGTH, H_EXPECT, H_FRAMING_VARIANT]) {
  STEERING[id] = 1
}

/** A field with a steering id and the value `buffer[start, end)`. 0, or an error code. */
export function noteField(
  head: Head,
  isRequest: boolean,
  id: number,
  buffer: Buffer,
  start: number,
  end: number,
): number {
  switch (id) {
    case H_HOST:
      return isRequest ? noteHost(head, buffer, start, end) : 0
    case H_CONNECTION:
      return noteConnection(head, buffer, start, end)
    case H_CONTENT_LENGTH:
      return noteContentLength(head, buffer, start, end)
    case H_TRANSFER_ENCODING:
      return noteTransferEncoding(head, buffer, start, end)
    case H_EXPECT:
      return isRequest ? noteExpect(head, buffer, start, end) : 0
    default:
      return E_FRAMING_NAME_VARIANT
  }
}

/** The whole head has been read. 0, or an error code. */
export function finishHead(head: Head, isRequest: boolean): number {
  const noted = head.noted
  if (head.isChunked) {
    // RFC 9112 §6.1: framing is faulty, even if Content-Length is present.
    if (head.minorVersion === 0) return E_TRANSFER_ENCODING_IN_HTTP10
    if (head.contentLength !== -1) return E_BOTH_LENGTHS
  }
  if (head.minorVersion === 1) head.keepAlive = (noted & NOTED_CLOSE) === 0
  else head.keepAlive = (noted & (NOTED_CLOSE | NOTED_KEEP_ALIVE)) === NOTED_KEEP_ALIVE
  head.wantsUpgrade = (noted & NOTED_UPGRADE) !== 0 && head.hasSeen(H_UPGRADE)
  if (!isRequest) {
    dropForbiddenFraming(head)
    return 0
  }
  if ((noted & NOTED_HOST) === 0 && head.minorVersion === 1) return E_MISSING_HOST
  // RFC 9110 §10.1.1: an HTTP/1.0 client cannot be waiting for a 100.
  if (head.minorVersion === 0) head.expectContinue = false
  return parseTarget(head)
}

/**
 * RFC 9112 §6.1 and RFC 9110 §8.6 forbid framing fields in 1xx and 204. Some backends send them, and a few send the body
 * too. The fields are not passed on, and a connection that may have such bytes on it is not used again.
 */
function dropForbiddenFraming(head: Head): void {
  if (head.status >= 200 && head.status !== 204) return
  if (head.isChunked || head.contentLength > 0) head.keepAlive = false
  head.isChunked = false
  head.contentLength = -1
  head.removeId(H_TRANSFER_ENCODING)
  head.removeId(H_CONTENT_LENGTH)
}

/** 1 for letters, digits, `-` and `_`; 2 for `.`. */
const HOST_CHAR = new Uint8Array(256)
for (let byte = 0; byte < 256; byte++) {
  const char = String.fromCharCode(byte)
  HOST_CHAR[byte] = /[-_0-9A-Za-z]/.test(char) ? 1 : char === '.' ? 2 : 0
}

function noteHost(head: Head, buffer: Buffer, start: number, end: number): number {
  if ((head.noted & NOTED_HOST) !== 0) return E_DUPLICATE_HOST
  head.noted |= NOTED_HOST
  head.host = rememberedHost(buffer, start, end)
  if (head.host !== '') return 0
  if (!isPlainHost(buffer, start, end) && parseAuthority(latin1Slice(buffer, start, end)) === null)
    return E_BAD_HOST
  head.host = rememberHost(buffer, start, end)
  return 0
}

/** The usual name or IPv4 address with at most four digits of port; anything else goes to parseAuthority. */
function isPlainHost(buffer: Buffer, start: number, end: number): boolean {
  if (end - start > 128) return false
  let i = start
  let previous = 2
  while (i < end) {
    const kind = HOST_CHAR[buffer[i]!]!
    if (kind === 0 || (kind === 2 && previous === 2)) break
    previous = kind
    i++
  }
  if (i === start) return false
  if (i === end) return true
  if (buffer[i] !== 0x3a || end - i > 5) return false
  for (let j = i + 1; j < end; j++) if (buffer[j]! < 0x30 || buffer[j]! > 0x39) return false
  return true
}

function noteContentLength(head: Head, buffer: Buffer, start: number, end: number): number {
  // RFC 9110 §8.6 would let us merge equal ones. Who sends two is confused at best.
  if (head.contentLength !== -1) return E_DUPLICATE_CONTENT_LENGTH
  if (start === end || hasTabAround(buffer, start, end)) return E_BAD_CONTENT_LENGTH
  let length = 0
  for (let i = start; i < end; i++) {
    const digit = buffer[i]! - 0x30
    if (digit < 0 || digit > 9) return E_BAD_CONTENT_LENGTH
    length = length * 10 + digit
    if (length > Number.MAX_SAFE_INTEGER) return E_CONTENT_LENGTH_TOO_LARGE
  }
  head.contentLength = length
  return 0
}

/**
 * The grammar allows tabs around a value. Nobody sends one around a length or a coding but to make one of two readers miss it, and several
 * do miss it.
 */
function hasTabAround(buffer: Buffer, start: number, end: number): boolean {
  for (let i = start - 1; buffer[i] !== COLON; i--) if (buffer[i] === TAB) return true
  for (let i = end; buffer[i] !== CR; i++) if (buffer[i] === TAB) return true
  return false
}

function noteTransferEncoding(head: Head, buffer: Buffer, start: number, end: number): number {
  if (head.isChunked) return E_DUPLICATE_TRANSFER_ENCODING
  if (hasTabAround(buffer, start, end)) return E_BAD_TRANSFER_ENCODING
  if (equalsIgnoreCase(buffer, start, end, 'chunked')) {
    head.isChunked = true
    return 0
  }
  // RFC 9112 §6.1, §6.3: 501 for a coding we do not know, 400 where the end of the message cannot be told.
  const codings = latin1Slice(buffer, start, end).split(',')
  const last = codings.length - 1
  for (let i = 0; i <= last; i++) {
    const coding = trimOws(codings[i]!).toLowerCase()
    if (!isToken(coding) || (coding === 'chunked') !== (i === last)) return E_BAD_TRANSFER_ENCODING
  }
  return E_UNSUPPORTED_TRANSFER_ENCODING
}

function noteExpect(head: Head, buffer: Buffer, start: number, end: number): number {
  if (head.expectContinue || !equalsIgnoreCase(buffer, start, end, '100-continue')) {
    // RFC 9110 §10.1.1: MAY be answered with 417; ignored in HTTP/1.0.
    return head.minorVersion === 1 ? E_BAD_EXPECT : 0
  }
  head.expectContinue = true
  return 0
}

/** Each token is looked for among the fields, so thousands of them would cost more than the rest of the request. */
const MAX_CONNECTION_TOKENS = 32

const KEEP_ALIVE = new LowerWords('keep-alive')
const CLOSE = new LowerWords('close')
const UPGRADE = new LowerWords('upgrade')
const UPGRADE_ONLY: readonly string[] = Object.freeze(['upgrade'])

function noteConnection(head: Head, buffer: Buffer, start: number, end: number): number {
  head.hasConnectionField = true
  const length = end - start
  const view = viewOf(buffer)
  const at = start + buffer.byteOffset
  if (length === 10 && KEEP_ALIVE.matches(view, at)) {
    head.noted |= NOTED_KEEP_ALIVE
    return 0
  }
  if (length === 5 && CLOSE.matches(view, at)) {
    head.noted |= NOTED_CLOSE
    return 0
  }
  if (length === 7 && UPGRADE.matches(view, at) && head.connectionTokens.length === 0) {
    head.noted |= NOTED_UPGRADE
    head.connectionTokens = UPGRADE_ONLY
    return 0
  }
  const tokens = [...head.connectionTokens]
  for (const item of latin1Slice(buffer, start, end).split(',')) {
    const token = trimOws(item).toLowerCase()
    // RFC 9110 §5.6.1.2: empty elements are skipped.
    if (token === '') continue
    // What it names cannot be told, so it cannot be removed either.
    if (!isToken(token)) return E_BAD_CONNECTION
    if (token === 'close') head.noted |= NOTED_CLOSE
    else if (token === 'keep-alive') head.noted |= NOTED_KEEP_ALIVE
    else if (tokens.push(token) > MAX_CONNECTION_TOKENS) return E_BAD_CONNECTION
    if (token === 'upgrade') head.noted |= NOTED_UPGRADE
  }
  head.connectionTokens = tokens
  return 0
}

function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (TOKEN[text.charCodeAt(i)] === 0) return false
  return text !== ''
}

/** `trim` would also take vertical tabs and no-break spaces, which hide things from other readers. */
function trimOws(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isOws(text.charCodeAt(start))) start++
  while (end > start && isOws(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isOws(code: number): boolean {
  return code === 0x20 || code === 0x09
}
