import assert from 'node:assert/strict'
import { it } from 'node:test'
import { assertRefused, FakeExchange, filterOf, responseHead } from '../exchange.fixture.ts'

const RECEIVED = ['Server', 'x/1', 'X-A', '1', 'x-a', '2', 'Content-Length', '3']

interface Case {
  readonly name: string
  readonly options: unknown
  readonly scheme?: 'http' | 'https'
  readonly fields: string
}

const UNCHANGED = 'Server: x/1\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 3\r\n'
const HSTS = { onlyScheme: 'https', response: { 'Strict-Transport-Security': 'max-age=1' } }

const cases: readonly Case[] = [
  { name: 'no options, no change', options: {}, fields: UNCHANGED },
  {
    name: 'a field is added',
    options: { response: { 'X-B': 'b' } },
    fields: `${UNCHANGED}X-B: b\r\n`,
  },
  {
    name: 'a field replaces all of its name, whatever their case',
    options: { response: { 'X-a': 'new' } },
    fields: 'Server: x/1\r\nContent-Length: 3\r\nX-a: new\r\n',
  },
  {
    name: 'an empty value removes all of its name',
    options: { response: { 'X-A': '', server: '' } },
    fields: 'Content-Length: 3\r\n',
  },
  {
    name: 'a scheme limits it: the other one sees no change',
    options: HSTS,
    scheme: 'http',
    fields: UNCHANGED,
  },
  {
    name: 'a scheme limits it: this one does',
    options: HSTS,
    scheme: 'https',
    fields: `${UNCHANGED}Strict-Transport-Security: max-age=1\r\n`,
  },
  {
    name: 'a value may have tabs and bytes beyond ASCII',
    options: { response: { 'X-B': 'a\tb \xe9' } },
    fields: `${UNCHANGED}X-B: a\tb \xe9\r\n`,
  },
]

for (const { name, options, scheme, fields } of cases) {
  it(name, () => {
    const head = responseHead(200, RECEIVED)
    filterOf('headers', options).response!(new FakeExchange(scheme === undefined ? {} : { scheme }), head)
    assert.equal(head.fields.serializeFields(), fields)
    assert.equal(head.status, 200)
  })
}

it('it has no request phase, so that it applies to answers of ours as well', () => {
  assert.deepEqual(Object.keys(filterOf('headers', {})), ['response'])
})

it('what would add a line, or end the message elsewhere, is refused', () => {
  const field = (name: string, value = 'x'): unknown => ({ response: { [name]: value } })
  assertRefused('headers', [
    { options: field(''), says: /is not a field name/ },
    { options: field('X A'), says: /is not a field name/ },
    { options: field('X-A: b\r\nSet-Cookie'), says: /is not a field name/ },
    { options: field('X-\u00c4'), says: /is not a field name/ },
    { options: field('X-A', 'b\r\nSet-Cookie: c'), says: /has a character that no field may have/ },
    { options: field('X-A', 'b\n'), says: /has a character/ },
    { options: field('X-A', 'b\0'), says: /has a character/ },
    { options: field('X-A', '\x7f'), says: /has a character/ },
    // Cut to latin1 it would be a line feed.
    { options: field('X-A', 'b\u010a'), says: /has a character/ },
    { options: field('X-A', 'x'.repeat(8193)), says: /must have at most 8192/ },
    { options: field('Content-Length', '0'), says: /belongs to the connection/ },
    { options: field('transfer-encoding', ''), says: /belongs to the connection/ },
    { options: field('CONNECTION', 'close'), says: /belongs to the connection/ },
    { options: { onlyScheme: 'ws' }, says: /^onlyScheme: must be one of http, https/ },
    { options: { request: {} }, says: /^request: / },
  ])
})

it('every wrong field is named at once', () => {
  assert.throws(
    () => filterOf('headers', { response: { 'X A': 'x', Connection: 'close' } }),
    /X A: is not a field name\n.*Connection: belongs/,
  )
})
