import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseAuthority } from './authority.ts'

describe('parseAuthority', () => {
  const good: readonly [string, string, number][] = [
    ['a.example', 'a.example', -1],
    ['A.Example:8080', 'a.example', 8080],
    ['a.example.', 'a.example', -1],
    ['a.example.:443', 'a.example', 443],
    ['a.example:', 'a.example', -1],
    ['a.example:0', 'a.example', 0],
    ['a.example:65535', 'a.example', 65535],
    ['a_b-c', 'a_b-c', -1],
    ['192.0.2.1:80', '192.0.2.1', 80],
    ['[2001:DB8:0:0::1]', '2001:db8::1', -1],
    ['[::1]:8443', '::1', 8443],
    ['[::]', '::', -1],
    ['[::ffff:192.0.2.1]', '192.0.2.1', -1],
    ['a'.repeat(253), 'a'.repeat(253), -1],
    [`${'a'.repeat(253)}.:65535`, 'a'.repeat(253), 65535],
  ]
  for (const [text, host, port] of good) {
    it(`reads ${text.slice(0, 40)}`, () => assert.deepEqual(parseAuthority(text), { host, port }))
  }

  const bad = [
    '',
    '.',
    '..',
    '.a',
    'a..b',
    'a..',
    ':80',
    ':',
    'a:b',
    'a:-1',
    'a:+1',
    'a:1 ',
    'a:65536',
    'a:000001',
    'a:1:2',
    'a@b',
    'a/b',
    'a?b',
    'a#b',
    'a\\b',
    'a b',
    'a,b',
    'a%41',
    'ä',
    'a\0',
    '::1',
    '[]',
    '[',
    '[::1',
    '[::1]a',
    '[::1]:x',
    '[::1%25eth0]',
    '[::1%eth0]',
    '[1:2]',
    '[a.example]',
    '[192.0.2.1]',
    '[[::1]]',
    'a'.repeat(254),
  ]
  for (const text of bad) {
    it(`refuses ${JSON.stringify(text).slice(0, 40)}`, () => assert.equal(parseAuthority(text), null))
  }
})
