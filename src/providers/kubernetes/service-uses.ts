/**
 * Which Ingresses use which Service ports with which options, and the dynamic services that this makes: one for each
 * Service port and set of options. The options of the oldest Ingress get the plain name (`shop-web-80@kubernetes`), so
 * that changing an annotation does not change the identity that health, cookies and connections hang on; further sets
 * have a hash behind. Called by the translator.
 */
import type { Origin, ServiceConfig } from '#config/model/dynamic.ts'
import {
  resolveBackend,
  type BackendProblem,
  type BackendSituation,
  type ResolvedBackend,
} from './backend.ts'
import { FewSet } from './few-set.ts'
import type { FindingBook, FindingDraft } from './findings.ts'
import type { Locality } from './locality.ts'
import { NameRegistry, shortHash } from './names.ts'
import type { IntOrString, ObjectPath, SourcedObject } from './objects.ts'
import { pathsOf, type IngressPlan, type PathPlan } from './plan.ts'
import type { Published } from './published.ts'
import type { ServiceOptions } from './service-options.ts'

/** One Service port with one set of options. */
export interface ServiceUse {
  readonly entry: ServiceEntry
  readonly port: IntOrString
  readonly options: ServiceOptions
  readonly users: FewSet<IngressPlan>
  /** Name of the dynamic service; empty until it has been resolved. */
  name: string
  /** Why requests for the Service are refused. */
  closed: string | undefined
  /** The Ingress and path that named it first, for findings. */
  plan: IngressPlan | undefined
  path: PathPlan | undefined
}

/** Everything known about one Service name. */
export interface ServiceEntry {
  readonly namespace: string
  readonly name: string
  service: SourcedObject | undefined
  endpoints: SourcedObject | undefined
  slices: readonly SourcedObject[]
  readonly uses: FewSet<ServiceUse>
  /** Names of the dynamic services that it has out. */
  yielded: readonly string[]
  /** Something is wrong with what its Ingresses name, and each of them is told. */
  isTold: boolean
  /** Its servers depend on where this gateway runs. */
  dependsOnPlace: boolean
}

export class ServiceUses {
  readonly #provider: string
  #situation: BackendSituation
  readonly #published: Published<ServiceConfig>
  readonly #book: FindingBook
  readonly #names: NameRegistry
  /** By `namespace/name`. */
  readonly #entries = new Map<string, ServiceEntry>()
  readonly #dirty = new Set<ServiceEntry>()
  /** By key of the EndpointSlice. */
  readonly #sliceOwners = new Map<string, ServiceEntry>()
  /** Of Ingresses that are told something in this step: an Ingress may have ten thousand paths, and be told of each. */
  readonly #firstPaths = new Map<IngressPlan, ReadonlyMap<ServiceUse, PathPlan>>()

  constructor(
    provider: string,
    situation: BackendSituation,
    published: Published<ServiceConfig>,
    book: FindingBook,
  ) {
    this.#provider = provider
    this.#situation = situation
    this.#published = published
    this.#book = book
    this.#names = new NameRegistry(provider)
  }

  /** Services whose servers depend on it are resolved anew in the next step. */
  setLocality(locality: Locality): void {
    const isFirst = this.#situation.locality === undefined
    this.#situation = { ...this.#situation, locality }
    for (const entry of this.#entries.values()) {
      if (isFirst || entry.dependsOnPlace) this.#dirty.add(entry)
    }
  }

  acquire(
    plan: IngressPlan,
    path: PathPlan,
    service: string,
    port: IntOrString,
    options: ServiceOptions,
  ): ServiceUse {
    const entry = this.#entry(plan.namespace, service)
    let use: ServiceUse | undefined
    for (const one of entry.uses.values()) {
      if (one.port === port && one.options.key === options.key) use = one
    }
    if (use === undefined) {
      use = { entry, port, options, users: new FewSet(), name: '', closed: undefined, plan, path }
      entry.uses.add(use)
      this.#dirty.add(entry)
    } else if (entry.uses.size > 1 || entry.isTold) this.#dirty.add(entry)
    use.users.add(plan)
    if (use.plan === undefined) {
      use.plan = plan
      use.path = path
    }
    return use
  }

  release(plan: IngressPlan, use: ServiceUse): void {
    const entry = use.entry
    use.users.delete(plan)
    if (use.plan === plan) {
      use.plan = undefined
      use.path = undefined
      this.#dirty.add(entry)
    }
    if (use.users.size === 0) {
      entry.uses.delete(use)
      this.#dirty.add(entry)
    } else if (entry.uses.size > 1 || entry.isTold) this.#dirty.add(entry)
  }

