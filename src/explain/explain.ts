/**
 * Walks the road of one request with the program that routes real ones, and writes down what it meets: listener,
 * certificate, host level, router and why not the others, middlewares, service, servers, findings. Called by the
 * command `explain` and the API. No I/O: whoever calls has compiled the program and looks objects up.
 */
import type { MiddlewareConfig, Origin, RouterConfig, ServiceConfig } from '#config/model/dynamic.ts'
import type { Finding } from '#config/model/finding.ts'
import { errorText } from '#lib/errors.ts'
import { nearestName } from '#lib/schema/nearest.ts'
import { CONNECT_REFUSED, METHOD_NOT_ALLOWED } from '#proxy/errors.ts'
import type { Reply } from '#proxy/http/exchange.ts'
import type { MiddlewareHost } from '#proxy/middleware/middleware.ts'
import { createFilter } from '#proxy/middleware/registry.ts'
import { normalizeHost } from '#proxy/router/host.ts'
import { normalizePath } from '#proxy/router/path.ts'
import type { RoutingProgram } from '#proxy/router/program.ts'
import { MatchRecorder } from '#proxy/router/recorder.ts'
import { explainLevels } from './candidates.ts'
import type {
  CertificateAnswer,
  ExplainedListener,
  ExplainedMiddleware,
  ExplainedService,
  Explanation,
  Outcome,
} from './explanation.ts'
import { ImaginedExchange } from './imagined-exchange.ts'
import { chooseListener, type ListenerFacts } from './listener.ts'
import { type AskedRequest, parseRequestUrl } from './request.ts'
import { ruleText } from './rule-text.ts'

export const MAX_FINDINGS = 20
export const MAX_SERVERS = 20
/** Hosts that are looked at for a name alike. */
const MAX_SUGGESTIONS = 10_000

export interface ExplainOptions {
  readonly listeners: readonly ListenerFacts[]
  /** Ask this entrypoint, whatever the URL's port. */
  readonly entryPoint?: string
  readonly method?: string
  readonly clientAddress?: string
  certificate?(serverName: string): CertificateAnswer
  middleware?(name: string): MiddlewareConfig | undefined
  service?(name: string): ServiceConfig | undefined
  /** Live state of a server where there is one: `ready`, `ejected`. */
  serverState?(service: string, server: string): string | undefined
  readonly findings?: readonly Finding[]
}

/** Throws a ConfigError when the URL is none. */
export function explainRequest<T>(
  program: RoutingProgram<T>,
  url: string,
  options: ExplainOptions,
): Explanation {
  return new Walk(program, parseRequestUrl(url), options).explain()
}

/** Answered before anything is looked up. */
const REFUSED_METHODS = new Map([
  ['TRACE', METHOD_NOT_ALLOWED],
  ['CONNECT', CONNECT_REFUSED],
])

const SILENT: MiddlewareHost = { now: () => 0, log: () => {} }

class Walk<T> {
  readonly #program: RoutingProgram<T>
  readonly #asked: AskedRequest
  readonly #options: ExplainOptions
  readonly #host: string | null
  readonly #path: string | null
  readonly #recorder = new MatchRecorder()
  readonly #middlewares: ExplainedMiddleware[] = []
  /** Labels of the objects on the road. */
  readonly #objects = new Set<string>()
  #listener: ExplainedListener | null = null
  #certificate: CertificateAnswer | null = null
  #service: ExplainedService | null = null

  constructor(program: RoutingProgram<T>, asked: AskedRequest, options: ExplainOptions) {
    this.#program = program
    this.#asked = asked
    this.#options = options
    this.#host = normalizeHost(asked.authority)
    this.#path = normalizePath(asked.path)
  }

