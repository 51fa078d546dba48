/**
 * Dynamic configuration: what providers yield and what resolution turns into the routing program.
 * Everything here is plain data (structured-cloneable) and immutable once yielded: a change is a new object
 * under the same name.
 */
import type { Place } from './finding.ts'

/** `example.com` exact (lower case, no port, no trailing dot), or one-label wildcard, or every host. */
export type HostMatch =
  | { readonly kind: 'any' }
  | { readonly kind: 'exact'; readonly name: string }
  /** `*.example.com`: `name` is `example.com`; exactly one label in front matches. */
  | { readonly kind: 'wildcard'; readonly name: string }

/** Matched against the path normal form (docs/internals/paths.md). */
export type PathMatch =
  | { readonly kind: 'any' }
  | { readonly kind: 'exact'; readonly value: string }
  /** By element: `/foo` matches `/foo`, `/foo/` and `/foo/bar`, not `/foobar`. */
  | { readonly kind: 'prefix'; readonly value: string }
  /** Character-wise prefix, nginx's reading of ImplementationSpecific. */
  | { readonly kind: 'stringPrefix'; readonly value: string }
  /** RE2 syntax, anchored at the start by the matcher. */
  | { readonly kind: 'regex'; readonly value: string; readonly caseInsensitive: boolean }

/**
 * Place of a router among those that match the same request, compared field by field, smaller first wins:
 * `rank` (source's own order classes), `priority` descending, path specificity (exact, then longer value first),
 * `created` (ms since epoch, oldest first), `name`.
 */
export interface RouterOrder {
  readonly rank: number
  readonly priority: bigint
  readonly created: number
}

/** Where an object came from; goes to access log, metrics and `explain`. */
export interface Origin {
  readonly provider: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly servicePort?: string
  readonly serviceName?: string
  readonly place?: Place
}

export interface RouterConfig {
  /** Unique, `name@provider`. */
  readonly name: string
  /** Names of entrypoints; undefined: all default entrypoints. */
  readonly entryPoints?: readonly string[]
  readonly host: HostMatch
  /**
   * What becomes of a request for this host that none of its routers matches: offered to the wildcard and then to
   * routers for any host (`fallThrough`, the default), or ended (`owned`, as an nginx server does). One router
   * that owns makes the host owned.
   */
  readonly hostMode?: 'fallThrough' | 'owned'
  readonly path: PathMatch
  readonly order: RouterOrder
  /** Served over TLS only / plain only / both (Ingress). */
  readonly scheme: 'both' | 'http' | 'https'
  /** Names of middlewares, outermost first. */
  readonly middlewares: readonly string[]
  /** Name of a service; undefined only when a middleware or `closed` answers everything. */
  readonly service?: string
  /** Answers 503 to everything: something that restricts access was not understood. The text names it. */
  readonly closed?: string
  /** Set of forwarding headers beyond the common one: a row of the header table (`nginx` adds X-Original-URI …). */
  readonly headerSet?: string
  readonly origin: Origin
}

export interface ServerConfig {
  /** Identity: survives reloads, keys health, pool and cookie: `10.0.0.1:8080`. */
  readonly id: string
  /** IP address text, or a DNS name (ExternalName). */
  readonly address: string
  readonly port: number
  readonly weight: number
  /** Serving but terminating: used only when no other server is there. */
  readonly fenced?: boolean
}

export interface StickyCookieConfig {
  readonly name: string
  readonly path?: string
  readonly domain?: string
  readonly secure: boolean | 'auto'
  readonly httpOnly: boolean
  readonly sameSite?: 'None' | 'Lax' | 'Strict'
  /** Seconds; undefined: session cookie. */
  readonly maxAge?: number
  /** Also send Expires (nginx's session-cookie-expires). */
  readonly expires?: number
  /** New server (and cookie) when the sticky one failed; otherwise an available one for this request only. */
  readonly changeOnFailure?: boolean
}

/** What a consistent hash is computed over. `parts` are literals and request variables. */
export type HashSource = readonly (
  | { readonly kind: 'literal'; readonly value: string }
  /** host | uri (path and query) | path | method | clientAddress | scheme */
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string }
  | { readonly kind: 'query'; readonly name: string }
)[]

export interface ServiceConfig {
  readonly name: string
  /** Folder name below src/proxy/balancer. */
  readonly balancer: 'wrr' | 'least-connections' | 'p2c' | 'client-ip' | 'consistent-hash'
  readonly hashOn?: HashSource
  readonly sticky?: StickyCookieConfig
  readonly scheme: 'http' | 'https'
  /** TLS to the servers (scheme https). `verify` false is nginx's default for backend-protocol HTTPS. */
  readonly tls?: { readonly serverName?: string; readonly verify: boolean }
  readonly timeouts: { readonly connectMs?: number; readonly readMs?: number; readonly sendMs?: number }
  readonly servers: readonly ServerConfig[]
  readonly origin: Origin
}

export interface MiddlewareConfig {
  readonly name: string
  /** Key of the registry: folder name below src/proxy/middleware. */
  readonly type: string
  /** Plain data, checked against the middleware's schema when the chain is built. */
  readonly options: unknown
  readonly origin: Origin
}

export interface CertificateConfig {
  readonly name: string
  /** Host names this certificate is configured for (spec.tls.hosts); empty: those in the certificate. */
  readonly hosts: readonly string[]
  /** PEM, leaf first. */
  readonly certificate: string
  readonly key: string
  /** Ms since epoch; of two certificates for one host the older wins. Absent counts as oldest. */
  readonly created?: number
  readonly origin: Origin
}

/** One step of change. Names in `set` replace; `remove` lists names. Application order keeps references whole. */
export interface DynamicDelta {
  readonly services?: Changes<ServiceConfig>
  readonly middlewares?: Changes<MiddlewareConfig>
  readonly routers?: Changes<RouterConfig>
  readonly certificates?: Changes<CertificateConfig>
}

export interface Changes<T> {
  readonly set: readonly T[]
  readonly remove: readonly string[]
}

/** What a provider may say with a step of change. */
export interface StepFacts {
  /** performance.now when what caused it came in; undefined: now. */
  readonly receivedAt?: number | undefined
  /** Called once, when every worker has the step. */
  onInForce?(): void
}

/** What a provider is given. `apply` may be called at any time; `findings` replaces the provider's whole list. */
export interface ProviderSink {
  apply(delta: DynamicDelta, facts?: StepFacts): void
  findings(findings: readonly import('./finding.ts').Finding[]): void
  /** First complete configuration has been applied. */
  synced(): void
}

export interface Provider {
  readonly name: string
  /** What keeps it from its first complete configuration, for people; undefined: nothing special. */
  waitsFor?(): string | undefined
  /** Resolves when the first complete configuration was handed on, or the signal aborted. */
  start(sink: ProviderSink, signal: AbortSignal): Promise<void>
}
