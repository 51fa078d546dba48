/** Limits and timeouts of HTTP on one entrypoint; values in bytes, counts and ms. Defaults: src/config/static. */
export interface HttpLimits {
  readonly maxHeadBytes: number
  readonly maxFields: number
  /** From the first byte of a head (or the opening of the connection) to its end. */
  readonly headMs: number
  /** Between two requests of a kept connection. */
  readonly idleMs: number
  /** Between two pieces of a request body. */
  readonly bodyProgressMs: number
  /** Between two moments at which the client takes bytes of a response. */
  readonly sendProgressMs: number
  /** Without a byte in either direction of a tunnel. */
  readonly tunnelIdleMs: number
  /** 0: no limit. */
  readonly keepAliveMaxRequests: number
  /** 0: no limit. */
  readonly keepAliveMaxMs: number
  /** 0: no limit. */
  readonly maxRequestBodyBytes: number
}
