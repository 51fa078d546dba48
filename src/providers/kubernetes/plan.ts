/**
 * One Ingress, read: class, annotations, hosts with their paths and backends, TLS sections. What it becomes on its
 * hosts depends on the other Ingresses there and is decided by `host-routers.ts`. Called by the translator for each
 * Ingress that changed; reads the three API versions alike. Pure but for the report.
 */
import type { HostMatch, Origin, RouterOrder } from '#config/model/dynamic.ts'
import { readAnnotations, type IgnoredAnnotation } from './annotations/read.ts'
import type { IngressOptions } from './annotations/options.ts'
import { CLASS_ANNOTATION, type ClassChoice } from './class.ts'
import { Report, type FindingDraft } from './findings.ts'
import { ANY_HOST, hostKey, parseHost } from './host.ts'
import { createdAt } from './names.ts'
import type {
  IngressBackendV1,
  IngressBackendV1Beta1,
  IngressObject,
  IngressPath,
  IngressRule,
  IntOrString,
  ObjectPath,
  SourcedObject,
} from './objects.ts'
import type { PathType } from './path.ts'
import type { ServiceUse } from './service-uses.ts'

/** A Service port that an Ingress names, or why it names none that can be served. */
export type BackendReference =
  | { readonly kind: 'service'; readonly service: string; readonly port: IntOrString }
  | { readonly kind: 'none'; readonly reason: string }

export interface PathPlan {
  readonly path: string
  readonly type: PathType
  readonly backend: BackendReference
  /** Set by the translator where the backend is a Service. */
  use: ServiceUse | undefined
  /** Indexes into `spec.rules` and its paths; rule -1: the default backend. */
  readonly rule: number
  readonly index: number
}

export interface HostPlan {
  readonly host: HostMatch
  readonly key: string
  paths: PathPlan[]
}

/** What the TLS sections of an Ingress come to. Hosts are in the form of `hostKey`. */
export interface TlsPlan {
  /** A section that lists no hosts is about every host of the Ingress. */
  readonly isForAll: boolean
  readonly hosts: ReadonlySet<string>
  readonly secrets: ReadonlyMap<string, SecretUse>
}

export interface SecretUse {
  /** Empty: a section lists none, so those of the certificate. */
  readonly hosts: readonly string[]
  /** First of `spec.tls` that names the Secret. */
  readonly index: number
}

export interface IngressPlan {
  readonly sourced: SourcedObject
  readonly namespace: string
  readonly name: string
  /** Of its rules. */
  readonly order: RouterOrder
  readonly isNginx: boolean
  readonly options: IngressOptions
  readonly ignored: readonly IgnoredAnnotation[]
  readonly hosts: readonly HostPlan[]
  /** The same by key, where there are many. */
  readonly hostsByKey: ReadonlyMap<string, HostPlan> | undefined
  /** Undefined: none. Its path is the root. */
  readonly defaultPath: PathPlan | undefined
  readonly hasRules: boolean
  readonly tls: TlsPlan | undefined
  /** Origin of what belongs to the Ingress as a whole. */
  readonly origin: Origin
  readonly findings: readonly FindingDraft[]
}

/** From here on a map is quicker than a list. */
const MANY_HOSTS = 8

const NO_FINDINGS: readonly FindingDraft[] = []

type AnyBackend = IngressBackendV1 | IngressBackendV1Beta1

/** `isCluster`: what closes its class is told of each Ingress, for whoever looks at it there. */
export function planIngress(
  sourced: SourcedObject,
  choice: ClassChoice,
  provider: string,
  isCluster: boolean,
): IngressPlan {
  const ingress = sourced.object as IngressObject
  const { namespace = 'default', name } = ingress.metadata
  const report = new Report()
  checkClass(sourced, ingress, report)
  const { options: read, ignored } = readAnnotations(sourced, choice.defaults, report)
  const closed = sourced.closed ?? choice.closed
  const options = closed === undefined || read.closed !== undefined ? read : { ...read, closed }
  if (isCluster && choice.closed !== undefined) {
    const message = `${choice.closed}; its paths answer 503`
    report.add('ingress-class-parameters', 'error', sourced, ['spec', 'ingressClassName'], message)
  }
  const spec = ingress.spec
  const defaultBackend: AnyBackend | undefined =
    spec === undefined
      ? undefined
      : 'defaultBackend' in spec
        ? spec.defaultBackend
        : (spec as OldSpec).backend
  const hasRules = (spec?.rules?.length ?? 0) > 0
  if (!hasRules && defaultBackend === undefined) {
    report.add(
      'ingress-empty',
      'warning',
      sourced,
      ['spec'],
      'has neither rules nor a default backend: nothing is served',
    )
  }
  const hosts = options.isCanary ? [] : planHosts(sourced, ingress, options.closed !== undefined, report)
  return {
    sourced,
    namespace,
    name,
    order: { rank: 0, priority: 0n, created: createdAt(ingress.metadata) },
    isNginx: choice.isNginx,
    options,
    ignored,
    hosts,
    hostsByKey: hosts.length > MANY_HOSTS ? new Map(hosts.map((host) => [host.key, host])) : undefined,
    defaultPath:
      defaultBackend === undefined || options.isCanary
        ? undefined
        : planDefault(readBackend(defaultBackend, sourced, defaultBackendPath(ingress), report)),
    hasRules,
    tls: planTls(sourced, ingress, report),
    origin: {
      provider,
      kind: 'Ingress',
      namespace,
      name,
      ...(sourced.place === undefined ? {} : { place: sourced.place }),
    },
    findings: report.drafts.length === 0 ? NO_FINDINGS : report.drafts,
  }
}

