import assert from 'node:assert/strict'
import { it } from 'node:test'
import {
  assertRefused,
  FakeExchange,
  filterOf,
  redirectOf,
  runRequest,
  type FakeExchangeFacts,
} from '../exchange.fixture.ts'

const cases: readonly [name: string, path: string, facts: FakeExchangeFacts, to: string | undefined][] = [
  ['the path without its slash is sent to it', '/docs/', { path: '/docs' }, 'http://shop.example/docs/'],
  ['the path itself passes', '/docs/', { path: '/docs/' }, undefined],
  ['a path below passes', '/docs/', { path: '/docs/a' }, undefined],
  ['a longer name passes', '/docs/', { path: '/docsx' }, undefined],
  ['the query goes along', '/docs/', { path: '/docs', query: '?a=/b' }, 'http://shop.example/docs/?a=/b'],
  [
    'scheme and port are the client’s',
    '/docs/',
    { path: '/docs', scheme: 'https', authority: 'shop.example:8443' },
    'https://shop.example:8443/docs/',
  ],
  ['the path is compared in normal form', '/a b/', { path: '/a%20b' }, 'http://shop.example/a%20b/'],
  ['without a Host the path alone is told', '/docs/', { path: '/docs', host: '' }, '/docs/'],
]

for (const [name, path, facts, to] of cases) {
  it(name, () => {
    const reply = runRequest(filterOf('trailingSlashRedirect', { path }), new FakeExchange(facts))
    const got = redirectOf(reply)
    assert.equal(got?.location, to)
    if (to !== undefined) assert.equal(got?.status, 301)
  })
}

it('what cannot be meant is refused', () => {
  assertRefused('trailingSlashRedirect', [
    { options: {}, says: /^path: required/ },
    { options: { path: '/' }, says: /^path: must have at least 2/ },
    { options: { path: '//' }, says: /^path: must end with \/ and be more than that/ },
    { options: { path: '/docs' }, says: /^path: must end with \// },
    { options: { path: 'docs/' }, says: /^path: .*must start with \// },
    { options: { path: '/docs\n/' }, says: /^path: is a path that no request can have/ },
  ])
})
