import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RE2JS } from 're2js'
import { compileRegex, MAX_PATTERN_LENGTH } from './regex.ts'
import { translateToV8 } from './translate.ts'

/** Repeatable random numbers below `limit`. */
function makeRandom(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 0x1_0000_0000) * limit)
  }
}

describe('expressions of real routes run on V8', () => {
  const cases: [pattern: string, text: string, captures: string[] | null][] = [
    ['/something(/|$)(.*)', '/something/new/x', ['/something/new/x', '/', 'new/x']],
    ['/something(/|$)(.*)', '/something', ['/something', '', '']],
    ['/something(/|$)(.*)', '/somethings', null],
    ['/api/v[0-9]+/(.*)', '/api/v12/users', ['/api/v12/users', 'users']],
    ['/(.*)/edit$', '/a/b/edit', ['/a/b/edit', 'a/b']],
    ['/foo(/.*)?', '/foo/bar', ['/foo/bar', '/bar']],
    ['/foo/?(.*)', '/foo/bar', ['/foo/bar', 'bar']],
    ['/[^/]+/items/([0-9]+)$', '/x/items/7', ['/x/items/7', '7']],
    ['^/(?P<lang>de|en)/(.*)', '/de/start', ['/de/start', 'de', 'start']],
    ['/[a-f0-9]{8}-[a-f0-9]{4}', '/0123abcd-00ff', ['/0123abcd-00ff']],
    ['(?i)/Ab.c', '/aBxC', ['/aBxC']],
    ['/.*\\.(png|jpe?g)$', '/a.b/c.jpg', ['/a.b/c.jpg', 'jpg']],
    ['/', '/x', ['/']],
  ]
  for (const [pattern, text, captures] of cases) {
    it(`${pattern} against ${text}`, () => {
      const regex = compileRegex(pattern, { anchored: true })
      assert.equal(regex.engine, 'v8')
      const match = regex.exec(text)
      assert.deepEqual(match === null ? null : [...match], captures)
      assert.equal(regex.test(text), captures !== null)
    })
  }
})

describe('what V8 could need more than linear time for, or reads differently, runs on re2js', () => {
  const patterns = [
    '(a+)+$',
    '(a|a)*$',
    '(a|ab)*c',
    '(.*)*x',
    '.*.*x',
    '/(.*)/b/(.*)/c',
    '[a-z]*a[a-z]*b',
    'a?a?a?a?a?a?a?aaaaaaa',
    '(x?){20}y',
    '((a)|b)*',
    '(a*)?',
    '(|a)*',
    '\\pL+',
    '[[:alpha:]]+',
    'é',
    '(?m)^a$',
    'a^b',
  ]
  for (const pattern of patterns) {
    it(pattern, () => assert.equal(compileRegex(pattern, { anchored: true }).engine, 're2'))
  }

  it('a repetition that can fail, where a match can begin anywhere', () => {
    assert.equal(compileRegex('[a-z]+[0-9]').engine, 're2')
    assert.equal(compileRegex('^[a-z]+[0-9]').engine, 'v8')
    assert.equal(compileRegex('foo.*').engine, 'v8')
  })
})

describe('time grows with the text, not with its square', () => {
  const patterns = [
    '(a+)+$',
    '(a|aa)+$',
    '([a-zA-Z]+)*$',
    '(.*a){12}$',
    '.*.*.*x',
    '/(.*)/b/(.*)/c',
    '(.*)b',
    'a*b',
    '^(a|a)*$',
    '(?i)(k|K)+!',
    'a?a?a?(a|aa)(a|aa).*x',
  ]
  for (const pattern of patterns) {
    for (const isAnchored of [false, true]) {
      it(`${pattern}${isAnchored ? ' at the start' : ''}`, () => {
        const regex = compileRegex(pattern, { anchored: isAnchored })
        const time = (size: number): number => {
          const text = `/${'a'.repeat(size)}/b${'k'.repeat(8)}\n`
          let best = Number.POSITIVE_INFINITY
          for (let round = 0; round < 5; round++) {
            const start = performance.now()
            regex.test(text)
            best = Math.min(best, performance.now() - start)
          }
          return best
        }
        time(1000)
        // Linear: 16 times; the square would be 256 times and exponential would not return.
        const small = Math.max(time(2000), 0.02)
        assert.ok(time(32_000) < small * 80, `${time(32_000)} ms against ${small} ms`)
      })
    }
  }
})

