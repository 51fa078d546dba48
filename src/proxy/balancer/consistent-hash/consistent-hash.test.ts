import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HashSource } from '#config/model/dynamic.ts'
import { checkService } from '../../upstream/check.ts'
import { Fixture, fakeExchange, serverConfigs, serviceConfig } from '../../upstream/upstream.fixture.ts'
import type { ExchangeSpec } from '../../upstream/upstream.fixture.ts'
import { runBalancerSuite } from '../balancer-suite.ts'
import { HashKey } from './hash-key.ts'
import consistentHash from './index.ts'

const byPath: HashSource = [{ kind: 'variable', name: 'path' }]

runBalancerSuite(consistentHash, { tolerance: 0.1, service: { hashOn: byPath } })

describe('consistent-hash: key', () => {
  const rows: readonly { source: HashSource; same: ExchangeSpec[]; other: ExchangeSpec }[] = [
    {
      source: [{ kind: 'header', name: 'X-User' }],
      same: [{ headers: { 'X-User': 'a' } }, { headers: { 'x-user': 'a' }, path: '/else' }],
      other: { headers: { 'X-User': 'b' } },
    },
    {
      source: [{ kind: 'cookie', name: 'sid' }],
      same: [{ headers: { Cookie: 'x=1; sid=abc; y=2' } }, { headers: { Cookie: 'sid=abc' } }],
      other: { headers: { Cookie: 'xsid=abc; sid=abd' } },
    },
    {
      source: [{ kind: 'query', name: 'id' }],
      same: [{ query: '?id=7&x=1' }, { query: '?uid=9&id=7' }],
      other: { query: '?id=77' },
    },
    {
      source: [{ kind: 'variable', name: 'uri' }],
      same: [{ path: '/a', query: '?b' }],
      other: { path: '/a', query: '?c' },
    },
    { source: byPath, same: [{ path: '/a', query: '?b' }, { path: '/a' }], other: { path: '/b' } },
    {
      source: [{ kind: 'variable', name: 'clientAddress' }],
      same: [{ clientAddress: '::1' }],
      other: { clientAddress: '::2' },
    },
    { source: [{ kind: 'variable', name: 'scheme' }], same: [{}], other: { scheme: 'https' } },
    {
      source: [
        { kind: 'header', name: 'a' },
        { kind: 'header', name: 'b' },
      ],
      same: [{ headers: { a: 'xy', b: 'z' } }],
      other: { headers: { a: 'x', b: 'yz' } },
    },
  ]
  for (const { source, same, other } of rows) {
    it(`of ${source.map((part) => ('name' in part ? `${part.kind} ${part.name}` : part.value)).join(' ')}`, () => {
      const key = new HashKey(source)
      const first = key.compute(fakeExchange(same[0]))
      assert.equal(key.hasKey, true)
      for (const spec of same) assert.equal(key.compute(fakeExchange(spec)), first)
      assert.notEqual(key.compute(fakeExchange(other)), first)
    })
  }

  it('has its literals in it', () => {
    const header = { kind: 'header', name: 'a' } as const
    const exchange = fakeExchange({ headers: { a: 'x' } })
    const hashes = ['1', '2'].map((value) =>
      new HashKey([{ kind: 'literal', value }, header]).compute(exchange),
    )
    assert.notEqual(hashes[0], hashes[1])
  })

  it('that is absent does not send everybody to one server', () => {
    const fixture = new Fixture()
    const hashOn: HashSource = [
      { kind: 'literal', value: 'user:' },
      { kind: 'cookie', name: 'sid' },
    ]
    const config = serviceConfig(serverConfigs([{}, {}, {}]), { balancer: 'consistent-hash', hashOn })
    const service = fixture.service(fixture.worker(), config)
    const picked = new Set(
      Array.from({ length: 60 }, () => service.select(fakeExchange(), [], fixture.now)!.id),
    )
    assert.equal(picked.size, 3)
  })
})

describe('consistent-hash: movement', () => {
  const place = (weights: readonly number[], count = 4000): string[] => {
    const fixture = new Fixture()
    const servers = serverConfigs(weights.map((weight) => ({ weight })))
    const config = serviceConfig(servers, { balancer: 'consistent-hash', hashOn: byPath })
    const service = fixture.service(fixture.worker(), config)
    return Array.from(
      { length: count },
      (_, i) => service.select(fakeExchange({ path: `/k${i}` }), [], fixture.now)!.id,
    )
  }
  const moved = (a: readonly string[], b: readonly string[]): number =>
    a.filter((id, i) => id !== b[i]).length / a.length

  it('of one server more in ten takes about an eleventh of the keys, all to the new one', () => {
    const before = place(Array.from({ length: 10 }, () => 1))
    const after = place(Array.from({ length: 11 }, () => 1))
    const share = moved(before, after)
    assert.ok(share > 0.07 && share < 0.115, `moved ${share}`)
    after.forEach((id, i) => assert.ok(id === before[i] || id === '10.0.0.11:80'))
  })

  it('of a change of one weight leaves keys of other servers where they were, or gives them to that one', () => {
    const before = place([2, 2, 2, 4])
    const after = place([2, 2, 2, 6])
    after.forEach((id, i) => assert.ok(id === before[i] || id === '10.0.0.4:80'))
    // From 40 % to 50 %.
    const share = moved(before, after)
    assert.ok(share > 0.08 && share < 0.12, `moved ${share}`)
  })
})

describe('consistent-hash: configuration', () => {
  const rows: readonly { hashOn: HashSource | undefined; message: string }[] = [
    { hashOn: undefined, message: 'consistent-hash needs something of the request to hash' },
    { hashOn: [], message: 'consistent-hash needs something of the request to hash' },
    {
      hashOn: [{ kind: 'literal', value: 'x' }],
      message: 'consistent-hash needs something of the request to hash',
    },
    { hashOn: [{ kind: 'variable', name: 'moon' }], message: 'unknown variable moon' },
  ]
  for (const { hashOn, message } of rows) {
    it(`${JSON.stringify(hashOn)} is refused: ${message}`, () => {
      const config = serviceConfig(serverConfigs([{}]), {
        balancer: 'consistent-hash',
        ...(hashOn === undefined ? {} : { hashOn }),
      })
      assert.deepEqual(
        checkService(config).map((issue) => issue.message),
        [message],
      )
    })
  }
})
