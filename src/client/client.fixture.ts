/**
 * For tests: pools over the real transport with a clock and a wheel that the test turns, servers that say exactly the
 * bytes they are told to, and a sink that writes down what it hears.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { CoarseClock } from '#lib/clock.ts'
import { TimerWheel } from '#lib/timer-wheel.ts'
import { Resolver } from '#net/names/resolver.ts'
import { SystemNames } from '#net/names/system-names.ts'
import { NetTransport } from '#net/transport/net-transport.ts'
import { Bed, Waiter } from '#net/transport/transport.fixture.ts'
import type { TlsClientOptions, Transport } from '#net/transport/transport.ts'
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_CLOSE } from '#wire/http1/body-reader.ts'
import { DEFAULT_HEAD_LIMITS } from '#wire/http1/head-reader.ts'
import type { Head } from '#wire/http1/head.ts'
import type { Http1Client, ResponseSink } from './http1-client.ts'
import { Pool, type ClientHost, type ClientTimeouts } from './pool.ts'

export const TIMEOUTS: ClientTimeouts = { connectMs: 5_000, headMs: 60_000, gapMs: 30_000, sendMs: 20_000 }
export const IDLE_MS = 90_000
const TICK_MS = 100

export class ClientBed {
  readonly bed = new Bed((host) => new NetTransport(host))
  #time = 1_800_000_000_000
  readonly clock = new CoarseClock(
    () => this.#time,
    () => this.#time,
  )
  readonly wheel = new TimerWheel(this.clock.now, TICK_MS)
  readonly counters = { created: 0, reused: 0, idle: 0, open: 0 }
  readonly host: ClientHost
  readonly #servers: RawServer[] = []

  constructor(changes: Partial<ClientHost> = {}) {
    this.host = {
      transport: this.bed.transport,
      clock: this.clock,
      wheel: this.wheel,
      resolver: new Resolver(() => this.clock.now, new SystemNames()),
      headLimits: DEFAULT_HEAD_LIMITS,
      idleMs: IDLE_MS,
      maxIdlePerServer: 8,
      maxIdle: 16,
      counters: this.counters,
      ...changes,
    }
  }

  /** Lets this time pass: the clock first, then what is due. */
  advance(ms: number): void {
    this.#time += ms
    this.clock.tick()
    this.wheel.advance(this.clock.now)
  }

  /** The same, and the one tick by which a timer may be late. */
  advancePast(ms: number): void {
    this.advance(ms + TICK_MS)
  }

  async server(onConnection?: (connection: RawConnection) => void): Promise<RawServer> {
    const server = new RawServer(onConnection)
    this.#servers.push(server)
    await server.listening()
    return server
  }

  pool(
    port: number,
    changes: { address?: string; tls?: TlsClientOptions; transport?: Transport } = {},
  ): Pool {
    const { address = '127.0.0.1', tls, transport } = changes
    const host = transport === undefined ? this.host : { ...this.host, transport }
    return new Pool(host, { key: 'test', address, port, tls }, TIMEOUTS)
  }

  [Symbol.dispose](): void {
    for (const server of this.#servers) server.close()
  }
}

export class RawServer extends Waiter {
  readonly connections: RawConnection[] = []
  readonly #server: Server

  constructor(onConnection: (connection: RawConnection) => void = () => {}) {
    super()
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const connection = new RawConnection(socket)
      this.connections.push(connection)
      onConnection(connection)
      this.happened()
    })
    this.#server.listen(0, '127.0.0.1', () => this.happened())
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  listening(): Promise<void> {
    return this.until(() => this.#server.listening, 'the server to listen')
  }

  /** The connection accepted as number `index`. */
  async connection(index: number): Promise<RawConnection> {
    await this.until(() => this.connections.length > index, `connection ${index} at the server`)
    return this.connections[index]!
  }

  close(): void {
    this.#server.close()
    for (const connection of this.connections) connection.socket.destroy()
  }
}

export class RawConnection extends Waiter {
  readonly socket: Socket
  /** All that came, latin1. */
  text = ''
  hasEnded = false
  isClosed = false

  constructor(socket: Socket) {
    super()
    this.socket = socket
    socket.on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1')
      this.happened()
    })
    socket.on('end', () => {
      this.hasEnded = true
      this.happened()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
      this.happened()
    })
  }

  says(text: string): void {
    this.socket.write(Buffer.from(text, 'latin1'))
  }

  hears(text: string): Promise<void> {
    return this.until(() => this.text.includes(text), `${JSON.stringify(text)} at the server`)
  }

  /** The client has closed its side, orderly or not. */
  gone(): Promise<void> {
    return this.until(() => this.hasEnded || this.isClosed, 'the client to close')
  }
}

const MODES = new Map([
  [BODY_NONE, 'none'],
  [BODY_LENGTH, 'length'],
  [BODY_CHUNKED, 'chunked'],
  [BODY_UNTIL_CLOSE, 'until-close'],
])

/** Writes events down; pieces of a body that follow each other become one. */
export class RecordingSink extends Waiter implements ResponseSink {
  readonly events: string[] = []
  client: Http1Client | null = null
  bodyBytes = 0
  failure = 0
  detail = ''
  upgraded: { client: Http1Client; rest: string } | null = null
  /** Runs when the connection is there; by default a GET is sent. */
  onReadyHook: (client: Http1Client) => void
  onHeadHook: (() => void) | undefined
  onBodyHook: (() => void) | undefined

  constructor(onReady: (client: Http1Client) => void = (client) => sendGet(client)) {
    super()
    this.onReadyHook = onReady
  }

  onReady(client: Http1Client): void {
    this.client = client
    this.#note('ready')
    this.onReadyHook(client)
  }
  onInformational(head: Head): void {
    this.#note(`interim ${head.status}`)
  }
  onResponseHead(head: Head, mode: number): void {
    this.#note(`head ${head.status} ${MODES.get(mode)}`)
    this.onHeadHook?.()
  }
  onBody(buffer: Buffer, start: number, end: number): void {
    this.bodyBytes += end - start
    const text = buffer.toString('latin1', start, end)
    const last = this.events.length - 1
    if (this.events[last]?.startsWith('body ') === true) {
      if (this.events[last].length < 200) this.events[last] += text
      this.happened()
    } else {
      this.#note(`body ${text}`)
    }
    this.onBodyHook?.()
  }
  onBatchEnd(): void {}
  onResponseEnd(trailers: readonly string[] | null): void {
    this.#note(trailers === null ? 'end' : `end ${trailers.join('|')}`)
  }
  onUpgrade(head: Head, client: Http1Client, buffer: Buffer, start: number, end: number): void {
    this.upgraded = { client, rest: buffer.toString('latin1', start, end) }
    this.#note(`upgrade ${head.status}`)
  }
  onRequestDrain(): void {
    this.#note('drain')
  }
  onFailure(code: number, detail: string): void {
    this.failure = code
    this.detail = detail
    this.#note(`failure ${code}`)
  }

  get isOver(): boolean {
    return this.failure !== 0 || this.events.some((event) => event === 'end' || event.startsWith('end '))
  }

  over(): Promise<void> {
    return this.until(() => this.isOver, `the end of the exchange (so far: ${this.events.join(', ')})`)
  }
  saw(event: string): Promise<void> {
    return this.until(() => this.events.some((each) => each.startsWith(event)), event)
  }

  #note(event: string): void {
    this.events.push(event)
    this.happened()
  }
}

export function sendGet(client: Http1Client, path = '/'): void {
  client.sendHead('GET', `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`, false, false)
}
