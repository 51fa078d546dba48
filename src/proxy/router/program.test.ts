import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HostMatch, PathMatch, RouterConfig } from '#config/model/dynamic.ts'
import { RoutingProgram } from './program.ts'
import { MatchRecorder, MAX_CANDIDATES } from './recorder.ts'

interface Options extends Partial<Omit<RouterConfig, 'name' | 'order'>> {
  readonly rank?: number
  readonly priority?: bigint
  readonly created?: number
}

/** `host` as `a.example`, `*.example` or ``; `path` as `=/exact`, `/prefix`, `^/string`, `~regex`, `` any. */
function router(name: string, host: string, path: string, options: Options = {}): RouterConfig {
  const { rank = 0, priority = 0n, created = 0, ...rest } = options
  return {
    name,
    host: hostMatch(host),
    path: pathMatch(path),
    order: { rank, priority, created },
    scheme: 'both',
    middlewares: [],
    origin: { provider: 'test', kind: 'Ingress', namespace: 'default', name },
    ...rest,
  }
}

function hostMatch(text: string): HostMatch {
  if (text === '') return { kind: 'any' }
  return text.startsWith('*.') ? { kind: 'wildcard', name: text.slice(2) } : { kind: 'exact', name: text }
}

function pathMatch(text: string): PathMatch {
  if (text === '') return { kind: 'any' }
  if (text.startsWith('=')) return { kind: 'exact', value: text.slice(1) }
  if (text.startsWith('^')) return { kind: 'stringPrefix', value: text.slice(1) }
  if (text.startsWith('~~')) return { kind: 'regex', value: text.slice(2), caseInsensitive: true }
  if (text.startsWith('~')) return { kind: 'regex', value: text.slice(1), caseInsensitive: false }
  return { kind: 'prefix', value: text }
}

function programOf(routers: readonly RouterConfig[]): RoutingProgram<string> {
  const program = new RoutingProgram<string>()
  for (const each of routers) program.set(each, each.name)
  return program
}

describe('paths', () => {
  const program = programOf([
    router('foo', 'a.example', '/foo'),
    router('foo-slash', 'a.example', '/slash/'),
    router('exact', 'a.example', '=/foo'),
    router('exact-slash', 'a.example', '=/bar/'),
    router('string', 'a.example', '^/str'),
    router('deep', 'a.example', '/foo/bar/baz'),
    router('regex', 'a.example', '~/r/[0-9]+$'),
    router('folded', 'a.example', '~~/Folded'),
    router('encoded', 'a.example', '/caf é'),
    router('root', 'b.example', '/'),
    router('nothing', 'c.example', ''),
  ])
  const cases: [host: string, path: string, name: string | null][] = [
    ['a.example', '/foo', 'exact'],
    ['a.example', '/foo/', 'foo'],
    ['a.example', '/foo/x', 'foo'],
    ['a.example', '/foobar', null],
    ['a.example', '/foo/bar/baz', 'deep'],
    ['a.example', '/foo/bar/baz/x', 'deep'],
    ['a.example', '/foo/bar/bazx', 'foo'],
    ['a.example', '/FOO', null],
    ['a.example', '/slash', 'foo-slash'],
    ['a.example', '/slash/', 'foo-slash'],
    ['a.example', '/slash/x', 'foo-slash'],
    ['a.example', '/slashx', null],
    ['a.example', '/bar', null],
    ['a.example', '/bar/', 'exact-slash'],
    ['a.example', '/bar/x', null],
    ['a.example', '/str', 'string'],
    ['a.example', '/string', 'string'],
    ['a.example', '/st', null],
    ['a.example', '/r/12', 'regex'],
    ['a.example', '/r/12/x', null],
    ['a.example', '/x/r/12', null],
    ['a.example', '/fOLDED/x', 'folded'],
    ['a.example', '/caf%20%C3%A9/x', 'encoded'],
    ['b.example', '/', 'root'],
    ['b.example', '/x', 'root'],
    ['c.example', '/x', 'nothing'],
    ['d.example', '/', null],
    ['', '/', null],
  ]
  for (const [host, path, name] of cases) {
    it(`${host}${path} goes to ${name}`, () => assert.equal(program.match('web', host, path, false), name))
  }
})

