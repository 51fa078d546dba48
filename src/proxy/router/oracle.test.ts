/** The program against a matcher that sorts every router and asks one after the other, straight from the words. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { PathMatch, RouterConfig } from '#config/model/dynamic.ts'
import { RoutingProgram } from './program.ts'
import { MatchRecorder } from './recorder.ts'

const HOSTS = ['a.example', 'b.example', 'x.a.example', 'example', 'y.b.example', '']
const WILDCARDS = ['example', 'a.example', 'b.example']
const SEGMENTS = ['a', 'b', 'ab', 'abc', 'c', 'A']
const PATTERNS = ['/a', '/[ab]+', '/.*b$', '/a(/|$)(.*)', '/(a|ab)(c|bcd)?$', '/(a+)+$', '.*', '/ab?c?/']
const ENTRY_POINTS = [undefined, undefined, ['web'], ['websecure', 'web'], ['internal']]
const ASKED = ['web', 'websecure', 'internal']
const DEFAULTS = ['web', 'websecure']

type Random = (limit: number) => number

function makeRandom(seed: number): Random {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 0x1_0000_0000) * limit)
  }
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random(items.length)] as T
}

function randomPath(random: Random): string {
  let path = ''
  for (let count = random(4); count > 0; count--) path += `/${pick(random, SEGMENTS)}`
  return path === '' || random(5) === 0 ? `${path}/` : path
}

function randomPathMatch(random: Random): PathMatch {
  const kind = pick(random, ['any', 'exact', 'prefix', 'prefix', 'prefix', 'stringPrefix', 'regex'] as const)
  if (kind === 'any') return { kind }
  if (kind === 'regex') return { kind, value: pick(random, PATTERNS), caseInsensitive: random(2) === 0 }
  return { kind, value: randomPath(random) }
}

function randomRouter(random: Random, name: string): RouterConfig {
  const kind = pick(random, ['exact', 'exact', 'exact', 'wildcard', 'any'] as const)
  const entryPoints = pick(random, ENTRY_POINTS)
  return {
    name,
    ...(entryPoints === undefined ? {} : { entryPoints }),
    host:
      kind === 'any'
        ? { kind }
        : { kind, name: pick(random, kind === 'exact' ? HOSTS.slice(0, 5) : WILDCARDS) },
    ...(random(12) === 0 ? { hostMode: 'owned' as const } : {}),
    path: randomPathMatch(random),
    order: {
      rank: random(8) === 0 ? random(3) : 0,
      priority: random(4) === 0 ? BigInt(random(5)) - 2n : 0n,
      created: random(4),
    },
    scheme: pick(random, ['both', 'both', 'both', 'http', 'https'] as const),
    middlewares: [],
    origin: { provider: 'test', kind: 'Ingress', namespace: 'default', name },
  }
}

interface Request {
  readonly entryPoint: string
  readonly host: string
  readonly path: string
  readonly isSecure: boolean
}

function isBound(router: RouterConfig, entryPoint: string): boolean {
  return (router.entryPoints ?? DEFAULTS).includes(entryPoint)
}

function matchesPath(match: PathMatch, path: string): boolean {
  switch (match.kind) {
    case 'any':
      return true
    case 'exact':
      return path === match.value
    case 'prefix': {
      const elements = match.value.split('/').filter((element) => element !== '')
      const own = path.split('/').slice(1)
      return elements.every((element, index) => own[index] === element)
    }
    case 'stringPrefix':
      return path.startsWith(match.value)
    case 'regex':
      return new RegExp(`^(?:${match.value})`, match.caseInsensitive ? 'i' : '').test(path)
    default:
      return match satisfies never
  }
}

function valueLength(match: PathMatch): number {
  if (match.kind === 'any') return 0
  const isCut = match.kind === 'prefix' && match.value.endsWith('/') && match.value !== '/'
  return match.value.length - (isCut ? 1 : 0)
}

/** The doc comment of RouterOrder, word by word. */
function compare(a: RouterConfig, b: RouterConfig): number {
  if (a.order.rank !== b.order.rank) return a.order.rank - b.order.rank
  if (a.order.priority !== b.order.priority) return a.order.priority > b.order.priority ? -1 : 1
  if ((a.path.kind === 'exact') !== (b.path.kind === 'exact')) return a.path.kind === 'exact' ? -1 : 1
  const byLength = valueLength(b.path) - valueLength(a.path)
  if (byLength !== 0) return byLength
  if (a.order.created !== b.order.created) return a.order.created - b.order.created
  return a.name < b.name ? -1 : 1
}

