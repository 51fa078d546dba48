import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConfigError, formatIssue } from '../errors.ts'
import { any, list, map, object, union } from './composites.ts'
import { boolean, cidr, duration, integer, number, oneOf, size, string } from './scalars.ts'
import type { ParseOptions, Schema } from './schema.ts'
import { walkOptions } from './walk.ts'

const TEXT: ParseOptions = { isText: true, ignoreCase: true }

/** Decoded value, or the issues as text. */
function outcome(schema: Schema<unknown, boolean>, value: unknown, options?: ParseOptions): unknown {
  const result = schema.parse(value, options)
  return result.ok ? result.value : result.issues.map((issue) => formatIssue(issue)).join('\n')
}

const scalars: readonly (readonly [string, Schema<unknown>, unknown, unknown, ParseOptions?])[] = [
  ['text', string(), 'a', 'a'],
  [
    'a number where text is wanted',
    string(),
    5,
    'must be text, not the number 5 (write it with quotes: "5")',
  ],
  ['empty text', string({ minLength: 1 }), '', 'must not be empty'],
  ['long text', string({ maxLength: 2 }), 'abc', 'must have at most 2 characters'],
  ['an integer', integer({ min: 1, max: 9 }), 9, 9],
  ['too small', integer({ min: 1, max: 9 }), 0, 'must be a whole number from 1 to 9, not 0'],
  ['only a minimum', integer({ min: 1 }), 0, 'must be a whole number at least 1, not 0'],
  ['a fraction', integer(), 1.5, 'must be a whole number, not the number 1.5'],
  ['text for an integer', integer(), '5', 'must be a whole number, not the string "5"'],
  ['text for an integer, by flag', integer(), '5', 5, TEXT],
  ['hex for an integer, by flag', integer(), '0x5', 'must be a whole number, not the string "0x5"', TEXT],
  ['the last of repeated flags', integer(), ['5', '6'], 6, TEXT],
  ['a number', number(), 1.5, 1.5],
  ['infinity', number(), Infinity, 'must be a number, not the number null'],
  ['true', boolean(), true, true],
  ['T by flag', boolean(), 'T', true, TEXT],
  ['0 by flag', boolean(), '0', false, TEXT],
  ['yes by flag', boolean(), 'yes', 'must be true or false, not the string "yes"', TEXT],
  ['seconds', duration(), 3, 3000],
  ['bare text seconds', duration(), '3', 3000],
  ['parts', duration(), '1h2m3.5s', 3_723_500],
  ['milliseconds', duration(), '250ms', 250],
  [
    'a negative duration',
    duration(),
    '-1s',
    'must be a duration, not the string "-1s" (such as 10s, 1m30s or 250ms)',
  ],
  [
    'a unit missing in the middle',
    duration(),
    '1m30',
    'must be a duration, not the string "1m30" (such as 10s, 1m30s or 250ms)',
  ],
  ['too long for a timer', duration(), '1000h', 'must be a duration from 0s to 596h31m23.647s, not 1000h'],
  ['bytes', size(), 5, 5],
  ['KiB', size(), '64KiB', 65_536],
  ["nginx's m", size(), '1m', 1_048_576],
  ["Kubernetes's Mi", size(), '2Mi', 2_097_152],
  ['kB', size(), '1kB', 1000],
  ['a size out of bounds', size({ min: 1024 }), 1, 'must be a size at least 1KiB, not 1'],
  ['not a size', size(), '1x', 'must be a size, not the string "1x" (such as 65536, 64KiB or 1MiB)'],
  ['a prefix', cidr(), '10.0.0.0/8', '10.0.0.0/8'],
  ['not a prefix', cidr(), '10/8', 'must be an IP address or prefix such as 10.0.0.0/8, not "10/8"'],
  ['a name of a set', oneOf(['common', 'json']), 'json', 'json'],
  [
    'case in a set',
    oneOf(['common', 'json']),
    'JSON',
    'must be one of common, json, not "JSON" (did you mean json?)',
  ],
  ['case in a set, by flag', oneOf(['common', 'json']), 'JSON', 'json', TEXT],
  ['null', string(), null, 'required, but not given'],
  ['null with default', string().default('x'), null, 'x'],
]

describe('schema: scalars', () => {
  for (const [name, schema, value, expected, options] of scalars) {
    it(name, () => assert.deepEqual(outcome(schema, value, options), expected))
  }
})

