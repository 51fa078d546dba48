/**
 * What every transport must do, whatever it is built on: `runTransportSuite` in the test of each. Both ends are real
 * sockets on loopback; where the other end has to do something odd it is a plain `net.Socket`.
 */
import assert from 'node:assert/strict'
import { connect as rawConnect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { LISTEN_BACKLOG, ListeningSocket } from '../listening-socket.ts'
import { duplicate } from '../ffi.ts'
import { assertSame, Bed, nextTurn, pattern, Recorder, type Pair } from './transport.fixture.ts'
import type { Transport, TransportConnection, TransportHost } from './transport.ts'

export interface TransportSuiteOptions {
  /** Every write is taken late, so none returns true. */
  readonly isLate: boolean
}

const MEGABYTE = 1 << 20
/** Enough of it to make the receiving side of the kernel ask for more. */
const STEP = 5 * MEGABYTE
/** More than the kernel buffers on loopback between two sockets. */
const MUCH = 16 * MEGABYTE

export function runTransportSuite(
  name: string,
  make: (host: TransportHost) => Transport,
  { isLate }: TransportSuiteOptions,
): void {
  for (const kind of ['plain', 'TLS'] as const) {
    const pairOf = (bed: Bed): Promise<Pair> => (kind === 'plain' ? bed.pair() : bed.tlsPair())

    describe(`${name}, ${kind}: writing`, () => {
      it('delivers every kind of write in order', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const { nearEnd, far } = pair
        const large = pattern(100_000)
        nearEnd.writeLatin1('a\xe9')
        nearEnd.writeOwned(Buffer.from('b'))
        nearEnd.writeParts(['c', Buffer.from('d'), '', Buffer.alloc(0), 'e'])
        nearEnd.writeParts([])
        nearEnd.writeParts(['', Buffer.alloc(0)])
        nearEnd.writeLatin1('')
        nearEnd.writeOwned(Buffer.alloc(0))
        nearEnd.writeBorrowed(large, 0, 5, nearEnd)
        nearEnd.writeBorrowed(large, 5, large.length, nearEnd)
        nearEnd.writeLatin1('z')
        await far.has(large.length + 7)
        const expected = Buffer.concat([Buffer.from('a\xe9bcde', 'latin1'), large, Buffer.from('z')])
        assertSame(far.content(), expected)
        assert.equal(nearEnd.bytesWritten, expected.length)
        assert.equal(pair.farEnd.bytesRead, expected.length)
        await closeBoth(bed, pair)
      })

      it('says how much is queued, charges it, and tells once when it is gone', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const { near, nearEnd, far, farEnd } = pair
        farEnd.pause()
        const content = pattern(MUCH)
        for (let at = 0; at < MUCH; at += MEGABYTE) nearEnd.writeOwned(content.subarray(at, at + MEGABYTE))
        await turns(5)
        assert.equal(nearEnd.writeLatin1('!'), false)
        assert.ok(nearEnd.queuedBytes > MEGABYTE, `${nearEnd.queuedBytes} bytes queued`)
        await turns(2)
        assert.ok(bed.budget.usedBytes >= nearEnd.queuedBytes)
        assert.equal(near.drains, 0)
        // Less than a kernel waits for before it takes more: only what is acknowledged tells that the peer reads.
        const untaken = nearEnd.untakenBytes
        assert.ok(untaken > MEGABYTE, `${untaken} bytes not taken`)
        farEnd.resume()
        await far.has(MEGABYTE)
        farEnd.pause()
        await near.until(() => nearEnd.untakenBytes < untaken, 'fewer bytes not taken')
        farEnd.resume()
        await far.has(MUCH + 1)
        await near.until(() => near.drains > 0, 'onDrain')
        await near.until(() => nearEnd.untakenBytes === 0, 'everything to be taken')
        assert.equal(near.drains, 1)
        assert.equal(nearEnd.queuedBytes, 0)
        assertSame(far.content(), Buffer.concat([content, Buffer.from('!')]))
        await bed.settled()
        await closeBoth(bed, pair)
      })

      it('keeps what is queued from the garbage collector', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const { nearEnd, far, farEnd } = pair
        farEnd.pause()
        const expected: Buffer[] = []
        for (let index = 0; index < 240; index++) {
          const content = pattern(70_000, index + 1)
          expected.push(content)
          // Copies, to which nobody but the transport refers afterwards.
          if (index % 3 === 0) nearEnd.writeOwned(copyOf(content))
          else if (index % 3 === 1) nearEnd.writeParts([copyOf(content), ''])
          else nearEnd.writeBorrowed(content, 0, content.length, nearEnd)
          if (index % 16 === 0) await nextTurn()
        }
        await nextTurn()
        assert.ok(nearEnd.queuedBytes > MEGABYTE)
        collectGarbage()
        // What was freed is given out again and overwritten.
        const rubbish = Array.from({ length: 400 }, () => Buffer.alloc(70_000, 0x55))
        farEnd.resume()
        await far.has(240 * 70_000)
        assert.equal(rubbish.length, 400)
        assertSame(far.content(), Buffer.concat(expected))
        await closeBoth(bed, pair)
      })

      it('passes borrowed bytes on under back-pressure, intact, and gives all memory back', async () => {
        using bed = new Bed(make)
        const inbound = await pairOf(bed)
        const outbound = await pairOf(bed)
        // inbound.near → inbound.far | outbound.near → outbound.far
        inbound.farEnd.bulk(true)
        outbound.farEnd.pause()
        let pauses = 0
        inbound.far.hooks.data = (buffer, start, end) => {
          // In two pieces, as a body with something in between is: both may have to wait.
          const middle = start + ((end - start) >> 1)
          outbound.nearEnd.writeBorrowed(buffer, start, middle, inbound.farEnd)
          if (outbound.nearEnd.writeBorrowed(buffer, middle, end, inbound.farEnd)) return
          pauses++
          inbound.farEnd.pause()
          outbound.near.happened()
        }
        outbound.near.hooks.drain = () => inbound.farEnd.resume()
        const content = pattern(MUCH, 7)
        inbound.nearEnd.writeOwned(content)
        await outbound.near.until(() => pauses > 0, 'back-pressure')
        await turns(5)
        outbound.farEnd.resume()
        await outbound.far.has(MUCH)
        assertSame(outbound.far.content(), content)
        inbound.farEnd.bulk(false)
        inbound.nearEnd.writeLatin1('.')
        await outbound.far.has(MUCH + 1)
        await closeBoth(bed, inbound)
        await closeBoth(bed, outbound)
      })

      it('does nothing after close', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const { near, nearEnd } = pair
        nearEnd.destroy()
        assert.equal(nearEnd.isClosed, true)
        assert.deepEqual(near.closes, [], 'onClose came from inside of destroy')
        assert.equal(nearEnd.writeLatin1('x'), true)
        assert.equal(nearEnd.writeOwned(Buffer.from('x')), true)
        assert.equal(nearEnd.writeParts(['x']), true)
        assert.equal(nearEnd.writeBorrowed(Buffer.alloc(50_000), 0, 50_000, nearEnd), true)
        nearEnd.pause()
        nearEnd.resume()
        nearEnd.halfClose()
        nearEnd.end()
        nearEnd.reset()
        nearEnd.destroy()
        nearEnd.bulk(true)
        await near.closed()
        await pair.far.ended()
        await closeBoth(bed, pair)
        assert.deepEqual(near.closes, [null])
        assert.equal(pair.far.bytes, 0)
      })
    })

    describe(`${name}, ${kind}: reading`, () => {
      it('stops for pause and goes on after resume', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const { near, nearEnd, farEnd } = pair
        nearEnd.pause()
        nearEnd.pause()
        farEnd.writeOwned(pattern(100_000))
        await turns(20)
        assert.equal(near.bytes, 0)
        nearEnd.resume()
        nearEnd.resume()
        await near.has(100_000)
        assertSame(near.content(), pattern(100_000))
        await closeBoth(bed, pair)
      })

      it('stops for a pause from inside of onData', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const { near, nearEnd, farEnd } = pair
        near.hooks.data = () => nearEnd.pause()
        farEnd.writeOwned(pattern(4 * MEGABYTE))
        await near.has(1)
        await turns(20)
        // TLS has decrypted some records more when it is told.
        assert.ok(near.bytes < MEGABYTE, `${near.bytes} bytes after pause`)
        near.hooks = {}
        nearEnd.resume()
        await near.has(4 * MEGABYTE)
        assertSame(near.content(), pattern(4 * MEGABYTE))
        await closeBoth(bed, pair)
      })

      it('tells of the peer’s end once, and still writes', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const { near, nearEnd, far, farEnd } = pair
        farEnd.writeLatin1('last words')
        farEnd.halfClose()
        farEnd.halfClose()
        await near.ended()
        assert.equal(near.content().toString(), 'last words')
        nearEnd.pause()
        nearEnd.resume()
        nearEnd.writeLatin1('understood')
        await far.has(10)
        await turns(5)
        assert.deepEqual(near.events, ['connect', 'data', 'end'])
        nearEnd.halfClose()
        await far.ended()
        await closeBoth(bed, pair)
      })

      it('hands over to another handler from inside of onData', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const { near, nearEnd, farEnd } = pair
        const second = new Recorder()
        near.hooks.data = () => {
          nearEnd.handler = second
        }
        farEnd.writeLatin1('first')
        await near.has(5)
        farEnd.writeLatin1('second')
        await second.has(6)
        assert.equal(near.content().toString(), 'first')
        farEnd.destroy()
        await second.ended()
        nearEnd.destroy()
        await second.closed()
        assert.deepEqual(near.closes, [])
      })
    })

    describe(`${name}, ${kind}: ending`, () => {
      it('end sends what is queued however slowly it is taken, then waits for the peer a little', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const { near, nearEnd, far, farEnd } = pair
        farEnd.pause()
        const content = pattern(MUCH, 3)
        nearEnd.writeOwned(content)
        nearEnd.end()
        nearEnd.end()
        await bed.until(() => bed.timers.size > 0, 'a timer for the stalled peer')
        // Something is taken before each look.
        while (nearEnd.queuedBytes > 0) {
          const seen = far.bytes
          farEnd.resume()
          await far.has(Math.min(MUCH, seen + STEP))
          farEnd.pause()
          await turns(5)
          if (nearEnd.queuedBytes > 0) bed.fireTimers()
        }
        assert.deepEqual(near.closes, [])
        farEnd.resume()
        await far.ended()
        assertSame(far.content(), content)
        farEnd.destroy()
        await near.closed()
        assert.deepEqual(near.closes, [null])
        assert.equal(bed.timers.size, 0, 'timers left behind')
        await closeBoth(bed, pair)
      })

      it('end drops what still arrives and closes after the linger', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const { near, nearEnd, far, farEnd } = pair
        nearEnd.writeLatin1('bye')
        nearEnd.end()
        await far.ended()
        farEnd.writeLatin1('but I have more to say')
        await bed.until(() => bed.timers.size === 1, 'the linger timer')
        await turns(5)
        assert.deepEqual(near.events, ['connect'])
        bed.fireTimers()
        await near.closed()
        assert.deepEqual(near.closes, [null])
        await closeBoth(bed, pair)
      })

      it('end closes at once when the peer has ended already', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const { near, nearEnd, far, farEnd } = pair
        near.hooks.end = () => {
          nearEnd.writeLatin1('answer')
          nearEnd.end()
        }
        farEnd.halfClose()
        await near.closed()
        await far.ended()
        assert.equal(far.content().toString(), 'answer')
        assert.deepEqual(near.closes, [null])
        await closeBoth(bed, pair)
      })

      it('end after halfClose waits for the peer as well', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const { near, nearEnd, far, farEnd } = pair
        nearEnd.halfClose()
        await far.ended()
        nearEnd.end()
        farEnd.destroy()
        await near.closed()
        await closeBoth(bed, pair)
      })

      it('end gives up on a peer that takes nothing, and that peer sees a reset', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const { near, nearEnd, far, farEnd } = pair
        farEnd.pause()
        nearEnd.writeOwned(pattern(MUCH))
        nearEnd.end()
        await bed.until(() => bed.timers.size > 0, 'a timer for the stalled peer')
        await turns(10)
        // The first look may see what the kernel took since; the second sees nothing new.
        for (let looks = 0; looks < 3 && near.closes.length === 0; looks++) {
          bed.fireTimers()
          await turns(5)
        }
        await near.closed()
        farEnd.resume()
        await far.closed()
        assert.equal(far.closes[0]?.code, 'ECONNRESET')
        await closeBoth(bed, pair)
      })

      it('reset reaches the peer as ECONNRESET', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const { near, nearEnd, far, farEnd } = pair
        // Both have been heard: a write of TLS’s own that is still under way would meet the reset instead.
        nearEnd.writeLatin1('ping')
        await far.has(4)
        farEnd.writeLatin1('pong')
        await near.has(4)
        nearEnd.reset()
        assert.deepEqual(near.closes, [])
        await near.closed()
        await far.closed()
        assert.deepEqual(near.closes, [null])
        assert.equal(far.closes[0]?.code, 'ECONNRESET')
        await closeBoth(bed, pair)
      })

      it('reset closes behind a FIN that is under way and behind a full queue', async () => {
        for (const prepare of [
          (connection: TransportConnection) => connection.halfClose(),
          (connection: TransportConnection) => connection.end(),
          (connection: TransportConnection) => void connection.writeOwned(pattern(MUCH)),
          (connection: TransportConnection) => {
            connection.writeOwned(pattern(MUCH))
            connection.end()
          },
        ]) {
          using bed = new Bed(make)
          const pair = await pairOf(bed)
          const { near, nearEnd } = pair
          pair.farEnd.pause()
          prepare(nearEnd)
          nearEnd.reset()
          await near.closed()
          assert.deepEqual(near.closes, [null])
          await closeBoth(bed, pair)
        }
      })

      it('destroy loses what is queued and releases it', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const { near, nearEnd, farEnd } = pair
        farEnd.pause()
        nearEnd.writeOwned(pattern(MUCH))
        nearEnd.writeLatin1('and')
        nearEnd.writeParts(['more'])
        await turns(3)
        nearEnd.destroy()
        await near.closed()
        await bed.settled()
        assert.equal(nearEnd.queuedBytes, 0)
        await closeBoth(bed, pair)
      })

      it('a handler that ends its connection from inside of a callback is told once', async () => {
        for (const act of ['destroy', 'reset', 'end', 'halfClose'] as const) {
          using bed = new Bed(make)
          const pair = await pairOf(bed)
          const { near, nearEnd, far, farEnd } = pair
          near.hooks.data = () => nearEnd[act]()
          far.hooks.end = () => farEnd.destroy()
          farEnd.writeLatin1('go')
          await far.closed()
          if (act === 'halfClose') {
            await near.ended()
            nearEnd.destroy()
          }
          await near.closed()
          await closeBoth(bed, pair)
          assert.equal(near.closes.length, 1, act)
        }
      })
    })

    describe(`${name}, ${kind}: faults`, () => {
      for (const where of ['data', 'end', ...(isLate ? [] : (['drain'] as const))] as const) {
        it(`an exception in on${where} closes that connection and is reported`, async () => {
          using bed = new Bed(make)
          const pair = await pairOf(bed)
          const { near, nearEnd, farEnd } = pair
          const error = new Error(`from on${where}`)
          near.hooks[where] = () => {
            throw error
          }
          if (where === 'data') farEnd.writeLatin1('x')
          else if (where === 'end') farEnd.halfClose()
          else nearEnd.writeOwned(pattern(MUCH))
          await near.closed()
          assert.deepEqual(bed.faults, [error])
          assert.deepEqual(near.closes, [null])
          await closeBoth(bed, pair)
        })
      }

      it('an exception in onClose is reported', async () => {
        using bed = new Bed(make)
        const pair = await pairOf(bed)
        const error = new Error('from onClose')
        pair.near.hooks.close = () => {
          throw error
        }
        pair.nearEnd.destroy()
        await bed.until(() => bed.faults.length > 0, 'the fault')
        assert.deepEqual(bed.faults, [error])
        pair.farEnd.destroy()
        await pair.far.closed()
      })
    })
  }

  describe(`${name}: connecting and listening`, () => {
    it('a refused connection is closed with the reason', async () => {
      using bed = new Bed(make)
      const port = await closedPort()
      const recorder = new Recorder()
      const connection = bed.transport.connect('127.0.0.1', port, undefined, recorder)
      await recorder.closed()
      assert.deepEqual(recorder.events, ['close'])
      assert.equal(recorder.closes[0]?.code, 'ECONNREFUSED')
      assert.match(recorder.closes[0].message, new RegExp(`127\\.0\\.0\\.1:${port}`))
      assert.equal(connection.isClosed, true)
    })

    it('a connection can be given up before it is there', async () => {
      using bed = new Bed(make)
      const port = bed.listen((connection) => connection.destroy())
      for (const act of ['destroy', 'reset'] as const) {
        const recorder = new Recorder()
        const connection = bed.transport.connect('127.0.0.1', port, undefined, recorder)
        connection[act]()
        await recorder.closed()
        assert.deepEqual(recorder.events, ['close'])
      }
    })

    it('an exception in onConnect or in the callback of accept is reported, and the connection closed', async () => {
      using bed = new Bed(make)
      const recorder = new Recorder()
      recorder.hooks.connect = () => {
        throw new Error('from onConnect')
      }
      const port = bed.listen(() => {
        throw new Error('from accept')
      })
      bed.transport.connect('127.0.0.1', port, undefined, recorder)
      await bed.until(() => bed.faults.length === 2, 'both faults')
      assert.deepEqual(bed.faults.map(String).sort(), ['Error: from accept', 'Error: from onConnect'])
      await recorder.closed()
    })

    it('knows both addresses; an IPv4-mapped one is the IPv4 address', async () => {
      using bed = new Bed(make)
      const socket = ListeningSocket.bind('', 0)
      const far = new Recorder()
      let accepted: TransportConnection | undefined
      const listener = bed.transport.listen(
        socket.duplicate(),
        LISTEN_BACKLOG,
        () => false,
        (connection) => {
          connection.handler = far
          accepted = connection
          far.happened()
        },
      )
      const client = rawConnect(socket.port, '127.0.0.1')
      await far.until(() => accepted !== undefined, 'the connection')
      assert.equal(accepted!.facts.remoteAddress, '127.0.0.1')
      assert.equal(accepted!.facts.remotePort, client.localPort)
      assert.equal(accepted!.facts.localAddress, '127.0.0.1')
      assert.equal(accepted!.facts.localPort, socket.port)
      client.destroy()
      await far.ended()
      accepted!.destroy()
      await far.closed()
      listener.close()
      socket.close()
    })

    it('a socket that is diverted is not seen here and can be adopted elsewhere', async () => {
      using bed = new Bed(make)
      using other = new Bed(make)
      const far = new Recorder()
      let adopted: TransportConnection | undefined
      const port = bed.listen(
        () => assert.fail('the diverted connection was accepted'),
        (fd) => {
          adopted = other.transport.adopt(duplicate(fd))
          adopted.handler = far
          return true
        },
      )
      const near = new Recorder()
      const nearEnd = bed.transport.connect('127.0.0.1', port, undefined, near)
      await near.connected()
      nearEnd.writeLatin1('hello')
      await far.has(5)
      assert.equal(adopted!.facts.remoteAddress, '127.0.0.1')
      adopted!.writeLatin1('welcome')
      await near.has(7)
      nearEnd.destroy()
      await far.ended()
      adopted!.destroy()
      await far.closed()
    })

    it('a descriptor that is no socket is refused with its code', () => {
      using bed = new Bed(make)
      assert.throws(
        () =>
          bed.transport.listen(
            999_999,
            1,
            () => false,
            () => {},
          ),
        (error: Error & { code?: string }) => error.code === 'EBADF',
      )
      assert.throws(
        () => bed.transport.adopt(999_999),
        (error: Error & { code?: string }) => error.code === 'EBADF',
      )
    })

    it('a closed listener accepts no more, and the socket goes on for others', async () => {
      using bed = new Bed(make)
      const socket = ListeningSocket.bind('127.0.0.1', 0)
      let here = 0
      const first = bed.transport.listen(
        socket.duplicate(),
        LISTEN_BACKLOG,
        () => false,
        () => here++,
      )
      first.close()
      const second = new Recorder()
      const listener = bed.transport.listen(
        socket.duplicate(),
        LISTEN_BACKLOG,
        () => false,
        (connection) => {
          connection.handler = second
          connection.destroy()
        },
      )
      const client = rawConnect(socket.port, '127.0.0.1')
      await second.closed()
      assert.equal(here, 0)
      client.destroy()
      listener.close()
      socket.close()
    })
  })
}

async function closeBoth(bed: Bed, pair: Pair): Promise<void> {
  pair.nearEnd.destroy()
  pair.farEnd.destroy()
  await Promise.all([pair.near.closed(), pair.far.closed()])
  await turns(3)
  assert.equal(pair.near.closes.length, 1)
  assert.equal(pair.far.closes.length, 1)
  await bed.settled()
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await nextTurn()
}

function copyOf(content: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(content.length)
  content.copy(copy)
  return copy
}

let collect: (() => void) | undefined

function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  collect()
  collect()
}

/** A port on which nobody listens any more. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => {
    server.close(resolve)
  })
  return port
}
