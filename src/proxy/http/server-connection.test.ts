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
  isPaused = false
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
  pause(): void {
    this.isPaused = true
  }
  resume(): void {
    this.isPaused = false
  }
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
  readonly budget = new MemoryBudget(1 << 20)
  /** Requests that came so far. */
  asked = 0
  answersAtOnce = false
  #callback: (reply: Reply) => void = () => {}

  constructor() {
    const plane: DataPlane = {
      clock: this.#clock,
      wheel: this.#wheel,
      budget: this.budget,
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
      internal: {
        ask: (_method, _path, callback) => {
          this.asked++
          this.#callback = callback
          if (this.answersAtOnce) this.answer()
        },
      },
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

  answer(): void {
    this.#callback({ status: 200, fields: [], contentType: 'text/plain', body: 'OK' })
  }

  /** A request, and later its answer, none of which is taken yet. */
  exchange(): void {
    this.connection.receive('GET /ping HTTP/1.1\r\nHost: a\r\n\r\n')
    this.answer()
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

describe('requests that come before they can be served', () => {
  const REQUEST = 'GET /ping HTTP/1.1\r\nHost: a\r\n\r\n'
  const KIBIBYTES_64 = 65_536

  it('are kept up to a bound, charged to the budget, and then the client has to wait', () => {
    const bed = new Bed()
    const { connection, budget } = bed
    bed.answersAtOnce = false
    connection.receive(REQUEST)
    const piece = REQUEST.repeat(32)
    let sent = 0
    for (; sent < 2 * KIBIBYTES_64 && !connection.isPaused; sent += piece.length) connection.receive(piece)
    assert.ok(connection.isPaused, `${sent} bytes were taken`)
    assert.ok(sent >= KIBIBYTES_64 && sent < KIBIBYTES_64 + piece.length, `${sent} bytes`)
    assert.equal(budget.usedBytes, sent)
    bed.answersAtOnce = true
    bed.answer()
    while (connection.queuedBytes > 0) connection.take(connection.untakenBytes, true)
    assert.equal(bed.asked, 1 + sent / REQUEST.length)
    assert.equal(budget.usedBytes, 0)
    assert.equal(connection.isPaused, false)
  })

  it('wait until their client reads the answers to earlier ones', () => {
    const bed = new Bed()
    const { connection } = bed
    bed.answersAtOnce = true
    const count = 2000
    connection.receive(REQUEST.repeat(count))
    assert.ok(connection.isPaused)
    assert.ok(bed.asked < count / 2, `${bed.asked} of ${count} were served`)
    assert.ok(connection.queuedBytes < KIBIBYTES_64 + 1024, `${connection.queuedBytes} bytes wait`)
    while (connection.queuedBytes > 0) {
      connection.take(connection.untakenBytes, true)
      assert.ok(connection.queuedBytes < KIBIBYTES_64 + 1024, `${connection.queuedBytes} bytes wait`)
    }
    assert.equal(bed.asked, count)
    assert.equal(connection.isPaused, false)
  })
})
