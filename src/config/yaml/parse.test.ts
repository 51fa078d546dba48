import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LocatedYaml, parseYaml } from './parse.ts'
import { LineIndex } from './spans.ts'

function problem(text: string): string | undefined {
  const found = parseYaml(text).problem
  if (found === undefined) return undefined
  const { line, column } = new LineIndex(text).position(found.offset)
  return `${line}:${column} ${found.message}`
}

describe('parsing a document', () => {
  const values: readonly [string, string, unknown][] = [
    ['anchors and aliases', 'a: &x {b: 1}\nc: *x\n', { a: { b: 1 }, c: { b: 1 } }],
    ['merge keys', 'a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n', { a: { b: 1 }, c: { b: 1, d: 2 } }],
    ['folded text', 'a: >-\n  b\n  c\n', { a: 'b c' }],
    ['words that were booleans in YAML 1.1', 'a: yes\nb: on\nc: n\n', { a: 'yes', b: 'on', c: 'n' }],
    ['nothing', '# empty\n', null],
    ['JSON', '{"a": [true, 1.5, "\\u00e9"]}', { a: [true, 1.5, 'é'] }],
  ]
  for (const [name, text, expected] of values) {
    test(`reads ${name}`, () => {
      assert.equal(problem(text), undefined)
      assert.deepEqual(parseYaml(text).value, expected)
    })
  }

  const wrong: readonly [string, string, RegExp][] = [
    ['duplicate keys', 'a: 1\nb: 2\na: 3\n', /^3:1 map keys must be unique$/],
    ['duplicate keys in JSON', '{\n  "a": 1,\n  "a": 2\n}', /^3:3 map keys must be unique$/],
    ['duplicate keys deep inside', 'a:\n- b: [{c: 1, "c": 2}]\n', /^2:14 map keys must be unique$/],
    ['duplicate keys in a key', '? {a: 1, a: 2}\n: 3\n', /^1:10 map keys must be unique$/],
    ['an open quote', 'a: 1\nb: "x\n', /^2:6 missing closing "quote$/],
    ['a tab as indentation', 'a:\n\tb: 1\n', /^2:1 .*tab/i],
    ['a mapping in a value', 'a: b: c\n', /^1:4 nested mappings/],
    ['an unknown alias', 'a: *b\n', /^1:\d+ unresolved alias/],
    ['aliases that explode', `a: &a [${'x, '.repeat(100)}]\nb: &b [${'*a, '.repeat(100)}]\nc: [${'*b, '.repeat(100)}]\n`, /excessive alias count/],
    ['nesting without end', '['.repeat(20_000), /^1:\d+ nested too deeply$/],
  ] // prettier-ignore
  for (const [name, text, expected] of wrong) {
    test(`reports ${name}`, () => {
      assert.match(problem(text) ?? '', expected)
      assert.equal(parseYaml(text).value, null)
    })
  }

  test('many keys do not hold the thread, also where only the full parser can read them', () => {
    const keys = Array.from({ length: 40_000 }, (_, index) => `key${index}: v\n`).join('')
    const startedAt = performance.now()
    const value = parseYaml(`text: >\n  folded\n${keys}`).value as Record<string, unknown>
    const tookMs = performance.now() - startedAt
    assert.equal(Object.keys(value).length, 40_001)
    // A second or so; comparing every key with every other takes minutes.
    assert.ok(tookMs < 12_000, `${tookMs} ms`)
  })

  test('a huge document that only the full parser could read is refused', () => {
    const text = `a: &x 1\n${'b: 1\n'.replace('b', 'c').padEnd(9 * 1024 * 1024, '#')}`
    assert.match(problem(text) ?? '', /^1:4 cannot be read: the document is longer than 2 MiB/)
  })
})

describe('locating', () => {
  const plain = 'kind: X\nspec:\n  rules:\n  - host: 1.10\n    http: {paths: [a, "b"]}\n'
  const full = plain.replace('kind: X', 'kind: !!str X')
  for (const [name, text] of [
    ['plain', plain],
    ['full', full],
  ] as const) {
    const lines = new LineIndex(text)
    const located = new LocatedYaml(text)
    const at = (...path: (number | string)[]): string => {
      const { line, column } = lines.position(located.span(path).key)
      return `${line}:${column}`
    }
    test(`finds keys and items, ${name} parser`, () => {
      assert.equal(at(), '1:1')
      assert.equal(at('spec'), '2:1')
      assert.equal(at('spec', 'rules'), '3:3')
      assert.equal(at('spec', 'rules', 0), '4:5')
      assert.equal(at('spec', 'rules', 0, 'host'), '4:5')
      assert.equal(at('spec', 'rules', 0, 'http', 'paths'), '5:12')
      assert.equal(at('spec', 'rules', 0, 'http', 'paths', 1), '5:23')
    })
    test(`falls back to the nearest ancestor, ${name} parser`, () => {
      assert.equal(at('spec', 'rules', 7, 'host'), '3:3')
      assert.equal(at('metadata', 'name'), '1:1')
    })
    test(`gives scalars as written, ${name} parser`, () => {
      assert.equal(located.source(['spec', 'rules', 0, 'host']), '1.10')
      assert.equal(located.source(['spec', 'nothing']), undefined)
    })
  }

  test('finds what an alias stands for, where it is written', () => {
    const text = 'a: &x\n  b: 1\nc: *x\n'
    const located = new LocatedYaml(text)
    assert.equal(located.span(['c', 'b']).key, text.indexOf('b: 1'))
  })
})
