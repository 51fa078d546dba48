/**
 * The backend side of every attack case against a real upstream connection on a transport in memory: what its sink hears, and whether the
 * connection is used again. A connection that is kept after an unclean exchange gives the next client somebody else's answer.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CoarseClock } from '#lib/clock.ts'
import { TimerWheel } from '#lib/timer-wheel.ts'
import { FAIL_CUT, FAIL_PROTOCOL } from '#client/failure.ts'
import type { Http1Client, ResponseSink } from '#client/http1-client.ts'
import { Pool } from '#client/pool.ts'
import { Resolver } from '#net/names/resolver.ts'
import { SystemNames } from '#net/names/system-names.ts'
import type { ConnectHandler, Transport } from '#net/transport/transport.ts'
import { DEFAULT_HEAD_LIMITS } from '#wire/http1/head-reader.ts'
import { ATTACKS } from './attacks/all.ts'
import { ok } from './attacks/case.ts'
import { everyByte, type Cuts } from './codec-driver.ts'

/** Remembers what was written; closes at once. */
class MemoryConnection {
  readonly handler: ConnectHandler
  readonly facts = { remoteAddress: '127.0.0.1', remotePort: 80, localAddress: '127.0.0.1', localPort: 1000 }
  readonly queuedBytes = 0
  readonly untakenBytes = 0
  isClosed = false
  bytesRead = 0
  bytesWritten = 0
  written = ''

  constructor(handler: ConnectHandler) {
    this.handler = handler
  }

  writeLatin1(text: string): boolean {
    this.written += text
    return true
  }

  writeBorrowed(buffer: Buffer, start: number, end: number): boolean {
    return this.writeLatin1(buffer.toString('latin1', start, end))
  }

  writeOwned(bytes: Uint8Array): boolean {
    return this.writeLatin1(Buffer.from(bytes).toString('latin1'))
  }

  writeParts(parts: readonly (string | Uint8Array)[]): boolean {
    for (const part of parts) {
      if (typeof part === 'string') this.writeLatin1(part)
      else this.writeOwned(part)
    }
    return true
  }

  destroy(): void {
    this.isClosed = true
  }

  end(): void {
    this.isClosed = true
  }

  reset(): void {
    this.isClosed = true
  }

  pause(): void {}
  resume(): void {}
  halfClose(): void {}
  bulk(): void {}
  startTls(): void {}
}

class RecordingSink implements ResponseSink {
  readonly method: string
  readonly hasBody: boolean
  body = ''
  ends = 0
  failures: number[] = []

  constructor(method: string, hasBody: boolean) {
    this.method = method
    this.hasBody = hasBody
  }

  onReady(client: Http1Client): void {
    client.sendHead(
      this.method,
      `${this.method} / HTTP/1.1\r\nHost: a.example\r\n\r\n`,
      this.hasBody,
      this.hasBody,
    )
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    this.body += buffer.toString('latin1', start, end)
  }

  onResponseEnd(): void {
    this.ends++
  }

  onFailure(code: number): void {
    this.failures.push(code)
  }

  onInformational(): void {}
  onResponseHead(): void {}
  onBatchEnd(): void {}
  onUpgrade(): void {}
  onRequestDrain(): void {}
}

class Bed {
  readonly pool: Pool
  readonly connections: MemoryConnection[] = []

  constructor() {
    const clock = new CoarseClock()
    const transport: Pick<Transport, 'connect'> = {
      connect: (_address, _port, _tls, handler) => {
        const connection = new MemoryConnection(handler)
        this.connections.push(connection)
        return connection
      },
    }
    this.pool = new Pool(
      {
        transport: transport as Transport,
        clock,
        wheel: new TimerWheel(clock.now),
        resolver: new Resolver(() => clock.now, new SystemNames()),
        headLimits: DEFAULT_HEAD_LIMITS,
        idleMs: 60_000,
        maxIdlePerServer: 10,
        maxIdle: 10,
        counters: { created: 0, reused: 0, idle: 0, open: 0 },
      },
      { key: '', address: '127.0.0.1', port: 80, tls: undefined },
      { connectMs: 60_000, headMs: 60_000, gapMs: 60_000, sendMs: 60_000 },
    )
  }

