/**
 * The routers of one host, from all Ingresses that have rules for it: paths merged, regular-expression mode and TLS
 * decided for the host as a whole, true conflicts told to the loser. Called by the translator for each host that a
 * change touches; what comes out replaces what the host had.
 */
import type { HostMatch, Origin, PathMatch, RouterConfig, RouterOrder } from '#config/model/dynamic.ts'
import { findConflicts, type Claim } from './conflicts.ts'
import { bounded, Report, type FindingDraft } from './findings.ts'
import { middlewaresFor } from './ingress-middlewares.ts'
import { NGINX_HSTS, type Middlewares } from './middlewares.ts'
import type { NameRegistry } from './names.ts'
import { hasTls, type HostPlan, type IngressPlan, type PathPlan } from './plan.ts'
import {
  ANY_PATH,
  hasRegexCharacters,
  literalPath,
  regexCover,
  type RegexChecker,
  type RegexCheck,
} from './path.ts'

/** Order classes among the routers of Ingresses. */
const RANK_RULE = 0
/** Default backend, for the hosts of its Ingress or, of an Ingress without rules, for all. */
const RANK_DEFAULT = 1
/** Default backend of an Ingress with rules, for hosts that nobody has rules for. */
const RANK_LAST = 2

export interface HostRendering {
  readonly routers: readonly RouterConfig[]
  /** To be released when the host is rendered anew. */
  readonly middlewares: readonly string[]
  readonly findings: readonly FindingDraft[]
}

export interface RenderTools {
  readonly provider: string
  readonly names: NameRegistry
  readonly middlewares: Middlewares
  readonly regexes: RegexChecker
  /** Entrypoints of routers that name none; undefined: not known. */
  readonly defaultEntryPoints: readonly string[] | undefined
}

/** One Ingress on one host. `rules` is undefined where only its default backend reaches. */
export interface HostPart {
  readonly plan: IngressPlan
  readonly rules: HostPlan | undefined
}

export function renderHost(
  key: string,
  host: HostMatch,
  parts: readonly HostPart[],
  tools: RenderTools,
): HostRendering {
  const rendering = new Rendering(key, host, parts, tools)
  rendering.run()
  return rendering
}

interface Match {
  readonly match: PathMatch
  readonly captures: number
  readonly closed: string | undefined
}

class Rendering implements HostRendering {
  readonly #key: string
  readonly #host: HostMatch
  readonly #parts: readonly HostPart[]
  readonly #tools: RenderTools
  readonly #report = new Report()
  readonly #claims: Claim[] = []
  readonly #lists = new Map<string, readonly string[]>()
  readonly #isTlsHost: boolean
  readonly #isRegexHost: boolean
  readonly routers: RouterConfig[] = []
  readonly middlewares: string[] = []

  constructor(key: string, host: HostMatch, parts: readonly HostPart[], tools: RenderTools) {
    this.#key = key
    this.#host = host
    this.#parts = [...parts].sort(byAge)
    this.#tools = tools
    this.#isTlsHost = parts.some((part) => hasTls(part.plan.tls, key))
    this.#isRegexHost = parts.some(turnsRegexOn)
  }

  get findings(): readonly FindingDraft[] {
    return this.#report.drafts
  }

