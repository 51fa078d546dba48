import assert from 'node:assert/strict'
import { it } from 'node:test'
import {
  assertRefused,
  FakeExchange,
  filterOf,
  runRequest,
  type FakeExchangeFacts,
} from '../exchange.fixture.ts'

const cases: readonly [
  name: string,
  prefix: string,
  replacement: string,
  facts: FakeExchangeFacts,
  target: string,
][] = [
  ['the prefix alone becomes the replacement', '/app', '/', { path: '/app' }, '/'],
  ['what follows it stays', '/app', '/', { path: '/app/x' }, '/x'],
  ['a slash behind it stays', '/app', '/', { path: '/app/' }, '/'],
  ['it is compared by element', '/app', '/', { path: '/apple' }, '/apple'],
  ['parameters of a segment belong to it', '/app', '/', { path: '/app;v=1/x' }, '/app;v=1/x'],
  ['a slash at the end of the prefix means nothing', '/app/', '/', { path: '/app/x' }, '/x'],
  ['nor at the end of the replacement', '/app', '/new/', { path: '/app/x' }, '/new/x'],
  ['a longer replacement', '/app', '/a/b', { path: '/app' }, '/a/b'],
  ['the prefix / adds in front', '/', '/new', { path: '/x' }, '/new/x'],
  ['another path is left alone', '/app', '/new', { path: '/x/app' }, '/x/app'],
  ['case counts', '/app', '/new', { path: '/App' }, '/App'],
  ['only the first occurrence counts', '/a', '/b', { path: '/a/a' }, '/b/a'],
  ['the query stays', '/app', '/', { path: '/app/x', query: '?y=/app' }, '/x?y=/app'],
  [
    'a query of the replacement goes before it',
    '/app',
    '/new?v=2',
    { path: '/app/x', query: '?y=1' },
    '/new/x?v=2&y=1',
  ],
  ['the prefix is compared in normal form', '/caf\u00e9 x', '/', { path: '/caf%C3%A9%20x/y' }, '/y'],
  ['the replacement is brought into it', '/app', '/n\u00e4/./b c//', { path: '/app/y' }, '/n%C3%A4/b%20c/y'],
  ['a rest like a host stays a path', '/app', '/', { path: '/app/evil.example' }, '/evil.example'],
]

for (const [name, prefix, replacement, facts, target] of cases) {
  it(name, () => {
    const exchange = new FakeExchange(facts)
    const filter = filterOf('replacePathPrefix', { prefix, replacement })
    assert.equal(runRequest(filter, exchange), undefined)
    assert.equal(exchange.forwardTarget, target)
  })
}

it('what cannot be meant is refused', () => {
  assertRefused('replacePathPrefix', [
    { options: { replacement: '/' }, says: /^prefix: required/ },
    { options: { prefix: '/' }, says: /^replacement: required/ },
    { options: { prefix: 'app', replacement: '/' }, says: /^prefix: .*must start with \// },
    { options: { prefix: '/a/../b', replacement: '/' }, says: /^prefix: is a path that no request can have/ },
    { options: { prefix: '/app', replacement: 'new' }, says: /^replacement: must be a path/ },
    { options: { prefix: '/app', replacement: '/..' }, says: /^replacement: must be a path/ },
    { options: { prefix: '/app', replacement: '/a#b' }, says: /^replacement: has a fragment/ },
    { options: { prefix: '/app', replacement: '/\r\nX: y' }, says: /^replacement: has a control character/ },
  ])
})