it('V8 and re2js agree on matches and captures for random expressions and texts', () => {
  const random = makeRandom(20260401)
  const pick = (items: readonly string[]): string => items[random(items.length)] as string
  const atom = (): string =>
    pick([
      'a',
      'b',
      'k',
      's',
      'K',
      '/',
      '.',
      '[ab]',
      '[^a]',
      '[^/]',
      '\\d',
      '\\w',
      '\\S',
      '\\W',
      '[s-z]',
      '\\.',
      '[-k]',
    ])
  const piece = (depth: number): string => {
    const kind = random(10)
    if (depth > 0 && kind === 0) return `(${sequence(depth - 1)})`
    if (depth > 0 && kind === 1) return `(${sequence(depth - 1)}|${sequence(depth - 1)})`
    if (depth > 0 && kind === 2) return `(?:${sequence(depth - 1)})${pick(['?', '*', '+', '??', '{2}'])}`
    if (depth > 0 && kind === 3) return `(${sequence(depth - 1)})${pick(['?', '*', '+', '*?'])}`
    if (kind === 4) return pick(['$', '\\b', '\\B', '(?i)', '(?-i)', '(?s)', '(|a)', '(/|$)'])
    if (kind < 8) return atom()
    return atom() + pick(['*', '+', '?', '*?', '+?', '{2}', '{1,3}', '{2,}', '??'])
  }
  const sequence = (depth: number): string => {
    let text = ''
    for (let count = 1 + random(4); count > 0; count--) text += piece(depth)
    return text
  }
  const chars = [
    'a',
    'a',
    'b',
    'b',
    'k',
    's',
    'S',
    'K',
    'A',
    '/',
    '.',
    '1',
    '-',
    'z',
    ' ',
    '\n',
    '\u017f',
    '\u212a',
    'é',
    '\uffff',
  ]
  let native = 0
  let matches = 0
  for (let round = 0; round < 12_000; round++) {
    const source = (random(8) === 0 ? '^' : '') + sequence(2)
    const isAnchored = random(2) === 0
    const isFolded = random(3) === 0
    const translated = translateToV8(source, isFolded, isAnchored)
    if (translated === null) continue
    native++
    const regex = new RegExp(translated)
    const oracle = RE2JS.compile(
      isAnchored ? `\\A(?:${source})` : source,
      isFolded ? RE2JS.CASE_INSENSITIVE : 0,
    )
    for (let sample = 0; sample < 6; sample++) {
      let text = ''
      for (let count = random(9); count > 0; count--) text += pick(chars)
      const expected = oracle.exec(text)?.map((capture: string | undefined) => capture ?? '') ?? null
      const match = regex.exec(text)
      const actual = match === null ? null : [...match].map((capture) => capture ?? '')
      if (actual !== null) matches++
      assert.deepEqual(actual, expected, `${source} as ${translated} against ${JSON.stringify(text)}`)
    }
  }
  // The test is worth nothing when the checker lets nothing through or nothing matches.
  assert.ok(native > 3000, `${native} ran on V8`)
  assert.ok(matches > 3000, `${matches} matched`)
})

describe('replacement', () => {
  const cases: [pattern: string, text: string, template: string, result: string][] = [
    ['/app(/|$)(.*)', '/app/x/y', '/$2', '/x/y'],
    ['/app(/|$)(.*)', '/other', '/$2', '/other'],
    ['(?P<first>[a-z]+)-(?P<second>[a-z]+)', 'one-two', '${second}/${first}', 'two/one'],
    ['a', 'banana', 'o', 'bonono'],
    ['a*', 'baaac', 'x', 'xbxcx'],
    ['(a+)+', 'baaac', '[$1]', 'b[aaa]c'],
    ['(\\pL)x*', 'äxb', '<$1>', '<ä><b>'],
    ['x', 'x', '$$1 $ ${', '$1 $ ${'],
    ['(x)', 'x', '$10', 'x0'],
    ['()', 'é', '-', '-é-'],
    ['\\b', 'ab', '|', '|ab|'],
  ]
  for (const [pattern, text, template, result] of cases) {
    it(`of ${pattern} in ${text} by ${template}`, () => {
      const regex = compileRegex(pattern)
      assert.equal(regex.replace(text, regex.template(template)), result)
    })
  }

  it('refuses a capture that does not exist', () => {
    const regex = compileRegex('/(a)')
    assert.throws(() => regex.template('/$2'), /"\/\$2" uses \$2, but the expression has captures up to \$1/)
    assert.throws(() => regex.template('/${name}'), /uses \$\{name\}/)
    assert.throws(() => compileRegex('/a').template('/$1'), /has no captures/)
  })
})

describe('a wrong expression is refused with place and way out', () => {
  const cases: [pattern: string, message: RegExp][] = [
    ['/a(', /"\/a\(": missing closing \).*write \\\( or \\\)/],
    ['/a(?=b)', /at character 3.*look-around/],
    ['/a(?<!b)', /look-around/],
    ['(a)\\1', /at character 4.*back-references/],
    ['/a**', /nested repetition.*at character 3/],
    ['/[z-a]', /invalid character class range at character 3/],
    ['(x{1000}){5}', /repeat count.*1000/],
    ['(?:[a-z]{900}){1}'.repeat(7), /compiles to \d+ steps/],
    ['a'.repeat(MAX_PATTERN_LENGTH + 1), /longer than 2048/],
    ['a)b', /write \\\( or \\\)/],
  ]
  for (const [pattern, message] of cases) {
    it(pattern.slice(0, 40), () =>
      assert.throws(() => compileRegex(pattern, { anchored: true }), { name: 'ConfigError', message }),
    )
  }
})