describe('hosts', () => {
  const program = programOf([
    router('exact', 'a.example', '/exact'),
    router('wildcard', '*.example', '/wild'),
    router('deep-wildcard', '*.b.example', '/wild'),
    router('any', '', '/any'),
    router('owner', 'owned.example', '/own', { hostMode: 'owned' }),
    router('owned-wildcard', '*.owned.example', '/own', { hostMode: 'owned' }),
  ])
  const cases: [host: string, path: string, name: string | null][] = [
    ['a.example', '/exact', 'exact'],
    ['a.example', '/wild', 'wildcard'],
    ['a.example', '/any', 'any'],
    ['a.example', '/other', null],
    ['x.example', '/wild', 'wildcard'],
    ['x.b.example', '/wild', 'deep-wildcard'],
    ['x.y.example', '/wild', null],
    ['x.y.example', '/any', 'any'],
    ['example', '/wild', null],
    ['.example', '/wild', null],
    ['', '/any', 'any'],
    ['owned.example', '/own', 'owner'],
    ['owned.example', '/wild', null],
    ['owned.example', '/any', null],
    ['x.owned.example', '/own', 'owned-wildcard'],
    ['x.owned.example', '/any', null],
  ]
  for (const [host, path, name] of cases) {
    it(`${host}${path} goes to ${name}`, () => assert.equal(program.match('web', host, path, false), name))
  }

  it('a host is owned no longer when its owner goes', () => {
    const changing = programOf([router('o', 'a.example', '/o', { hostMode: 'owned' }), router('any', '', '')])
    changing.set(router('other', 'a.example', '/x'), 'other')
    assert.equal(changing.match('web', 'a.example', '/y', false), null)
    changing.remove('o')
    assert.equal(changing.match('web', 'a.example', '/y', false), 'any')
  })

  it('a host is owned on the entrypoints of its owner only', () => {
    const routers = [
      router('o', 'a.example', '/o', { hostMode: 'owned', entryPoints: ['web'] }),
      router('any', '', ''),
    ]
    assert.equal(programOf(routers).match('web', 'a.example', '/y', false), null)
    assert.equal(programOf(routers).match('other', 'a.example', '/y', false), 'any')
  })
})

describe('order', () => {
  const cases: [sentence: string, first: RouterConfig, second: RouterConfig, path: string][] = [
    [
      'smaller rank before larger priority',
      router('z', 'h', '/', { rank: 0 }),
      router('a', 'h', '=/x', { rank: 1, priority: 9n }),
      '/x',
    ],
    [
      'larger priority before exact',
      router('z', 'h', '/', { priority: 2n }),
      router('a', 'h', '=/x', { priority: 1n }),
      '/x',
    ],
    [
      'priorities beyond 2^53',
      router('z', 'h', '/x', { priority: 9007199254740993n }),
      router('a', 'h', '/x', { priority: 9007199254740992n }),
      '/x',
    ],
    ['exact before a longer prefix', router('z', 'h', '=/x'), router('a', 'h', '~/x.{0,30}'), '/x'],
    ['longer prefix first', router('z', 'h', '/x/y'), router('a', 'h', '/x'), '/x/y'],
    [
      'longer string prefix before shorter prefix',
      router('z', 'h', '^/x/y'),
      router('a', 'h', '/x'),
      '/x/yz',
    ],
    [
      'longer regex pattern before shorter prefix',
      router('z', 'h', '~/x[0-9]'),
      router('a', 'h', '^/x'),
      '/x1',
    ],
    ['prefix / before any path', router('z', 'h', '/'), router('a', 'h', ''), '/x'],
    ['older first', router('z', 'h', '/x', { created: 1 }), router('a', 'h', '/x', { created: 2 }), '/x'],
    ['name last', router('a', 'h', '/x'), router('b', 'h', '/x'), '/x'],
  ]
  for (const [sentence, first, second, path] of cases) {
    it(`${sentence}, and the other takes over when it goes`, () => {
      for (const routers of [
        [first, second],
        [second, first],
      ]) {
        const program = programOf(routers)
        assert.equal(program.match('web', 'h', path, false), first.name)
        assert.deepEqual(
          Array.from(program.list(), (each) => each.payload),
          [first.name, second.name],
        )
        program.remove(first.name)
        assert.equal(program.match('web', 'h', path, false), second.name)
        program.remove(second.name)
        assert.equal(program.match('web', 'h', path, false), null)
        assert.equal(program.size, 0)
      }
    })
  }

  it('holds for hundreds of priorities that come in between each other', () => {
    const program = new RoutingProgram<string>()
    // Each halves the gap that the one before left.
    for (let i = 0; i < 200; i++) {
      const priority = i % 2 === 0 ? BigInt(i) : 1000n - BigInt(i)
      program.set(router(`r${i}`, 'h', i % 3 === 0 ? '/' : '^/', { priority }), String(priority))
    }
    let last = 10_000n
    for (let i = 0; i < 200; i++) {
      const priority = BigInt(program.match('web', 'h', '/x', false) ?? -1)
      assert.ok(priority < last, `${priority} after ${last}`)
      last = priority
      program.remove(`r${priority < 200n && priority % 2n === 0n ? priority : 1000n - priority}`)
    }
    assert.equal(program.size, 0)
  })
})

