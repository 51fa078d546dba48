/** Ways in which a request to a server fails; the proxy turns each into an error with a status and a retry rule. */

export const FAIL_RESOLVE = 1
export const FAIL_CONNECT = 2
export const FAIL_CONNECT_TIMEOUT = 3
export const FAIL_TLS = 4
/** Closed or reset before any byte of a response. */
export const FAIL_CLOSED = 5
/** No response head in time. */
export const FAIL_HEAD_TIMEOUT = 6
/** The server took no more of the request. */
export const FAIL_SEND_TIMEOUT = 7
/** What arrived is not HTTP, or not acceptable. */
export const FAIL_PROTOCOL = 8
/** Ended in the middle of a response. */
export const FAIL_CUT = 9
/** Too long between two pieces of a response. */
export const FAIL_GAP_TIMEOUT = 10
/** This process has no descriptor or port left. */
export const FAIL_LOCAL = 11

/** Errors of connect that are ours, not the server's: ejecting a server for them would be wrong. */
export function isLocalFailure(code: string): boolean {
  return code === 'EMFILE' || code === 'ENFILE' || code === 'EADDRNOTAVAIL' || code === 'ENOBUFS'
}

/** Nothing of the request can have reached a server. */
export function isConnectFailure(code: number): boolean {
  switch (code) {
    case FAIL_RESOLVE:
    case FAIL_CONNECT:
    case FAIL_CONNECT_TIMEOUT:
    case FAIL_TLS:
    case FAIL_LOCAL:
      return true
    default:
      return false
  }
}