  setService(sourced: SourcedObject, namespace: string, name: string): void {
    const entry = this.#entry(namespace, name)
    entry.service = sourced
    this.#dirty.add(entry)
  }

  setEndpoints(sourced: SourcedObject, namespace: string, name: string): void {
    const entry = this.#entry(namespace, name)
    entry.endpoints = sourced
    this.#dirty.add(entry)
  }

  setSlice(sourced: SourcedObject, namespace: string, service: string): void {
    this.removeSlice(sourced.key)
    const entry = this.#entry(namespace, service)
    entry.slices = [...entry.slices, sourced]
    this.#sliceOwners.set(sourced.key, entry)
    this.#dirty.add(entry)
  }

  removeService(namespace: string, name: string): void {
    const entry = this.#entry(namespace, name)
    entry.service = undefined
    this.#dirty.add(entry)
  }

  removeEndpoints(namespace: string, name: string): void {
    const entry = this.#entry(namespace, name)
    entry.endpoints = undefined
    this.#dirty.add(entry)
  }

  removeSlice(key: string): void {
    const entry = this.#sliceOwners.get(key)
    if (entry === undefined) return
    this.#sliceOwners.delete(key)
    entry.slices = entry.slices.filter((slice) => slice.key !== key)
    this.#dirty.add(entry)
  }

  /** Resolves what was touched. Returns the uses whose name or refusal changed: routers mention them. */
  resolve(): readonly ServiceUse[] {
    const renamed: ServiceUse[] = []
    for (const entry of this.#dirty) this.#resolveEntry(entry, renamed)
    this.#dirty.clear()
    this.#firstPaths.clear()
    return renamed
  }

  #entry(namespace: string, name: string): ServiceEntry {
    const key = `${namespace}/${name}`
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = {
        namespace,
        name,
        service: undefined,
        endpoints: undefined,
        slices: NO_SLICES,
        uses: new FewSet(),
        yielded: NO_NAMES,
        isTold: false,
        dependsOnPlace: false,
      }
      this.#entries.set(key, entry)
    }
    return entry
  }

  #resolveEntry(entry: ServiceEntry, renamed: ServiceUse[]): void {
    const key = `${entry.namespace}/${entry.name}`
    const before = entry.yielded
    const after: string[] = []
    for (const name of before) this.#names.release(name)
    const drafts: FindingDraft[] = []
    entry.isTold = false
    entry.dependsOnPlace = false
    for (const [port, uses] of usesByPort(entry)) {
      const reference = { namespace: entry.namespace, service: entry.name, port }
      const backend = resolveBackend(reference, entry, this.#situation)
      if (backend.dependsOnPlace) entry.dependsOnPlace = true
      for (const problem of backend.problems) this.#tell(problem, entry, uses, drafts)
      const origin = this.#origin(entry, port)
      const text = `${key}/${port}`
      for (const [i, use] of uses.entries()) {
        const name =
          i === 0
            ? this.#names.claim(text, text)
            : this.#names.claim(`${text}-${optionsTag(use.options)}`, `${text}\n${use.options.key}`)
        after.push(name)
        this.#published.set(serviceConfig(name, use.options, backend, origin))
        if (use.name !== name || use.closed !== backend.closed) {
          use.name = name
          use.closed = backend.closed
          renamed.push(use)
        }
      }
    }
    const kept = after.length > MANY_NAMES ? new Set(after) : undefined
    for (const name of before) {
      if (!(kept?.has(name) ?? after.includes(name))) this.#published.remove(name)
    }
    entry.yielded = after.length === 0 ? NO_NAMES : after.slice()
    this.#book.set(`service:${key}`, drafts)
    const isGone = entry.service === undefined && entry.endpoints === undefined && entry.slices.length === 0
    if (isGone && entry.uses.size === 0) this.#entries.delete(key)
  }

  /** In a cluster whoever looks at an Ingress is told what is wrong with it; files are told once. */
  #tell(
    problem: BackendProblem,
    entry: ServiceEntry,
    uses: readonly ServiceUse[],
    drafts: FindingDraft[],
  ): void {
    if (problem.sourced !== undefined || !this.#situation.isCluster) {
      drafts.push(draftOf(problem, entry, uses))
      return
    }
    entry.isTold = true
    const { code, severity, message, hint } = problem
    const rest = hint === undefined ? {} : { hint }
    for (const use of uses) {
      for (const plan of use.users.values()) {
        const path = this.#pathOfUse(plan, use)
        drafts.push({ code, severity, message, ...rest, sourced: plan.sourced, path })
      }
    }
  }

  /** Of the first path of the Ingress that names it. */
  #pathOfUse(plan: IngressPlan, use: ServiceUse): ObjectPath {
    let paths = this.#firstPaths.get(plan)
    if (paths === undefined) this.#firstPaths.set(plan, (paths = firstPaths(plan)))
    const path = paths.get(use)
    return path === undefined ? [] : backendPath(plan, path)
  }

  #origin(entry: ServiceEntry, port: IntOrString): Origin {
    const { namespace, name, service } = entry
    const place = service?.place
    return {
      provider: this.#provider,
      kind: 'Service',
      namespace,
      name,
      serviceName: name,
      servicePort: String(port),
      ...(place === undefined ? {} : { place }),
    }
  }
}

