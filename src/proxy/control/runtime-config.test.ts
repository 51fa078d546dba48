import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DynamicDelta, MiddlewareConfig, RouterConfig, ServiceConfig } from '#config/model/dynamic.ts'
import { SlotAllocator } from '#net/shared/slot-allocator.ts'
import { UpstreamSlots } from '../upstream/slots.ts'
import type { WorkerOp } from '../worker/ops.ts'
import { RuntimeConfig } from './runtime-config.ts'

const origin = { provider: 'test', kind: 'Ingress', namespace: 'default', name: 'shop' }

function router(name: string, changes: Partial<RouterConfig> = {}): RouterConfig {
  return {
    name,
    host: { kind: 'exact', name: 'shop.example' },
    path: { kind: 'prefix', value: '/' },
    order: { rank: 0, priority: 0n, created: 0 },
    scheme: 'both',
    middlewares: [],
    service: 'web',
    origin,
    ...changes,
  }
}

function service(name: string, changes: Partial<ServiceConfig> = {}): ServiceConfig {
  const servers = [{ id: '10.0.0.1:80', address: '10.0.0.1', port: 80, weight: 1 }]
  return { name, balancer: 'wrr', scheme: 'http', timeouts: {}, servers, origin, ...changes }
}

function middleware(name: string, options: unknown = { path: '/new' }): MiddlewareConfig {
  return { name, type: 'replacePath', options, origin }
}

function runtime(): RuntimeConfig {
  const allocator = new SlotAllocator({ onSlab: () => undefined })
  return new RuntimeConfig(allocator, new UpstreamSlots(allocator, 1), ['web'], () => 0)
}

/** `router a`, `router b closed`, `remove-service web`: what workers are told, in order. */
function told(ops: Iterable<WorkerOp>): string[] {
  return [...ops]
    .filter(({ op }) => op !== 'slab')
    .map((op) => {
      const name = 'config' in op ? op.config.name : 'name' in op ? op.name : ''
      return `${op.op} ${name}${op.op === 'router' && op.config.closed !== undefined ? ' closed' : ''}`
    })
}

function set(parts: {
  readonly [K in keyof DynamicDelta]?: NonNullable<DynamicDelta[K]>['set']
}): DynamicDelta {
  const changes = Object.entries(parts).map(([kind, list]) => [kind, { set: list, remove: [] }])
  return Object.fromEntries(changes) as DynamicDelta
}

describe('routers and their middlewares', () => {
  const wrong = middleware('m', { path: 7 })

  it('a router that names a middleware which is not there, or cannot be used, is closed', () => {
    const config = runtime()
    const named = router('a', { middlewares: ['m'] })
    assert.deepEqual(told(config.apply(set({ routers: [named] }))), ['router a closed'])
    const [op] = config.apply(set({ routers: [named] }))
    assert.ok(op?.op === 'router')
    assert.equal(op.config.closed, 'middleware m: does not exist')
    assert.deepEqual(told(config.apply(set({ middlewares: [wrong] }))), [
      'remove-middleware m',
      'router a closed',
    ])
    assert.match(config.findings()[0]?.message ?? '', /^middleware m: .*path/)
    assert.deepEqual(told(config.snapshot()), ['router a closed'])
  })

  it('it opens when the middleware comes, closes when that breaks or goes, and others are not touched', () => {
    const config = runtime()
    config.apply(set({ routers: [router('a', { middlewares: ['m'] }), router('b')] }))
    assert.deepEqual(told(config.apply(set({ middlewares: [middleware('m')] }))), [
      'middleware m',
      'router a',
    ])
    assert.deepEqual(config.findings(), [])
    assert.deepEqual(told(config.apply(set({ middlewares: [middleware('m', { path: '/other' })] }))), [
      'middleware m',
    ])
    assert.deepEqual(told(config.apply(set({ middlewares: [wrong] }))), [
      'remove-middleware m',
      'router a closed',
    ])
    config.apply(set({ middlewares: [middleware('m')] }))
    // The router stops referring to it before it goes.
    assert.deepEqual(told(config.apply({ middlewares: { set: [], remove: ['m'] } })), [
      'router a closed',
      'remove-middleware m',
    ])
  })

  it('a router that is closed for a reason of its own keeps that', () => {
    const [op] = runtime().apply(set({ routers: [router('a', { closed: 'auth-url', middlewares: ['m'] })] }))
    assert.ok(op?.op === 'router')
    assert.equal(op.config.closed, 'auth-url')
  })

  it('what a router refers to goes out before it, and is taken away behind it', () => {
    const config = runtime()
    const all = {
      routers: [router('a', { middlewares: ['m'] })],
      services: [service('web')],
      middlewares: [middleware('m')],
    }
    assert.deepEqual(told(config.apply(set(all))), ['middleware m', 'service web', 'router a'])
    assert.deepEqual(told(config.snapshot()), ['middleware m', 'service web', 'router a'])
    const gone = (name: string) => ({ set: [], remove: [name] })
    assert.deepEqual(
      told(config.apply({ services: gone('web'), middlewares: gone('m'), routers: gone('a') })),
      ['remove-router a', 'remove-middleware m', 'remove-service web'],
    )
    assert.deepEqual(told(config.snapshot()), [])
  })
})

