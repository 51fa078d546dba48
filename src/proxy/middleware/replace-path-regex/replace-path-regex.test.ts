import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { normalizePath } from '../../router/path.ts'
import {
  assertRefused,
  FakeExchange,
  filterOf,
  runRequest,
  type FakeExchangeFacts,
} from '../exchange.fixture.ts'

interface Case {
  readonly name: string
  readonly regex: string
  readonly replacement: string
  readonly caseInsensitive?: boolean
  readonly facts: FakeExchangeFacts
  readonly target: string
}

const cases: readonly Case[] = [
  {
    name: 'groups stand where their numbers are',
    regex: '/app(/|$)(.*)',
    replacement: '/$2',
    facts: { path: '/app/x/y' },
    target: '/x/y',
  },
  {
    name: 'a group that caught nothing is empty',
    regex: '/app(/|$)(.*)',
    replacement: '/$2',
    facts: { path: '/app' },
    target: '/',
  },
  {
    name: 'a group that took no part is empty',
    regex: '/(a)|/(b)',
    replacement: '/x$1y$2z',
    facts: { path: '/b' },
    target: '/xybz',
  },
  {
    name: 'groups may be named',
    regex: '/(?P<tenant>[a-z]+)/(?P<rest>.*)',
    replacement: '/${rest}/of/${tenant}',
    facts: { path: '/acme/list' },
    target: '/list/of/acme',
  },
  {
    name: 'the whole path is replaced, also what the expression did not reach',
    regex: '/a',
    replacement: '/b',
    facts: { path: '/a/long/rest' },
    target: '/b',
  },
  {
    name: 'only a match at the start counts',
    regex: '/app',
    replacement: '/new',
    facts: { path: '/x/app' },
    target: '/x/app',
  },
  {
    name: 'every way of an alternative is tied to the start',
    regex: '/x|/app',
    replacement: '/new',
    facts: { path: '/y/app' },
    target: '/y/app',
  },
  {
    name: 'case counts',
    regex: '/app',
    replacement: '/new',
    facts: { path: '/APP' },
    target: '/APP',
  },
  {
    name: 'unless it does not',
    regex: '/app',
    replacement: '/new',
    caseInsensitive: true,
    facts: { path: '/APP' },
    target: '/new',
  },
  {
    name: 'the query stays',
    regex: '/app/(.*)',
    replacement: '/$1',
    facts: { path: '/app/x', query: '?a=1' },
    target: '/x?a=1',
  },
  {
    name: 'a query of the replacement goes before it and may hold groups',
    regex: '/item/([0-9]+)',
    replacement: '/item?id=$1',
    facts: { path: '/item/42', query: '?a=1' },
    target: '/item?id=42&a=1',
  },
  {
    name: 'a missing slash at the start is put there',
    regex: '/app/(.*)',
    replacement: '$1',
    facts: { path: '/app/x' },
    target: '/x',
  },
  {
    name: 'a dollar sign is written twice',
    regex: '/(.*)',
    replacement: '/$$1/$1',
    facts: { path: '/a' },
    target: '/$1/a',
  },
  {
    name: 'beyond ASCII the replacement is sent as UTF-8',
    regex: '/(.*)',
    replacement: '/\u00fc $1?\u20ac',
    facts: { path: '/a' },
    target: '/%C3%BC%20a?%E2%82%AC',
  },
  {
    name: 'an expression that needs the other engine does the same',
    regex: '/((?:a|ab)(?:c|bcd)*)+/(.*)',
    replacement: '/$2',
    facts: { path: '/abcd/x' },
    target: '/x',
  },
]

for (const { name, regex, replacement, caseInsensitive, facts, target } of cases) {
  it(name, () => {
    const exchange = new FakeExchange(facts)
    const options = {
      regex,
      replacement,
      ...(caseInsensitive === undefined ? {} : { caseInsensitive }),
    }
    assert.equal(runRequest(filterOf('replacePathRegex', options), exchange), undefined)
    assert.equal(exchange.forwardTarget, target)
  })
}

