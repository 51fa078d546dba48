/** One try of an exchange at one server. Events of an attempt that the exchange gave up are dropped here. */
import type { Http1Client, ResponseSink } from '#client/http1-client.ts'
import type { Pool } from '#client/pool.ts'
import type { Head } from '#wire/http1/head.ts'
import type { Server } from '../upstream/server.ts'
import type { ProxyExchange } from './proxy-exchange.ts'

export class Attempt implements ResponseSink {
  readonly exchange: ProxyExchange
  readonly server: Server
  client: Http1Client | null = null
  isReady = false
  /** The connection had served a request before. */
  isReused = false
  #isOver = false

  constructor(exchange: ProxyExchange, server: Server) {
    this.exchange = exchange
    this.server = server
    server.begin()
  }

  start(isFresh: boolean): void {
    this.client = (this.server.pool as Pool).request(this, isFresh)
  }

  /** Gives up: the connection is closed, nothing is reported any more. */
  cancel(): void {
    if (this.#isOver) return
    this.#finish()
    this.client?.cancel()
  }

  onReady(client: Http1Client): void {
    this.client = client
    this.isReady = true
    this.isReused = client.served > 0
    this.exchange.onAttemptReady(this, client)
  }

  onInformational(head: Head): void {
    this.exchange.onInformational(head)
  }

  onResponseHead(head: Head, mode: number): void {
    this.exchange.onResponseHead(head, mode)
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    this.exchange.onResponseBody(buffer, start, end, this.client!)
  }

  onBatchEnd(): void {
    this.exchange.flush()
  }

  onResponseEnd(trailers: readonly string[] | null): void {
    this.#finish()
    this.exchange.onResponseEnd(trailers)
  }

  onUpgrade(head: Head, client: Http1Client, buffer: Buffer, start: number, end: number): void {
    this.exchange.onUpgrade(this, head, client, buffer, start, end)
  }

  onRequestDrain(): void {
    this.exchange.onRequestDrain()
  }

  onFailure(code: number, detail: string): void {
    this.#finish()
    this.exchange.onAttemptFailure(this, code, detail)
  }

  /** Once, however it ended; a tunnel ends later than its attempt's last event. */
  finishTunnel(): void {
    this.#finish()
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.server.finish()
  }
}
