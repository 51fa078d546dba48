/**
 * The routing program (architecture §4.4): what the routers of the runtime configuration are compiled to, and what
 * a worker asks per request. Changed router by router; a change touches the structures of its own host only.
 *
 * Levels of host names are asked in turn: the exact name, the wildcard one label above, any host. A level where
 * nothing matches falls through to the next one, as Kubernetes Ingress and Traefik have it, unless a router on it
 * says `hostMode: 'owned'` (an nginx server): then the request ends there. `order.ts` decides within a level.
 * Entrypoint and scheme are flags of a router, so that one on several entrypoints is filed once; ownership of a
 * level is decided per entrypoint.
 */
import type { HostMatch, PathMatch, RouterConfig } from '#config/model/dynamic.ts'
import { ConfigError } from '#lib/errors.ts'
import { compileRegex, type Regex } from '#lib/regex/regex.ts'
import { Bindings, type Served } from './bindings.ts'
import {
  Entry,
  PATH_ANY,
  PATH_EXACT,
  PATH_PREFIX,
  PATH_REGEX,
  PATH_STRING_PREFIX,
  SCHEME_HTTP,
  SCHEME_HTTPS,
} from './entry.ts'
import { decidingRule, OrderClasses, type OrderRule, precedes, specificity } from './order.ts'
import { PathTable } from './path-table.ts'
import { normalizeRulePath } from './path.ts'
import { RadixTree } from './radix-tree.ts'
import type { LevelKind, MatchRecorder } from './recorder.ts'

export interface RoutingProgramOptions {
  /** Entrypoints of routers that name none; undefined: every entrypoint that is asked for. */
  readonly defaultEntryPoints?: readonly string[]
}

/** `T` is what a router leads to; `RouterConfig` says when. */
export class RoutingProgram<T> {
  readonly #entries = new Map<string, Entry<T>>()
  readonly #exact = new Map<string, PathTable<T>>()
  readonly #wildcard = new RadixTree<PathTable<T>>()
  #wildcards = 0
  readonly #any = new PathTable<T>()
  readonly #bindings: Bindings
  readonly #orderClasses = new OrderClasses()

  constructor(options: RoutingProgramOptions = {}) {
    this.#bindings = new Bindings(options.defaultEntryPoints ?? null)
  }

  get size(): number {
    return this.#entries.size
  }

  /**
   * Adds a router, or replaces the one of that name. Throws a ConfigError, and changes nothing, when its path
   * has no normal form or its regular expression does not compile.
   */
  set(router: RouterConfig, payload: T): void {
    const old = this.#entries.get(router.name)
    if (old !== undefined && isSamePlace(old.router, router)) {
      old.router = router
      old.payload = payload
      return
    }
    const { path } = router
    const regex = path.kind === 'regex' ? compileRule(path.value, path.caseInsensitive) : null
    const literal = literalOf(path)
    if (old !== undefined) this.remove(router.name)
    const entry = new Entry(
      router,
      payload,
      this.#orderClasses.acquire(router.order.rank, router.order.priority),
      specificity(path.kind, literal),
      PATH_KINDS[path.kind],
      SCHEMES[router.scheme],
      this.#bindings.numberOf(router.entryPoints),
      literal,
    )
    this.#tableFor(router.host).add(entry, regex)
    this.#entries.set(router.name, entry)
  }

