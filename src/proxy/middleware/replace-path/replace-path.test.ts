import assert from 'node:assert/strict'
import { it } from 'node:test'
import {
  assertRefused,
  FakeExchange,
  filterOf,
  runRequest,
  type FakeExchangeFacts,
} from '../exchange.fixture.ts'

const cases: readonly [name: string, path: string, facts: FakeExchangeFacts, target: string][] = [
  ['every path becomes this one', '/new', { path: '/any/thing' }, '/new'],
  ['the query stays', '/new', { path: '/a', query: '?b=1' }, '/new?b=1'],
  ['a query of its own stands alone', '/new?own=1', { path: '/a' }, '/new?own=1'],
  ['or before the client’s', '/new?own=1', { path: '/a', query: '?b=1' }, '/new?own=1&b=1'],
  ['an empty query of the client adds nothing', '/new?own=1', { query: '?' }, '/new?own=1'],
  ['an empty query of its own adds nothing', '/new?', { query: '?b=1' }, '/new?b=1'],
  ['it is brought into normal form', '/a/./b//%7e c', {}, '/a/b/~%20c'],
  ['beyond ASCII it is sent as UTF-8', '/über?q=ü €', {}, '/%C3%BCber?q=%C3%BC%20%E2%82%AC'],
]

for (const [name, path, facts, target] of cases) {
  it(name, () => {
    const exchange = new FakeExchange(facts)
    assert.equal(runRequest(filterOf('replacePath', { path }), exchange), undefined)
    assert.equal(exchange.forwardTarget, target)
  })
}

it('what cannot be meant is refused', () => {
  assertRefused('replacePath', [
    { options: {}, says: /^path: required/ },
    { options: { path: '' }, says: /^path: must not be empty/ },
    { options: { path: 'new' }, says: /^path: must be a path that starts with \// },
    { options: { path: '?a=1' }, says: /^path: must be a path/ },
    { options: { path: '/../etc' }, says: /^path: must be a path .* stays below it/ },
    { options: { path: '/a\\b' }, says: /^path: must be a path/ },
    { options: { path: '/a#b' }, says: /^path: has a fragment/ },
    { options: { path: '/a HTTP/1.1\r\nHost: evil' }, says: /^path: has a control character/ },
    { options: { path: '/a?b\r\nHost: evil' }, says: /^path: has a control character/ },
  ])
})
