import assert from 'node:assert/strict'
import { it } from 'node:test'
import { CoarseClock } from '#lib/clock.ts'
import { TestNameServer } from '#net/names/name-server.fixture.ts'
import { Resolver } from '#net/names/resolver.ts'
import { SystemNames } from '#net/names/system-names.ts'
import { ClientBed, RecordingSink, type RawConnection } from './client.fixture.ts'
import { FAIL_CONNECT } from './failure.ts'

const TTL_SECONDS = 2
const NO_FILES = { hosts: '/nonexistent/hosts', resolvConf: '/nonexistent/resolv.conf' }

it('a server by name is where its name server says, and stays when that says nothing more', async () => {
  using nameServer = await TestNameServer.start()
  let time = 1_800_000_000_000
  const clock = new CoarseClock(
    () => time,
    () => time,
  )
  const names = new SystemNames({ servers: [nameServer.address], files: NO_FILES })
  const resolver = new Resolver(() => time, names)
  using bed = new ClientBed({ clock, resolver })
  const server = await bed.server(({ socket }: RawConnection) => {
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'))
  })
  const pool = bed.pool(server.port, { address: 'db.example' })
  /** Answered or not, after as many answers of the name server as there should be by then. */
  const request = async (answers: number): Promise<number> => {
    const sink = new RecordingSink()
    pool.request(sink, false)
    await sink.over()
    const { counters } = resolver
    while (counters.resolved + counters.failed < answers) await new Promise((resume) => setImmediate(resume))
    assert.equal(counters.resolved + counters.failed, answers)
    return sink.failure
  }
  const passes = (seconds: number): void => {
    time += seconds * 1000
    clock.tick()
  }

  nameServer.zones.set('db.example', { ttl: TTL_SECONDS, v4: ['127.0.0.1'] })
  assert.equal(await request(1), 0)
  passes(TTL_SECONDS - 1)
  assert.equal(await request(1), 0)
  assert.equal(server.connections.length, 1)

  // This use asks, and the answer is the same: the connection stays.
  passes(1)
  assert.equal(await request(2), 0)
  assert.equal(await request(2), 0)
  assert.equal(server.connections.length, 1)

  // Nobody listens at the new address; the kept connection is to the old one and is not used any more.
  nameServer.zones.set('db.example', { ttl: TTL_SECONDS, v4: ['127.0.0.77'] })
  passes(TTL_SECONDS)
  assert.equal(await request(3), 0)
  assert.equal(await request(3), FAIL_CONNECT)
  await server.connections[0]!.gone()

  nameServer.zones.set('db.example', { ttl: TTL_SECONDS, v4: ['127.0.0.1'] })
  passes(TTL_SECONDS)
  assert.equal(await request(4), FAIL_CONNECT)
  assert.equal(await request(4), 0)
  assert.equal(server.connections.length, 2)

  // The name is gone.
  nameServer.zones.delete('db.example')
  for (let round = 1; round <= 3; round++) {
    passes(60)
    assert.equal(await request(4 + round), 0)
  }
  assert.deepEqual(resolver.counters, { resolved: 4, failed: 3, failing: 1 })
  assert.equal(server.connections.length, 2)
  pool.close()
})
