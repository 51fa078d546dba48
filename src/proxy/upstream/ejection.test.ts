import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FAIL_CONNECT, FAIL_HEAD_TIMEOUT } from '#client/failure.ts'
import type { Service } from './service.ts'
import { Fixture, fakeExchange, serverConfigs, serviceConfig } from './upstream.fixture.ts'

/** Two workers with the same service of `count` servers. */
function setUp(count: number, options: Partial<Fixture['ejection']> = {}): [Fixture, Service, Service] {
  const fixture = new Fixture()
  fixture.ejection = { ...fixture.ejection, ...options }
  const config = serviceConfig(serverConfigs(Array.from({ length: count }, () => ({}))))
  return [fixture, fixture.service(fixture.worker(), config), fixture.service(fixture.worker(), config)]
}

function fail(fixture: Fixture, service: Service, index: number, times = 3): void {
  for (let i = 0; i < times; i++) service.servers[index]!.reportFailure(fixture.now, FAIL_CONNECT)
}

function isIn(fixture: Fixture, service: Service, index: number): boolean {
  return service.servers[index]!.isAvailable(fixture.now)
}

async function answer(fixture: Fixture, isGood: boolean): Promise<void> {
  fixture.probes.shift()!.answer(isGood)
  await new Promise<void>((resolve) => {
    setImmediate(resolve)
  })
}

describe('ejection', () => {
  it('comes with the third failure in a row, whichever workers saw them, and all workers see it', () => {
    const [fixture, first, second] = setUp(3)
    fail(fixture, first, 0, 1)
    fail(fixture, second, 0, 1)
    assert.ok(isIn(fixture, first, 0))
    fail(fixture, first, 0, 1)
    assert.ok(!isIn(fixture, first, 0))
    assert.ok(!isIn(fixture, second, 0))
    assert.deepEqual(fixture.log, [`ejected 10.0.0.1:80 for 5000 (${FAIL_CONNECT})`])
    assert.equal(second.ejectedCount(), 1)
  })

  it('does not come when a success lies between, in any worker', () => {
    const [fixture, first, second] = setUp(3)
    for (let i = 0; i < 5; i++) {
      fail(fixture, first, 0, 2)
      second.servers[0]!.reportSuccess(fixture.now)
    }
    assert.ok(isIn(fixture, first, 0))
  })

  it('does not come of failures that lie far apart', () => {
    const [fixture, service] = setUp(3)
    for (let i = 0; i < 10; i++) {
      fail(fixture, service, 0, 1)
      fixture.now += 16_000
    }
    assert.ok(isIn(fixture, service, 0))
    fail(fixture, service, 0, 2)
    fail(fixture, service, 0, 1)
    assert.ok(!isIn(fixture, service, 0))
  })

  const limits: readonly [servers: number, maxPercent: number, ejected: number][] = [
    [1, 50, 0],
    [2, 50, 1],
    [3, 50, 1],
    [4, 50, 2],
    [10, 50, 5],
    [10, 20, 2],
    [3, 10, 1],
    [4, 100, 3],
    [4, 0, 0],
  ]
  for (const [servers, maxPercent, ejected] of limits) {
    it(`takes ${ejected} of ${servers} at most at ${maxPercent} %`, () => {
      const [fixture, first, second] = setUp(servers, { maxPercent })
      for (let i = 0; i < servers; i++) fail(fixture, i % 2 === 0 ? first : second, i)
      assert.equal(first.ejectedCount(), ejected)
      assert.equal(second.ejectedCount(), ejected)
      const report = fixture.slots.report(first.name, fixture.now)!
      assert.equal(report.ejections, ejected)
      assert.equal(report.withheld, servers - ejected)
      assert.equal(report.servers.filter((server) => server.isEjected).length, ejected)
    })
  }

  it('can be turned off', () => {
    const [fixture, service] = setUp(3, { failures: 0 })
    fail(fixture, service, 0, 100)
    assert.ok(isIn(fixture, service, 0))
  })

  it('survives a reload, also one that takes the server away for a moment', () => {
    const [fixture, first, second] = setUp(3)
    fail(fixture, first, 1)
    const { config } = first
    fixture.update([first, second], { ...config, servers: config.servers.filter((_, i) => i !== 1) })
    fixture.now += 2000
    fixture.sweep()
    fixture.update([first, second], config)
    assert.ok(!isIn(fixture, first, 1))
    assert.ok(!isIn(fixture, second, 1))
  })

  it('and its limit count fenced servers apart', () => {
    const fixture = new Fixture()
    const config = serviceConfig(serverConfigs([{}, {}, { fenced: true }, { fenced: true }]))
    const service = fixture.service(fixture.worker(), config)
    for (let i = 0; i < 4; i++) fail(fixture, service, i)
    assert.deepEqual(
      service.servers.map((server) => server.isAvailable(fixture.now)),
      [false, true, false, true],
    )
  })

  it('shows in the report why and for how long', () => {
    const [fixture, service] = setUp(2)
    fail(fixture, service, 0, 2)
    service.servers[0]!.reportFailure(fixture.now, FAIL_HEAD_TIMEOUT)
    fixture.now += 1000
    const report = fixture.slots.report(service.name, fixture.now)!.servers[0]!
    assert.deepEqual(report, {
      id: '10.0.0.1:80',
      isEjected: true,
      probeInMs: 4000,
      inFlight: 0,
      failures: 3,
      lastFailure: FAIL_HEAD_TIMEOUT,
    })
  })
})

