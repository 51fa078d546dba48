/**
 * Small numbers for the field names that the proxy asks for on every request, found from the bytes of a head without
 * making a string. Called by the head reader for each field and by `Head.get` for each name asked for.
 *
 * Ids are 1…62 (a head keeps a bit for each in two 31-bit masks); 0 is any other name. A name that CGI-like backends would read as a
 * forwarding field (`X_Forwarded_For`) gets H_FORWARDING_VARIANT: clients use it to slip a value past a proxy that replaces
 * only the real one. The same for the two framing fields is H_FRAMING_VARIANT, which the head reader refuses.
 */
import { FOLD, LOWER } from './char-class.ts'
import { LowerWords } from './words.ts'

export const H_HOST = 1
export const H_CONNECTION = 2
export const H_KEEP_ALIVE = 3
export const H_PROXY_CONNECTION = 4
export const H_TE = 5
export const H_TRAILER = 6
export const H_TRANSFER_ENCODING = 7
export const H_UPGRADE = 8
export const H_CONTENT_LENGTH = 9
export const H_EXPECT = 10
export const H_PROXY = 11
export const H_FORWARDED = 12
export const H_X_FORWARDED_FOR = 13
export const H_X_FORWARDED_HOST = 14
export const H_X_FORWARDED_PORT = 15
export const H_X_FORWARDED_PROTO = 16
export const H_X_FORWARDED_SCHEME = 17
export const H_X_FORWARDED_SERVER = 18
export const H_X_FORWARDED_PREFIX = 19
export const H_X_FORWARDED_URI = 20
export const H_X_FORWARDED_METHOD = 21
export const H_X_FORWARDED_TLS_CLIENT_CERT = 22
export const H_X_FORWARDED_TLS_CLIENT_CERT_INFO = 23
export const H_X_REAL_IP = 24
export const H_X_SCHEME = 25
export const H_X_ORIGINAL_URI = 26
export const H_X_REQUEST_ID = 27
export const H_COOKIE = 28
export const H_SET_COOKIE = 29
export const H_USER_AGENT = 30
export const H_REFERER = 31
export const H_AUTHORIZATION = 32
export const H_DATE = 33
export const H_SERVER = 34
export const H_LOCATION = 35
export const H_CONTENT_TYPE = 36
export const H_CONTENT_ENCODING = 37
export const H_ACCEPT = 38
export const H_ACCEPT_ENCODING = 39
export const H_ACCEPT_LANGUAGE = 40
export const H_CACHE_CONTROL = 41
export const H_ETAG = 42
export const H_LAST_MODIFIED = 43
export const H_IF_NONE_MATCH = 44
export const H_IF_MODIFIED_SINCE = 45
export const H_VARY = 46
export const H_RANGE = 47
export const H_ORIGIN = 48
export const H_SEC_WEBSOCKET_KEY = 49
export const H_SEC_WEBSOCKET_ACCEPT = 50
export const H_SEC_WEBSOCKET_VERSION = 51
export const H_SEC_WEBSOCKET_PROTOCOL = 52
export const H_SEC_WEBSOCKET_EXTENSIONS = 53
export const H_PROXY_AUTHENTICATE = 54
export const H_PROXY_AUTHORIZATION = 55
export const H_STRICT_TRANSPORT_SECURITY = 56
export const H_TRACEPARENT = 57
export const H_RETRY_AFTER = 58
/** Not a name but a class: equals a forwarding field once `_` is read as `-`, and is not it. */
export const H_FORWARDING_VARIANT = 61
/** Equals Content-Length or Transfer-Encoding once `_` is read as `-`, and is not it. */
export const H_FRAMING_VARIANT = 62

/** Index = id. */
const NAMES: readonly string[] = [
  '',
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'expect',
  'proxy',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-forwarded-scheme',
  'x-forwarded-server',
  'x-forwarded-prefix',
  'x-forwarded-uri',
  'x-forwarded-method',
  'x-forwarded-tls-client-cert',
  'x-forwarded-tls-client-cert-info',
  'x-real-ip',
  'x-scheme',
  'x-original-uri',
  'x-request-id',
  'cookie',
  'set-cookie',
  'user-agent',
  'referer',
  'authorization',
  'date',
  'server',
  'location',
  'content-type',
  'content-encoding',
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'etag',
  'last-modified',
  'if-none-match',
  'if-modified-since',
  'vary',
  'range',
  'origin',
  'sec-websocket-key',
  'sec-websocket-accept',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
  'proxy-authenticate',
  'proxy-authorization',
  'strict-transport-security',
  'traceparent',
  'retry-after',
]