/** Those of its hosts, and the default backend. */
export function* pathsOf(plan: IngressPlan): Iterable<PathPlan> {
  for (const host of plan.hosts) yield* host.paths
  if (plan.defaultPath !== undefined) yield plan.defaultPath
}

function planDefault(backend: BackendReference): PathPlan {
  return { path: '/', type: 'Prefix', backend, use: undefined, rule: -1, index: -1 }
}

/** Where the default backend stands: it has another name in the old versions. */
function defaultBackendPath(ingress: IngressObject): ObjectPath {
  return ['spec', ingress.apiVersion === 'networking.k8s.io/v1' ? 'defaultBackend' : 'backend']
}

interface OldSpec {
  readonly backend?: IngressBackendV1Beta1
}

function checkClass(sourced: SourcedObject, ingress: IngressObject, report: Report): void {
  const annotation = ingress.metadata.annotations?.[CLASS_ANNOTATION]
  const field = ingress.spec?.ingressClassName
  if (annotation === undefined || annotation === '' || field === undefined || field === annotation) return
  report.add(
    'ingress-class-differs',
    'warning',
    sourced,
    ['spec', 'ingressClassName'],
    `ingressClassName ${field} is not used: the annotation ${CLASS_ANNOTATION} says ${annotation}`,
    'remove the annotation',
  )
}

function planHosts(
  sourced: SourcedObject,
  ingress: IngressObject,
  isClosed: boolean,
  report: Report,
): HostPlan[] {
  const rules: readonly IngressRule<AnyBackend>[] = ingress.spec?.rules ?? []
  if (rules.length === 0) return []
  // One host usually; a map only where there are several.
  const hosts: HostPlan[] = []
  const byKey = rules.length > MANY_HOSTS ? new Map<string, HostPlan>() : undefined
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]
    if (rule === undefined) continue
    const host = parseHost(rule.host)
    if (typeof host === 'string') {
      const message = `host ${JSON.stringify(rule.host?.slice(0, 300))} ${host}; the rule is left out`
      report.add('ingress-host', 'error', sourced, ['spec', 'rules', i, 'host'], message)
      continue
    }
    const key = hostKey(host)
    let plan = byKey === undefined ? hosts.find((one) => one.key === key) : byKey.get(key)
    if (plan === undefined) {
      plan = { host: host.kind === 'any' ? ANY_HOST : host, key, paths: [] }
      hosts.push(plan)
      byKey?.set(key, plan)
    }
    const paths: readonly IngressPath<AnyBackend>[] = rule.http?.paths ?? []
    for (let j = 0; j < paths.length; j++) {
      const path = paths[j]
      if (path !== undefined) planPath(sourced, ingress, isClosed, path, i, j, plan, report)
    }
  }
  // Grown arrays have room for sixteen more; there are as many of these as there are Ingresses.
  for (const plan of hosts) plan.paths = plan.paths.slice()
  return hosts.slice()
}

