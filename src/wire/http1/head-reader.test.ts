import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { E_HEAD_TOO_LARGE, E_START_LINE_TOO_LONG, E_TOO_MANY_FIELDS, NEED_MORE } from './codes.ts'
import { Head, TARGET_ABSOLUTE, TARGET_ASTERISK, TARGET_AUTHORITY, TARGET_ORIGIN } from './head.ts'
import { DEFAULT_HEAD_LIMITS, HeadReader, type HeadKind } from './head-reader.ts'

function read(text: string, kind: HeadKind = 'request'): Head {
  const head = new Head()
  const buffer = Buffer.from(text, 'latin1')
  assert.equal(new HeadReader(kind, DEFAULT_HEAD_LIMITS).read(buffer, 0, buffer.length, head), buffer.length)
  return head
}

describe('targets', () => {
  const cases: readonly [string, number, string, string, string][] = [
    ['GET /', TARGET_ORIGIN, '/', '', 'a'],
    ['GET /x/y?z', TARGET_ORIGIN, '/x/y', '?z', 'a'],
    ['GET /?', TARGET_ORIGIN, '/', '?', 'a'],
    ['GET /x?y?z', TARGET_ORIGIN, '/x', '?y?z', 'a'],
    ['GET /0123456789abcdef?0123456789abcdef', TARGET_ORIGIN, '/0123456789abcdef', '?0123456789abcdef', 'a'],
    ['GET http://B.example:81/x?y', TARGET_ABSOLUTE, '/x', '?y', 'B.example:81'],
    ['GET http://b.example', TARGET_ABSOLUTE, '/', '', 'b.example'],
    ['GET http://b.example?y/z', TARGET_ABSOLUTE, '/', '?y/z', 'b.example'],
    ['GET HTTPS://[::1]/', TARGET_ABSOLUTE, '/', '', '[::1]'],
    ['OPTIONS http://b.example', TARGET_ABSOLUTE, '*', '', 'b.example'],
    ['OPTIONS http://b.example?y', TARGET_ABSOLUTE, '/', '?y', 'b.example'],
    ['OPTIONS *', TARGET_ASTERISK, '*', '', 'a'],
    ['CONNECT b.example:443', TARGET_AUTHORITY, '', '', 'b.example:443'],
  ]
  for (const [line, form, path, query, host] of cases) {
    it(`reads ${line}`, () => {
      const head = read(`${line} HTTP/1.1\r\nHost: a\r\n\r\n`)
      assert.deepEqual([head.targetForm, head.path, head.query, head.host], [form, path, query, host])
      assert.equal(`${head.method} ${head.target}`, line)
    })
  }
})

describe('persistence', () => {
  const cases: readonly [string, string, boolean, readonly string[]][] = [
    ['HTTP/1.1', '', true, []],
    ['HTTP/1.1', 'Connection: close\r\n', false, []],
    ['HTTP/1.1', 'Connection: CLOSE\r\n', false, []],
    ['HTTP/1.1', 'Connection: Keep-Alive\r\n', true, []],
    ['HTTP/1.1', 'Connection: closed\r\n', true, ['closed']],
    ['HTTP/1.1', 'Connection: keep-alive, close\r\n', false, []],
    ['HTTP/1.1', 'Connection: Upgrade\r\nUpgrade: x\r\n', true, ['upgrade']],
    [
      'HTTP/1.1',
      'Connection: A,\tb , ,C\r\nConnection: close\r\nConnection: upgrade\r\n',
      false,
      ['a', 'b', 'c', 'upgrade'],
    ],
    ['HTTP/1.0', '', false, []],
    ['HTTP/1.0', 'Connection: keep-alive\r\n', true, []],
    ['HTTP/1.0', 'Connection: keep-alive, close\r\n', false, []],
    ['HTTP/1.0', 'Connection: x\r\n', false, ['x']],
  ]
  for (const [version, lines, keepAlive, tokens] of cases) {
    it(`${version} ${JSON.stringify(lines)}: ${keepAlive ? 'stays' : 'ends'}`, () => {
      const head = read(`GET / ${version}\r\nHost: a\r\n${lines}\r\n`)
      assert.equal(head.keepAlive, keepAlive)
      assert.deepEqual(head.connectionTokens, tokens)
      assert.equal(head.hasConnectionField, lines !== '')
      assert.equal(head.wantsUpgrade, lines.includes('Upgrade: x'))
    })
  }
})

describe('responses', () => {
  const cases: readonly [string, number, string, number, boolean][] = [
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 200, 'OK', 5, true],
    ['HTTP/1.1 200\r\n\r\n', 200, '', -1, true],
    ['HTTP/1.1 404 \r\n\r\n', 404, '', -1, true],
    ['HTTP/1.0 500 a b  c\r\n\r\n', 500, 'a b  c', -1, false],
    ['HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n', 204, 'x', -1, true],
    ['HTTP/1.1 204 x\r\nContent-Length: 7\r\n\r\n', 204, 'x', -1, false],
    ['HTTP/1.1 304 x\r\nContent-Length: 7\r\n\r\n', 304, 'x', 7, true],
  ]
  for (const [text, status, reason, contentLength, keepAlive] of cases) {
    it(`reads ${JSON.stringify(text)}`, () => {
      const head = read(text, 'response')
      assert.deepEqual(
        [head.status, head.reason, head.contentLength, head.keepAlive],
        [status, reason, contentLength, keepAlive],
      )
      if (status === 204) assert.equal(head.serializeFields(), '')
    })
  }
})

