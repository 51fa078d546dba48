import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isIP } from 'node:net'
import { canonicalAddress, formatAddress, parseAddress } from './address.ts'

const canonical: readonly (readonly [string, string])[] = [
  ['192.0.2.1', '192.0.2.1'],
  ['0.0.0.0', '0.0.0.0'],
  ['255.255.255.255', '255.255.255.255'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:c000:201', '192.0.2.1'],
  ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
  ['::192.0.2.1', '::c000:201'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
]

const wrong = [
  '',
  '1',
  '1.2.3',
  '1.2.3.4.5',
  '1.2.3.256',
  '01.2.3.4',
  '1.2.3.04',
  '0x7f.0.0.1',
  '1.2.3.4 ',
  ' 1.2.3.4',
  '1..2.3',
  '1.2.3.',
  '.1.2.3',
  '1234.1.1.1',
  '[::1]',
  ':',
  ':::',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7:8::',
  '::1:2:3:4:5:6:7:8',
  '1::2::3',
  '12345::',
  '::g',
  '1:',
  ':1',
  '::1.2.3',
  '::1.2.3.4:5',
  '1:2:3:4:5:6:7:1.2.3.4',
  '::1%',
  '::ffff:1.2.3.256',
]

describe('ip address', () => {
  for (const [text, expected] of canonical) {
    it(`${text} is ${expected}`, () => assert.equal(canonicalAddress(text), expected))
  }

  for (const text of wrong) {
    it(`${JSON.stringify(text)} is no address`, () => assert.equal(parseAddress(text), null))
  }

  it('formats and parses any bytes back to the same bytes', () => {
    const random = mulberry32(7)
    for (let i = 0; i < 20_000; i++) {
      const bytes = new Uint8Array(random() < 0.3 ? 4 : 16)
      // Many zeros, so that compression is exercised.
      for (let j = 0; j < bytes.length; j++) if (random() < 0.4) bytes[j] = Math.floor(random() * 256)
      const text = formatAddress(bytes)
      assert.notEqual(isIP(text), 0, text)
      const isMappedV4 = bytes.length === 16 && !text.includes(':')
      assert.deepEqual(parseAddress(text), isMappedV4 ? bytes.slice(12) : bytes, text)
    }
  })

  it('takes exactly what node:net takes, on texts made of address characters', () => {
    const random = mulberry32(11)
    const alphabet = '0123456789abcdef:::....%F'
    let accepted = 0
    for (let i = 0; i < 200_000; i++) {
      let text = random() < 0.5 ? '::' : ''
      const length = 1 + Math.floor(random() * 14)
      for (let j = 0; j < length; j++) text += alphabet[Math.floor(random() * alphabet.length)]
      // A second % inside the zone is a matter of taste; node's own readers differ on it.
      if (text.indexOf('%') !== text.lastIndexOf('%')) continue
      const ours = parseAddress(text) !== null
      if (ours) accepted++
      assert.equal(ours, isIP(text) !== 0 || isZonedV6(text), text)
    }
    assert.ok(accepted > 1000, `only ${accepted} accepted`)
  })
})

/** Zone names may hold any character for us: they are dropped. */
function isZonedV6(text: string): boolean {
  const zone = text.indexOf('%')
  return zone > 0 && zone < text.length - 1 && isIP(text.slice(0, zone)) === 6
}

function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
