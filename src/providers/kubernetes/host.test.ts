import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hostKey, parseHost } from './host.ts'

describe('hosts of rules', () => {
  const good: readonly [text: string | undefined, key: string][] = [
    [undefined, ''],
    ['', ''],
    ['shop.example', 'shop.example'],
    ['SHOP.Example.', 'shop.example'],
    ['localhost', 'localhost'],
    ['*.shop.example', '*.shop.example'],
    ['xn--caf-dma.example', 'xn--caf-dma.example'],
    ['1.2.3.example', '1.2.3.example'],
    [`${'a'.repeat(63)}.example`, `${'a'.repeat(63)}.example`],
  ]
  for (const [text, key] of good) {
    it(`${JSON.stringify(text)} is ${key === '' ? 'every host' : key}`, () => {
      const host = parseHost(text)
      assert.ok(typeof host !== 'string')
      assert.equal(hostKey(host), key)
    })
  }

  const bad: readonly [text: string, reason: RegExp][] = [
    ['*', /leave host out/],
    ['*.*.example', /wildcard elsewhere/],
    ['a*.example', /wildcard elsewhere/],
    ['shop.example:80', /has a port/],
    ['192.0.2.1', /IP address/],
    ['2001:db8::1', /IP address/],
    ['[2001:db8::1]', /IP address/],
    ['shop..example', /not a DNS name/],
    ['.shop.example', /not a DNS name/],
    ['-a.example', /not a DNS name/],
    ['a-.example', /not a DNS name/],
    ['a_b.example', /not a DNS name/],
    ['café.example', /not a DNS name/],
    ['a b', /not a DNS name/],
    [`${'a'.repeat(64)}.example`, /not a DNS name/],
    ['a.'.repeat(200), /longer/],
  ]
  for (const [text, reason] of bad) {
    it(`${JSON.stringify(text.slice(0, 40))} is refused`, () => {
      const host = parseHost(text)
      assert.ok(typeof host === 'string')
      assert.match(host, reason)
    })
  }
})