describe('what a client puts into a group', () => {
  const filters = [
    ['/x/(.*)', '/$1'],
    ['/x/(.*)', '/y/$1'],
    ['/x/(.*)', '/y/.$1'],
    ['/x/(.*)', '/y/.$1/z'],
    ['/x/(.*)/(.*)', '/y/$1$2/z'],
    ['/x/(.*)/(.*)', '/$2/$1'],
    ['/x/(.)(.*)', '/y/$1.$2'],
    ['/x/(.*)', '/y/%2$1'],
    ['/x/(.*)', '/y/%$1'],
    ['/x/(.*)', '/y;$1'],
  ] as const
  const pieces = [
    '.',
    '..',
    '%2e',
    '%2E%2e',
    '/',
    '//',
    '%2F',
    '%2f..',
    '%5c',
    '%5C..%5c',
    ';',
    ';..',
    '%3B',
    '%c0%ae',
    '%0d%0a',
    '%00',
    '%3F',
    '%23',
    'e',
    'F',
    '2e',
    '0d',
    '0a',
    '%25',
    '%252e',
    'evil.example',
    '\\',
    '\r\n',
    '?',
  ]

  it('cannot make a dot segment, a control character, a second line or another host of the path', () => {
    const made = new Set<string>()
    let refused = 0
    for (const [regex, replacement] of filters) {
      const filter = filterOf('replacePathRegex', { regex, replacement })
      for (const first of pieces) {
        for (const second of pieces) {
          for (const third of ['', '/', '..', '/..', 'e']) {
            // What a filter is given has been through this.
            const path = normalizePath(`/x/${first}${second}${third}`)
            if (path === null) continue
            const exchange = new FakeExchange({ path, query: '?client=1' })
            const reply = runRequest(filter, exchange)
            if (reply !== undefined) {
              assert.equal(reply.status, 400)
              assert.equal(exchange.forwardPath, undefined, 'refused and rewritten')
              refused++
              continue
            }
            const { forwardPath } = exchange
            if (forwardPath === undefined) continue
            made.add(forwardPath)
            const what = `${regex} ${replacement} ${path} → ${forwardPath}`
            assert.equal(normalizePath(forwardPath), forwardPath, what)
            assert.match(forwardPath, /^\/(?!\/)[\x21-\x7e]*$/, what)
            assert.doesNotMatch(forwardPath, /[?#\\\r\n]/, what)
            assert.doesNotMatch(forwardPath, /%0[0-9A-F]|%1|%7F/, what)
            const segments = decodeURIComponentLoosely(forwardPath).split(/[/\\]/)
            for (const segment of segments) {
              assert.ok(!/^\.{1,2}(?:;|$)/.test(segment), what)
            }
            assert.equal(exchange.query, '?client=1', what)
          }
        }
      }
    }
    // Both must happen, or the test tests nothing.
    assert.ok(made.size > 100, `${made.size} different paths`)
    assert.ok(refused > 10, `${refused} refused`)
  })

  it('a group in the query cannot end it', () => {
    const filter = filterOf('replacePathRegex', { regex: '/(.*)', replacement: '/item?id=$1' })
    for (const raw of ['/a%23b', '/a%3Fb', '/a&admin=1', '/a%20HTTP']) {
      const path = normalizePath(raw)
      assert.ok(path !== null)
      const exchange = new FakeExchange({ path })
      runRequest(filter, exchange)
      assert.equal(exchange.forwardPath, '/item')
      assert.match(exchange.query, /^\?id=[\x21-\x7e]+$/)
      assert.doesNotMatch(exchange.query.slice(1), /[#?]/)
    }
  })
})

it('what cannot be meant is refused', () => {
  assertRefused('replacePathRegex', [
    { options: { replacement: '/' }, says: /^regex: required/ },
    { options: { regex: '/' }, says: /^replacement: required/ },
    { options: { regex: '/(', replacement: '/' }, says: /^regex: regular expression "\/\("/ },
    { options: { regex: '/a)|(b', replacement: '/' }, says: /^regex: .*write \\\( or \\\)/ },
    { options: { regex: '/(?=a)', replacement: '/' }, says: /^regex: .*look-around/ },
    { options: { regex: '/(a)\\1', replacement: '/' }, says: /^regex: .*back-references/ },
    { options: { regex: '/a', replacement: '/$1' }, says: /^replacement: .*no captures/ },
    { options: { regex: '/(a)', replacement: '/${b}' }, says: /^replacement: .*uses \$\{b\}/ },
    { options: { regex: '/a', replacement: '/a#b' }, says: /^replacement: has a fragment/ },
    { options: { regex: '/a', replacement: '/a?b\r\nX: y' }, says: /^replacement: has a control character/ },
    {
      options: { regex: '/a', replacement: '/', caseInsensitive: 'yes' },
      says: /^caseInsensitive: must be true or false/,
    },
  ])
})

/** One round of decoding, byte by byte, as a careless server does it. */
function decodeURIComponentLoosely(text: string): string {
  return text.replaceAll(/%([0-9A-F]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
}
