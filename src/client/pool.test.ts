import assert from 'node:assert/strict'
import { it } from 'node:test'
import { CoarseClock } from '#lib/clock.ts'
import { Resolver } from '#net/names/resolver.ts'
import type { NameSource } from '#net/names/system-names.ts'
import { ClientBed, RecordingSink, type RawConnection } from './client.fixture.ts'
import { FAIL_CONNECT } from './failure.ts'

const TTL_MS = 2_000

it('a connection is used again only while the name of its server has its address', async () => {
  let time = 1_800_000_000_000
  let addresses = ['127.0.0.1']
  let asked = 0
  const source: NameSource = {
    lookup() {
      asked++
      return Promise.resolve({ v4: { kind: 'found', addresses, ttlMs: TTL_MS }, v6: { kind: 'none' } })
    },
  }
  const clock = new CoarseClock(
    () => time,
    () => time,
  )
  using bed = new ClientBed({ clock, resolver: new Resolver(() => time, source) })
  const answer = ({ socket }: RawConnection): void => {
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'))
  }
  const server = await bed.server(answer)
  const pool = bed.pool(server.port, { address: 'db.example' })
  const request = async (): Promise<RecordingSink> => {
    const sink = new RecordingSink()
    pool.request(sink, false)
    await sink.over()
    return sink
  }
  /** The answer to a question is taken in a turn of its own. */
  const passes = async (ms: number): Promise<void> => {
    time += ms
    clock.tick()
    await new Promise((resolve) => setImmediate(resolve))
  }

  await request()
  await request()
  assert.deepEqual([server.connections.length, asked], [1, 1], 'one connection, one question')

  // Its time is over: this use asks, and the answer is the same.
  await passes(TTL_MS)
  await request()
  await passes(0)
  await request()
  assert.deepEqual([server.connections.length, asked], [1, 2])

  // Nobody listens at the new address.
  addresses = ['127.0.0.77']
  await passes(TTL_MS)
  await request()
  await passes(0)
  const moved = await request()
  assert.equal(moved.failure, FAIL_CONNECT, moved.events.join(', '))
  await server.connections[0]!.gone()

  addresses = ['127.0.0.1']
  await passes(TTL_MS)
  await request()
  await passes(0)
  assert.equal((await request()).failure, 0)
  assert.equal(server.connections.length, 2)
  pool.close()
})
