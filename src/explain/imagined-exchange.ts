/**
 * An exchange that never came: given to the filters of a route to learn what they would do with a request that has
 * no fields but Host. Used by the walk only.
 */
import type { ConnectionFacts } from '#net/connection.ts'
import type { Exchange, Fields } from '#proxy/http/exchange.ts'
import { FieldList } from '#proxy/http/field-list.ts'
import type { Route } from '#proxy/route.ts'

export interface ImaginedRequest {
  readonly entryPoint: string
  readonly scheme: 'http' | 'https'
  readonly method: string
  readonly authority: string
  readonly host: string
  readonly path: string
  readonly query: string
  readonly originalTarget: string
  readonly clientAddress: string
  readonly localPort: number
}

export class ImaginedExchange implements Exchange {
  readonly startedAt = 0
  readonly requestId = 'explained'
  readonly entryPoint: string
  readonly connection: ConnectionFacts
  readonly clientAddress: string
  readonly isTrustedPeer = false
  readonly scheme: 'http' | 'https'
  readonly method: string
  readonly host: string
  readonly authority: string
  readonly path: string
  readonly originalTarget: string
  readonly protocol = 'HTTP/1.1'
  readonly route: Route | null = null
  readonly request: Fields
  readonly requestContentLength = 0
  readonly requestBodyBytes = 0
  query: string
  /** What a server would be asked for. */
  forwardPath: string

  constructor(request: ImaginedRequest) {
    this.entryPoint = request.entryPoint
    this.clientAddress = request.clientAddress
    this.scheme = request.scheme
    this.method = request.method
    this.host = request.host
    this.authority = request.authority
    this.path = request.path
    this.forwardPath = request.path
    this.query = request.query
    this.originalTarget = request.originalTarget
    this.request = new FieldList(['Host', request.authority])
    this.connection = {
      remoteAddress: request.clientAddress,
      remotePort: 0,
      localAddress: '',
      localPort: request.localPort,
    }
  }

  rewrite(path: string, query: string): void {
    this.forwardPath = path
    this.query = query
  }

  /** An imagined request has no body. */
  limitRequestBody(): void {}
}