describe('entrypoints and schemes', () => {
  it('a router is asked on its entrypoints only', () => {
    const program = new RoutingProgram<string>({ defaultEntryPoints: ['web', 'websecure'] })
    program.set(router('default', '', '/'), 'default')
    program.set(router('internal', '', '/', { entryPoints: ['internal', 'web'], priority: 1n }), 'internal')
    assert.equal(program.match('web', 'x', '/', false), 'internal')
    assert.equal(program.match('websecure', 'x', '/', false), 'default')
    assert.equal(program.match('internal', 'x', '/', false), 'internal')
    assert.equal(program.match('other', 'x', '/', false), null)
    program.set(router('other', '', '/', { entryPoints: ['other'] }), 'other')
    assert.equal(
      program.match('other', 'x', '/', false),
      'other',
      'an entrypoint known before the set of names',
    )
  })

  it('without a list of defaults every entrypoint is one', () => {
    assert.equal(programOf([router('a', '', '/')]).match('whatever', '', '/', false), 'a')
  })

  it('a router is asked for its scheme only', () => {
    const program = programOf([
      router('http', '', '/', { scheme: 'http' }),
      router('https', '', '/', { scheme: 'https' }),
      router('both', '', ''),
    ])
    assert.equal(program.match('web', '', '/', false), 'http')
    assert.equal(program.match('web', '', '/', true), 'https')
    program.remove('https')
    assert.equal(program.match('web', '', '/', true), 'both')
  })
})

describe('changes', () => {
  it('a router set again at the same place keeps it and leads elsewhere', () => {
    const program = programOf([router('a', 'h', '/x')])
    program.set(router('a', 'h', '/x', { middlewares: ['m'] }), 'new')
    assert.equal(program.match('web', 'h', '/x', false), 'new')
    assert.equal(program.payload('a'), 'new')
    assert.deepEqual(program.router('a')?.middlewares, ['m'])
    assert.equal(program.size, 1)
  })

  it('a router set again at another place leaves the old one', () => {
    const program = programOf([router('a', 'h', '/x')])
    program.set(router('a', 'other', '/y'), 'new')
    assert.equal(program.match('web', 'h', '/x', false), null)
    assert.equal(program.match('web', 'other', '/y', false), 'new')
  })

  it('a wrong expression or path is refused and the router of that name stays', () => {
    const program = programOf([router('a', 'h', '/x')])
    assert.throws(() => program.set(router('a', 'h', '~/x('), 'new'), {
      name: 'ConfigError',
      message: /missing closing/,
    })
    assert.throws(() => program.set(router('a', 'h', '=/../x'), 'new'), {
      name: 'ConfigError',
      message: /no request can have/,
    })
    assert.throws(() => program.set(router('b', 'h', 'x'), 'new'), { name: 'ConfigError' })
    assert.equal(program.match('web', 'h', '/x', false), 'a')
    assert.equal(program.size, 1)
  })

  it('removing a name that is not there does nothing', () => {
    const program = programOf([router('a', 'h', '/x')])
    program.remove('b')
    assert.equal(program.size, 1)
  })
})

describe('the recorder', () => {
  it('says what was asked, what was chosen and why not the others', () => {
    const program = programOf([
      router('prefix', 'a.example', '/x'),
      router('exact', 'a.example', '=/x/y', { scheme: 'https' }),
      router('later', 'a.example', '/x', { created: 5 }),
      router('elsewhere', 'a.example', '/z'),
      router('bound', 'a.example', '~/x/y', { entryPoints: ['internal'] }),
      router('other-host', 'b.example', '/x'),
    ])
    const recorder = new MatchRecorder()
    assert.equal(program.match('web', 'a.example', '/x/y', false, recorder), 'prefix')
    assert.equal(recorder.chosen?.name, 'prefix')
    assert.equal(recorder.levels.length, 1)
    const level = recorder.levels[0]
    assert.equal(level?.kind, 'exact')
    assert.equal(level?.more, 0)
    assert.deepEqual(
      Object.fromEntries((level?.candidates ?? []).map((each) => [each.router.name, each.verdict])),
      {
        prefix: 'chosen',
        later: 'shadowed',
        exact: 'scheme',
        elsewhere: 'path',
        bound: 'entryPoint',
      },
    )
  })

  it('lists the levels that were asked in vain', () => {
    const program = programOf([
      router('exact', 'a.example', '/x'),
      router('wildcard', '*.example', '/y', { hostMode: 'owned' }),
      router('any', '', ''),
    ])
    const recorder = new MatchRecorder()
    assert.equal(program.match('web', 'a.example', '/z', false, recorder), null)
    assert.deepEqual(
      recorder.levels.map((level) => [level.kind, level.name, level.isOwned]),
      [
        ['exact', 'a.example', false],
        ['wildcard', 'example', true],
      ],
    )
  })

  it('stays small on a host with thousands of routers, and still has the chosen one', () => {
    const program = new RoutingProgram<string>()
    for (let i = 0; i < 3000; i++)
      program.set(router(`r${i}`, 'h', i < 100 ? '^/x' : `/y${i}`, { created: i % 90 }), `r${i}`)
    const recorder = new MatchRecorder()
    const chosen = program.match('web', 'h', '/x', false, recorder)
    assert.equal(recorder.chosen?.name, chosen)
    assert.equal(recorder.levels[0]?.candidates.length, MAX_CANDIDATES)
    assert.equal(recorder.levels[0]?.more, 3000 - MAX_CANDIDATES)
    assert.equal(recorder.levels[0]?.candidates.filter((each) => each.verdict === 'chosen').length, 1)
  })
})