describe('methods', () => {
  for (const method of [
    'GET',
    'PUT',
    'HEAD',
    'POST',
    'PATCH',
    'TRACE',
    'DELETE',
    'OPTIONS',
    'PURGE',
    'LOCK',
    'get',
    'GETS',
    'A',
    'PROPFIND',
    'OPTIONX',
    'DELETF',
    'X_Y',
    '_',
  ]) {
    it(`reads ${method}`, () => assert.equal(read(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`).method, method))
  }
})

describe('a host seen before', () => {
  it('is told from hosts of the same length and slot', () => {
    const hosts = [
      'a.example',
      'a.exanple',
      'a_example',
      'b.example',
      'A.example',
      'a.exampl1',
      'a.exbmple',
      'x.y:80',
      'x.y:81',
    ]
    for (let round = 0; round < 3; round++) {
      for (const host of hosts) assert.equal(read(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`).host, host)
    }
  })

  it('comes as the same string', () => {
    const text = 'GET / HTTP/1.1\r\nHost: same.example\r\n\r\n'
    assert.equal(read(text).host, read(text).host)
  })
})

describe('limits of a head', () => {
  const limits = { maxHeadBytes: 64, maxFields: 2 }
  const cases: readonly [string, string, number][] = [
    ['exactly as long as allowed', `GET / HTTP/1.1\r\nHost: a\r\nA: ${'b'.repeat(64 - 32)}\r\n\r\n`, 64],
    ['one byte too long', `GET / HTTP/1.1\r\nHost: a\r\nA: ${'b'.repeat(64 - 31)}\r\n\r\n`, E_HEAD_TOO_LARGE],
    ['a start line too long', `GET /${'a'.repeat(80)} HTTP/1.1\r\n`, E_START_LINE_TOO_LONG],
    ['too many fields', 'GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\n\r\n', E_TOO_MANY_FIELDS],
    ['as many fields as allowed', 'GET / HTTP/1.1\r\nHost: a\r\nA:\r\n\r\n', 31],
  ]
  for (const [name, text, expected] of cases) {
    it(`${name}, whole and byte by byte`, () => {
      const buffer = Buffer.from(text, 'latin1')
      const reader = new HeadReader('request', limits)
      assert.equal(reader.read(buffer, 0, buffer.length, new Head()), expected)
      const slow = new HeadReader('request', limits)
      const head = new Head()
      let result = NEED_MORE
      for (let i = 0; i < buffer.length && result === NEED_MORE; i++) {
        result = slow.read(buffer, i, i + 1, head)
        assert.ok((slow.store?.length ?? 0) <= limits.maxHeadBytes)
      }
      assert.equal(result, expected)
    })
  }
})

describe('a head in pieces', () => {
  const text = 'GET /some/path HTTP/1.1\r\nHost: a.example\r\nCookie: a=b\r\n\r\n'
  const buffer = Buffer.from(`${text}rest`, 'latin1')

  it('may go on in another Head: it starts again from the kept bytes', () => {
    const reader = new HeadReader('request', DEFAULT_HEAD_LIMITS)
    assert.equal(reader.read(buffer, 0, 30, new Head()), NEED_MORE)
    const head = new Head()
    assert.equal(reader.read(buffer, 30, buffer.length, head), text.length)
    assert.equal(head.text, text)
    assert.equal(head.host, 'a.example')
    assert.equal(head.get('cookie'), 'a=b')
  })

  it('is partial from its first byte to its last', () => {
    const reader = new HeadReader('request', DEFAULT_HEAD_LIMITS)
    const head = new Head()
    assert.equal(reader.hasPartial, false)
    for (let i = 0; i < text.length - 1; i++) {
      assert.equal(reader.read(buffer, i, i + 1, head), NEED_MORE)
      assert.equal(reader.hasPartial, true)
    }
    assert.equal(reader.read(buffer, text.length - 1, buffer.length, head), text.length)
    assert.equal(reader.hasPartial, false)
    assert.equal(reader.store, null)
  })

  it('is not partial after one empty line, and is read behind it', () => {
    const reader = new HeadReader('request', DEFAULT_HEAD_LIMITS)
    const head = new Head()
    const empty = Buffer.from('\r\n')
    assert.equal(reader.read(empty, 0, 1, head), NEED_MORE)
    assert.equal(reader.hasPartial, true)
    assert.equal(reader.read(empty, 1, 2, head), NEED_MORE)
    assert.equal(reader.hasPartial, false)
    assert.equal(reader.read(buffer, 0, buffer.length, head), text.length)
    assert.equal(head.text, text)
  })

  it('can be forgotten', () => {
    const reader = new HeadReader('request', DEFAULT_HEAD_LIMITS)
    const head = new Head()
    reader.read(buffer, 0, 20, head)
    reader.reset()
    assert.equal(reader.hasPartial, false)
    assert.equal(reader.read(buffer, 0, buffer.length, head), text.length)
  })

  it('costs as much for each byte at the end as at the start', () => {
    // 60 kB in single bytes: quadratic cost would be thousands of times the linear one, which is bounded here loosely.
    const long = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\nA: ${'b'.repeat(60_000)}\r\n\r\n`, 'latin1')
    const reader = new HeadReader('request', DEFAULT_HEAD_LIMITS)
    const head = new Head()
    let scanned = 0
    const scan = reader.scan.bind(reader)
    reader.scan = (buffer, base, from, end, into) => {
      scanned += end - from
      return scan(buffer, base, from, end, into)
    }
    for (let i = 0; i < long.length; i++) reader.read(long, i, i + 1, head)
    assert.equal(head.fieldCount, 2)
    assert.equal(scanned, long.length)
  })
})
