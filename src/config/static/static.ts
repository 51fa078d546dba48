/**
 * Static configuration: what is read once at start. One schema with Traefik's option names and a few of our own
 * decodes flags (later also files and environment), feeds `--help` and generates docs/reference/static.md.
 *
 * Invariant: an option of Traefik that this version does not act on is an error, or a warning where leaving it out
 * changes nothing that a client could notice; none is silently dropped.
 */
import { list, map, object } from '#lib/schema/composites.ts'
import { integer, oneOf, string } from '#lib/schema/scalars.ts'
import type { Infer, ParseOptions } from '#lib/schema/schema.ts'
import type { Issue } from '#lib/errors.ts'
import { formatHostPort } from './address.ts'
import type { HostPort } from './address.ts'
import { entryPointSchema } from './entry-point.ts'
import type { EntryPointOptions } from './entry-point.ts'
import { limitsSchema } from './limits.ts'
import type { Limits } from './limits.ts'
import { accessLogSchema, logSchema, metricsSchema, pingSchema } from './observability.ts'
import type { AccessLogOptions, LogOptions, MetricsOptions, PingOptions } from './observability.ts'

/** Entrypoint of `/ping`, `/ready` and `/metrics`. */
export const INTERNAL_ENTRY_POINT = 'traefik'

const DEFAULT_ADDRESSES: Readonly<Record<string, HostPort>> = {
  web: { host: '', port: 80 },
  websecure: { host: '', port: 443 },
  [INTERNAL_ENTRY_POINT]: { host: '127.0.0.1', port: 8081 },
}

/** Used in place of the default ports when the process may not bind those. */
export const UNPRIVILEGED_PORTS: Readonly<Record<number, number>> = { 80: 8080, 443: 8443 }

const PROVIDER = 'the directory of manifests is the only provider of this command'
const NOT_YET = 'not built yet'

/** Fields of `staticSchema`, for commands that add flags of their own. */
export const staticFields = {
  entryPoints: map(entryPointSchema, {
    keyName: 'NAME',
    checkKey: (name) =>
      /^[A-Za-z0-9_-]{1,63}$/.test(name)
        ? undefined
        : 'is no entrypoint name (letters, digits, _ and -, at most 63)',
  })
    .default({})
    .describe('Listening addresses and their settings. One with an address replaces the defaults.'),
  log: logSchema.default(logSchema.parseOrThrow({})).describe('The log.'),
  accessLog: accessLogSchema.optional().describe('Write a line per request.'),
  ping: pingSchema
    .optional()
    .describe('Answer `/ping` on the internal entrypoint. `/ready` is answered there in any case.'),
  metrics: metricsSchema.default(metricsSchema.parseOrThrow({})).describe('Metrics.'),
  workers: integer({ min: 1, max: 48 })
    .optional()
    .describe('Threads that serve. Without it: as many as there are cores to use.'),
  limits: limitsSchema.default(limitsSchema.parseOrThrow({})).describe('Limits and timeouts.'),
  ingressClass: string({ minLength: 1, maxLength: 253 })
    .optional()
    .named('CLASS')
    .describe(
      'Serve only Ingresses of this class (and those without one, when its IngressClass is the default). Without it: all.',
    ),
  compat: oneOf(['ingress-nginx'])
    .optional()
    .describe(
      'Treat every Ingress as ingress-nginx does, with its implicit habits. Without it: only those of class `nginx`.',
    ),
  backend: list(string({ minLength: 1 }), { isCommaSeparated: false })
    .default([])
    .named('NAMESPACE/SERVICE[:PORT]=HOST:PORT,…')
    .describe('Servers of a Service that has no endpoints in the manifests. May be given several times.'),
}

/** Names that Traefik has and this version has not, with the reason. */
export const staticNames = {
  later: {
    configFile: 'configuration files are not built yet; give the options as flags',
    providers: PROVIDER,
    api: NOT_YET,
    tracing: NOT_YET,
    certificatesResolvers: 'certificates from ACME are not built yet; use a Secret of type kubernetes.io/tls',
    serversTransport: 'use limits.connectTimeout, limits.responseHeadTimeout and limits.upstreamIdleTimeout',
    tcpServersTransport: 'TCP routers are not built yet',
    experimental: NOT_YET,
    hostResolver: NOT_YET,
    ocsp: NOT_YET,
    spiffe: NOT_YET,
  },
  ignored: {
    global: 'there is no check for new versions and no usage report to switch off',
    core: 'there is one rule syntax',
  },
}

/** The options as written. `decodeStatic` makes a StaticConfig of them. */
export const staticSchema = object(staticFields, staticNames)

export interface EntryPoint extends EntryPointOptions {
  readonly name: string
  readonly address: HostPort
  /** The address was not given: without the right to bind its port, UNPRIVILEGED_PORTS may be used. */
  readonly isDefault: boolean
}

