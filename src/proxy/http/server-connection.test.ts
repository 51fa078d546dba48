/** What a client connection waits for and for how long, on a connection in memory whose peer takes what the test says. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CoarseClock } from '#lib/clock.ts'
import { TimerWheel } from '#lib/timer-wheel.ts'
import { MemoryBudget } from '#net/budget.ts'
import type { ConnectionHandler } from '#net/connection.ts'
import type { TransportConnection } from '#net/transport/transport.ts'
import { RoutingProgram } from '../router/program.ts'
import type { Route } from '../route.ts'
import type { DataPlane } from './data-plane.ts'
import type { EntryPoint } from './entry-point.ts'
import type { Reply } from './exchange.ts'
import { HeadPool } from './head-pool.ts'
import { RequestIds } from './request-id.ts'
import { ServerConnection } from './server-connection.ts'

const IDLE_MS = 600_000
const SEND_MS = 60_000
const LOOK_MS = 1000
const TICK_MS = 100

/** Everything written stays with us until `take`. */
class SlowConnection implements TransportConnection {
  handler: ConnectionHandler = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} }
  facts = { remoteAddress: '127.0.0.1', remotePort: 1, localAddress: '127.0.0.1', localPort: 80 }
  queuedBytes = 0
  untakenBytes = 0
  isClosed = false
  bytesRead = 0
  bytesWritten = 0
  /** How it was ended from this side. */
  ending = ''

  receive(text: string): void {
    const bytes = Buffer.from(text, 'latin1')
    this.handler.onData(bytes, 0, bytes.length)
  }

  /** The peer acknowledges as much; the kernel has taken all from us or nothing. */
  take(bytes: number, isKernelReady: boolean): void {
    this.untakenBytes -= bytes
    if (!isKernelReady) return
    this.queuedBytes = 0
    this.handler.onDrain()
  }

  writeLatin1(text: string): boolean {
    this.bytesWritten += text.length
    this.queuedBytes += text.length
    this.untakenBytes += text.length
    return false
  }
  writeOwned(bytes: Uint8Array): boolean {
    return this.writeLatin1(Buffer.from(bytes).toString('latin1'))
  }
  writeParts(): boolean {
    return false
  }
  writeBorrowed(buffer: Buffer, start: number, end: number): boolean {
    return this.writeLatin1(buffer.toString('latin1', start, end))
  }
  pause(): void {}
  resume(): void {}
  halfClose(): void {}
  end(): void {
    this.ending = 'end'
  }
  reset(): void {
    this.ending = 'reset'
    this.isClosed = true
  }
  destroy(): void {
    this.isClosed = true
  }
  bulk(): void {}
  startTls(): void {}
}

class Bed {
  #time = 1_800_000_000_000
  readonly #clock = new CoarseClock(
    () => this.#time,
    () => this.#time,
  )
  readonly #wheel = new TimerWheel(this.#clock.now, TICK_MS)
  readonly connection = new SlowConnection()
  #callback: (reply: Reply) => void = () => {}

  constructor() {
    const plane: DataPlane = {
      clock: this.#clock,
      wheel: this.#wheel,
      budget: new MemoryBudget(1 << 20),
      program: new RoutingProgram<Route>(),
      heads: new HeadPool(),
      requestIds: new RequestIds(),
      observer: {
        wantsDuration: false,
        wantsTimings: false,
        onEnd() {},
        onMalformed() {},
        onUpstreamFailure() {},
        onRetry() {},
      },
      internal: { ask: (_method, _path, callback) => (this.#callback = callback) },
      isFastPath: true,
    }
    const entry: EntryPoint = {
      name: 'traefik',
      port: 80,
      isTls: false,
      isInternal: true,
      trustedPeers: null,
      isInsecure: false,
      keptConnectionFields: [],
      appendsForwardedFor: true,
      proxyProtocolPeers: null,
      isProxyProtocolInsecure: false,
      upgradeTokens: [],
      limits: {
        maxHeadBytes: 65_536,
        maxFields: 100,
        headMs: 60_000,
        idleMs: IDLE_MS,
        bodyProgressMs: 60_000,
        sendProgressMs: SEND_MS,
        tunnelIdleMs: 60_000,
        keepAliveMaxRequests: 0,
        keepAliveMaxMs: 0,
        maxRequestBodyBytes: 0,
      },
    }
    void new ServerConnection(plane, entry, this.connection, () => {})
  }

  /** A request, and later its answer, none of which is taken yet. */
  exchange(): void {
    this.connection.receive('GET /ping HTTP/1.1\r\nHost: a\r\n\r\n')
    this.#callback({ status: 200, fields: [], contentType: 'text/plain', body: 'OK' })
    assert.ok(this.connection.queuedBytes > 0)
  }

  /** In steps of a tick, as a worker's loop does. */
  advance(ms: number): void {
    for (const end = this.#time + ms; this.#time < end;) {
      this.#time += TICK_MS
      this.#clock.tick()
      this.#wheel.advance(this.#clock.now)
    }
  }
}

describe('an answer that is complete', () => {
  it('and that the client does not take ends its connection after the time for sending, not the idle time', () => {
    const bed = new Bed()
    const { connection } = bed
    bed.exchange()
    bed.advance(SEND_MS - LOOK_MS)
    assert.equal(connection.ending, '')
    bed.advance(3 * LOOK_MS)
    assert.equal(connection.ending, 'reset')
  })

  it('and that the client takes byte by byte is left in peace, although the kernel asks for nothing', () => {
    const bed = new Bed()
    const { connection } = bed
    bed.exchange()
    for (let taken = 0; taken < 50; taken++) {
      bed.advance(SEND_MS / 2)
      connection.take(1, false)
    }
    assert.equal(connection.ending, '')
    bed.advance(SEND_MS + 3 * LOOK_MS)
    assert.equal(connection.ending, 'reset')
  })

  it('and was taken gives the connection its idle time', () => {
    const bed = new Bed()
    const { connection } = bed
    bed.exchange()
    bed.advance(SEND_MS / 2)
    connection.take(connection.untakenBytes, true)
    bed.advance(IDLE_MS - TICK_MS)
    assert.equal(connection.ending, '')
    bed.advance(3 * TICK_MS)
    assert.equal(connection.ending, 'end')
  })
})
