import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { Waiter } from '#net/transport/transport.fixture.ts'
import { Election, type ElectionHandler, type ElectionOptions } from './election.ts'
import type { KubeError } from './errors.ts'
import { FakeApiServer, sendStatus, type FakeObject } from './fake-api-server.fixture.ts'
import { ManualTimers } from './timers.fixture.ts'

const COLLECTION = 'apis/coordination.k8s.io/v1/leases'

class Candidate extends Waiter implements ElectionHandler {
  events: string[] = []
  leaders: string[] = []
  errors: KubeError[] = []
  readonly timers = new ManualTimers()
  readonly election: Election

  constructor(server: FakeApiServer, identity: string, options: Partial<ElectionOptions> = {}) {
    super()
    const client = server.client({ timers: this.timers })
    this.election = new Election(client, { namespace: 'sekisho', name: 'leader', identity, ...options }, this)
  }

  onStartedLeading(): void {
    this.events.push('start')
    this.happened()
  }
  onStoppedLeading(): void {
    this.events.push('stop')
    this.happened()
  }
  onLeader(identity: string): void {
    this.leaders.push(identity)
    this.happened()
  }
  onError(error: KubeError): void {
    this.errors.push(error)
    this.happened()
  }

  leads(): Promise<void> {
    return this.until(() => this.events.at(-1) === 'start', 'leading')
  }
  sees(leader: string): Promise<void> {
    return this.until(() => this.leaders.at(-1) === leader, `the leader ${leader}`)
  }

  /** Waits for the pause between two tries, and lets it pass. */
  async turn(ms = 2000): Promise<void> {
    await this.timers.armed(ms)
    await this.timers.advance(ms)
  }
}

async function start(
  t: TestContext,
  ...identities: string[]
): Promise<{ server: FakeApiServer; candidates: Candidate[] }> {
  const server = await new FakeApiServer().start()
  const candidates = identities.map((identity) => new Candidate(server, identity))
  t.after(async () => {
    server.intercept = undefined
    await Promise.all(candidates.map((candidate) => candidate.election.stop()))
    await server[Symbol.asyncDispose]()
  })
  return { server, candidates }
}

function spec(server: FakeApiServer): Record<string, unknown> {
  return (server.all(COLLECTION)[0]?.['spec'] ?? {}) as Record<string, unknown>
}

function writes(server: FakeApiServer): number {
  return server.count('PUT', 'leases') + server.count('POST', 'leases')
}