describe('a service that cannot be used', () => {
  const unsound = service('web', { servers: [{ id: 'x', address: '10.0.0.1', port: 80, weight: -1 }] })

  it('is a finding, and the last good one stays in force, also for workers that start later', () => {
    const config = runtime()
    config.apply(set({ services: [service('web')] }))
    assert.deepEqual(told(config.apply(set({ services: [unsound] }))), [])
    assert.deepEqual(
      config.findings().map(({ code, severity }) => [code, severity]),
      [['service-invalid', 'error']],
    )
    const kept = [...config.services()].map((held) => held.config.servers[0]?.weight)
    assert.deepEqual(kept, [1])
    config.apply(set({ services: [service('web')] }))
    assert.deepEqual(config.findings(), [])
  })

  it('has its routers when it is mended, which had none before', () => {
    const config = runtime()
    config.apply(set({ services: [unsound], routers: [router('a'), router('b', { service: 'other' })] }))
    assert.deepEqual(told(config.apply(set({ services: [service('web')] }))), ['service web', 'router a'])
    assert.deepEqual(told(config.apply(set({ services: [service('web')] }))), ['service web'])
  })

  it('takes no other down, and is forgotten when it goes', () => {
    const config = runtime()
    assert.deepEqual(told(config.apply(set({ services: [unsound, service('other')] }))), ['service other'])
    config.apply({ services: { set: [], remove: ['web'] } })
    assert.deepEqual(config.findings(), [])
  })
})

describe('a router that asks for an entrypoint which is not there', () => {
  it('is a finding until it asks for one that is, or goes', () => {
    const config = runtime()
    const codes = () => config.findings().map(({ code }) => code)
    config.apply(set({ routers: [router('a', { entryPoints: ['wbe'] })] }))
    assert.deepEqual(codes(), ['entrypoint-unknown'])
    assert.match(config.findings()[0]?.hint ?? '', /^there is web;/)
    config.apply(set({ routers: [router('a', { entryPoints: ['web'] })] }))
    assert.deepEqual(codes(), [])
    config.apply(set({ routers: [router('a', { entryPoints: ['wbe'] })] }))
    config.apply({ routers: { set: [], remove: ['a'] } })
    assert.deepEqual(codes(), [])
  })
})

describe('the digest', () => {
  const certificate = {
    name: 'c',
    hosts: ['shop.example'],
    certificate: 'CERTIFICATE',
    key: 'KEY',
    origin,
  }
  const digestOf = (...deltas: DynamicDelta[]): string => {
    const config = runtime()
    for (const delta of deltas) config.apply(delta)
    return config.digest()
  }
  const all = {
    routers: [router('a', { middlewares: ['m'] }), router('b')],
    services: [service('web')],
    middlewares: [middleware('m')],
    certificates: [certificate],
  }
  const whole = digestOf(set(all))

  it('is that of the objects, not of the way to them', () => {
    const turned = set({ ...all, routers: all.routers.toReversed() })
    const removed = { routers: { set: [], remove: ['c'] } }
    assert.equal(digestOf(set({ routers: [router('c')] }), turned, removed), whole)
    const { host, name, ...rest } = router('b')
    assert.equal(digestOf(set(all), set({ routers: [{ ...rest, name, host }] })), whole)
  })

  it('is another one when anything differs', () => {
    const others: readonly DynamicDelta[] = [
      set({ routers: [router('b', { order: { rank: 0, priority: 1n, created: 0 } })] }),
      set({ routers: [router('c')] }),
      set({ services: [service('web', { servers: [] })] }),
      set({ middlewares: [middleware('m', { path: '/other' })] }),
      set({ certificates: [{ ...certificate, certificate: 'OTHER' }] }),
      { routers: { set: [], remove: ['b'] } },
    ]
    const digests = others.map((delta) => digestOf(set(all), delta))
    assert.equal(new Set([whole, ...digests]).size, others.length + 1)
  })

  it('is not changed by a key, nor by where in a file something stands', () => {
    const place = { file: 'x.yaml', line: 7, column: 1 }
    const moved = { routers: [router('b', { origin: { ...origin, place } })] }
    assert.equal(digestOf(set(all), set(moved)), whole)
    assert.equal(digestOf(set(all), set({ certificates: [{ ...certificate, key: 'OTHER' }] })), whole)
  })
})