describe('schema: composites', () => {
  const server = object({
    address: string({ minLength: 1 }),
    weight: integer({ min: 0 }).default(1),
    tags: list(string()).optional(),
    ping: object({ port: integer().default(80) }, { isGroup: true }).optional(),
  })

  it('decodes an object with defaults, and leaves out what is optional', () => {
    const decoded = server.parseOrThrow({ address: 'a' })
    assert.deepEqual(decoded, { address: 'a', weight: 1 })
    assert.equal(Object.hasOwn(decoded, 'tags'), false)
  })

  it('collects every issue with its path', () => {
    const result = map(server).parse({ a: { weight: -1, tags: ['x', 2] }, b: { adress: 'x' }, c: 5 })
    assert.ok(!result.ok)
    assert.deepEqual(
      result.issues.map((issue) => formatIssue(issue)),
      [
        'a.address: required, but not given',
        'a.weight: must be a whole number at least 0, not -1',
        'a.tags[1]: must be text, not the number 2 (write it with quotes: "2")',
        'b.adress: is not known (did you mean address?)',
        'b.address: required, but not given',
        'c: must be a mapping, not the number 5',
      ],
    )
  })

  it('splits lists of flags at commas and joins repeated ones', () => {
    assert.deepEqual(outcome(list(string()), ['a, b', 'c'], TEXT), ['a', 'b', 'c'])
    assert.equal(outcome(list(string()), 'a,b'), 'must be a list, not the string "a,b"')
  })

  it('takes keys in any case only when asked to, and refuses the same key twice', () => {
    assert.deepEqual(outcome(server, { Address: 'a' }, TEXT), { address: 'a', weight: 1 })
    assert.match(
      String(outcome(server, { Address: 'a' })),
      /Address: is not known \(did you mean address\?\)/,
    )
    assert.match(
      String(outcome(server, { Address: 'a', address: 'b' }, TEXT)),
      /address: is the same as Address/,
    )
  })

  it('lets true stand for a group of defaults', () => {
    assert.deepEqual(outcome(server, { address: 'a', ping: true }), {
      address: 'a',
      weight: 1,
      ping: { port: 80 },
    })
    assert.deepEqual(outcome(server, { address: 'a', ping: '' }, TEXT), {
      address: 'a',
      weight: 1,
      ping: { port: 80 },
    })
    assert.equal(outcome(server, { address: 'a', ping: 5 }), 'ping: must be a mapping, not the number 5')
  })

  it('names options that are not available, and warns about those without effect', () => {
    const schema = object(
      { a: string().default('x') },
      { later: { http3: 'needs QUIC' }, ignored: { noColor: 'no colours' } },
    )
    assert.equal(outcome(schema, { http3: true }), 'http3: is not available: needs QUIC')
    const result = schema.parse({ NOCOLOR: true }, TEXT)
    assert.ok(result.ok)
    assert.deepEqual(result.warnings, [{ path: ['NOCOLOR'], message: 'has no effect: no colours' }])
  })

  it('treats __proto__ as any other key', () => {
    const given: unknown = JSON.parse('{"__proto__": {"polluted": true}}')
    assert.equal(
      outcome(server, given),
      '__proto__: is not known (known: address, weight, tags, ping)\naddress: required, but not given',
    )
    const decoded = map(any()).parseOrThrow(given)
    assert.deepEqual(Object.keys(decoded), ['__proto__'])
    assert.equal(Object.getPrototypeOf(decoded), Object.prototype)
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  })

  it('reports the alternative that got furthest', () => {
    const schema = object({ x: union<unknown>([boolean(), object({ depth: integer() })]) })
    assert.deepEqual(outcome(schema, { x: true }), { x: true })
    assert.equal(
      outcome(schema, { x: { depth: 'a' } }),
      'x.depth: must be a whole number, not the string "a"',
    )
  })

  it('refines and transforms decoded values', () => {
    const even = integer().refine((value) => (value % 2 === 0 ? undefined : 'must be even'))
    assert.equal(outcome(even, 3), 'must be even')
    const url = string().transform((text) =>
      URL.canParse(text) ? new URL(text).host : new Error('must be a URL'),
    )
    assert.equal(outcome(url, 'http://a/'), 'a')
    assert.equal(outcome(url, 'a'), 'must be a URL')
  })

  it('throws a ConfigError that lists all issues', () => {
    assert.throws(
      () => server.parseOrThrow({ adress: 'x' }),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError)
        assert.equal(
          error.message,
          'adress: is not known (did you mean address?)\naddress: required, but not given',
        )
        return true
      },
    )
  })

  it('bounds the values quoted in messages', () => {
    assert.ok(String(outcome(integer(), 'x'.repeat(10_000))).length < 200)
  })

  it('lists the options below a map, none of which has to be given', () => {
    const rows = walkOptions(object({ labels: map(string(), { keyName: 'LABEL' }), port: integer() }))
    assert.deepEqual(
      rows.map((row) => [row.name, row.isRequired]),
      [
        ['labels.LABEL', false],
        ['port', true],
      ],
    )
  })
})