  request(sink: RecordingSink): Http1Client {
    const before = this.connections.length
    const client = this.pool.request(sink, false)
    if (this.connections.length > before) this.last.handler.onConnect()
    return client
  }

  get last(): MemoryConnection {
    return this.connections.at(-1)!
  }

  deliver(bytes: Buffer, cuts: Cuts = []): void {
    let start = 0
    for (const end of [...cuts, bytes.length]) {
      if (this.last.isClosed) return
      const piece = Buffer.from(bytes.subarray(start, end))
      this.last.handler.onData(piece, 0, piece.length)
      piece.fill(0xdb)
      start = end
    }
  }
}

for (const pieces of ['whole', 'byte by byte'] as const) {
  describe(`an upstream connection given responses ${pieces}`, () => {
    for (const one of ATTACKS.filter((one) => one.side === 'backend')) {
      it(`${one.group}: ${one.name}`, () => {
        const bed = new Bed()
        const sink = new RecordingSink(one.method ?? 'GET', false)
        bed.request(sink)
        const bytes = Buffer.from(one.bytes, 'latin1')
        bed.deliver(bytes, pieces === 'whole' ? [] : everyByte(bytes.length))
        // The server closes only where it was still expected to speak: the rest is for us to close.
        if (sink.ends + sink.failures.length === 0) bed.last.handler.onEnd()
        const isComplete = one.expect === 'accept' || (one.messages ?? 1) === 1
        if (one.expect === 'reject') assert.deepEqual(sink.failures, [FAIL_PROTOCOL])
        else assert.deepEqual(sink.failures, isComplete ? [] : [FAIL_CUT])
        assert.equal(sink.ends, isComplete && one.expect !== 'reject' ? 1 : 0)
        if (one.body !== undefined) assert.equal(sink.body, one.body)
        assert.equal(bed.pool.idleCount, one.expect === 'accept' ? 1 : 0)
        assert.equal(bed.last.isClosed, one.expect !== 'accept')
        // The next request: on the same connection, or on a new one.
        bed.request(new RecordingSink('GET', false))
        assert.equal(bed.connections.length, one.expect === 'accept' ? 1 : 2)
      })
    }
  })
}

describe('an upstream connection', () => {
  const answer = Buffer.from(ok('Content-Length: 5\r\n', 'hello'), 'latin1')

  it('is not used again when the answer came before the request was whole', () => {
    const bed = new Bed()
    const sink = new RecordingSink('POST', true)
    bed.request(sink)
    bed.deliver(answer)
    assert.equal(sink.ends, 1)
    assert.equal(bed.pool.idleCount, 0)
    assert.equal(bed.last.isClosed, true)
  })

  it('is used again when the request was whole, trailers and all', () => {
    const bed = new Bed()
    const client = bed.request(new RecordingSink('POST', true))
    client.endRequest(['X-Sum', '1'])
    assert.ok(bed.last.written.endsWith('\r\n\r\n0\r\nX-Sum: 1\r\n\r\n'), JSON.stringify(bed.last.written))
    bed.deliver(answer)
    assert.equal(bed.pool.idleCount, 1)
  })

  it('is closed by a byte that comes while it is idle', () => {
    const bed = new Bed()
    bed.request(new RecordingSink('GET', false))
    bed.deliver(answer)
    assert.equal(bed.pool.idleCount, 1)
    bed.deliver(answer)
    assert.equal(bed.pool.idleCount, 0)
    assert.equal(bed.last.isClosed, true)
  })

  it('is not used again after nobody waited for its answer', () => {
    const bed = new Bed()
    const client = bed.request(new RecordingSink('GET', false))
    client.cancel()
    bed.deliver(answer)
    assert.equal(bed.pool.idleCount, 0)
    assert.equal(bed.last.isClosed, true)
  })
})
