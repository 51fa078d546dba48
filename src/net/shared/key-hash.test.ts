import assert from 'node:assert/strict'
import { it } from 'node:test'
import { KeyHasher } from './key-hash.ts'

// HalfSipHash-2-4-64 of the reference implementation: key 00 … 07, message 00 01 02 … of that many bytes.
const vectors: readonly [bytes: number, result: string][] = [
  [0, '218d1f59b9b83cc8'],
  [2, '064f39ef7c50eb57'],
  [4, 'd5e78a175be52ea1'],
  [6, 'ce3e91358aa2bc25'],
  [8, 'edfee820bce4858c'],
  [10, '95b0469f06a6f2ee'],
  [12, '7bc71f9faef5c799'],
  [14, '3bb1a870eae8e658'],
  [16, '7336aad25f7bf3b5'],
  [30, '291aaf864898179d'],
]

it('the key hash is HalfSipHash-2-4 with 64 bits over the UTF-16 code units', () => {
  const hasher = new KeyHasher([0x03020100, 0x07060504])
  for (const [bytes, result] of vectors) {
    const message = Buffer.from(Array.from({ length: bytes }, (_, i) => i))
    hasher.hash(message.toString('utf16le'))
    const out = Buffer.alloc(8)
    out.writeInt32LE(hasher.lo, 0)
    out.writeInt32LE(hasher.hi, 4)
    assert.equal(out.toString('hex'), result, `${bytes} bytes`)
  }
})

it('another key gives another hash', () => {
  const results = [1, 2, 3].map((word) => {
    const hasher = new KeyHasher([word, 0])
    hasher.hash('192.0.2.1')
    return hasher.lo
  })
  assert.equal(new Set(results).size, 3)
})