/** Tells sets of options apart in names. */
function optionsTag(options: ServiceOptions): string {
  return options.key === '' ? 'default' : shortHash(options.key)
}

const NO_SLICES: readonly SourcedObject[] = []
const NO_NAMES: readonly string[] = []
/** From here on a set is quicker than a list. */
const MANY_NAMES = 8

/** By port, the options of the oldest Ingress first. */
function usesByPort(entry: ServiceEntry): Map<IntOrString, ServiceUse[]> {
  const ports = new Map<IntOrString, ServiceUse[]>()
  for (const use of entry.uses.values()) {
    const list = ports.get(use.port)
    if (list === undefined) ports.set(use.port, [use])
    else list.push(use)
  }
  for (const list of ports.values()) {
    if (list.length < 2) continue
    const oldest = new Map(list.map((use) => [use, oldestUser(use)]))
    list.sort((a, b) => compareAge(oldest.get(a), oldest.get(b)) || (a.options.key < b.options.key ? -1 : 1))
  }
  return ports
}

function oldestUser(use: ServiceUse): IngressPlan | undefined {
  let oldest: IngressPlan | undefined
  for (const plan of use.users.values()) {
    if (oldest === undefined || compareAge(plan, oldest) < 0) oldest = plan
  }
  return oldest
}

function compareAge(a: IngressPlan | undefined, b: IngressPlan | undefined): number {
  if (a === undefined || b === undefined) return 0
  if (a.order.created !== b.order.created) return a.order.created - b.order.created
  return a.sourced.key < b.sourced.key ? -1 : a.sourced.key > b.sourced.key ? 1 : 0
}

function serviceConfig(
  name: string,
  options: ServiceOptions,
  backend: ResolvedBackend,
  origin: Origin,
): ServiceConfig {
  const scheme = options.scheme ?? backend.scheme
  const { hashOn, sticky, timeouts } = options
  const { serverName, servers } = backend
  return {
    name,
    balancer: options.balancer ?? (backend.isClientAffine ? 'client-ip' : 'wrr'),
    ...(hashOn === undefined ? {} : { hashOn }),
    ...(sticky === undefined ? {} : { sticky }),
    scheme,
    ...(scheme === 'http'
      ? {}
      : { tls: { ...(serverName === undefined ? {} : { serverName }), verify: false } }),
    timeouts,
    servers,
    origin,
  }
}

function draftOf(problem: BackendProblem, entry: ServiceEntry, uses: readonly ServiceUse[]): FindingDraft {
  const { code, severity, message, hint } = problem
  const rest = hint === undefined ? {} : { hint }
  if (problem.sourced !== undefined) {
    return { code, severity, message, ...rest, sourced: problem.sourced, path: problem.path ?? [] }
  }
  const object = `Service ${entry.namespace}/${entry.name}`
  for (const { plan, path: named } of uses) {
    if (plan === undefined || named === undefined) continue
    return { code, severity, message, ...rest, object, sourced: plan.sourced, path: backendPath(plan, named) }
  }
  const plan = uses[0]?.users.first()
  if (plan === undefined) return { code, severity, message, ...rest, object }
  return { code, severity, message, ...rest, object, sourced: plan.sourced, path: [] }
}

function firstPaths(plan: IngressPlan): ReadonlyMap<ServiceUse, PathPlan> {
  const paths = new Map<ServiceUse, PathPlan>()
  for (const path of pathsOf(plan))
    if (path.use !== undefined && !paths.has(path.use)) paths.set(path.use, path)
  return paths
}

/** Where in the Ingress the backend of a path stands. */
function backendPath(plan: IngressPlan, path: PathPlan): readonly (number | string)[] {
  if (path.rule !== -1) return ['spec', 'rules', path.rule, 'http', 'paths', path.index, 'backend']
  return ['spec', plan.sourced.object.apiVersion === 'networking.k8s.io/v1' ? 'defaultBackend' : 'backend']
}