  /** Does nothing when there is no router of that name. */
  remove(name: string): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    this.#entries.delete(name)
    this.#orderClasses.release(entry.orderClass)
    const { host } = entry.router
    const table = this.#tableFor(host)
    table.remove(entry)
    if (table.size > 0) return
    if (host.kind === 'exact') this.#exact.delete(host.name)
    else if (host.kind === 'wildcard') {
      this.#wildcard.delete(host.name)
      this.#wildcards--
    }
  }

  /**
   * What the request leads to, null: no router. `host` is lower case without port (`''`: none), `path` in normal
   * form, `isSecure`: it arrived over TLS. Allocates nothing without a recorder.
   */
  match(
    entryPoint: string,
    host: string,
    path: string,
    isSecure: boolean,
    recorder?: MatchRecorder,
  ): T | null {
    const served = this.#bindings.served(entryPoint)
    const scheme = isSecure ? SCHEME_HTTPS : SCHEME_HTTP
    if (recorder !== undefined) recorder.begin(entryPoint, host, path, isSecure)
    const exact = this.#exact.get(host)
    if (exact !== undefined) {
      const entry =
        recorder === undefined
          ? exact.find(path, scheme, served, undefined)
          : record(exact, 'exact', host, path, scheme, served, recorder)
      if (entry !== null) return entry.payload
      if (exact.isOwned(served)) return null
    }
    if (this.#wildcards > 0) {
      const dot = host.indexOf('.')
      const wildcard = dot > 0 ? this.#wildcard.get(host, dot + 1) : null
      if (wildcard !== null) {
        const entry =
          recorder === undefined
            ? wildcard.find(path, scheme, served, undefined)
            : record(wildcard, 'wildcard', host.slice(dot + 1), path, scheme, served, recorder)
        if (entry !== null) return entry.payload
        if (wildcard.isOwned(served)) return null
      }
    }
    const entry =
      recorder === undefined
        ? this.#any.find(path, scheme, served, undefined)
        : record(this.#any, 'any', '', path, scheme, served, recorder)
    return entry === null ? null : entry.payload
  }

  payload(name: string): T | undefined {
    return this.#entries.get(name)?.payload
  }

  router(name: string): RouterConfig | undefined {
    return this.#entries.get(name)?.router
  }

  /** Why the router `first` is asked before `second`, both on one host level; null when one is not there. */
  decidedBy(first: string, second: string): OrderRule | null {
    const a = this.#entries.get(first)
    const b = this.#entries.get(second)
    return a === undefined || b === undefined ? null : decidingRule(a, b)
  }

  /**
   * Every router in the order in which requests meet them: hosts by name, then wildcards, then any host; within
   * a host by order. Sorts everything: for tables, not for requests.
   */
  list(): Iterable<{ readonly router: RouterConfig; readonly payload: T }> {
    return [...this.#entries.values()].sort(
      (a, b) => compareHosts(a.router.host, b.router.host) || (precedes(a, b) ? -1 : 1),
    )
  }

  #tableFor(host: HostMatch): PathTable<T> {
    if (host.kind === 'any') return this.#any
    const known = host.kind === 'exact' ? this.#exact.get(host.name) : this.#wildcard.get(host.name, 0)
    if (known !== undefined && known !== null) return known
    const table = new PathTable<T>()
    if (host.kind === 'exact') this.#exact.set(host.name, table)
    else {
      this.#wildcard.set(host.name, table)
      this.#wildcards++
    }
    return table
  }
}

/** One level with everything that was looked at written down. */
function record<T>(
  table: PathTable<T>,
  kind: LevelKind,
  name: string,
  path: string,
  scheme: number,
  served: Served,
  recorder: MatchRecorder,
): Entry<T> | null {
  if (table.size === 0) return null
  recorder.enter(kind, name, table.size, table.isOwned(served))
  const entry = table.find(path, scheme, served, recorder)
  recorder.leave(entry === null ? null : entry.router, table.entries())
  return entry
}

const PATH_KINDS = {
  any: PATH_ANY,
  exact: PATH_EXACT,
  prefix: PATH_PREFIX,
  stringPrefix: PATH_STRING_PREFIX,
  regex: PATH_REGEX,
} as const

const SCHEMES = { both: SCHEME_HTTP | SCHEME_HTTPS, http: SCHEME_HTTP, https: SCHEME_HTTPS } as const

/** Text that the request path is compared with: in normal form, a prefix without its trailing slash. */
function literalOf(path: PathMatch): string {
  if (path.kind === 'any') return ''
  if (path.kind === 'regex') return path.value
  const literal = normalizeRulePath(path.value, path.kind === 'stringPrefix')
  if (literal === null) {
    throw new ConfigError(
      `no request can have the path ${JSON.stringify(path.value)}: a path starts with / and has no dot segments, ` +
        'backslashes, control characters or broken percent-encodings',
    )
  }
  return path.kind === 'prefix' && literal.endsWith('/') ? literal.slice(0, -1) : literal
}

function compileRule(source: string, caseInsensitive: boolean): Regex {
  return compileRegex(source, { caseInsensitive, anchored: true })
}

/** Whether a replaced router would be filed exactly where the old one is. */
function isSamePlace(a: RouterConfig, b: RouterConfig): boolean {
  return (
    a.scheme === b.scheme &&
    a.hostMode === b.hostMode &&
    a.order.rank === b.order.rank &&
    a.order.priority === b.order.priority &&
    a.order.created === b.order.created &&
    compareHosts(a.host, b.host) === 0 &&
    isSamePath(a.path, b.path) &&
    (a.entryPoints === b.entryPoints || JSON.stringify(a.entryPoints) === JSON.stringify(b.entryPoints))
  )
}

function isSamePath(a: PathMatch, b: PathMatch): boolean {
  if (a.kind === 'any' || b.kind === 'any') return a.kind === b.kind
  if (a.kind !== b.kind || a.value !== b.value) return false
  return a.kind !== 'regex' || (b.kind === 'regex' && a.caseInsensitive === b.caseInsensitive)
}

const HOST_ORDER = { exact: 0, wildcard: 1, any: 2 } as const

function compareHosts(a: HostMatch, b: HostMatch): number {
  if (a.kind === 'any' || b.kind === 'any' || a.kind !== b.kind)
    return HOST_ORDER[a.kind] - HOST_ORDER[b.kind]
  if (a.name === b.name) return 0
  return a.name < b.name ? -1 : 1
}
