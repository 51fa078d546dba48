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

interface Case {
  readonly name: string
  readonly options: Record<string, unknown>
  readonly facts: FakeExchangeFacts
  readonly to?: string
  readonly status?: number
}

const cases: readonly Case[] = [
  {
    name: 'the path is sent to another on the same host, with 302 when nothing else is said',
    options: { from: '/', to: '/shop' },
    facts: {},
    to: 'http://shop.example/shop',
    status: 302,
  },
  {
    name: 'the code is what is configured',
    options: { from: '/', to: '/shop', code: 308 },
    facts: {},
    to: 'http://shop.example/shop',
    status: 308,
  },
  { name: 'another path is not', options: { from: '/', to: '/shop' }, facts: { path: '/other' } },
  { name: 'a path below it is not', options: { from: '/a', to: '/shop' }, facts: { path: '/a/' } },
  {
    name: 'from is compared in normal form',
    options: { from: '/caf\u00e9%7e', to: '/x' },
    facts: { path: '/caf%C3%A9~' },
    to: 'http://shop.example/x',
  },
  {
    name: 'scheme and port are the client’s',
    options: { from: '/', to: '/shop' },
    facts: { scheme: 'https', authority: 'shop.example:8443' },
    to: 'https://shop.example:8443/shop',
  },
  {
    name: 'the client’s query is not taken along',
    options: { from: '/', to: '/shop?from=root' },
    facts: { query: '?evil=1' },
    to: 'http://shop.example/shop?from=root',
  },
  {
    name: 'an absolute URL stays',
    options: { from: '/', to: 'https://www.example/a#b' },
    facts: {},
    to: 'https://www.example/a#b',
  },
  {
    name: 'what no URL may have is encoded',
    options: { from: '/', to: '/über uns' },
    facts: {},
    to: 'http://shop.example/%C3%BCber%20uns',
  },
  {
    name: 'a client of HTTP/1.0 without Host gets the path alone',
    options: { from: '/', to: '/shop' },
    facts: { host: '' },
    to: '/shop',
  },
  {
    name: 'X-Forwarded-Host has no say',
    options: { from: '/', to: '/shop' },
    facts: { fields: ['X-Forwarded-Host', 'evil.example', 'Forwarded', 'host=evil.example'] },
    to: 'http://shop.example/shop',
  },
  {
    name: 'a line break in what the client sent as host stays in its line',
    options: { from: '/', to: '/shop' },
    facts: { authority: 'a\r\nSet-Cookie: b\u010a' },
    to: 'http://a  Set-Cookie: b\u00c4\x8a/shop',
  },
]

for (const { name, options, facts, to, status } of cases) {
  it(name, () => {
    const got = redirectOf(runRequest(filterOf('redirectPath', options), new FakeExchange(facts)))
    assert.equal(got?.location, to)
    if (status !== undefined) assert.equal(got?.status, status)
  })
}

it('what cannot be meant is refused', () => {
  assertRefused('redirectPath', [
    { options: { to: '/x' }, says: /^from: required/ },
    { options: { from: '/' }, says: /^to: required/ },
    { options: { from: 'x', to: '/x' }, says: /^from: .*start with \// },
    { options: { from: '/a/../b', to: '/x' }, says: /^from: is a path that no request can have/ },
    { options: { from: '/', to: 'shop' }, says: /^to: must be a path .* or a URL/ },
    { options: { from: '/', to: 'javascript:alert(1)' }, says: /^to: must be a path/ },
    { options: { from: '/', to: 'https://' }, says: /^to: must be a path/ },
    { options: { from: '/', to: '/a\r\nSet-Cookie: b' }, says: /^to: has a control character/ },
    { options: { from: '/', to: '/x', code: 304 }, says: /^code: must be one of 301, 302/ },
    { options: { from: '/', to: '/x', code: 200 }, says: /^code: must be a whole number from 300/ },
    { options: { from: '/', to: '/x', kode: 302 }, says: /^kode: .*code/ },
  ])
})
