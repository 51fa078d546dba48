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

const HTTPS = { scheme: 'https' }

const cases: readonly Case[] = [
  {
    name: 'plain requests go to https with 308',
    options: HTTPS,
    facts: { path: '/a', query: '?b=1' },
    to: 'https://shop.example/a?b=1',
    status: 308,
  },
  {
    name: 'the code is what is configured',
    options: { scheme: 'https', permanentCode: 301 },
    facts: {},
    to: 'https://shop.example/',
    status: 301,
  },
  { name: 'requests of the scheme itself pass', options: HTTPS, facts: { scheme: 'https' } },
  {
    name: 'http is a scheme to be sent to as well',
    options: { scheme: 'http' },
    facts: { scheme: 'https' },
    to: 'http://shop.example/',
  },
  {
    name: 'the port that the client used belongs to the other scheme and goes',
    options: HTTPS,
    facts: { authority: 'shop.example:8080' },
    to: 'https://shop.example/',
  },
  {
    name: 'a port of its own is written',
    options: { scheme: 'https', port: '8443' },
    facts: {},
    to: 'https://shop.example:8443/',
  },
  {
    name: 'the default port of https is not',
    options: { scheme: 'https', port: '443' },
    facts: {},
    to: 'https://shop.example/',
  },
  {
    name: 'the default port of http is not',
    options: { scheme: 'http', port: '80' },
    facts: { scheme: 'https' },
    to: 'http://shop.example/',
  },
  {
    name: 'an IPv6 address gets its brackets back',
    options: { scheme: 'https', port: '8443' },
    facts: { host: '2001:db8::1', authority: '[2001:db8::1]:80' },
    to: 'https://[2001:db8::1]:8443/',
  },
  {
    name: 'the target is what the client wrote, not what it was resolved to',
    options: HTTPS,
    facts: { path: '/b', originalTarget: '/a/../b%2e?x=%0d%0a' },
    to: 'https://shop.example/a/../b%2e?x=%0d%0a',
  },
  { name: 'a client without Host cannot be sent anywhere', options: HTTPS, facts: { host: '' } },
  {
    name: 'a target that begins like a host does not become one',
    options: HTTPS,
    facts: { originalTarget: '//evil.example/' },
    to: 'https://shop.example//evil.example/',
  },
  {
    name: 'a backslash does not end the host',
    options: HTTPS,
    facts: { originalTarget: '/\\evil.example' },
    to: 'https://shop.example/\\evil.example',
  },
  {
    name: 'X-Forwarded-Host has no say',
    options: HTTPS,
    facts: { fields: ['X-Forwarded-Host', 'evil.example'] },
    to: 'https://shop.example/',
  },
  {
    name: 'a line break in the target stays in its line',
    options: HTTPS,
    facts: { originalTarget: '/\r\nSet-Cookie: a=b\0' },
    to: 'https://shop.example/  Set-Cookie: a=b ',
  },
]

for (const { name, options, facts, to, status } of cases) {
  it(name, () => {
    const got = redirectOf(runRequest(filterOf('redirectScheme', options), new FakeExchange(facts)))
    assert.equal(got?.location, to)
    if (status !== undefined) assert.equal(got?.status, status)
  })
}

it('what cannot be meant is refused', () => {
  assertRefused('redirectScheme', [
    { options: {}, says: /^scheme: required/ },
    { options: { scheme: 'ftp' }, says: /^scheme: must be one of http, https/ },
    { options: { scheme: 'https', port: 'https' }, says: /^port: must be a port from 1 to 65535/ },
    { options: { scheme: 'https', port: '0443' }, says: /^port: must be a port/ },
    { options: { scheme: 'https', port: '65536' }, says: /^port: must be a port/ },
    { options: { scheme: 'https', port: '1@ev' }, says: /^port: must be a port/ },
    { options: { scheme: 'https', permanentCode: 300 }, says: /^permanentCode: must be one of/ },
    { options: { scheme: 'https', permanentCode: '308' }, says: /^permanentCode: must be a whole number/ },
  ])
})
