import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { normalizeHost } from './host.ts'

describe('hosts', () => {
  const cases: [authority: string, host: string | null][] = [
    ['', ''],
    ['shop.example', 'shop.example'],
    ['shop.example:8080', 'shop.example'],
    ['shop.example:', 'shop.example'],
    ['Shop.EXAMPLE:80', 'shop.example'],
    ['shop.example.', 'shop.example'],
    ['shop.example.:443', 'shop.example'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['_dmarc.my_host', '_dmarc.my_host'],
    ['localhost', 'localhost'],
    ['192.0.2.1:80', '192.0.2.1'],
    ['[2001:DB8:0::1]:8443', '2001:db8::1'],
    ['[::1]', '::1'],
    ['[::1]:', '::1'],
    ['[::ffff:192.0.2.1]', '192.0.2.1'],
    ['[::1%25eth0]', null],
    ['[fe80::1%eth0]', null],
    ['[192.0.2.1]', null],
    ['[::1', null],
    ['[::1]x', null],
    ['[::1]:x', null],
    ['[v1.x]', null],
    ['::1', null],
    ['.', null],
    ['.example', null],
    ['shop..example', null],
    ['shop.example..', null],
    [':80', null],
    ['shop.example:80:80', null],
    ['shop.example:65536', null],
    ['shop.example:123456', null],
    ['shop.example:8x', null],
    ['shop.example/', null],
    ['user@shop.example', null],
    ['shop example', null],
    ['shop.example,other', null],
    ['*.example', null],
    ['b\xfccher.example', null],
    ['sh%6fp.example', null],
    ['\x00', null],
    [`${'a'.repeat(63)}.`.repeat(4) + 'a', null],
  ]
  for (const [authority, host] of cases) {
    it(`${JSON.stringify(authority.slice(0, 40))} is ${host === null ? 'refused' : JSON.stringify(host)}`, () => {
      assert.equal(normalizeHost(authority), host)
    })
  }
})

it('normal forms of random hosts are normal forms', () => {
  const chars = 'aZ09-_.:[]%@ \xff'
  let state = 3
  for (let round = 0; round < 20_000; round++) {
    let authority = ''
    for (let count = round % 9; count > 0; count--) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      authority += chars.charAt(Math.floor((state / 0x1_0000_0000) * chars.length))
    }
    const host = normalizeHost(authority)
    if (host !== null && !host.includes(':')) assert.equal(normalizeHost(host), host, authority)
  }
})