function oracle(routers: Iterable<RouterConfig>, request: Request): string | null {
  const sorted = [...routers].sort(compare)
  const parent = request.host.includes('.') ? request.host.slice(request.host.indexOf('.') + 1) : null
  const levels = [
    sorted.filter(({ host }) => host.kind === 'exact' && host.name === request.host),
    sorted.filter(({ host }) => host.kind === 'wildcard' && host.name === parent),
    sorted.filter(({ host }) => host.kind === 'any'),
  ]
  for (const level of levels) {
    const here = level.filter((router) => isBound(router, request.entryPoint))
    const found = here.find(
      (router) =>
        (router.scheme === 'both' || (router.scheme === 'https') === request.isSecure) &&
        matchesPath(router.path, request.path),
    )
    if (found !== undefined) return found.name
    if (here.some((router) => router.hostMode === 'owned')) return null
  }
  return null
}

function randomRequest(random: Random): Request {
  return {
    entryPoint: pick(random, ASKED),
    host: pick(random, HOSTS),
    path: randomPath(random),
    isSecure: random(2) === 0,
  }
}

it('agrees with the oracle for random routers, requests and changes', () => {
  const random = makeRandom(11)
  let comparisons = 0
  let found = 0
  for (let round = 0; round < 60; round++) {
    const program = new RoutingProgram<string>({ defaultEntryPoints: DEFAULTS })
    const routers = new Map<string, RouterConfig>()
    // From a few per host, which are a list, to many, which are a tree.
    const names = 4 + random(round % 2 === 0 ? 20 : 250)
    for (let step = 0; step < 6; step++) {
      for (let change = names; change > 0; change--) {
        const name = `r${random(names)}`
        if (random(3) === 0) {
          program.remove(name)
          routers.delete(name)
        } else {
          const router = randomRouter(random, name)
          program.set(router, name)
          routers.set(name, router)
        }
      }
      assert.equal(program.size, routers.size)
      const fresh = new RoutingProgram<string>({ defaultEntryPoints: DEFAULTS })
      for (const router of routers.values()) fresh.set(router, router.name)
      for (let sample = 0; sample < 70; sample++) {
        const request = randomRequest(random)
        const expected = oracle(routers.values(), request)
        const ask = (asked: RoutingProgram<string>, recorder?: MatchRecorder): string | null =>
          asked.match(request.entryPoint, request.host, request.path, request.isSecure, recorder)
        const recorder = new MatchRecorder()
        const context = JSON.stringify(request)
        assert.equal(ask(program), expected, context)
        assert.equal(ask(fresh), expected, `built anew: ${context}`)
        assert.equal(ask(program, recorder), expected, `recorded: ${context}`)
        assert.equal(recorder.chosen?.name ?? null, expected, `recorded: ${context}`)
        comparisons++
        if (expected !== null) found++
      }
      assert.deepEqual(
        Array.from(program.list(), (each) => each.payload),
        Array.from(fresh.list(), (each) => each.payload),
      )
    }
    for (const name of routers.keys()) program.remove(name)
    assert.equal(program.size, 0)
    assert.equal(program.match('web', 'a.example', '/a', false), null)
  }
  assert.ok(comparisons >= 20_000, `${comparisons} comparisons`)
  assert.ok(found > comparisons / 4 && found < comparisons, `${found} of ${comparisons} found a router`)
})