describe('probes', () => {
  it('start when the time is over, from one worker only, and bring the server back for all', async () => {
    const [fixture, first, second] = setUp(3)
    fail(fixture, first, 0)
    fixture.now += 4999
    first.select(fakeExchange(), [], fixture.now)
    second.tick(fixture.now)
    assert.equal(fixture.probes.length, 0)
    fixture.now += 1
    second.select(fakeExchange(), [], fixture.now)
    first.select(fakeExchange(), [], fixture.now)
    first.tick(fixture.now)
    assert.equal(fixture.probes.length, 1)
    assert.equal(fixture.probes[0]!.server, second.servers[0])
    assert.ok(!isIn(fixture, first, 0), 'not before the probe succeeded')
    await answer(fixture, true)
    assert.ok(isIn(fixture, first, 0))
    assert.ok(isIn(fixture, second, 0))
    assert.equal(fixture.log.at(-1), 'reinstated 10.0.0.1:80')
    const report = fixture.slots.report(first.name, fixture.now)!
    assert.deepEqual([report.ejections, report.probes, report.reinstatements], [1, 1, 1])
  })

  it('start from one worker only when two look in the same instant', (t) => {
    const [fixture, first, second] = setUp(3)
    fail(fixture, first, 0)
    fixture.now += 5000
    const swap = Atomics.compareExchange.bind(Atomics) as (
      ...args: [Int32Array, number, number, number]
    ) => number
    const mocked = t.mock.method(
      Atomics,
      'compareExchange',
      (words: Int32Array, index: number, expected: number, value: number) => {
        mocked.mock.restore()
        second.tick(fixture.now)
        return swap(words, index, expected, value)
      },
    )
    first.tick(fixture.now)
    assert.deepEqual(
      fixture.probes.map((probe) => probe.server),
      [second.servers[0]],
    )
  })

  it('that fail make the pause longer, up to the longest', async () => {
    const [fixture, service] = setUp(3)
    fail(fixture, service, 0)
    const pauses: number[] = []
    let since = fixture.now
    for (let i = 0; i < 6; i++) {
      while (fixture.probes.length === 0) {
        fixture.now += 1000
        service.tick(fixture.now)
      }
      pauses.push((fixture.now - since) / 1000)
      await answer(fixture, false)
      since = fixture.now
    }
    assert.deepEqual(pauses, [5, 10, 20, 40, 60, 60])
    assert.ok(!isIn(fixture, service, 0))
  })

  it('are spread: the pause differs by up to a fifth either way', () => {
    const pauseAt = (random: number): string => {
      const [fixture, service] = setUp(3)
      fixture.random = () => random
      fail(fixture, service, 0)
      return fixture.log[0]!
    }
    assert.match(pauseAt(0), /for 4000 /)
    assert.match(pauseAt(0.999999), /for 6000 /)
  })

  it('a server that falls again soon is out for longer, one that stayed is forgiven', async () => {
    const [fixture, service] = setUp(3)
    const eject = async (): Promise<string> => {
      fail(fixture, service, 0)
      const line = fixture.log.at(-1)!
      fixture.now += 60_000
      service.tick(fixture.now)
      await answer(fixture, true)
      assert.ok(isIn(fixture, service, 0))
      return line
    }
    assert.match(await eject(), /for 5000 /)
    assert.match(await eject(), /for 10000 /)
    fixture.now += 30_000
    assert.match(await eject(), /for 20000 /)
    fixture.now += 60_001
    assert.match(await eject(), /for 5000 /)
  })

  it('of a worker that ended are taken over when their time is up', async () => {
    const [fixture, first, second] = setUp(3)
    fail(fixture, first, 0)
    fixture.now += 5000
    first.tick(fixture.now)
    assert.equal(fixture.probes.length, 1)
    fixture.now += 6999
    second.tick(fixture.now)
    assert.equal(fixture.probes.length, 1)
    fixture.now += 1
    second.tick(fixture.now)
    assert.equal(fixture.probes.length, 2)
    // The first one's verdict comes late and says no: it is not asked any more.
    await answer(fixture, false)
    second.tick(fixture.now)
    assert.equal(fixture.probes.length, 1)
    await answer(fixture, true)
    assert.ok(isIn(fixture, first, 0))
  })

  it('that time out a little late still make the pause longer', async () => {
    const [fixture, first, second] = setUp(3)
    fail(fixture, first, 0)
    fixture.now += 5000
    first.tick(fixture.now)
    // Timers are coarse: the verdict comes 200 ms behind the probe's time, and the other worker looks before it.
    fixture.now += 5200
    second.tick(fixture.now)
    await answer(fixture, false)
    assert.equal(fixture.probes.length, 0)
    assert.equal(fixture.slots.report(first.name, fixture.now)!.servers[0]!.probeInMs, 10_000)
  })

  it('that throw count as failed', async () => {
    const fixture = new Fixture()
    const worker = fixture.worker()
    const broken = { ...worker.host, probe: () => Promise.reject(new Error('no route')) }
    const config = serviceConfig(serverConfigs([{}, {}]))
    const service = fixture.service({ ...worker, host: broken }, config)
    fail(fixture, service, 0)
    fixture.now += 5000
    service.tick(fixture.now)
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
    assert.equal(fixture.slots.report(config.name, fixture.now)!.servers[0]!.probeInMs, 10_000)
  })

  it('of a server that was away for a moment start when it is back', () => {
    const [fixture, service] = setUp(3)
    fail(fixture, service, 0)
    service.tick(fixture.now)
    const { config } = service
    fixture.update([service], { ...config, servers: config.servers.slice(1) })
    fixture.now += 6000
    service.tick(fixture.now)
    assert.equal(fixture.probes.length, 0)
    fixture.update([service], config)
    service.tick(fixture.now)
    assert.equal(fixture.probes.length, 1)
  })

  it('of a server that was removed meanwhile change nobody', async () => {
    const [fixture, first, second] = setUp(3)
    fail(fixture, first, 0)
    fixture.now += 5000
    first.tick(fixture.now)
    const { config } = first
    fixture.update([first, second], { ...config, servers: config.servers.slice(1) })
    await answer(fixture, true)
    assert.deepEqual(
      fixture.log.filter((line) => line.startsWith('reinstated')),
      [],
    )
  })

  it('nobody available: all are used, and counted as such', () => {
    const [fixture, service] = setUp(2)
    fail(fixture, service, 0)
    const { config } = service
    fixture.update([service], { ...config, servers: [config.servers[0]!] })
    assert.equal(service.select(fakeExchange(), [], fixture.now), service.servers[0])
    assert.equal(fixture.slots.report(service.name, fixture.now)!.panics, 1)
  })
})
