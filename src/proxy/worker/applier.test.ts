import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { MiddlewareConfig, RouterConfig, ServiceConfig } from '#config/model/dynamic.ts'
import { RoutingProgram } from '../router/program.ts'
import type { Route } from '../route.ts'
import type { Service } from '../upstream/service.ts'
import { Applier, type ApplierHost } from './applier.ts'
import type { OpFailure, WorkerOp } from './ops.ts'

const origin = { provider: 'test', kind: 'Ingress', namespace: 'default', name: 'shop' }

function router(name: string, changes: Partial<RouterConfig> = {}): WorkerOp {
  return {
    op: 'router',
    config: {
      name,
      host: { kind: 'exact', name: `${name}.example` },
      path: { kind: 'any' },
      order: { rank: 0, priority: 0n, created: 0 },
      scheme: 'both',
      middlewares: [],
      origin,
      ...changes,
    },
  }
}

function service(name: string): WorkerOp {
  const config: ServiceConfig = { name, balancer: 'wrr', scheme: 'http', timeouts: {}, servers: [], origin }
  return { op: 'service', config, slots: { service: { slab: 0, index: 0, generation: 0 }, servers: [] } }
}

function middleware(name: string, options: unknown = { path: '/new' }): WorkerOp {
  const config: MiddlewareConfig = { name, type: 'replacePath', options, origin }
  return { op: 'middleware', config }
}

class Fixture {
  readonly program = new RoutingProgram<Route>()
  readonly calls: string[] = []
  readonly applied: { version: number; failures: readonly OpFailure[] }[] = []
  readonly applier: Applier

  constructor() {
    this.applier = new Applier({
      program: this.program,
      middlewareHost: { now: () => 0, log: () => undefined },
      makeService: (config: ServiceConfig) => {
        this.calls.push(`make ${config.name}`)
        return { name: config.name } as Service
      },
      updateService: (known: Service) => this.calls.push(`update ${known.name}`),
      endService: (known: Service) => this.calls.push(`end ${known.name}`),
      onRouterRemoved: (name: string) => this.calls.push(`removed ${name}`),
      onApplied: (version: number, failures: readonly OpFailure[]) =>
        this.applied.push({ version, failures }),
    } as unknown as ApplierHost)
  }

  /** In force when it resolves; what takes long goes on in later turns of the loop. */
  async apply(...ops: WorkerOp[]): Promise<void> {
    const wanted = this.applied.length + 1
    this.applier.enqueue(wanted, ops)
    while (this.applied.length < wanted) await turn()
  }

  route(name: string): Route | null {
    return this.program.match('web', `${name}.example`, '/', false)
  }
}

describe('ops', () => {
  it('come in force in order, and the version is told behind the last of them', async () => {
    const f = new Fixture()
    await f.apply(service('web'), middleware('m'), router('a', { service: 'web', middlewares: ['m'] }))
    assert.deepEqual(f.applied, [{ version: 1, failures: [] }])
    assert.equal(f.route('a')?.service?.name, 'web')
    assert.equal(f.route('a')?.chain?.request.length, 1)
  })

  it('a change of a service touches no router, nor one of a middleware', async () => {
    const f = new Fixture()
    await f.apply(service('web'), middleware('m'), router('a', { service: 'web', middlewares: ['m'] }))
    const before = f.route('a')!
    const filter = before.chain!.request[0]
    await f.apply(service('web'), middleware('m', { path: '/other' }))
    assert.equal(f.route('a'), before)
    assert.notEqual(before.chain!.request[0], filter)
    assert.deepEqual(f.calls, ['make web', 'update web'])
  })

  it('routers with the same middlewares share a chain, and the last to go takes it along', async () => {
    const f = new Fixture()
    await f.apply(middleware('m'), router('a', { middlewares: ['m'] }), router('b', { middlewares: ['m'] }))
    const { chain } = f.route('a')!
    assert.equal(f.route('b')?.chain, chain)
    await f.apply({ op: 'remove-router', name: 'a' }, router('b'))
    await f.apply(router('a', { middlewares: ['m'] }))
    assert.notEqual(f.route('a')?.chain, chain)
  })

  it('one that fails is reported, takes no other down, and its router answers 503', async () => {
    const f = new Fixture()
    await f.apply(router('a', { middlewares: ['gone'] }), middleware('bad', { path: 7 }), router('b'))
    assert.deepEqual(
      f.applied[0]?.failures.map(({ object }) => object),
      ['router a', 'middleware bad'],
    )
    assert.match(f.route('a')?.closed ?? '', /gone/)
    assert.equal(f.route('b')?.closed, undefined)
  })

  it('a router without a place is taken out, also where there was one', async () => {
    const f = new Fixture()
    await f.apply(router('a'), router('b'))
    await f.apply(router('a', { path: { kind: 'regex', value: '(', caseInsensitive: false } }))
    assert.equal(f.applied[1]?.failures.length, 1)
    assert.equal(f.route('a'), null)
    assert.notEqual(f.route('b'), null)
  })

  it('of a closed router no middleware runs', async () => {
    const f = new Fixture()
    await f.apply(middleware('m'), router('a', { middlewares: ['m'], closed: 'auth' }))
    assert.equal(f.route('a')?.chain, null)
    assert.equal(f.route('a')?.closed, 'auth')
  })

  it('a large change lets the loop turn, and later ones wait for it', async () => {
    const f = new Fixture()
    const many = Array.from({ length: 50_000 }, (_, index) => router(`r${index}`))
    f.applier.enqueue(1, many)
    f.applier.enqueue(2, [router('r0', { closed: 'later' })])
    assert.deepEqual(f.applied, [])
    let turns = 0
    for (; f.applied.length < 2; turns++) await turn()
    assert.ok(turns > 5, `${turns} turns`)
    assert.deepEqual(
      f.applied.map(({ version }) => version),
      [1, 2],
    )
    assert.equal(f.route('r0')?.closed, 'later')
    assert.equal(f.program.size, many.length)
  })
})
