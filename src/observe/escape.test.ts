import assert from 'node:assert/strict'
import { test } from 'node:test'
import { escapeBytes, jsonBytes, jsonText, visibleText } from './escape.ts'

/** Every byte, and some characters beyond latin1 that must not get through unseen either. */
const CODES = [...Array.from({ length: 256 }, (_, code) => code), 0x20ac, 0x2028, 0x202e, 0xffff]

test('every byte alone in a text is printable ASCII in a line, and different from every other', () => {
  const seen = new Set<string>()
  for (const code of CODES) {
    const shown = escapeBytes(`a${String.fromCharCode(code)}b`)
    assert.match(shown, /^[\x20-\x7e]+$/, `code ${code}`)
    assert.doesNotMatch(shown, /"/, `code ${code}`)
    assert.ok(!seen.has(shown), `code ${code} looks like another one: ${shown}`)
    seen.add(shown)
  }
})

test('every byte alone in a text is the same text again when its JSON is read', () => {
  for (const code of CODES.filter((c) => c <= 0xff)) {
    const text = `a${String.fromCharCode(code)}b`
    const json = jsonBytes(text)
    assert.match(json, /^[\x20-\x7e]+$/, `code ${code}`)
    assert.equal(JSON.parse(json), text, `code ${code}`)
  }
})

test('bytes that are UTF-8 are shown as the characters they mean', () => {
  const bytes = Buffer.from('caf\u00e9 \u{1f600}').toString('latin1')
  assert.equal(JSON.parse(jsonBytes(bytes)), 'caf\u00e9 \u{1f600}')
  assert.match(jsonBytes(bytes), /^[\x20-\x7e]+$/)
})

test('ordinary text keeps its letters and loses what moves a cursor', () => {
  for (const show of [visibleText, jsonText]) {
    assert.ok(show('caf\u00e9 \u6771').includes('caf\u00e9 \u6771'))
    for (const code of [0, 8, 9, 10, 13, 27, 127, 0x85, 0x9b, 0x200f, 0x2028, 0x2029, 0x202e, 0x2066]) {
      const char = String.fromCharCode(code)
      assert.ok(!show(`a${char}b`).includes(char), `code ${code} in ${show.name}`)
    }
  }
})