  run(): void {
    for (const part of this.#parts) {
      const seen = new Set<string>()
      for (const path of part.rules?.paths ?? []) this.#addPath(part.plan, path, seen)
      if (part.rules !== undefined && part.rules.paths.length > 0) this.#addAppRoot(part.plan, part.rules)
      if (part.plan.defaultPath !== undefined) this.#addDefault(part, part.plan.defaultPath)
    }
    if (!this.#isRegexHost) this.#addTrailingSlashes()
    if (this.#claims.length > 1)
      findConflicts(this.#key, this.#claims, this.#tools.defaultEntryPoints, this.#report)
  }

  #addPath(plan: IngressPlan, path: PathPlan, seen: Set<string>): void {
    const at = ['spec', 'rules', path.rule, 'http', 'paths', path.index, 'path']
    const identity = `${path.type} ${path.path}`
    if (seen.has(identity)) {
      const message = `path ${path.path} of type ${path.type} stands in this Ingress twice; the first counts`
      this.#report.add('ingress-path-twice', 'warning', plan.sourced, at, message)
      return
    }
    seen.add(identity)
    const found = this.#match(plan, path, at)
    if (found === undefined) return
    this.#warnOfRootRewrite(plan, path)
    const isRoot = found.match.kind === 'exact' && found.match.value === '/'
    const names = middlewaresFor(
      plan,
      {
        path: path.path,
        match: found.match,
        captures: found.captures,
        isTlsHost: this.#isTlsHost,
        isAppRoot: isRoot && plan.options.appRoot !== undefined,
      },
      this.#tools.middlewares,
      this.middlewares,
    )
    const text = `${plan.namespace}-${plan.name}-${hostText(this.#key)}-${path.path}`
    const router = this.#router(plan, path, text, identity, found.match, RANK_RULE, names, found.closed)
    this.#claims.push({ plan, router, path: at })
  }

  #addDefault(part: HostPart, path: PathPlan): void {
    const { plan, rules } = part
    const rank = rules === undefined && plan.hasRules ? RANK_LAST : RANK_DEFAULT
    const situation = {
      path: '/',
      match: ANY_PATH,
      captures: 0,
      isTlsHost: this.#isTlsHost,
      isAppRoot: false,
    }
    const names = middlewaresFor(plan, situation, this.#tools.middlewares, this.middlewares)
    const text = `${plan.namespace}-${plan.name}-${hostText(this.#key)}-default`
    const router = this.#router(plan, path, text, 'default', ANY_PATH, rank, names, undefined)
    this.#claims.push({ plan, router, path: ['spec'] })
  }

  /** `/` of the host is redirected whichever path the Ingress has. */
  #addAppRoot(plan: IngressPlan, rules: HostPlan): void {
    const { appRoot, closed } = plan.options
    const isRegex = plan.isNginx && this.#isRegexHost
    if (appRoot === undefined || closed !== undefined) return
    if (!isRegex && rules.paths.some((path) => path.path === '/' && path.type === 'Exact')) return
    const match: PathMatch = { kind: 'exact', value: '/' }
    const situation = { path: '/', match, captures: 0, isTlsHost: this.#isTlsHost, isAppRoot: true }
    const names = middlewaresFor(plan, situation, this.#tools.middlewares, this.middlewares)
    const text = `${plan.namespace}-${plan.name}-${hostText(this.#key)}-app-root`
    const router = this.#router(plan, undefined, text, 'app-root', match, RANK_RULE, names, undefined)
    const at = ['metadata', 'annotations', 'nginx.ingress.kubernetes.io/app-root']
    this.#claims.push({ plan, router, path: at })
  }

  /** nginx answers `/foo` with a redirect to `/foo/` where only the latter has a rule. */
  #addTrailingSlashes(): void {
    let written: Set<string> | undefined
    for (const { plan, rules } of this.#parts) {
      if (!plan.isNginx || rules === undefined || plan.options.closed !== undefined) continue
      for (const path of rules.paths) {
        if (path.path.length < 2 || !path.path.endsWith('/')) continue
        written ??= new Set(this.#parts.flatMap((part) => part.rules?.paths.map((one) => one.path) ?? []))
        const shorter = path.path.slice(0, -1)
        if (written.has(shorter)) continue
        const match = literalPath(shorter, 'Exact', false)
        if (match?.kind !== 'exact') continue
        written.add(shorter)
        const { middlewares } = this.#tools
        const request = { type: 'trailingSlashRedirect', options: { path: `${match.value}/` } }
        const names = [
          middlewares.forNginx(NGINX_HSTS, this.middlewares),
          middlewares.forIngress(plan, request, match.value, this.middlewares),
        ]
        const text = `${plan.namespace}-${plan.name}-${hostText(this.#key)}-${shorter}-slash`
        this.#router(plan, undefined, text, `slash ${shorter}`, match, RANK_RULE, names, undefined)
      }
    }
  }

  /** Undefined: no request can match. */
  #match(plan: IngressPlan, path: PathPlan, at: readonly (number | string)[]): Match | undefined {
    const { rewrite, useRegex } = plan.options
    const isOwnRegex =
      path.type !== 'Exact' &&
      (useRegex || (rewrite !== undefined && rewrite.target !== path.path && hasRegexCharacters(path.path)))
    if (isOwnRegex || (plan.isNginx && this.#isRegexHost)) return this.#regexMatch(plan, path, at)
    const isStringPrefix = plan.isNginx && rewrite?.isPrefixOnly !== true
    const match = literalPath(path.path, path.type, isStringPrefix)
    if (match !== null) return { match, captures: 0, closed: undefined }
    const message = `path ${JSON.stringify(path.path)} can match no request (dot segments, control characters or a broken percent-encoding); it is left out`
    this.#report.add('ingress-path', 'error', plan.sourced, at, message)
    return undefined
  }

  #regexMatch(plan: IngressPlan, path: PathPlan, at: readonly (number | string)[]): Match {
    const check: RegexCheck = this.#tools.regexes.check(path.path)
    if (check.isGood) return { match: check.match, captures: check.captures, closed: undefined }
    const closed = `path ${bounded(path.path, 100)} is not a usable regular expression`
    const message = `path ${path.path} is not a usable regular expression: ${check.reason}; what begins like it answers 503`
    this.#report.add('ingress-path-regex', 'error', plan.sourced, at, message, 'RE2 syntax is accepted')
    return { match: regexCover(path.path), captures: 0, closed }
  }

  #warnOfRootRewrite(plan: IngressPlan, path: PathPlan): void {
    const { rewrite } = plan.options
    if (rewrite === undefined || rewrite.isPrefixOnly || rewrite.target !== '/' || path.path === '/') return
    if (path.type === 'Exact') return
    const annotation = 'nginx.ingress.kubernetes.io/rewrite-target'
    const hint = hasRegexCharacters(path.path)
      ? 'to keep a part of the path name its capture in the target: $1'
      : `to keep the rest of the path write path ${path.path.replace(/\/+$/, '')}(/|$)(.*) and target /$2`
    this.#report.add(
      'rewrite-to-root',
      'warning',
      plan.sourced,
      ['metadata', 'annotations', annotation],
      `annotation ${annotation}: every request below ${path.path} reaches the backend as / alone`,
      hint,
    )
  }

  #router(
    plan: IngressPlan,
    path: PathPlan | undefined,
    text: string,
    part: string,
    match: PathMatch,
    rank: number,
    middlewares: readonly string[],
    ownClosed: string | undefined,
  ): RouterConfig {
    const { options, isNginx } = plan
    const use = path?.use
    const reason = path?.backend.kind === 'none' ? `the backend ${path.backend.reason}` : undefined
    const closed = options.closed ?? ownClosed ?? reason ?? use?.closed
    const router: RouterConfig = {
      name: this.#tools.names.claim(text, `${plan.sourced.key}\n${this.#key}\n${part}`),
      ...(options.entryPoints === undefined ? {} : { entryPoints: options.entryPoints }),
      host: this.#host,
      ...(isNginx ? { hostMode: 'owned' } : {}),
      path: match,
      order: orderOf(plan, rank),
      scheme: options.isTlsOnly ? 'https' : 'both',
      middlewares: this.#share(middlewares),
      ...(use === undefined ? {} : { service: use.name }),
      ...(closed === undefined ? {} : { closed }),
      headerSet: isNginx ? 'nginx' : 'default',
      origin: use === undefined ? plan.origin : this.#origin(plan, use.entry.name, String(use.port)),
    }
    this.routers.push(router)
    return router
  }

