import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { JsonLines } from './json-lines.ts'

const VALUES = [{ a: 1 }, { name: 'größer 📦' }, [], { text: 'line\nfeed' }]
const BYTES = Buffer.from(`${VALUES.map((value) => JSON.stringify(value)).join('\n')}\n`)

describe('lines of JSON', () => {
  test('are the same however the bytes were split', () => {
    for (let size = 1; size <= BYTES.length; size++) {
      const lines = new JsonLines()
      const seen: unknown[] = []
      for (let at = 0; at < BYTES.length; at += size) lines.push(BYTES.subarray(at, at + size), seen)
      assert.deepEqual(seen, VALUES, `pieces of ${size}`)
      assert.equal(lines.heldBytes, 0)
    }
  })

  test('that are empty are no values, and what has not ended is held', () => {
    const lines = new JsonLines()
    const seen: unknown[] = []
    lines.push(Buffer.from('\n \r\n{"a":1}\r\n{"b"'), seen)
    assert.deepEqual([seen, lines.heldBytes], [[{ a: 1 }], 4])
  })

  test('that are too long, or not JSON, are errors that quote nothing', () => {
    const lines = new JsonLines(10)
    lines.push(Buffer.from('"01234567'), [])
    assert.throws(() => lines.push(Buffer.from('89"'), []), /longer than 10 bytes$/)
    const seen: unknown[] = []
    assert.throws(
      () => new JsonLines().push(Buffer.from('1\nsecret\n2\n'), seen),
      /\(6 characters\) is not JSON$/,
    )
    assert.deepEqual(seen, [1], 'what came before it stands')
  })
})
