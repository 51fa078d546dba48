/**
 * The closed list of what can go wrong with a request (architecture §4.6). Codes go to the access log, to metrics and
 * to docs/reference/errors.md, which a test compares with this table.
 */
import type { ErrorSource, Retry } from '#lib/errors.ts'
import {
  FAIL_CLOSED,
  FAIL_CONNECT,
  FAIL_CONNECT_TIMEOUT,
  FAIL_CUT,
  FAIL_GAP_TIMEOUT,
  FAIL_HEAD_TIMEOUT,
  FAIL_LOCAL,
  FAIL_PROTOCOL,
  FAIL_RESOLVE,
  FAIL_SEND_TIMEOUT,
  FAIL_TLS,
} from '#client/failure.ts'

export interface ProxyErrorKind {
  readonly code: string
  readonly source: ErrorSource
  /** Whether the same request may go to a server again. */
  readonly retry: Retry
  /** Status of the answer; 499 is only logged, the client is gone. */
  readonly status: number
  /** One line for the body of the answer and for the reference. */
  readonly message: string
}

function kind(
  code: string,
  source: ErrorSource,
  retry: Retry,
  status: number,
  message: string,
): ProxyErrorKind {
  return { code, source, retry, status, message }
}

export const BAD_REQUEST = kind('bad-request', 'downstream', false, 400, 'malformed request')
export const BAD_PATH = kind('bad-path', 'downstream', false, 400, 'path is ambiguous or malformed')
export const BAD_HOST = kind('bad-host', 'downstream', false, 400, 'invalid host')
export const PLAIN_TO_TLS = kind('plain-to-tls', 'downstream', false, 400, 'plain HTTP on a TLS port')
export const NO_ROUTE = kind('no-route', 'downstream', false, 404, 'no route for this host and path')
export const METHOD_NOT_ALLOWED = kind('trace-refused', 'downstream', false, 405, 'TRACE is not served')
export const CONNECT_REFUSED = kind(
  'connect-unsupported',
  'downstream',
  false,
  501,
  'CONNECT is not supported',
)
export const REQUEST_TIMEOUT = kind(
  'request-timeout',
  'downstream',
  false,
  408,
  'request not received in time',
)
export const BODY_TOO_LARGE = kind('body-too-large', 'downstream', false, 413, 'request body too large')
export const TARGET_TOO_LONG = kind('target-too-long', 'downstream', false, 414, 'request line too long')
export const HEAD_TOO_LARGE = kind('head-too-large', 'downstream', false, 431, 'request head too large')
export const BAD_VERSION = kind('http-version', 'downstream', false, 505, 'HTTP version not supported')
export const EXPECTATION = kind('expectation', 'downstream', false, 417, 'expectation not understood')
export const CLIENT_GONE = kind(
  'client-gone',
  'downstream',
  false,
  499,
  'client went away before the answer was complete',
)
export const ROUTE_CLOSED = kind(
  'route-closed',
  'config',
  false,
  503,
  'a setting of this route is not understood; it is closed',
)
export const NO_SERVER = kind('no-server', 'config', false, 503, 'no server available')
export const OVERLOADED = kind('overloaded', 'internal', false, 503, 'out of buffer memory')
export const SHUTTING_DOWN = kind('shutting-down', 'internal', false, 503, 'shutting down')
export const INTERNAL = kind('internal', 'internal', false, 500, 'internal error')
export const UPSTREAM_RESOLVE = kind(
  'upstream-resolve',
  'upstream',
  true,
  502,
  'the name of the server does not resolve',
)
export const UPSTREAM_CONNECT = kind('upstream-connect', 'upstream', true, 502, 'no connection to the server')
export const UPSTREAM_CONNECT_TIMEOUT = kind(
  'upstream-connect-timeout',
  'upstream',
  true,
  504,
  'no connection to the server in time',
)
export const UPSTREAM_TLS = kind('upstream-tls', 'upstream', true, 502, 'TLS with the server failed')
export const UPSTREAM_CLOSED = kind(
  'upstream-closed',
  'upstream',
  'idempotent',
  502,
  'the server closed the connection before its answer',
)
export const UPSTREAM_TIMEOUT = kind('upstream-timeout', 'upstream', false, 504, 'no answer in time')
export const UPSTREAM_SEND_TIMEOUT = kind(
  'upstream-send-timeout',
  'upstream',
  false,
  504,
  'the server did not take the request in time',
)
export const UPSTREAM_PROTOCOL = kind(
  'upstream-protocol',
  'upstream',
  false,
  502,
  'the answer of the server is malformed',
)
export const UPSTREAM_CUT = kind(
  'upstream-cut',
  'upstream',
  false,
  502,
  'the server closed in the middle of its answer',
)
export const UPSTREAM_GAP = kind('upstream-gap', 'upstream', false, 504, 'the answer of the server stalled')
export const LOCAL_RESOURCE = kind(
  'local-resource',
  'internal',
  true,
  503,
  'no descriptor or port left for a connection to the server',
)