  #origin(plan: IngressPlan, serviceName: string, servicePort: string): Origin {
    return { ...plan.origin, serviceName, servicePort }
  }

  #share(names: readonly string[]): readonly string[] {
    if (names.length === 0) return NO_MIDDLEWARES
    const key = names.join('\n')
    const known = this.#lists.get(key)
    if (known !== undefined) return known
    this.#lists.set(key, names)
    return names
  }
}

const NO_MIDDLEWARES: readonly string[] = []

function orderOf(plan: IngressPlan, rank: number): RouterOrder {
  return rank === plan.order.rank ? plan.order : { ...plan.order, rank }
}

function byAge(a: HostPart, b: HostPart): number {
  if (a.plan.order.created !== b.plan.order.created) return a.plan.order.created - b.plan.order.created
  return a.plan.sourced.key < b.plan.sourced.key ? -1 : 1
}

/** nginx: one Ingress with regular expressions or a rewrite makes every path of the host an expression. */
function turnsRegexOn(part: HostPart): boolean {
  const { isNginx, options } = part.plan
  if (!isNginx || part.rules === undefined) return false
  if (options.useRegex) return true
  const rewrite = options.rewrite
  if (rewrite === undefined || rewrite.isPrefixOnly) return false
  return part.rules.paths.some((path) => path.path !== rewrite.target)
}

function hostText(key: string): string {
  return key.startsWith('*') ? `wildcard${key.slice(1)}` : key
}
