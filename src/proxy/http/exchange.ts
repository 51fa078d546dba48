/**
 * One request and its response while they pass through the proxy, whatever the protocol (architecture §4.3).
 * Middlewares see this and nothing else of the data plane.
 */
import type { ConnectionFacts } from '#net/connection.ts'
import type { Route } from '../route.ts'

/**
 * A message head that can be looked into without building objects and changed without copying.
 * Names compare case-insensitively. Values are latin1 text without surrounding white space.
 */
export interface Fields {
  /** First value, undefined when absent. */
  get(name: string): string | undefined
  /** All values joined with `, ` in order of appearance, undefined when absent. */
  getAll(name: string): string | undefined
  has(name: string): boolean
  /** Removes every field of that name. */
  remove(name: string): void
  /** Replaces every field of that name by one. */
  set(name: string, value: string): void
  /** Adds a field behind the existing ones. */
  append(name: string, value: string): void
  /** Every field in order: name as sent, value. */
  forEach(visit: (name: string, value: string) => void): void
}

/** A complete answer of ours: a middleware's, a redirect, an error. `body` is UTF-8 text. */
export interface Reply {
  readonly status: number
  /** Flat list: name, value, name, value. Date, Content-Length and X-Request-ID are added when it is sent. */
  readonly fields: readonly string[]
  readonly contentType: string
  readonly body: string
}

export interface Exchange {
  /** ms since epoch (coarse clock). */
  readonly startedAt: number
  readonly requestId: string
  readonly entryPoint: string
  readonly connection: ConnectionFacts
  /** Address of the client after PROXY protocol and trusted X-Forwarded-For. */
  readonly clientAddress: string
  /** Peer is in forwardedHeaders.trustedIPs (or `insecure`). */
  readonly isTrustedPeer: boolean
  /** `https` when the connection is TLS (or a trusted peer's X-Forwarded-Proto says so). */
  readonly scheme: 'http' | 'https'
  readonly method: string
  /** Host without port, lower case, `''` for HTTP/1.0 without Host. */
  readonly host: string
  /** Host header as sent (or authority of an absolute-form target). */
  readonly authority: string
  /** Path in normal form: what routing matched. Middlewares rewrite it with `rewrite`. */
  readonly path: string
  /** Path and query as the client sent them. */
  readonly originalTarget: string
  /** Query with its `?`, or `''`. */
  readonly query: string
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2.0' | 'HTTP/3.0'
  readonly route: Route | null
  readonly request: Fields
  /** Declared length of the request body, -1 when unknown (chunked), 0 when there is none. */
  readonly requestContentLength: number
  /** Bytes of request body passed so far. */
  readonly requestBodyBytes: number
  /** Changes what is sent to the server; path must start with `/`, query with `?` or be empty. */
  rewrite(path: string, query: string): void
  /** Refuse request bodies longer than this with 413; the smallest limit set wins. */
  limitRequestBody(maxBytes: number): void
}

export interface ResponseHead {
  status: number
  readonly fields: Fields
}