/** Every kind, for the reference and its parity test. */
export const PROXY_ERRORS: readonly ProxyErrorKind[] = [
  BAD_REQUEST,
  BAD_PATH,
  BAD_HOST,
  PLAIN_TO_TLS,
  NO_ROUTE,
  METHOD_NOT_ALLOWED,
  CONNECT_REFUSED,
  REQUEST_TIMEOUT,
  BODY_TOO_LARGE,
  TARGET_TOO_LONG,
  HEAD_TOO_LARGE,
  BAD_VERSION,
  EXPECTATION,
  CLIENT_GONE,
  ROUTE_CLOSED,
  NO_SERVER,
  OVERLOADED,
  SHUTTING_DOWN,
  INTERNAL,
  UPSTREAM_RESOLVE,
  UPSTREAM_CONNECT,
  UPSTREAM_CONNECT_TIMEOUT,
  UPSTREAM_TLS,
  UPSTREAM_CLOSED,
  UPSTREAM_TIMEOUT,
  UPSTREAM_SEND_TIMEOUT,
  UPSTREAM_PROTOCOL,
  UPSTREAM_CUT,
  UPSTREAM_GAP,
  LOCAL_RESOURCE,
]

const BY_FAILURE: readonly (ProxyErrorKind | undefined)[] = (() => {
  const table: ProxyErrorKind[] = []
  table[FAIL_RESOLVE] = UPSTREAM_RESOLVE
  table[FAIL_CONNECT] = UPSTREAM_CONNECT
  table[FAIL_CONNECT_TIMEOUT] = UPSTREAM_CONNECT_TIMEOUT
  table[FAIL_TLS] = UPSTREAM_TLS
  table[FAIL_CLOSED] = UPSTREAM_CLOSED
  table[FAIL_HEAD_TIMEOUT] = UPSTREAM_TIMEOUT
  table[FAIL_SEND_TIMEOUT] = UPSTREAM_SEND_TIMEOUT
  table[FAIL_PROTOCOL] = UPSTREAM_PROTOCOL
  table[FAIL_CUT] = UPSTREAM_CUT
  table[FAIL_GAP_TIMEOUT] = UPSTREAM_GAP
  table[FAIL_LOCAL] = LOCAL_RESOURCE
  return table
})()

/** Error for a code of client/failure. */
export function errorOfFailure(failure: number): ProxyErrorKind {
  return BY_FAILURE[failure] ?? INTERNAL
}

/** Error for the status that the wire codec gives a malformed request. */
export function errorOfWireStatus(status: number): ProxyErrorKind {
  switch (status) {
    case 413:
      return BODY_TOO_LARGE
    case 414:
      return TARGET_TOO_LONG
    case 431:
      return HEAD_TOO_LARGE
    case 505:
      return BAD_VERSION
    case 501:
      return CONNECT_REFUSED
    default:
      return BAD_REQUEST
  }
}