describe('an election', () => {
  test('the first candidate makes the lease, leads, and renews without reading', async (t) => {
    const { server, candidates: [a] } = await start(t, 'a') // prettier-ignore
    a!.election.start()
    await a!.leads()
    assert.deepEqual(
      [
        spec(server)['holderIdentity'],
        spec(server)['leaseDurationSeconds'],
        spec(server)['leaseTransitions'],
      ],
      ['a', 15, 0],
    )
    assert.match(String(spec(server)['renewTime']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    const acquired = spec(server)['acquireTime']
    const reads = server.count('GET', 'leases')
    for (let i = 2; i < 8; i++) {
      await a!.turn()
      await server.until(() => writes(server) === i, 'a renewal')
    }
    await a!.timers.armed(2000)
    assert.equal(server.count('GET', 'leases'), reads)
    assert.equal(spec(server)['acquireTime'], acquired)
    assert.notEqual(spec(server)['renewTime'], acquired)
    assert.equal(a!.election.isLeading, true)
    assert.deepEqual([a!.events, a!.leaders], [['start'], ['a']])
  })

  test('another waits until the holder was silent for its whole lease by its own clock', async (t) => {
    const { server, candidates: [a, b] } = await start(t, 'a', 'b') // prettier-ignore
    // Its wall clock is a day ahead: the times in the record mean nothing to it.
    b!.timers.wallOffset += 86_400_000
    a!.election.start()
    await a!.leads()
    b!.election.start()
    await b!.sees('a')
    for (let i = 0; i < 7; i++) await b!.turn()
    await b!.timers.armed(2000)
    assert.deepEqual(b!.events, [], '14 s of silence are not enough')
    await b!.turn()
    await b!.leads()
    assert.deepEqual([spec(server)['holderIdentity'], spec(server)['leaseTransitions']], ['b', 1])
    // The old holder finds out by the conflict, and gives up.
    await a!.turn()
    await a!.turn()
    await a!.until(() => a!.events.at(-1) === 'stop', 'a to stop')
    await a!.sees('b')
    assert.equal(a!.errors.length, 0)
    await a!.election.stop()
    assert.equal(spec(server)['holderIdentity'], 'b', 'what is not ours is not given back')
  })

  test('a renewal starts the wait anew; a change of labels does not', async (t) => {
    const { server, candidates: [a, b] } = await start(t, 'a', 'b') // prettier-ignore
    a!.election.start()
    await a!.leads()
    b!.election.start()
    await b!.sees('a')
    for (let i = 0; i < 5; i++) await b!.turn()
    await a!.turn()
    await server.until(() => writes(server) === 2, 'the renewal')
    for (let i = 0; i < 7; i++) await b!.turn()
    await b!.timers.armed(2000)
    assert.deepEqual(b!.events, [])
    const [lease] = server.all(COLLECTION)
    server.put(COLLECTION, { ...(lease as FakeObject), metadata: { ...lease!.metadata, labels: { x: 'y' } } })
    for (let i = 0; i < 2; i++) await b!.turn()
    await b!.leads()
  })

  test('a holder that cannot renew stops leading before anybody else may lead', async (t) => {
    const { server, candidates: [a] } = await start(t, 'a') // prettier-ignore
    a!.election.start()
    await a!.leads()
    server.intercept = (_, response) => {
      sendStatus(response, 500, 'InternalError', 'etcd is away')
      return true
    }
    for (let i = 0; i < 4; i++) {
      await a!.turn()
      await a!.until(() => a!.errors.length === i + 1, 'the failure')
    }
    assert.equal(a!.election.isLeading, true, '8 s')
    await a!.timers.armed(2000)
    await a!.timers.advance(2000)
    assert.equal(a!.election.isLeading, false, '10 s')
    await a!.until(() => a!.events.at(-1) === 'stop', 'the end')
    server.intercept = undefined
    await a!.turn()
    await a!.leads()
  })

  test('a renewal without an answer ends leading in time', async (t) => {
    const { server, candidates: [a] } = await start(t, 'a') // prettier-ignore
    a!.election.start()
    await a!.leads()
    server.intercept = () => true
    await a!.turn()
    await a!.timers.armed(8000)
    await a!.timers.advance(8000)
    await a!.until(() => a!.events.at(-1) === 'stop', 'the end')
    assert.equal(a!.election.isLeading, false)
  })

  test('a process that could not run does not take itself for the leader', async (t) => {
    const { candidates: [a] } = await start(t, 'a') // prettier-ignore
    a!.election.start()
    await a!.leads()
    await a!.timers.armed(2000)
    a!.timers.jump(9999)
    assert.equal(a!.election.isLeading, true)
    a!.timers.jump(1)
    assert.deepEqual([a!.election.isLeading, a!.events], [false, ['start']], 'before it could hear of it')
  })

  test('of two that try at once one leads', async (t) => {
    const { server, candidates: [a, b] } = await start(t, 'a', 'b') // prettier-ignore
    // Both have read that there is no lease before one of them writes.
    let reads = 0
    const waiting: (() => void)[] = []
    server.intercept = async (seen) => {
      if (seen.method === 'GET' && ++reads < 2) await new Promise<void>((resolve) => waiting.push(resolve))
      else for (const resolve of waiting.splice(0)) resolve()
      return false
    }
    a!.election.start()
    b!.election.start()
    await server.until(() => server.count('POST', 'leases') === 2, 'both to write')
    await Promise.all([a!.timers.armed(2000), b!.timers.armed(2000)])
    assert.deepEqual([...a!.events, ...b!.events], ['start'])
    assert.deepEqual([...a!.errors, ...b!.errors], [])
  })

  test('stopping gives the lease back, so that the next one leads at once', async (t) => {
    const { server, candidates: [a, b] } = await start(t, 'a', 'b') // prettier-ignore
    a!.election.start()
    await a!.leads()
    await a!.election.stop()
    assert.deepEqual(a!.events, ['start', 'stop'])
    assert.deepEqual([spec(server)['holderIdentity'], spec(server)['leaseDurationSeconds']], ['', 1])
    b!.election.start()
    await b!.leads()
    assert.equal(spec(server)['leaseTransitions'], 1)
  })

  test('stopping one that does not lead writes nothing', async (t) => {
    const { server, candidates: [a, b] } = await start(t, 'a', 'b') // prettier-ignore
    a!.election.start()
    await a!.leads()
    b!.election.start()
    await b!.sees('a')
    const before = writes(server)
    await b!.election.stop()
    assert.equal(writes(server), before)
    assert.equal(spec(server)['holderIdentity'], 'a')
  })

  test('a lease that was deleted is made anew by its holder', async (t) => {
    const { server, candidates: [a] } = await start(t, 'a') // prettier-ignore
    a!.election.start()
    await a!.leads()
    server.remove(COLLECTION, 'sekisho', 'leader')
    await a!.turn()
    await a!.turn()
    await server.until(() => server.all(COLLECTION).length === 1, 'the lease')
    await a!.timers.armed(2000)
    assert.deepEqual(a!.events, ['start'])
  })

  test('times that contradict each other are refused', async (t) => {
    const { server } = await start(t)
    const cases: readonly [Partial<ElectionOptions>, RegExp][] = [
      [{ leaseDurationMs: 500 }, /at least 1000/],
      [{ leaseDurationMs: 10_000 }, /leaseDurationMs must be greater/],
      [{ renewDeadlineMs: 2400 }, /renewDeadlineMs must be greater/],
    ]
    for (const [options, message] of cases) assert.throws(() => new Candidate(server, 'a', options), message)
  })
})
