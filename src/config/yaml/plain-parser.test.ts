import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseDocument, stringify } from 'yaml'
import { GAVE_UP, PlainParser } from './plain-parser.ts'

function plain(text: string): unknown {
  return new PlainParser(text).parse()
}

/** The full parser's value, or undefined where it reports an error. */
function full(text: string): { value: unknown } | undefined {
  const document = parseDocument(text, { prettyErrors: false, merge: true, logLevel: 'silent' })
  if (document.errors.length > 0) return undefined
  try {
    return { value: document.toJS() as unknown }
  } catch {
    return undefined
  }
}

/** True when the quick parser decided; throws when it decided wrongly. */
function agrees(text: string): boolean {
  const value = plain(text)
  if (value === GAVE_UP) return false
  const expected = full(text)
  if (expected === undefined) assert.fail(`accepted what is an error:\n${text}\n${JSON.stringify(text)}`)
  assert.deepEqual(value, expected.value, `differs for:\n${text}\n${JSON.stringify(text)}`)
  return true
}

/** Small repeatable generator (xorshift). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

const SCALARS: readonly unknown[] = [
  null,
  true,
  false,
  0,
  80,
  -1,
  1.5,
  '',
  'a',
  'true',
  'null',
  '80',
  '1.10',
  '~',
  'yes',
  '*.example.com',
  '/',
  '/(.*)',
  'a: b',
  'a #b',
  '# not a comment',
  '- x',
  "it's",
  'say "x"',
  'two\nlines',
  'ends\n',
  '\nbegins',
  '  indented',
  'indented\n  more\nless\n',
  'trailing \nspace',
  'tab\there',
  'ünïcode 🌍',
  '{"json": [1, 2]}\n',
  'a\n\n\nb',
  'a long value that has enough words in it to be folded over several lines when lines are short',
  'http://example.com:80/x?y=z#w',
  '@at',
  '`tick`',
  '&anchor',
  '!tag',
  '%percent',
  '|',
  '>',
  '?',
  ':',
  '-',
  'a:',
  '<<',
  'back\\slash',
  'nul\u0000',
  'quote"s and\nlines',
  '---',
  '...',
  'x'.repeat(100),
  '2026-01-02T03:04:05Z',
  '0x1f',
  '1e3',
]
const KEYS = [
  'a',
  'b',
  'host',
  'nginx.ingress.kubernetes.io/rewrite-target',
  'a b',
  '80',
  'true',
  '',
  '# c',
  'x: y',
  '-',
  "'",
]

function randomValue(random: (below: number) => number, depth: number): unknown {
  const kind = random(depth > 0 ? 4 : 2)
  if (kind < 2) return SCALARS[random(SCALARS.length)]
  const size = random(4)
  if (kind === 2) return Array.from({ length: size }, () => randomValue(random, depth - 1))
  const object: Record<string, unknown> = {}
  for (let i = 0; i < size; i++) object[KEYS[random(KEYS.length)]!] = randomValue(random, depth - 1)
  return object
}

function randomText(random: (below: number) => number): string {
  const value = { a: randomValue(random, 4), b: randomValue(random, 3) }
  if (random(8) === 0) return JSON.stringify(value, null, [0, 2, '\t'][random(3)])
  return stringify(value, {
    indent: 1 + random(4),
    indentSeq: random(2) === 0,
    lineWidth: [0, 30, 80][random(3)]!,
    defaultStringType: (['PLAIN', 'QUOTE_DOUBLE', 'QUOTE_SINGLE', 'BLOCK_LITERAL'] as const)[random(4)]!,
    collectionStyle: (['any', 'any', 'flow', 'block'] as const)[random(4)]!,
    aliasDuplicateObjects: false,
  })
}

const PIECES = [
  ' ',
  '  ',
  '\n',
  '\n\n',
  ':',
  ': ',
  '- ',
  '#',
  ' #c',
  '"',
  "'",
  '|',
  '|-',
  '|+',
  '|2',
  '>',
  '{',
  '}',
  '[',
  ']',
  ',',
  '\t',
  'x',
  '1',
  '\\',
  '&a',
  '*a',
  '? ',
  '!',
  '...',
  '---',
  '<<: ',
]

function mutate(text: string, random: (below: number) => number): string {
  let result = text
  for (let i = random(3); i >= 0; i--) {
    const at = random(result.length + 1)
    const piece = random(2) === 0 ? '' : PIECES[random(PIECES.length)]!
    result = result.slice(0, at) + piece + result.slice(at + random(3))
  }
  return result
}

const INGRESS = `# shop
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web   # trailing comment
  annotations:
    nginx.ingress.kubernetes.io/configuration-snippet: |
      more_set_headers "X: y";

      deny all;
    a: "quoted \\"text\\" \\u00e9"
    b: 'it''s'
spec:
  tls:
  - hosts: [a.example.com, "b.example.com"]
    secretName: tls
  rules:
  - host: a.example.com
    http:
      paths:
        - path: /
          pathType: Prefix
          backend: {service: {name: web, port: {number: 80}}}
  -
    host: b.example.com
status:
  loadBalancer: {}
`

describe('plain parser', () => {
  test('reads an ordinary manifest, without giving up', () => {
    assert.equal(agrees(INGRESS), true)
  })

  const decided = [
    'a: 1',
    'a:\n- b\n- c\nd: e\n',
    'a:\n  - b: 1\n    c: 2\n  - - x\n    - y\n',
    '- a\n-\n- b: c\n',
    'a:\n\n\n  b: c\n',
    'a: b\n  c\n\n  d\n',
    "a: 'x\n  y'\n",
    'a: "x\n\n  y"\n',
    'a: "x \\\n  y"\n',
    'a: |\n  x\n   y\n\n  z\n\nb: 1\n',
    'a: |-\n  x\nb: |+\n  y\n\nc: |2\n   z\n',
    'a: |\nb: 1\n',
    '{"a": [1, 2, {"b": null}], "c": "\\ud83c\\udf0d"}',
    '{\n\t"a":1,\n\t"b":[true,false]\n}\n',
    'a: []\nb: {}\n',
    'a: [b, c, ]\n',
    '"a": 1\n\'b c\' : 2\n',
    'a: -1\nb: +5\nc: .5\nd: 1e3\n',
    'a: b:c\nd: e#f\ng: -h\n',
    '80: x\n',
    '# only a comment\n',
    '',
    'a: x # c\n# c\n  # c\nb: y\n',
    'a:\n    b: 1\n    c:\n     d: 2\n',
    'a: |\n    text\n  # comment\nb: 1\n',
    'a: "x"#b\n'.replace('#b', ''),
    '- |\n  x\n- y\n',
    'a: ~\nb: null\nc:\n',
  ]
  for (const text of decided) {
    test(`decides and agrees: ${JSON.stringify(text)}`, () => assert.equal(agrees(text), true))
  }

  const given = [
    'a: &x 1\nb: *x\n',
    'a: !!str 1\n',
    'a: >\n  x\n',
    '? a\n: b\n',
    'a: 1\na: 2\n',
    '{"a": 1, "a": 2}',
    '\ta: 1\n',
    'a: b: c\n',
    'a: "x\n',
    'a: [1, 2\n',
    'a:\n  b: 1\n c: 2\n',
    '<<: {a: 1}\n',
    'a: 0x10\n',
    'a: 0o17\n',
    'a: .inf\n',
    'a: "\\q"\n',
    'a: "x" y\n',
    '__proto__: 1\n',
    '--- {a: 1}\n',
    '%YAML 1.2\n---\na: 1\n',
    'a: [b: c]\n',
    'True: 1\n',
    '[a]: b\n',
    '- a\nb: c\n',
    'a: -\n',
    'a: @x\n',
    'a: - b\n',
    '['.repeat(200) + ']'.repeat(200),
  ]
  for (const text of given) {
    test(`leaves to the full parser: ${JSON.stringify(text).slice(0, 60)}`, () =>
      assert.equal(plain(text), GAVE_UP))
  }

  test('agrees with the full parser on random values in every style', () => {
    const random = randomFrom(20_261_121)
    let decisions = 0
    for (let i = 0; i < 3000; i++) if (agrees(randomText(random))) decisions++
    assert.ok(decisions > 1000, `only ${decisions} of 3000 were decided`)
  })

  test('agrees with the full parser on damaged texts, or gives up', () => {
    const random = randomFrom(7)
    let decisions = 0
    for (let i = 0; i < 6000; i++) {
      const text = i % 3 === 0 ? INGRESS : randomText(random)
      const damaged = mutate(text, random)
      // Document markers are cut away before.
      if (!/^(?:---|\.\.\.)(?:\s|$)/m.test(damaged) && agrees(damaged)) decisions++
    }
    assert.ok(decisions > 1000, `only ${decisions} of 6000 were decided`)
  })

  test('records where members stand', () => {
    const spans = new Map()
    const text = 'a:\n  - b: "x"\n    c: y z # comment\n'
    const value = new PlainParser(text, spans).parse() as { a: [object] }
    const slice = (container: object, key: number | string): string[] => {
      const span = spans.get(container).get(key)
      return [text.slice(span.key, span.key + 1), text.slice(span.start, span.end)]
    }
    assert.deepEqual(slice(value.a[0], 'b'), ['b', '"x"'])
    assert.deepEqual(slice(value.a[0], 'c'), ['c', 'y z'])
    assert.equal(spans.get(value.a).get(0).start, text.indexOf('b:'))
    assert.equal(spans.get(value).get('a').start, text.indexOf('- b'))
  })
})
