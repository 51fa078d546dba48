/**
 * What every balancer must do, whatever it picks by: `runBalancerSuite` in each folder's test. Selections go
 * through a Service, as in the product, so that tiers and health are part of what is tested.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ServiceConfig } from '#config/model/dynamic.ts'
import { FAIL_CONNECT } from '#client/failure.ts'
import type { Server } from '../upstream/server.ts'
import type { Service } from '../upstream/service.ts'
import { Fixture, fakeExchange, serverConfigs, serviceConfig } from '../upstream/upstream.fixture.ts'
import type { ServerSpec } from '../upstream/upstream.fixture.ts'
import type { BalancerDeclaration } from './balancer.ts'

export interface SuiteOptions {
  /** Beyond the balancer's name, for algorithms that need more. */
  readonly service?: Partial<ServiceConfig>
  /** Largest relative distance of a server's share from its weight's. */
  readonly tolerance: number
}

interface Case {
  readonly name: string
  readonly servers: readonly ServerSpec[]
  /** Indexes. */
  readonly ejected?: readonly number[]
  readonly tried?: readonly number[]
  /** Indexes that must each be picked at least once in 500 requests, and nobody else; empty: null every time. */
  readonly picked: readonly number[]
}

const cases: readonly Case[] = [
  { name: 'no servers', servers: [], picked: [] },
  { name: 'a single server', servers: [{}], picked: [0] },
  { name: 'several servers', servers: [{}, {}, {}], picked: [0, 1, 2] },
  { name: 'weight 0 is never chosen', servers: [{}, { weight: 0 }, {}], picked: [0, 2] },
  { name: 'weight 0 is never chosen, not even alone', servers: [{ weight: 0 }], picked: [] },
  { name: 'a server that was tried is not chosen again', servers: [{}, {}, {}], tried: [1], picked: [0, 2] },
  { name: 'all tried', servers: [{}, {}], tried: [0, 1], picked: [] },
  { name: 'an ejected server is not chosen', servers: [{}, {}, {}], ejected: [2], picked: [0, 1] },
  {
    name: 'tried and ejected together',
    servers: [{}, {}, {}, {}],
    ejected: [3],
    tried: [0],
    picked: [1, 2],
  },
  { name: 'all ejected: all are used', servers: [{}, {}], ejected: [0, 1], picked: [0, 1] },
  { name: 'all ejected, one tried', servers: [{}, {}, {}], ejected: [0, 1, 2], tried: [1], picked: [0, 2] },
  { name: 'the rest ejected after one was tried', servers: [{}, {}], ejected: [1], tried: [0], picked: [1] },
  { name: 'fenced ones rest while a ready one is there', servers: [{}, { fenced: true }], picked: [0] },
  {
    name: 'fenced ones serve when they are alone',
    servers: [{ fenced: true }, { fenced: true }],
    picked: [0, 1],
  },
  {
    name: 'a fenced one serves when the ready ones are ejected',
    servers: [{}, { fenced: true }],
    ejected: [0],
    picked: [1],
  },
  {
    name: 'a fenced one serves after the ready one was tried',
    servers: [{}, { fenced: true }],
    tried: [0],
    picked: [1],
  },
  { name: 'fenced with weight 0 stays out', servers: [{ fenced: true, weight: 0 }], picked: [] },
  {
    name: 'a heavy ejected server does not hide light ones',
    servers: [{ weight: 1000 }, {}, {}],
    ejected: [0],
    picked: [1, 2],
  },
]

export function runBalancerSuite(balancer: BalancerDeclaration, options: SuiteOptions): void {
  const config = (specs: readonly ServerSpec[]): ServiceConfig =>
    serviceConfig(serverConfigs(specs), { ...options.service, balancer: balancer.name })

  describe(`${balancer.name}: choice`, () => {
    for (const one of cases) {
      it(one.name, () => {
        const fixture = new Fixture()
        fixture.random = seededRandom(7)
        fixture.ejection = { ...fixture.ejection, failures: 1, maxPercent: 100 }
        const service = fixture.service(fixture.worker(), config(one.servers))
        for (const index of one.ejected ?? []) ejectWithCompany(fixture, service, index)
        const tried = (one.tried ?? []).map((index) => service.servers[index]!)
        const counts = countPicks(service, 500, tried, fixture.now)
        const names = [...counts.keys()].map((server) =>
          server === null ? -1 : service.servers.indexOf(server),
        )
        assert.deepEqual(
          names.sort((a, b) => a - b),
          one.picked.length === 0 ? [-1] : one.picked,
        )
      })
    }
  })

  describe(`${balancer.name}: shares`, () => {
    for (const weights of [
      [1, 1, 1, 1],
      [5, 1, 1],
      [1, 2, 3, 4],
      [10, 10, 30],
    ]) {
      it(`follow the weights ${weights.join(':')}`, () => {
        const fixture = new Fixture()
        fixture.random = seededRandom(11)
        const service = fixture.service(fixture.worker(), config(weights.map((weight) => ({ weight }))))
        const picks = 20_000
        const counts = countPicks(service, picks, [], fixture.now)
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        service.servers.forEach((server, index) => {
          const share = (counts.get(server) ?? 0) / picks
          const wanted = weights[index]! / total
          const distance = Math.abs(share - wanted) / wanted
          assert.ok(distance <= options.tolerance, `server ${index}: share ${share}, wanted ${wanted}`)
        })
      })
    }

    it('of an ejected server fall to all others alike', () => {
      const fixture = new Fixture()
      fixture.random = seededRandom(13)
      fixture.ejection = { ...fixture.ejection, failures: 1 }
      const service = fixture.service(fixture.worker(), config([{}, {}, {}, {}]))
      service.servers[1]!.reportFailure(fixture.now, FAIL_CONNECT)
      const counts = countPicks(service, 12_000, [], fixture.now)
      for (const index of [0, 2, 3]) {
        const share = counts.get(service.servers[index]!)! / 12_000
        assert.ok(Math.abs(share - 1 / 3) * 3 <= options.tolerance, `server ${index}: ${share}`)
      }
    })
  })
}

/** The last one is never ejected: a stand-in joins the service while it happens, as a reload can bring about. */
function ejectWithCompany(fixture: Fixture, service: Service, index: number): void {
  const { config } = service
  const extra = [1, 2, 3, 4, 5, 6].flatMap((n) => [
    { id: `10.9.0.${n}:80`, address: `10.9.0.${n}`, port: 80, weight: 1 },
    { id: `10.9.1.${n}:80`, address: `10.9.1.${n}`, port: 80, weight: 1, fenced: true },
  ])
  fixture.update([service], { ...config, servers: [...config.servers, ...extra] })
  const server = service.servers[index]!
  server.reportFailure(fixture.now, FAIL_CONNECT)
  assert.equal(server.isAvailable(fixture.now), false)
  fixture.update([service], config)
}

/** Requests of many clients, none in flight for long. */
function countPicks(
  service: Service,
  picks: number,
  tried: readonly Server[],
  now: number,
): Map<Server | null, number> {
  const counts = new Map<Server | null, number>()
  for (let i = 0; i < picks; i++) {
    const exchange = fakeExchange({
      clientAddress: `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`,
      path: `/item/${i}`,
    })
    const server = service.select(exchange, tried, now)
    server?.begin()
    counts.set(server, (counts.get(server) ?? 0) + 1)
    server?.finish()
  }
  return counts
}

/** Deterministic numbers in [0, 1) (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
