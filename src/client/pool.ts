/** Connections of one worker to one server: idle ones, newest first, and the way to a new one. */
import { isIP } from 'node:net'
import type { CoarseClock } from '#lib/clock.ts'
import type { TimerWheel } from '#lib/timer-wheel.ts'
import type { Resolver } from '#net/names/resolver.ts'
import type { TlsClientOptions, Transport } from '#net/transport/transport.ts'
import type { HeadLimits } from '#wire/http1/head-reader.ts'
import { FAIL_RESOLVE } from './failure.ts'
import { Http1Client, type ResponseSink } from './http1-client.ts'

/** Collaborators and limits shared by all pools of a worker. */
export interface ClientHost {
  readonly transport: Transport
  readonly clock: CoarseClock
  readonly wheel: TimerWheel
  readonly resolver: Resolver
  readonly headLimits: HeadLimits
  readonly idleMs: number
  readonly maxIdlePerServer: number
  /** Idle connections of all pools together. */
  readonly maxIdle: number
  readonly counters: ClientCounters
}

/** Written by the pools, read by metrics. */
export interface ClientCounters {
  created: number
  reused: number
  idle: number
  open: number
}

export interface ClientTimeouts {
  readonly connectMs: number
  /** From the end of the request to the head of the response. */
  readonly headMs: number
  /** Between two pieces of the response. */
  readonly gapMs: number
  /** Between two pieces of the request that the server takes. */
  readonly sendMs: number
  /** Without a byte in either direction of a tunnel; undefined: what the client's entrypoint says. */
  readonly tunnelIdleMs?: number | undefined
}

export interface PoolTarget {
  /** Changes when connections made before may not be used any more (other TLS settings). */
  readonly key: string
  /** IP address or DNS name. */
  readonly address: string
  readonly port: number
  readonly tls: TlsClientOptions | undefined
}

const ANY_ADDRESS: readonly string[] = []

export class Pool {
  readonly host: ClientHost
  readonly target: PoolTarget
  timeouts: ClientTimeouts
  #idle: Http1Client[] = []
  #isClosed = false
  #nextAddress = 0
  /** The server is given by name: connections to addresses that it no longer has are not used again. */
  readonly #isNamed: boolean

  constructor(host: ClientHost, target: PoolTarget, timeouts: ClientTimeouts) {
    this.host = host
    this.target = target
    this.timeouts = timeouts
    this.#isNamed = isIP(target.address) === 0
  }

  get idleCount(): number {
    return this.#idle.length
  }

  /** A connection for a request: the idle one used last, or a new one (also when `isFresh` asks for it). */
  request(sink: ResponseSink, isFresh: boolean): Http1Client {
    if (!isFresh) {
      const client = this.#takeIdle()
      if (client !== null) {
        this.host.counters.reused++
        client.reuse(sink)
        return client
      }
    }
    return this.#connect(sink)
  }

  put(client: Http1Client): void {
    const { counters, maxIdle, maxIdlePerServer } = this.host
    if (this.#isClosed || this.#idle.length >= maxIdlePerServer || counters.idle >= maxIdle) {
      client.discard()
      return
    }
    counters.idle++
    this.#idle.push(client)
  }

  /** A connection closed or became a tunnel. */
  leave(client: Http1Client): void {
    this.host.counters.open--
    const index = this.#idle.indexOf(client)
    if (index < 0) return
    this.#idle.splice(index, 1)
    this.host.counters.idle--
  }

  /** The server is gone: idle connections close now, busy ones when they are done. */
  close(): void {
    this.#isClosed = true
    for (const client of [...this.#idle]) client.discard()
  }

  #takeIdle(): Http1Client | null {
    const { clock, counters, resolver } = this.host
    const now = clock.now
    const addresses = this.#isNamed ? resolver.current(this.target.address) : ANY_ADDRESS
    for (;;) {
      const client = this.#idle.pop()
      if (client === undefined) return null
      counters.idle--
      const isCurrent = addresses.length === 0 || addresses.includes(client.address)
      if (isCurrent && client.idleUntil > now && client.connection?.isClosed === false) return client
      client.discard()
    }
  }

  #connect(sink: ResponseSink): Http1Client {
    const { counters, transport, resolver } = this.host
    counters.created++
    counters.open++
    const client = new Http1Client(this, sink)
    const { address, port, tls } = this.target
    if (!this.#isNamed) {
      client.connection = transport.connect(address, port, tls, client)
      return client
    }
    resolver.resolve(address, (addresses, error) => {
      if (client.isClosed) return
      const chosen = addresses[this.#nextAddress++ % addresses.length]
      if (chosen === undefined) {
        setImmediate(() => client.failConnect(FAIL_RESOLVE, `${address}: ${error ?? 'no address'}`))
      } else {
        client.address = chosen
        client.connection = transport.connect(chosen, port, tls, client)
      }
    })
    return client
  }
}
