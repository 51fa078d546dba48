import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { cleanValue, Head } from './head.ts'
import { DEFAULT_HEAD_LIMITS, HeadReader } from './head-reader.ts'
import {
  H_CONNECTION,
  H_COOKIE,
  H_FORWARDING_VARIANT,
  H_HOST,
  H_RETRY_AFTER,
  H_UPGRADE,
} from './known-names.ts'

const LINES = [
  'Host: a.example\r\n',
  'Accept:text/html\r\n',
  'X-Thing:  one \t\r\n',
  'cookie: a=b\r\n',
  'x-thing: two\r\n',
  'X_Real_IP: 192.0.2.1\r\n',
  'Empty:\r\n',
]
const TEXT = `GET /a?b HTTP/1.1\r\n${LINES.join('')}\r\n`

function readInto(head: Head, text: string): void {
  const buffer = Buffer.from(text, 'latin1')
  const reader = new HeadReader(text.startsWith('HTTP/') ? 'response' : 'request', DEFAULT_HEAD_LIMITS)
  assert.equal(reader.read(buffer, 0, buffer.length, head), buffer.length)
}

describe('a head', () => {
  const head = new Head()
  beforeEach(() => readInto(head, TEXT))

  const both = (expected: string): void => {
    assert.equal(head.serializeFields(), expected)
    assert.equal(head.serializeFieldsSlow(), expected)
  }

  it('goes out as it came when nothing was changed', () => both(LINES.join('')))

  it('finds fields by name in any case and by id', () => {
    assert.equal(head.get('HOST'), 'a.example')
    assert.equal(head.get('x-thing'), 'one')
    assert.equal(head.getAll('X-THING'), 'one, two')
    assert.equal(head.get('empty'), '')
    assert.equal(head.has('empty'), true)
    assert.equal(head.get('absent'), undefined)
    assert.equal(head.getAll('upgrade'), undefined)
    assert.equal(head.get('x-real-ip'), undefined)
    assert.equal(head.get('x_real_ip'), '192.0.2.1')
    assert.equal(head.get('x_forwarded_for'), undefined)
    assert.equal(head.indexOf(H_HOST), 0)
    assert.equal(head.indexOf(H_COOKIE), 3)
    assert.equal(head.indexOf(H_FORWARDING_VARIANT), 5)
    assert.equal(head.indexOf(H_UPGRADE), -1)
    assert.equal(head.indexOf(H_RETRY_AFTER), -1)
    assert.equal(head.name(3), 'cookie')
    assert.equal(head.value(3), 'a=b')
  })

  it('visits every field in order', () => {
    const seen: string[] = []
    head.append('Added', '1')
    head.remove('x-thing')
    head.forEach((name, value) => seen.push(`${name}=${value}`))
    assert.deepEqual(seen, [
      'Host=a.example',
      'Accept=text/html',
      'cookie=a=b',
      'X_Real_IP=192.0.2.1',
      'Empty=',
      'Added=1',
    ])
  })

  for (let mask = 0; mask < 1 << LINES.length; mask++) {
    it(`drops exactly the lines that were removed (${mask.toString(2)})`, () => {
      for (let i = 0; i < LINES.length; i++) if ((mask >> i) & 1) head.removeAt(i)
      head.appendRaw('Added: 1\r\n')
      both(`${LINES.filter((_, i) => ((mask >> i) & 1) === 0).join('')}Added: 1\r\n`)
    })
  }

  it('removes twice as well as once', () => {
    head.removeAt(3)
    head.removeAt(3)
    head.removeId(H_COOKIE)
    assert.equal(head.goneCount, 1)
    assert.equal(head.get('cookie'), undefined)
    assert.equal(head.indexOf(H_COOKIE), -1)
    head.removeId(H_FORWARDING_VARIANT)
    assert.equal(head.get('x_real_ip'), undefined)
  })

  it('replaces all fields of a name by one, also appended ones', () => {
    head.append('X-Thing', 'three')
    assert.equal(head.getAll('x-thing'), 'one, two, three')
    head.set('x-thing', 'four')
    assert.equal(head.getAll('X-Thing'), 'four')
    head.set('Cookie', 'c=d')
    assert.equal(head.get('cookie'), 'c=d')
    head.remove('x-thing')
    assert.equal(head.has('x-thing'), false)
    assert.equal(head.get('Cookie'), 'c=d')
    both([LINES[0], LINES[1], LINES[5], LINES[6], 'Cookie: c=d\r\n'].join(''))
  })

  it('cannot be given a further line through a value', () => {
    head.append('Location', '/\r\nSet-Cookie: a=b\n\0')
    both(`${LINES.join('')}Location: /  Set-Cookie: a=b  \r\n`)
  })

  it('refuses a name that is no token', () => {
    for (const name of ['', 'a b', 'a:', 'a\r\n', 'ä', 'ĺ'])
      assert.throws(() => head.append(name, 'x'), TypeError)
  })

  it('forgets everything when it is used again', () => {
    head.removeAt(0)
    head.append('A', 'b')
    readInto(head, 'HTTP/1.1 204 No Content\r\n\r\n')
    assert.equal(head.status, 204)
    assert.equal(head.reason, 'No Content')
    assert.equal(head.fieldCount, 0)
    both('')
    const fresh = new Head()
    readInto(fresh, 'HTTP/1.1 204 No Content\r\n\r\n')
    head.spans = fresh.spans
    head.ids = fresh.ids
    assert.deepEqual(head, fresh)
  })

  it('grows for many fields', () => {
    const lines = Array.from({ length: 98 }, (_, i) => `N${i}: ${i}\r\n`)
    readInto(head, `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${lines.join('')}\r\n`)
    for (let i = 0; i < 98; i++) assert.equal(head.get(`n${i}`), String(i))
    head.removeId(H_CONNECTION)
    both(`Host: a\r\n${lines.join('')}`)
  })
})

describe('cleanValue', () => {
  const cases: readonly [string, string, string][] = [
    ['keeps plain text', 'a b\tc', 'a b\tc'],
    ['keeps latin1', 'gr\xfc\xdf', 'gr\xfc\xdf'],
    ['replaces control characters', 'a\r\nb\0c\x7fd', 'a  b c d'],
    ['sends wide text as UTF-8', '\u20ac', '\xe2\x82\xac'],
    ['does not cut U+010D U+010A to CR LF', '\u010d\u010a', '\xc4\x8d\xc4\x8a'],
  ]
  for (const [name, value, expected] of cases) it(name, () => assert.equal(cleanValue(value), expected))
})
