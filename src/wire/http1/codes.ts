/**
 * Results of the HTTP/1.1 readers. A reader returns an index > 0 behind what it consumed, NEED_MORE, or one of the
 * negative constants below: one for each distinct violation, so that a log line, a metric and a test can tell them
 * apart. Nothing here throws on peer input. The numbers mean nothing outside of the process; the names are stable.
 */

export const NEED_MORE = 0

export const E_BARE_LF = -1
export const E_BARE_CR = -2
export const E_BAD_METHOD = -3
export const E_REQUEST_LINE_SPACE = -4
export const E_BAD_TARGET = -5
export const E_TARGET_FRAGMENT = -6
export const E_TARGET_USERINFO = -7
export const E_TARGET_FORM = -8
export const E_BAD_VERSION = -9
export const E_UNSUPPORTED_VERSION = -10
export const E_BAD_STATUS_LINE = -11
export const E_START_LINE_TOO_LONG = -12
export const E_HEAD_TOO_LARGE = -13
export const E_TOO_MANY_FIELDS = -14
export const E_OBS_FOLD = -15
export const E_SPACE_BEFORE_COLON = -16
export const E_EMPTY_NAME = -17
export const E_BAD_NAME = -18
export const E_MISSING_COLON = -19
export const E_BAD_VALUE = -20
export const E_FRAMING_NAME_VARIANT = -21
export const E_BAD_CONTENT_LENGTH = -22
export const E_CONTENT_LENGTH_TOO_LARGE = -23
export const E_DUPLICATE_CONTENT_LENGTH = -24
export const E_BAD_TRANSFER_ENCODING = -25
export const E_UNSUPPORTED_TRANSFER_ENCODING = -26
export const E_DUPLICATE_TRANSFER_ENCODING = -27
export const E_TRANSFER_ENCODING_IN_HTTP10 = -28
export const E_BOTH_LENGTHS = -29
export const E_MISSING_HOST = -30
export const E_DUPLICATE_HOST = -31
export const E_BAD_HOST = -32
export const E_BAD_CONNECTION = -33
export const E_BAD_EXPECT = -34
export const E_BAD_CHUNK_SIZE = -35
export const E_CHUNK_TOO_LARGE = -36
export const E_BAD_CHUNK_EXTENSION = -37
export const E_CHUNK_EXTENSION_TOO_LONG = -38
export const E_BAD_CHUNK_END = -39
export const E_BODY_CUT = -40

/** What a negative result means. */
export interface WireErrorInfo {
  /** Kebab-case, stable: metric label and documentation key. */
  readonly name: string
  /** What a client that sent this is answered. The same from a backend is 502. */
  readonly status: 400 | 414 | 417 | 431 | 501 | 505
  readonly message: string
}

const INFOS: readonly WireErrorInfo[] = [
  { name: 'bare-lf', status: 400, message: 'a line ends in LF without CR' },
  { name: 'bare-cr', status: 400, message: 'CR is not followed by LF' },
  { name: 'bad-method', status: 400, message: 'the method is not a token' },
  {
    name: 'request-line-space',
    status: 400,
    message: 'the request line has other white space than two single spaces',
  },
  {
    name: 'bad-target',
    status: 400,
    message: 'the request target has a control character or a byte outside of ASCII',
  },
  { name: 'target-fragment', status: 400, message: 'the request target has a fragment' },
  { name: 'target-userinfo', status: 400, message: 'the request target carries user information' },
  { name: 'target-form', status: 400, message: 'the request target has no form that this method allows' },
  { name: 'bad-version', status: 400, message: 'the protocol version is missing or malformed' },
  {
    name: 'unsupported-version',
    status: 505,
    message: 'the protocol version is neither HTTP/1.0 nor HTTP/1.1',
  },
  { name: 'bad-status-line', status: 400, message: 'the status line is malformed' },
  { name: 'start-line-too-long', status: 414, message: 'the request line exceeds the limit of a head' },
  { name: 'head-too-large', status: 431, message: 'the head exceeds the limit of bytes' },
  { name: 'too-many-fields', status: 431, message: 'the head exceeds the limit of fields' },
  { name: 'obs-fold', status: 400, message: 'a field line starts with white space' },
  {
    name: 'space-before-colon',
    status: 400,
    message: 'white space stands between a field name and its colon',
  },
  { name: 'empty-name', status: 400, message: 'a field has no name' },
  { name: 'bad-name', status: 400, message: 'a field name is not a token' },
  { name: 'missing-colon', status: 400, message: 'a field line has no colon' },
  { name: 'bad-value', status: 400, message: 'a field value has a control character' },
  {
    name: 'framing-name-variant',
    status: 400,
    message: 'a field name imitates content-length or transfer-encoding',
  },
  { name: 'bad-content-length', status: 400, message: 'content-length is not one decimal number' },
  { name: 'content-length-too-large', status: 400, message: 'content-length exceeds 2^53-1' },
  { name: 'duplicate-content-length', status: 400, message: 'content-length is given twice' },
  {
    name: 'bad-transfer-encoding',
    status: 400,
    message: 'transfer-encoding is malformed or does not end in one chunked',
  },
  {
    name: 'unsupported-transfer-encoding',
    status: 501,
    message: 'transfer-encoding names another coding than chunked',
  },
  { name: 'duplicate-transfer-encoding', status: 400, message: 'transfer-encoding is given twice' },
  { name: 'transfer-encoding-in-http10', status: 400, message: 'transfer-encoding in an HTTP/1.0 message' },
  { name: 'both-lengths', status: 400, message: 'both content-length and transfer-encoding are given' },
  { name: 'missing-host', status: 400, message: 'an HTTP/1.1 request has no host field' },
  { name: 'duplicate-host', status: 400, message: 'host is given twice' },
  { name: 'bad-host', status: 400, message: 'the host is not a valid name or address with an optional port' },
  { name: 'bad-connection', status: 400, message: 'connection is not a list of at most 32 tokens' },
  { name: 'bad-expect', status: 417, message: 'expect asks for something else than 100-continue' },
  { name: 'bad-chunk-size', status: 400, message: 'a chunk size is not a hexadecimal number' },
  { name: 'chunk-too-large', status: 400, message: 'a chunk size exceeds 2^53-1' },
  { name: 'bad-chunk-extension', status: 400, message: 'a chunk extension is malformed' },
  { name: 'chunk-extension-too-long', status: 400, message: 'chunk extensions exceed their limit' },
  { name: 'bad-chunk-end', status: 400, message: 'chunk data is not followed by CRLF' },
  { name: 'body-cut', status: 400, message: 'the connection ended inside the body' },
]

/** Every negative code, for tests and documentation. */
export const WIRE_ERROR_CODES: readonly number[] = INFOS.map((_, index) => -1 - index)

/** Describes a negative result of a reader. */
export function wireError(code: number): WireErrorInfo {
  const info = INFOS[-1 - code]
  if (info === undefined) throw new RangeError(`${code} is not an HTTP/1 error code`)
  return info
}
