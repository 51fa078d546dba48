import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compileRegex } from '#lib/regex/regex.ts'
import { hasRegexCharacters, literalPath, RegexChecker, regexCover } from './path.ts'

describe('literal paths', () => {
  const rows: readonly [
    path: string,
    type: 'Exact' | 'ImplementationSpecific' | 'Prefix',
    nginx: boolean,
    result: string,
  ][] = [
    ['/', 'Prefix', false, 'prefix /'],
    ['/foo', 'Prefix', false, 'prefix /foo'],
    ['/foo/', 'Prefix', false, 'prefix /foo'],
    ['/foo/', 'Exact', false, 'exact /foo/'],
    ['/foo/', 'ImplementationSpecific', false, 'prefix /foo'],
    ['/foo/', 'ImplementationSpecific', true, 'stringPrefix /foo/'],
    ['/foo', 'Prefix', true, 'prefix /foo'],
    ['/a b', 'Exact', false, 'exact /a%20b'],
    ['/café', 'Exact', false, 'exact /caf%C3%A9'],
    ['/%7Euser/%2f', 'Exact', false, 'exact /~user/%2F'],
    ['/a/../b', 'Exact', false, 'none'],
    ['/a/./b', 'Prefix', false, 'none'],
    ['/%zz', 'Prefix', false, 'none'],
    ['/a\nb', 'Prefix', false, 'none'],
  ]
  for (const [path, type, nginx, result] of rows) {
    it(`${JSON.stringify(path)} of type ${type}${nginx ? ' in class nginx' : ''} is ${result}`, () => {
      const match = literalPath(path, type, nginx)
      assert.equal(match === null ? 'none' : `${match.kind} ${'value' in match ? match.value : ''}`, result)
    })
  }

  it('are told from expressions by characters that a path does not have', () => {
    for (const path of [
      '/a(b)',
      '/a|b',
      '/a*',
      '/a+',
      '/a?',
      '/a[b]',
      '/a{2}',
      '^/a',
      '/a$',
      String.raw`/a\d`,
    ]) {
      assert.ok(hasRegexCharacters(path), path)
    }
    for (const path of ['/', '/a.b', '/a-b_c~d', '/a%20b', '/a:b@c=d&e'])
      assert.ok(!hasRegexCharacters(path), path)
  })
})

describe('regular expressions of paths', () => {
  it('are counted by captures, refused with a reason, and remembered', () => {
    const checker = new RegexChecker()
    assert.deepEqual(checker.check('/a(/|$)(.*)'), {
      isGood: true,
      match: { kind: 'regex', value: '/a(/|$)(.*)', caseInsensitive: true },
      captures: 2,
    })
    const bad = checker.check('/a(?=b)')
    assert.ok(!bad.isGood)
    assert.match(bad.reason, /look-around/)
    assert.equal(checker.check('/a(?=b)'), bad)
  })

  const encoded: readonly [source: string, value: string | null, matches: string][] = [
    ['/caf\u00e9/?', '/caf(?:%C3%A9)/?', '/caf%C3%A9'],
    ['/caf\u00e9?$', '/caf(?:%C3%A9)?$', '/caf'],
    ['/a b(.*)', '/a(?:%20)b(.*)', '/a%20b/c'],
    [String.raw`/a\ b`, '/a(?:%20)b', '/a%20b'],
    [String.raw`/a\\ b`, String.raw`/a\\(?:%20)b`, String.raw`/a\%20b`],
    ['/\u{1f600}[^ ]+', '/(?:%F0%9F%98%80)[^ ]+', '/%F0%9F%98%80x'],
    ['/[\u00e9]', null, ''],
    ['/\ud800', '/(?:%EF%BF%BD)', '/%EF%BF%BD'],
  ]
  for (const [source, value, path] of encoded) {
    it(`are matched against what requests can hold: ${JSON.stringify(source)}`, () => {
      const checked = new RegexChecker().check(source)
      assert.equal(checked.isGood, value !== null)
      if (!checked.isGood || checked.match.kind !== 'regex') return
      assert.equal(checked.match.value, value)
      const { caseInsensitive } = checked.match
      assert.ok(compileRegex(checked.match.value, { caseInsensitive, anchored: true }).test(path))
    })
  }

  const covers: readonly [source: string, value: string, matches: readonly string[]][] = [
    ['/app/(?!admin).*', '/app/', ['/app/x', '/APP/']],
    ['/apps?(?=x)', '/app', ['/app', '/appsx']],
    ['/a{0,2}(?=x)', '/', ['/x']],
    ['/x|/y(?=z)', '/', ['/yz']],
    ['/a.b(', '/a.b', ['/a.b', '/axb']],
    ['/.dmin(?=x)', '/.dmin', ['/admin', '/Admin/x']],
    ['(?=x)', '/', ['/x']],
  ]
  for (const [source, value, matches] of covers) {
    it(`that are broken are covered by their literal beginning: ${source}`, () => {
      const cover = regexCover(source)
      assert.ok(cover.kind === 'regex')
      assert.equal(cover.value, value)
      const regex = compileRegex(cover.value, { caseInsensitive: cover.caseInsensitive, anchored: true })
      for (const path of matches) assert.ok(regex.test(path), path)
    })
  }
})
