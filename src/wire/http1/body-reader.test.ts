import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  BODY_CHUNKED,
  BODY_LENGTH,
  BODY_NONE,
  BODY_UNTIL_CLOSE,
  BodyReader,
  requestBodyMode,
  responseBodyMode,
} from './body-reader.ts'
import { E_BODY_CUT } from './codes.ts'
import { Head } from './head.ts'
import { chunkSizeLine, LAST_CHUNK, trailerText } from './write.ts'

class Sink {
  text = ''
  calls = 0

  onBody(buffer: Buffer, start: number, end: number): void {
    assert.ok(end > start)
    this.calls++
    this.text += buffer.toString('latin1', start, end)
  }
}

/** What the sink got, and how much was consumed. */
function readAll(reader: BodyReader, text: string): [string, number] {
  const sink = new Sink()
  const buffer = Buffer.from(text, 'latin1')
  const consumed = reader.read(buffer, 0, buffer.length, sink)
  return [sink.text, consumed]
}

describe('the end of a body', () => {
  const requests: readonly [string, Partial<Head>, number][] = [
    ['nothing declared', {}, BODY_NONE],
    ['a length', { contentLength: 5 }, BODY_LENGTH],
    ['a length of zero', { contentLength: 0 }, BODY_NONE],
    ['chunked', { isChunked: true }, BODY_CHUNKED],
  ]
  for (const [name, facts, mode] of requests) {
    it(`request: ${name}`, () => assert.equal(requestBodyMode(Object.assign(new Head(), facts)), mode))
  }

  const responses: readonly [string, string, Partial<Head>, number][] = [
    ['nothing declared', 'GET', { status: 200 }, BODY_UNTIL_CLOSE],
    ['a length', 'GET', { status: 200, contentLength: 5 }, BODY_LENGTH],
    ['a length of zero', 'GET', { status: 500, contentLength: 0 }, BODY_NONE],
    ['chunked', 'POST', { status: 200, isChunked: true }, BODY_CHUNKED],
    ['to HEAD', 'HEAD', { status: 200, contentLength: 5 }, BODY_NONE],
    ['to HEAD, chunked', 'HEAD', { status: 200, isChunked: true }, BODY_NONE],
    ['100', 'GET', { status: 100 }, BODY_NONE],
    ['101', 'GET', { status: 101 }, BODY_NONE],
    ['204', 'GET', { status: 204 }, BODY_NONE],
    ['304', 'GET', { status: 304, contentLength: 5 }, BODY_NONE],
    ['200 to CONNECT', 'CONNECT', { status: 200, contentLength: 5 }, BODY_NONE],
    ['502 to CONNECT', 'CONNECT', { status: 502, contentLength: 5 }, BODY_LENGTH],
  ]
  for (const [name, method, facts, mode] of responses) {
    it(`response: ${name}`, () =>
      assert.equal(responseBodyMode(Object.assign(new Head(), facts), method), mode))
  }
})

describe('a body', () => {
  it('of a length ends there and leaves the rest', () => {
    const reader = new BodyReader()
    reader.start(BODY_LENGTH, 5)
    assert.deepEqual(readAll(reader, 'hel'), ['hel', 3])
    assert.equal(reader.remaining, 2)
    assert.equal(reader.isDone, false)
    assert.equal(reader.finish(), E_BODY_CUT)
    assert.deepEqual(readAll(reader, 'lo, and more'), ['lo', 2])
    assert.equal(reader.isDone, true)
    assert.equal(reader.finish(), 0)
    assert.deepEqual(readAll(reader, 'more'), ['', 0])
  })

  it('until the connection ends takes everything and may end anywhere', () => {
    const reader = new BodyReader()
    reader.start(BODY_UNTIL_CLOSE, -1)
    assert.deepEqual(readAll(reader, 'hello'), ['hello', 5])
    assert.equal(reader.isDone, false)
    assert.equal(reader.finish(), 0)
    assert.equal(reader.isDone, true)
  })

  it('that is none takes nothing', () => {
    const reader = new BodyReader()
    reader.start(BODY_NONE, 0)
    assert.equal(reader.isDone, true)
    assert.deepEqual(readAll(reader, 'hello'), ['', 0])
    assert.equal(reader.finish(), 0)
  })

  it('in chunks is handed on in one range for each piece of a chunk, and never whole', () => {
    const reader = new BodyReader()
    reader.start(BODY_CHUNKED, 0)
    const sink = new Sink()
    const text = `${chunkSizeLine(3)}abc\r\n${chunkSizeLine(16)}${'x'.repeat(16)}\r\n${LAST_CHUNK}\r\nnext`
    const buffer = Buffer.from(text)
    assert.equal(reader.read(buffer, 0, buffer.length, sink), text.length - 4)
    assert.equal(sink.text, `abc${'x'.repeat(16)}`)
    assert.equal(sink.calls, 2)
    assert.equal(reader.isDone, true)
    assert.equal(reader.trailers, null)
  })

  it('in chunks gives the trailers that may be passed on', () => {
    const reader = new BodyReader()
    reader.start(BODY_CHUNKED, 0)
    const dropped = [
      'Host: b',
      'Content-Length: 1',
      'X-Forwarded-For: 1',
      'X_Real_IP: 1',
      'transfer_encoding: x',
      'Cookie: c',
      'TE: x',
      'Range: r',
      'Proxy: p',
      'connection: close',
    ]
    const text = `${LAST_CHUNK}${trailerText(['Grpc-Status', '0', 'X-Sum', 'a b'])}\r\n`.replace(
      'X-Sum',
      `${dropped.join('\r\n')}\r\nX-Sum`,
    )
    assert.deepEqual(readAll(reader, text), ['', text.length])
    assert.deepEqual(reader.trailers, ['Grpc-Status', '0', 'X-Sum', 'a b'])
    reader.start(BODY_CHUNKED, 0)
    assert.equal(reader.trailers, null)
    readAll(reader, `${LAST_CHUNK}Host: b\r\n\r\n`)
    assert.equal(reader.trailers, null)
    assert.equal(reader.isDone, true)
  })

  it('in chunks that is cut is not complete', () => {
    const text = `5;a="b"\r\nhello\r\n0\r\nA: b\r\n\r\n`
    for (let length = 0; length < text.length; length++) {
      const reader = new BodyReader()
      reader.start(BODY_CHUNKED, 0)
      assert.equal(readAll(reader, text.slice(0, length))[1], length)
      assert.equal(reader.finish(), E_BODY_CUT)
    }
  })
})

describe('what is written around a body', () => {
  it('is a size in hexadecimal', () => {
    for (const [bytes, line] of [
      [1, '1\r\n'],
      [255, 'ff\r\n'],
      [255, 'ff\r\n'],
      [65536, '10000\r\n'],
    ] as const) {
      assert.equal(chunkSizeLine(bytes), line)
    }
  })

  it('is a line for each trailer', () => {
    assert.equal(trailerText([]), '')
    assert.equal(trailerText(['A', 'b', 'C', 'd']), 'A: b\r\nC: d\r\n')
  })
})
