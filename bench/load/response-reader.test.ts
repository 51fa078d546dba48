import assert from 'node:assert/strict'
import { it } from 'node:test'
import { HttpResponseReader } from './response-reader.ts'

const RESPONSE = 'HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 5\r\n\r\nhello'

it('finds the end of a response wherever it is cut', () => {
  for (let cut = 1; cut < RESPONSE.length; cut++) {
    const reader = new HttpResponseReader()
    const parts = [RESPONSE.slice(0, cut), RESPONSE.slice(cut)].map((part) => Buffer.from(part))
    assert.equal(reader.read(parts[0]!, parts[0]!.length), false, `first ${cut} bytes`)
    assert.equal(reader.read(parts[1]!, parts[1]!.length), true, `rest after ${cut} bytes`)
    assert.equal(reader.status, 200)
  }
})

it('does not look beyond the valid bytes of the buffer', () => {
  const reader = new HttpResponseReader()
  const bytes = Buffer.from(RESPONSE)
  assert.equal(reader.read(bytes, 20), false)
  assert.equal(reader.read(bytes.subarray(20), bytes.length - 20), true)
})

it('reads the next response after a reset', () => {
  const reader = new HttpResponseReader()
  const bytes = Buffer.from('HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\n')
  assert.equal(reader.read(bytes, bytes.length), true)
  assert.equal(reader.status, 503)
  reader.reset()
  assert.equal(reader.read(Buffer.from(RESPONSE), RESPONSE.length), true)
  assert.equal(reader.status, 200)
})

it('refuses a response without a length, and bytes after its end', () => {
  const without = Buffer.from('HTTP/1.1 200 OK\r\n\r\n')
  assert.throws(() => new HttpResponseReader().read(without, without.length), /without Content-Length/)
  const longer = Buffer.from(`${RESPONSE}!`)
  assert.throws(() => new HttpResponseReader().read(longer, longer.length), /more bytes/)
})