  explain(): Explanation {
    const asked = this.#asked
    const outcome = this.#walk()
    const router = this.#recorder.chosen
    return {
      request: {
        method: this.#options.method ?? 'GET',
        scheme: asked.scheme,
        authority: asked.authority,
        path: asked.path,
        query: asked.query,
        host: this.#host,
        normalPath: this.#path,
      },
      listener: this.#listener,
      certificate: this.#certificate,
      levels: explainLevels(this.#recorder, this.#program),
      route:
        router === null
          ? null
          : {
              name: router.name,
              rule: ruleText(router),
              object: objectLabel(router.origin),
              place: router.origin.place ?? null,
              closed: router.closed ?? null,
            },
      middlewares: this.#middlewares,
      service: this.#service,
      findings: this.#findings(),
      outcome,
    }
  }

  #walk(): Outcome {
    const { listeners, entryPoint } = this.#options
    const choice = chooseListener(this.#asked, listeners, entryPoint)
    this.#listener = choice.listener
    if (choice.listener === null) return { kind: 'no-listener', text: choice.text }
    if (choice.listener.isTls && this.#options.certificate !== undefined) {
      // RFC 6066 §3: addresses are no server names.
      const isName = this.#host !== null && !/^[\d.]*$|:/.test(this.#host)
      this.#certificate = this.#options.certificate(isName ? (this.#host ?? '') : '')
    }
    if (this.#host === null) {
      return { kind: 'refused', status: 400, text: `${JSON.stringify(this.#asked.authority)} is not a host` }
    }
    if (!isRequestTarget(this.#asked.path + this.#asked.query)) {
      const text =
        'a request target holds visible ASCII characters only (RFC 9112 §3.2); write others as browsers send them, such as %C3%A9 for é'
      return { kind: 'refused', status: 400, text }
    }
    const refusal = REFUSED_METHODS.get(this.#options.method ?? 'GET')
    if (refusal !== undefined) return { kind: 'refused', status: refusal.status, text: refusal.message }
    if (this.#path === null) {
      const text = 'the path can be read in more than one way, or in none (docs/internals/paths.md)'
      return { kind: 'refused', status: 400, text }
    }
    return this.#route(choice.listener, this.#host, this.#path)
  }

  #route(listener: ExplainedListener, host: string, path: string): Outcome {
    const isSecure = this.#asked.scheme === 'https'
    this.#program.match(listener.entryPoint, host, path, isSecure, this.#recorder)
    const router = this.#recorder.chosen
    if (router === null) return { kind: 'no-route', status: 404, text: this.#whyNoRoute(host) }
    this.#objects.add(objectLabel(router.origin))
    if (router.closed !== undefined) return { kind: 'closed', status: 503, text: router.closed }
    const exchange = new ImaginedExchange({
      entryPoint: listener.entryPoint,
      scheme: this.#asked.scheme,
      method: this.#options.method ?? 'GET',
      authority: this.#asked.authority,
      host,
      path,
      query: this.#asked.query,
      originalTarget: this.#asked.path + this.#asked.query,
      clientAddress: this.#options.clientAddress ?? '127.0.0.1',
      localPort: this.#asked.port ?? (isSecure ? 443 : 80),
    })
    for (const name of router.middlewares) {
      const outcome = this.#meet(name, exchange)
      if (outcome !== null) return outcome
    }
    return this.#forward(router, exchange)
  }

  /** One middleware, run on the imagined exchange; not null when the road ends there. */
  #meet(name: string, exchange: ImaginedExchange): Outcome | null {
    const config = this.#options.middleware?.(name)
    if (config === undefined) {
      // Nobody to ask is not the same as not being there.
      this.#middlewares.push({ name, type: '', effect: '' })
      if (this.#options.middleware === undefined) return null
      return { kind: 'closed', status: 503, text: `middleware ${name} does not exist` }
    }
    this.#objects.add(objectLabel(config.origin))
    const target = exchange.forwardPath + exchange.query
    let reply: Reply | undefined
    try {
      reply = createFilter(config, SILENT).request?.(exchange)
    } catch (error) {
      this.#middlewares.push({ name, type: config.type, effect: '' })
      return { kind: 'closed', status: 503, text: `middleware ${name}: ${errorText(error)}` }
    }
    const changed = exchange.forwardPath + exchange.query
    const rewrite = changed === target ? '' : `${target} becomes ${changed}`
    if (reply === undefined) {
      this.#middlewares.push({ name, type: config.type, effect: rewrite })
      return null
    }
    const location = fieldOf(reply, 'location')
    const effect = `answers ${reply.status}${location === null ? '' : ` to ${location}`}`
    this.#middlewares.push({ name, type: config.type, effect })
    return { kind: 'answered', status: reply.status, by: name, location, text: `${name} ${effect}` }
  }

  #forward(router: RouterConfig, exchange: ImaginedExchange): Outcome {
    const name = router.service
    if (name === undefined) return { kind: 'no-server', status: 503, text: 'the route has no service' }
    const target = exchange.forwardPath + exchange.query
    const config = this.#options.service?.(name)
    if (config === undefined) {
      if (this.#options.service === undefined) {
        return { kind: 'forwarded', service: name, target, text: `to service ${name}` }
      }
      return { kind: 'no-server', status: 503, text: `service ${name} does not exist` }
    }
    this.#objects.add(objectLabel(config.origin))
    this.#service = this.#describe(config)
    const usable = config.servers.filter((server) => server.weight > 0).length
    if (usable === 0) {
      return { kind: 'no-server', status: 503, text: `service ${name} has no ready endpoint` }
    }
    const text = `to one of ${usable} server${usable === 1 ? '' : 's'} of ${name}, as ${target}`
    return { kind: 'forwarded', service: name, target, text }
  }

  #describe(config: ServiceConfig): ExplainedService {
    const servers = config.servers.slice(0, MAX_SERVERS).map((server) => {
      const idle = server.weight === 0 ? 'weight 0' : 'ready'
      const configured = server.fenced === true ? 'terminating' : idle
      return {
        id: server.id,
        weight: server.weight,
        state: this.#options.serverState?.(config.name, server.id) ?? configured,
      }
    })
    return {
      name: config.name,
      object: objectLabel(config.origin),
      balancer: config.balancer,
      scheme: config.scheme,
      sticky: config.sticky?.name ?? null,
      servers,
      more: config.servers.length - servers.length,
    }
  }

  #whyNoRoute(host: string): string {
    const levels = this.#recorder.levels
    const named = levels.find((level) => level.kind !== 'any')
    if (named !== undefined) return 'no router of this host matches the path'
    if (levels.length > 0) return 'no router names this host, and none for any host matches the path'
    const hosts = new Set<string>()
    for (const { router } of this.#program.list()) {
      if (router.host.kind === 'exact') hosts.add(router.host.name)
      if (hosts.size >= MAX_SUGGESTIONS) break
    }
    const near = nearestName(host, hosts)
    return `no router names this host${near === undefined ? '' : `; did you mean ${near}?`}`
  }

  #findings(): Finding[] {
    const relevant: Finding[] = []
    for (const finding of this.#options.findings ?? []) {
      if (!this.#objects.has(finding.object)) continue
      relevant.push(finding)
      if (relevant.length === MAX_FINDINGS) break
    }
    return relevant
  }
}

/** What the reader of request heads lets through (`#wire/http1/char-class.ts`). */
function isRequestTarget(target: string): boolean {
  return /^[\x21\x22\x24-\x7e]*$/.test(target)
}

/** As findings name it: `Ingress shop/web`. */
function objectLabel(origin: Origin): string {
  return `${origin.kind} ${origin.namespace}/${origin.name}`
}

function fieldOf(reply: Reply, name: string): string | null {
  for (let i = 0; i < reply.fields.length; i += 2) {
    if (reply.fields[i]?.toLowerCase() === name) return reply.fields[i + 1] ?? null
  }
  return null
}