/** Everything decided, defaults filled in. Durations are milliseconds, sizes bytes. Plain data: goes to workers. */
export interface StaticConfig {
  /** By name; the internal one is always there. */
  readonly entryPoints: Readonly<Record<string, EntryPoint>>
  readonly log: LogOptions
  readonly accessLog?: AccessLogOptions
  readonly ping?: PingOptions
  readonly metrics: MetricsOptions
  /** Undefined: as many as there are cores to use. */
  readonly workers?: number
  readonly limits: Limits
  readonly ingressClass?: string
  readonly compat?: 'ingress-nginx'
  /** As written: `NAMESPACE/SERVICE[:PORT]=HOST:PORT,…`. */
  readonly backends: readonly string[]
}

export type StaticResult =
  | { readonly ok: true; readonly config: StaticConfig; readonly warnings: readonly Issue[] }
  | { readonly ok: false; readonly issues: readonly Issue[]; readonly warnings: readonly Issue[] }

/** Checks and completes a tree of options, from flags (`isText`, any case) or as data. */
export function decodeStatic(
  tree: unknown,
  options: ParseOptions = { isText: true, ignoreCase: true },
): StaticResult {
  const result = staticSchema.parse(tree, options)
  return result.ok ? completeStatic(result.value, result.warnings) : result
}

/** What options that were decoded come to, for commands with options of their own; others than these are left out. */
export function completeStatic(options: StaticOptions, warnings: readonly Issue[]): StaticResult {
  const { entryPoints: given, backend, log, accessLog, ping, metrics, workers, limits } = options
  const { ingressClass, compat } = options
  const { entryPoints, issues } = completeEntryPoints(given)
  if (issues.length > 0) return { ok: false, issues, warnings }
  const config: StaticConfig = {
    entryPoints,
    log,
    ...(accessLog === undefined ? {} : { accessLog }),
    ...(ping === undefined ? {} : { ping }),
    metrics,
    ...(workers === undefined ? {} : { workers }),
    limits,
    ...(ingressClass === undefined ? {} : { ingressClass }),
    ...(compat === undefined ? {} : { compat }),
    backends: backend,
  }
  return { ok: true, config, warnings }
}

/** Names of the entrypoints that routers may ask for: all but the internal one. */
export function routableEntryPointNames(config: StaticConfig): string[] {
  return Object.keys(config.entryPoints).filter((name) => name !== INTERNAL_ENTRY_POINT)
}

/** The configuration without any option. */
export function defaultStatic(): StaticConfig {
  const result = decodeStatic({})
  if (!result.ok) throw new Error('the default configuration is not valid')
  return result.config
}

/** Names of the entrypoints of routers that name none. */
export function defaultEntryPointNames(config: StaticConfig): readonly string[] {
  const all = Object.values(config.entryPoints).filter(
    (entryPoint) => entryPoint.name !== INTERNAL_ENTRY_POINT,
  )
  const marked = all.filter((entryPoint) => entryPoint.asDefault)
  return (marked.length > 0 ? marked : all).map((entryPoint) => entryPoint.name)
}

function completeEntryPoints(given: Readonly<Record<string, EntryPointOptions>>): {
  entryPoints: Readonly<Record<string, EntryPoint>>
  issues: readonly Issue[]
} {
  const issues: Issue[] = []
  const complete = new Map<string, EntryPoint>()
  const options = new Map(Object.entries(given))
  const isReplaced = [...options].some(
    ([name, value]) => name !== INTERNAL_ENTRY_POINT && value.address !== undefined,
  )
  if (!isReplaced) {
    for (const name of ['web', 'websecure']) if (!options.has(name)) options.set(name, withDefaults({}))
  }
  if (!options.has(INTERNAL_ENTRY_POINT)) options.set(INTERNAL_ENTRY_POINT, withDefaults({}))
  for (const [name, value] of options) {
    const address = value.address ?? DEFAULT_ADDRESSES[name]
    if (address === undefined) {
      const path = ['entryPoints', name, 'address']
      issues.push({
        path,
        message: 'required, but not given',
        suggestion: `such as --entryPoints.${name}.address=:8080`,
      })
      continue
    }
    const isDefault = value.address === undefined
    // The default `websecure` is the TLS one, whatever else of it was set.
    const http = isDefault && name === 'websecure' ? { ...value.http, tls: true } : value.http
    complete.set(name, { ...value, http, name, address, isDefault })
  }
  issues.push(...sameAddressIssues([...complete.values()]))
  return { entryPoints: Object.fromEntries(complete), issues }
}

function sameAddressIssues(entryPoints: readonly EntryPoint[]): readonly Issue[] {
  const issues: Issue[] = []
  const byAddress = new Map<string, string>()
  for (const { name, address } of entryPoints) {
    if (address.port === 0) continue
    const text = formatHostPort(address)
    const other = byAddress.get(text)
    if (other === undefined) {
      byAddress.set(text, name)
    } else {
      issues.push({
        path: ['entryPoints', name, 'address'],
        message: `${text} is also the address of ${other}`,
      })
    }
  }
  return issues
}

function withDefaults(value: object): EntryPointOptions {
  return entryPointSchema.parseOrThrow(value)
}

export type StaticOptions = Infer<typeof staticSchema>
