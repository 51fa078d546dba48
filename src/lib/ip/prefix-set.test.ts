import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BlockList } from 'node:net'
import { ConfigError } from '../errors.ts'
import { formatAddress, parseAddress } from './address.ts'
import { formatPrefix, parsePrefix } from './prefix.ts'
import { PrefixSet } from './prefix-set.ts'

const prefixes: readonly (readonly [string, string | null])[] = [
  ['10.0.0.0/8', '10.0.0.0/8'],
  ['10.1.2.3/8', '10.0.0.0/8'],
  ['192.0.2.7', '192.0.2.7/32'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['2001:db8::/32', '2001:db8::/32'],
  ['2001:db8:ffff::1/33', '2001:db8:8000::/33'],
  ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
  ['::ffff:10.0.0.1', '10.0.0.1/32'],
  ['::/0', '::/0'],
  ['10.0.0.0/33', null],
  ['10.0.0.0/-1', null],
  ['10.0.0.0/08', null],
  ['10.0.0.0/', null],
  ['10.0.0/8', null],
  ['::/129', null],
  ['fe80::1%eth0/64', null],
  ['example.com', null],
]

describe('ip prefix', () => {
  for (const [text, expected] of prefixes) {
    it(`${text} is ${expected ?? 'no prefix'}`, () => {
      const prefix = parsePrefix(text)
      assert.equal(prefix === null ? null : formatPrefix(prefix), expected)
    })
  }
})

describe('prefix set', () => {
  const cases: readonly (readonly [readonly string[], string, boolean])[] = [
    [[], '10.0.0.1', false],
    [['10.0.0.0/8'], '10.255.255.255', true],
    [['10.0.0.0/8'], '11.0.0.0', false],
    [['10.0.0.0/8'], '9.255.255.255', false],
    [['10.0.0.0/8'], '::ffff:10.1.1.1', true],
    [['10.0.0.0/8'], '::ffff:b00:1', false],
    [['10.0.0.0/8', '10.1.0.0/16', '10.255.0.0/16'], '10.200.0.1', true],
    [['0.0.0.0/0'], '255.255.255.255', true],
    [['0.0.0.0/0'], '::1', false],
    [['::/0'], '10.0.0.1', false],
    [['::/0'], 'ffff::', true],
    [['2001:db8::/32'], '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', true],
    [['2001:db8::/32'], '2001:db9::', false],
    [['fe80::/10'], 'fe80::1%eth0', true],
    [['127.0.0.1'], 'localhost', false],
    [['127.0.0.1'], '', false],
  ]
  for (const [list, address, expected] of cases) {
    it(`${JSON.stringify(list)} ${expected ? 'has' : 'has not'} ${address}`, () => {
      assert.equal(PrefixSet.parse(list).has(address), expected)
    })
  }

  it('takes bytes as well as text', () => {
    const set = PrefixSet.parse(['10.0.0.0/8', '2001:db8::/32'])
    assert.equal(set.has(Uint8Array.of(10, 2, 3, 4)), true)
    assert.equal(set.has(parseAddress('2001:db8::9') ?? new Uint8Array()), true)
    assert.equal(set.has(Uint8Array.of(1, 2, 3)), false)
  })

  it('names every wrong entry', () => {
    assert.throws(
      () => PrefixSet.parse(['10.0.0.0/8', 'nonsense', '10.0.0.0/40']),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError)
        assert.deepEqual(
          error.issues.map((issue) => issue.path),
          [[1], [2]],
        )
        return true
      },
    )
  })

  it('agrees with node:net BlockList on random prefixes and addresses', () => {
    let state = 42
    const random = (below: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 4_294_967_296) * below)
    }
    let hits = 0
    for (let round = 0; round < 60; round++) {
      const oracle = new BlockList()
      const list: string[] = []
      for (let i = 0; i < 20; i++) {
        const bytes = new Uint8Array(random(2) === 0 ? 4 : 16)
        // Few leading values, so that prefixes nest and touch; never a mapped address.
        bytes[0] = 16 + random(2)
        bytes[1] = random(4)
        bytes[bytes.length - 1] = random(4)
        const bits = random(bytes.length * 8) + 1
        list.push(`${formatAddress(bytes)}/${bits}`)
        oracle.addSubnet(formatAddress(bytes), bits, bytes.length === 4 ? 'ipv4' : 'ipv6')
      }
      const set = PrefixSet.parse(list)
      for (let i = 0; i < 200; i++) {
        const bytes = new Uint8Array(random(2) === 0 ? 4 : 16)
        bytes[0] = 16 + random(2)
        bytes[1] = random(5)
        bytes[bytes.length - 1] = random(5)
        const text = formatAddress(bytes)
        const expected = oracle.check(text, bytes.length === 4 ? 'ipv4' : 'ipv6')
        if (expected) hits++
        assert.equal(set.has(text), expected, `${text} in ${list.join(' ')}`)
        assert.equal(set.has(bytes), expected)
      }
    }
    assert.ok(hits > 500 && hits < 11_500, `${hits} hits`)
  })
})