/** Ids of the fields by which a proxy tells a backend about the client. */
export function isForwardingId(id: number): boolean {
  return id >= H_PROXY && id <= H_X_ORIGINAL_URI
}

/** Lower-case name of an id, '' for 0 and for the variants. */
export function nameOfId(id: number): string {
  return NAMES[id] ?? ''
}

const LONGEST = Math.max(...NAMES.map((name) => name.length))
/** Bytes of name `id` are at id * LONGEST. */
const NAME_BYTES = new Uint8Array(NAMES.length * LONGEST)
const NAME_LENGTHS = new Uint8Array(NAMES.length)
/** Null for 0 and for the one name that is shorter than a word. */
const NAME_WORDS: readonly (LowerWords | null)[] = NAMES.map((name) =>
  name.length < 4 ? null : new LowerWords(name),
)
/** First id of a slot, 0 for none; further ones follow in NEXT. */
const SLOTS = new Uint8Array(256)
const NEXT = new Uint8Array(NAMES.length)

/** Of folded bytes: first, middle and last, and the length. Few of the known names share a slot. */
function slotOf(length: number, first: number, middle: number, last: number): number {
  return (length * 13 + first * 7 + middle * 3 + last * 19) & 255
}

for (let id = NAMES.length - 1; id > 0; id--) {
  const name = NAMES[id]!
  const length = name.length
  NAME_LENGTHS[id] = length
  for (let i = 0; i < length; i++) NAME_BYTES[id * LONGEST + i] = name.charCodeAt(i)
  const slot = slotOf(length, name.charCodeAt(0), name.charCodeAt(length >> 1), name.charCodeAt(length - 1))
  NEXT[id] = SLOTS[slot]!
  SLOTS[slot] = id
}

/** Id of the name in `buffer[start, end)`, which are token bytes without `_`, at least one. `view` is that of the buffer (words.ts). */
export function knownNameIdOfToken(buffer: Uint8Array, view: DataView, start: number, end: number): number {
  const length = end - start
  if (length < 4) return knownNameIdOfBytes(buffer, start, end)
  const middle = buffer[start + (length >> 1)]! | 0x20
  let id = SLOTS[slotOf(length, buffer[start]! | 0x20, middle, buffer[end - 1]! | 0x20)]!
  while (id !== 0) {
    if (NAME_LENGTHS[id] === length && NAME_WORDS[id]!.matches(view, buffer.byteOffset + start)) return id
    id = NEXT[id]!
  }
  return 0
}

function variantOf(id: number): number {
  if (isForwardingId(id)) return H_FORWARDING_VARIANT
  return id === H_CONTENT_LENGTH || id === H_TRANSFER_ENCODING ? H_FRAMING_VARIANT : 0
}

/** Id of any bytes, the variants included; `end > start`. */
export function knownNameIdOfBytes(buffer: Uint8Array, start: number, end: number): number {
  const length = end - start
  const middle = FOLD[buffer[start + (length >> 1)]!]!
  let id = SLOTS[slotOf(length, FOLD[buffer[start]!]!, middle, FOLD[buffer[end - 1]!]!)]!
  while (id !== 0) {
    if (NAME_LENGTHS[id] === length) {
      const at = id * LONGEST
      let difference = 0
      let i = 0
      while (i < length) {
        const byte = buffer[start + i]!
        const expected = NAME_BYTES[at + i]!
        if (FOLD[byte] !== expected) break
        difference |= LOWER[byte]! ^ expected
        i++
      }
      if (i === length) return difference === 0 ? id : variantOf(id)
    }
    id = NEXT[id]!
  }
  return 0
}

const scratch = new Uint8Array(LONGEST)

/** Id of a name in any case, 0 when it is not a known one. */
export function knownNameId(name: string): number {
  const length = name.length
  if (length === 0 || length > LONGEST) return 0
  for (let i = 0; i < length; i++) {
    const code = name.charCodeAt(i)
    if (code > 0x7f) return 0
    scratch[i] = code
  }
  return knownNameIdOfBytes(scratch, 0, length)
}
