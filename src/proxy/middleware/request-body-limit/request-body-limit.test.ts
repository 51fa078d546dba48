import assert from 'node:assert/strict'
import { it } from 'node:test'
import { assertRefused, FakeExchange, filterOf, runRequest } from '../exchange.fixture.ts'

const cases: readonly [maxBytes: unknown, limit: number][] = [
  [1, 1],
  [1_048_576, 1_048_576],
  ['1MiB', 1_048_576],
  ['64k', 65_536],
]

for (const [maxBytes, limit] of cases) {
  it(`${String(maxBytes)} is ${limit} bytes, and the request goes on`, () => {
    const exchange = new FakeExchange()
    assert.equal(runRequest(filterOf('requestBodyLimit', { maxBytes }), exchange), undefined)
    assert.equal(exchange.bodyLimit, limit)
  })
}

it('of two limits the smaller one holds, in any order', () => {
  for (const order of [
    [10, 20],
    [20, 10],
  ]) {
    const exchange = new FakeExchange()
    for (const maxBytes of order) runRequest(filterOf('requestBodyLimit', { maxBytes }), exchange)
    assert.equal(exchange.bodyLimit, 10)
  }
})

it('what cannot be meant is refused', () => {
  assertRefused('requestBodyLimit', [
    { options: {}, says: /^maxBytes: required/ },
    { options: { maxBytes: 0 }, says: /^maxBytes: must be a size at least 1/ },
    { options: { maxBytes: 'much' }, says: /^maxBytes: must be a size/ },
    { options: { maxBytes: -1 }, says: /^maxBytes: must be a size/ },
  ])
})