function planPath(
  sourced: SourcedObject,
  ingress: IngressObject,
  isClosed: boolean,
  path: IngressPath<AnyBackend>,
  rule: number,
  index: number,
  plan: HostPlan,
  report: Report,
): void {
  const at = ['spec', 'rules', rule, 'http', 'paths', index]
  let text = path.path ?? ''
  let type = readPathType(path.pathType, ingress)
  // Where access is restricted a path that is written wrongly is closed, too: without it, requests for it would meet the
  // next shorter path, which may be anybody's.
  const outcome = isClosed ? 'it answers 503' : 'it is left out'
  if (type === undefined) {
    const message =
      path.pathType === undefined
        ? `path ${JSON.stringify(text)} has no pathType; ${outcome}`
        : `pathType ${JSON.stringify(path.pathType)} of path ${JSON.stringify(text)} is not known; ${outcome}`
    report.add(
      'ingress-path-type',
      'error',
      sourced,
      [...at, 'pathType'],
      message,
      'use Exact, Prefix or ImplementationSpecific',
    )
    if (!isClosed) return
    type = 'ImplementationSpecific'
  }
  if (text === '' ? type !== 'ImplementationSpecific' : text.charCodeAt(0) !== 0x2f) {
    const message = `path ${JSON.stringify(text.slice(0, 300))} does not begin with /; ${outcome}`
    report.add('ingress-path', 'error', sourced, [...at, 'path'], message)
    if (!isClosed) return
    text = `/${text}`
  }
  const backend: BackendReference =
    path.backend === undefined
      ? { kind: 'none', reason: 'is missing' }
      : readBackend(path.backend, sourced, [...at, 'backend'], report)
  if (path.backend === undefined) {
    report.add('ingress-backend', 'error', sourced, at, `path ${text} names no backend; answers 503`)
  }
  plan.paths.push({ path: text === '' ? '/' : text, type, backend, use: undefined, rule, index })
}

/** The old versions had no pathType, or an optional one. */
function readPathType(text: string | undefined, ingress: IngressObject): PathType | undefined {
  if (text === 'Exact' || text === 'Prefix' || text === 'ImplementationSpecific') return text
  if (text === undefined && ingress.apiVersion !== 'networking.k8s.io/v1') return 'ImplementationSpecific'
  return undefined
}

function readBackend(
  backend: AnyBackend,
  sourced: SourcedObject,
  at: ObjectPath,
  report: Report,
): BackendReference {
  if (backend.resource !== undefined) {
    const { kind = '', name = '' } = backend.resource
    const message = `a backend that is a resource (${kind} ${name}) is not supported; answers 503`
    report.add('ingress-backend', 'error', sourced, [...at, 'resource'], message, 'name a Service')
    return { kind: 'none', reason: 'names a resource, not a Service' }
  }
  const { service, port } = namedService(backend)
  if (service === '') {
    report.add('ingress-backend', 'error', sourced, at, 'the backend names no Service; answers 503')
    return { kind: 'none', reason: 'names no Service' }
  }
  if (port === undefined || port === '') {
    const message = `the backend names no port of Service ${service}; answers 503`
    report.add('ingress-backend', 'error', sourced, at, message)
    return { kind: 'none', reason: 'names no port' }
  }
  return { kind: 'service', service, port }
}

function namedService(backend: AnyBackend): { service: string; port: IntOrString | undefined } {
  if ('serviceName' in backend || 'servicePort' in backend) {
    const port = backend.servicePort
    // Old manifests quote numbers; no port's name is only digits.
    const isQuoted = typeof port === 'string' && /^\d{1,5}$/.test(port)
    return { service: backend.serviceName ?? '', port: isQuoted ? Number(port) : port }
  }
  const service = (backend as IngressBackendV1).service
  const { name, number } = service?.port ?? {}
  return { service: service?.name ?? '', port: name === undefined || name === '' ? number : name }
}

function planTls(sourced: SourcedObject, ingress: IngressObject, report: Report): TlsPlan | undefined {
  const sections = ingress.spec?.tls
  if (sections === undefined || sections.length === 0) return undefined
  let isForAll = false
  const all = new Set<string>()
  const secrets = new Map<string, { hosts: string[]; readonly index: number }>()
  for (const [index, section] of sections.entries()) {
    const hosts: string[] = []
    const texts = section.hosts ?? []
    for (const [i, text] of texts.entries()) {
      const host = parseHost(text)
      if (typeof host !== 'string' && host.kind !== 'any') {
        hosts.push(hostKey(host))
        all.add(hostKey(host))
        continue
      }
      const reason = typeof host === 'string' ? host : 'is empty'
      const message = `TLS host ${JSON.stringify(text.slice(0, 300))} ${reason}; it is left out`
      report.add('ingress-host', 'error', sourced, ['spec', 'tls', index, 'hosts', i], message)
    }
    if (texts.length === 0) isForAll = true
    const secret = section.secretName
    if (secret === undefined || secret === '') continue
    const known = secrets.get(secret)
    if (known === undefined) secrets.set(secret, { hosts, index })
    else if (texts.length === 0) known.hosts = []
    else if (known.hosts.length > 0) for (const host of hosts) known.hosts.push(host)
  }
  return { isForAll, hosts: all, secrets }
}

/** Whether the TLS sections cover the rule host `key`. */
export function hasTls(tls: TlsPlan | undefined, key: string): boolean {
  if (tls === undefined) return false
  if (tls.isForAll || tls.hosts.has(key)) return true
  const dot = key.indexOf('.')
  return dot > 0 && tls.hosts.has(`*${key.slice(dot)}`)
}
