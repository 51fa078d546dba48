/**
 * Translates Kubernetes objects to dynamic configuration, step by step: each change re-reads only the Ingresses, hosts,
 * Services and certificates that it touches, and yields what differs from before. The book-keeping is here; what an
 * object means is in `plan.ts`, `host-routers.ts`, `service-uses.ts` and `certificates.ts`. Called by every provider
 * that has Kubernetes objects, whatever their source.
 */
import type {
  CertificateConfig,
  DynamicDelta,
  MiddlewareConfig,
  RouterConfig,
  ServiceConfig,
} from '#config/model/dynamic.ts'
import type { Finding } from '#config/model/finding.ts'
import type { BackendLookup, BackendSituation } from './backend.ts'
import { Certificates, type SecretDemand } from './certificates.ts'
import { IngressClasses, isSameChoice, type ClassChoice, type ClassPolicy } from './class.ts'
import { FewSet } from './few-set.ts'
import { FindingBook } from './findings.ts'
import { ANY_HOST } from './host.ts'
import { renderHost, type HostPart, type RenderTools } from './host-routers.ts'
import { IgnoredAnnotations } from './ignored-annotations.ts'
import type { Locality } from './locality.ts'
import { Middlewares } from './middlewares.ts'
import { NameRegistry } from './names.ts'
import type { IngressObject, ObjectChange, SourcedObject, SupportedKind } from './objects.ts'
import { RegexChecker } from './path.ts'
import { pathsOf, planIngress, type HostPlan, type IngressPlan } from './plan.ts'
import { Published } from './published.ts'
import { serviceOptions } from './service-options.ts'
import { ServiceUses, type ServiceUse } from './service-uses.ts'

export interface TranslatorOptions {
  /** Undefined: every class, of a directory. */
  readonly classes?: ClassPolicy
  /** Every Ingress gets the habits of ingress-nginx, not only those of its class. */
  readonly compat?: 'ingress-nginx'
  /** Servers given by hand, for Service ports that have none in the objects. */
  readonly backends: BackendLookup
  /** Behind the `@` of every name. */
  readonly providerName: string
  /** Undefined: every Secret that exists is handed in. */
  readonly secrets?: SecretDemand
  /**
   * The objects are those of a cluster: what is wrong with something that several Ingresses name is told of each of
   * them, and hints are for `kubectl`.
   */
  readonly isCluster?: boolean
  /** Services of type ExternalName are served; undefined: yes. */
  readonly allowsExternalNames?: boolean
  /** Where this gateway runs; undefined: no place in a cluster. May change: `setLocality`. */
  readonly locality?: Locality
  /** Names of the entrypoints of Ingresses that name none. Undefined: not known. */
  readonly defaultEntryPoints?: readonly string[]
}

export interface Translation {
  /** Against what was yielded before. */
  readonly delta: DynamicDelta
  /** The whole list; the same array while nothing in it changed, where objects are in no file. */
  readonly findings: readonly Finding[]
  /** Keys of Ingresses. Undefined: none was touched. */
  readonly served: ServedChange | undefined
}

export interface ServedChange {
  /** Read anew, and served: their class is one that is. */
  readonly set: readonly string[]
  /** Were served. */
  readonly remove: readonly string[]
}

interface IngressEntry {
  sourced: SourcedObject
  choice: ClassChoice
  /** Undefined: its class is not served. */
  plan: IngressPlan | undefined
}

interface HostEntry {
  readonly parts: FewSet<IngressPlan>
  routers: readonly string[]
  middlewares: readonly string[]
}

const NO_NAMES: readonly string[] = []
const EVERY_CLASS: ClassPolicy = { kind: 'directory' }

const SERVICE_LABEL = 'kubernetes.io/service-name'

export class KubernetesTranslator {
  readonly #provider: string
  readonly #isCluster: boolean
  readonly #classes: IngressClasses
  readonly #book = new FindingBook()
  readonly #routers = new Published<RouterConfig>()
  readonly #services = new Published<ServiceConfig>()
  readonly #middlewares = new Published<MiddlewareConfig>()
  readonly #certificates = new Published<CertificateConfig>()
  readonly #tools: RenderTools
  readonly #uses: ServiceUses
  readonly #secrets: Certificates
  readonly #ignored: IgnoredAnnotations
  readonly #ingresses = new Map<string, IngressEntry>()
  readonly #hosts = new Map<string, HostEntry>()
  readonly #dirtyIngresses = new Set<string>()
  readonly #dirtyHosts = new Set<string>()
  #areClassesDirty = false
  /** Ingresses whose class is not served. */
  readonly #unserved = new Set<IngressEntry>()
  #isUnservedDirty = false
  /** Ingresses that were planned, or ceased to be, in this step. */
  readonly #planned = new Set<string>()
  readonly #unplanned = new Set<string>()

  constructor(options: TranslatorOptions) {
    const { providerName, classes = EVERY_CLASS, isCluster = false } = options
    this.#provider = providerName
    this.#isCluster = isCluster
    this.#classes = new IngressClasses(classes, options.compat === 'ingress-nginx', this.#book)
    this.#tools = {
      provider: providerName,
      names: new NameRegistry(providerName),
      middlewares: new Middlewares(providerName, this.#middlewares),
      regexes: new RegexChecker(),
      defaultEntryPoints: options.defaultEntryPoints,
    }
    const situation: BackendSituation = {
      given: options.backends,
      allowsExternalNames: options.allowsExternalNames ?? true,
      isCluster,
      locality: options.locality,
    }
    this.#uses = new ServiceUses(providerName, situation, this.#services, this.#book)
    this.#secrets = new Certificates(providerName, this.#certificates, this.#book, options.secrets, isCluster)
    this.#ignored = new IgnoredAnnotations(this.#book)
  }

  apply(change: ObjectChange): Translation {
    for (const key of change.remove) this.#removeObject(key)
    for (const sourced of change.set) this.#setObject(sourced)
    if (this.#areClassesDirty) this.#findReclassified()
    for (const key of this.#dirtyIngresses) {
      // First, so that one that leads to a fault is not tried again with every change.
      this.#dirtyIngresses.delete(key)
      this.#replan(key)
    }
    if (this.#isUnservedDirty) this.#noteUnserved()
    this.#markUsers(this.#uses.resolve())
    this.#secrets.resolve()
    this.#ignored.resolve()
    for (const key of this.#dirtyHosts) {
      this.#dirtyHosts.delete(key)
      this.#render(key)
    }
    this.#areClassesDirty = false
    return { delta: this.#delta(), findings: this.#book.list(), served: this.#served() }
  }

  /** Takes effect in the next step, which may be one without a change. */
  setLocality(locality: Locality): void {
    this.#uses.setLocality(locality)
  }

  /** Whether the Ingress of this key is one that is served. */
  isServed(key: string): boolean {
    return this.#ingresses.get(key)?.plan !== undefined
  }

  #served(): ServedChange | undefined {
    if (this.#planned.size === 0 && this.#unplanned.size === 0) return undefined
    const served = { set: [...this.#planned], remove: [...this.#unplanned] }
    this.#planned.clear()
    this.#unplanned.clear()
    return served
  }

  #noteServed(key: string, isServed: boolean, wasServed: boolean): void {
    if (isServed) {
      this.#planned.add(key)
      this.#unplanned.delete(key)
    } else if (wasServed) {
      this.#planned.delete(key)
      this.#unplanned.add(key)
    }
  }

  #delta(): DynamicDelta {
    const services = this.#services.take()
    const middlewares = this.#middlewares.take()
    const routers = this.#routers.take()
    const certificates = this.#certificates.take()
    return {
      ...(services === undefined ? {} : { services }),
      ...(middlewares === undefined ? {} : { middlewares }),
      ...(routers === undefined ? {} : { routers }),
      ...(certificates === undefined ? {} : { certificates }),
    }
  }

  #setObject(sourced: SourcedObject): void {
    const { namespace = 'default', name } = sourced.object.metadata
    switch (sourced.kind) {
      case 'Ingress':
        this.#setIngress(sourced)
        break
      case 'IngressClass':
        this.#classes.set(sourced)
        this.#areClassesDirty = true
        break
      case 'Service':
        this.#uses.setService(sourced, namespace, name)
        break
      case 'EndpointSlice':
        this.#setSlice(sourced, namespace)
        break
      case 'Endpoints':
        this.#uses.setEndpoints(sourced, namespace, name)
        break
      case 'Secret':
        this.#secrets.setSecret(sourced, namespace, name)
        break
      case 'ConfigMap':
        if (this.#classes.setConfigMap(sourced)) this.#areClassesDirty = true
        break
      case 'Namespace':
        break
    }
  }

  #removeObject(key: string): void {
    const [kind, namespace, name] = key.split('/') as [SupportedKind, string, string]
    switch (kind) {
      case 'Ingress':
        this.#dirtyIngresses.add(key)
        this.#forgetIngress(key)
        break
      case 'IngressClass':
        this.#classes.remove(name)
        this.#areClassesDirty = true
        break
      case 'Service':
        this.#uses.removeService(namespace, name)
        break
      case 'EndpointSlice':
        this.#book.remove(`slice:${key}`)
        this.#uses.removeSlice(key)
        break
      case 'Endpoints':
        this.#uses.removeEndpoints(namespace, name)
        break
      case 'Secret':
        this.#secrets.removeSecret(namespace, name)
        break
      case 'ConfigMap':
        if (this.#classes.removeConfigMap(`${namespace}/${name}`)) this.#areClassesDirty = true
        break
      case 'Namespace':
        break
    }
  }

  #setIngress(sourced: SourcedObject): void {
    const entry = this.#ingresses.get(sourced.key)
    const choice = this.#classes.choose(sourced.object as IngressObject)
    if (entry === undefined) this.#ingresses.set(sourced.key, { sourced, choice, plan: undefined })
    else entry.sourced = sourced
    this.#dirtyIngresses.add(sourced.key)
  }

  #setSlice(sourced: SourcedObject, namespace: string): void {
    const service = sourced.object.metadata.labels?.[SERVICE_LABEL] ?? ''
    if (service !== '') {
      this.#book.remove(`slice:${sourced.key}`)
      this.#uses.setSlice(sourced, namespace, service)
      return
    }
    this.#uses.removeSlice(sourced.key)
    // In a cluster others have slices for purposes of their own.
    if (this.#isCluster) return
    const message = `has no label ${SERVICE_LABEL}, so it belongs to no Service`
    const path = ['metadata']
    this.#book.set(`slice:${sourced.key}`, [
      { code: 'endpoint-slice-label', severity: 'warning', message, sourced, path },
    ])
  }

  /** Ingresses whose class means something else now. */
  #findReclassified(): void {
    for (const [key, entry] of this.#ingresses) {
      const choice = this.#classes.choose(entry.sourced.object as IngressObject)
      if (!isSameChoice(choice, entry.choice)) this.#dirtyIngresses.add(key)
    }
  }

  #replan(key: string): void {
    const entry = this.#ingresses.get(key)
    if (entry === undefined) return
    const before = entry.plan
    const choice = this.#classes.choose(entry.sourced.object as IngressObject)
    // Before anything is changed: a fault in here leaves the old plan in force.
    const plan = choice.isServed
      ? planIngress(entry.sourced, choice, this.#provider, this.#isCluster)
      : undefined
    if (before !== undefined) this.#detach(before)
    entry.choice = choice
    entry.plan = plan
    this.#setUnserved(entry, !choice.isServed)
    this.#book.set(`ingress:${key}`, entry.plan?.findings ?? [])
    if (entry.plan !== undefined) this.#attach(entry.plan)
    this.#noteServed(key, entry.plan !== undefined, before !== undefined)
  }

  #forgetIngress(key: string): void {
    const entry = this.#ingresses.get(key)
    if (entry === undefined) return
    if (entry.plan !== undefined) this.#detach(entry.plan)
    this.#noteServed(key, false, entry.plan !== undefined)
    this.#setUnserved(entry, false)
    this.#ingresses.delete(key)
    this.#book.remove(`ingress:${key}`)
  }

  #attach(plan: IngressPlan): void {
    for (const path of pathsOf(plan)) {
      if (path.backend.kind !== 'service') continue
      const options = serviceOptions(plan.options, path.path, plan.isNginx)
      path.use = this.#uses.acquire(plan, path, path.backend.service, path.backend.port, options)
    }
    this.#secrets.acquire(plan)
    this.#ignored.acquire(plan)
    for (const key of hostKeysOf(plan)) {
      let host = this.#hosts.get(key)
      if (host === undefined)
        this.#hosts.set(key, (host = { parts: new FewSet(), routers: NO_NAMES, middlewares: NO_NAMES }))
      host.parts.add(plan)
      this.#dirtyHosts.add(key)
    }
  }

  #detach(plan: IngressPlan): void {
    for (const path of pathsOf(plan)) if (path.use !== undefined) this.#uses.release(plan, path.use)
    this.#secrets.release(plan)
    this.#ignored.release(plan)
    for (const key of hostKeysOf(plan)) {
      this.#hosts.get(key)?.parts.delete(plan)
      this.#dirtyHosts.add(key)
    }
  }

  /** Routers mention the name of the service and refuse with it. */
  #markUsers(uses: readonly ServiceUse[]): void {
    const plans = new Set<IngressPlan>()
    for (const use of uses) for (const plan of use.users.values()) plans.add(plan)
    for (const plan of plans) for (const key of hostKeysOf(plan)) this.#dirtyHosts.add(key)
  }

  #render(key: string): void {
    const host = this.#hosts.get(key)
    if (host === undefined) return
    const parts: HostPart[] = []
    for (const plan of host.parts.values()) parts.push({ plan, rules: rulesFor(plan, key) })
    const match = parts.find((part) => part.rules !== undefined)?.rules?.host ?? ANY_HOST
    // Names first: a path that only changed its type takes over the name of the router before it.
    for (const name of host.routers) this.#tools.names.release(name)
    const rendering = renderHost(key, match, parts, this.#tools)
    const routers = rendering.routers.map((router) => router.name)
    const kept = host.routers.length > 0 ? new Set(routers) : undefined
    for (const name of host.routers) if (kept?.has(name) !== true) this.#routers.remove(name)
    for (const router of rendering.routers) this.#routers.set(router)
    this.#tools.middlewares.release(host.middlewares)
    host.routers = routers
    host.middlewares = rendering.middlewares.length === 0 ? NO_NAMES : rendering.middlewares.slice()
    this.#book.set(`host:${key}`, rendering.findings)
    if (parts.length === 0) this.#hosts.delete(key)
  }

  #setUnserved(entry: IngressEntry, isUnserved: boolean): void {
    if (!isUnserved && !this.#unserved.has(entry)) return
    if (isUnserved) this.#unserved.add(entry)
    else this.#unserved.delete(entry)
    this.#isUnservedDirty = true
  }

  /** One finding for all Ingresses whose class is not served. In a cluster it is about none of them: they are others'. */
  #noteUnserved(): void {
    this.#isUnservedDirty = false
    const classes = new Map<string, number>()
    for (const { choice } of this.#unserved) classes.set(choice.name, (classes.get(choice.name) ?? 0) + 1)
    const [first] = this.#unserved
    if (first === undefined) {
      this.#book.remove('unserved')
      return
    }
    const finding = { code: 'ingress-class-not-served', severity: 'info' } as const
    const names = [...classes.keys()].sort().map((name) => (name === '' ? 'no class' : `class ${name}`))
    if (this.#isCluster) {
      const message = `not served: Ingresses of ${names.join(', ')}`
      const hint = '--controller-class and --ingress-class say which classes are served'
      this.#book.set('unserved', [{ ...finding, message, hint, object: 'Ingresses of other classes' }])
      return
    }
    const list = [...classes].map(
      ([name, count]) => `${count} of ${name === '' ? 'no class' : `class ${name}`}`,
    )
    const message = `Ingresses that are not served because of their class: ${list.join(', ')}; this is the first`
    const hint = '--ingress-class names the class that is served'
    const { sourced } = first
    this.#book.set('unserved', [{ ...finding, message, hint, sourced, path: ['spec'] }])
  }
}

/** Keys of the hosts on which the Ingress has routers. */
function* hostKeysOf(plan: IngressPlan): Iterable<string> {
  let hasAny = false
  for (const host of plan.hosts) {
    if (host.key === '') hasAny = true
    yield host.key
  }
  if (plan.defaultPath !== undefined && !hasAny && reachesAllHosts(plan)) yield ''
}

/** nginx serves the default backend of an Ingress with rules on its own hosts only. */
function reachesAllHosts(plan: IngressPlan): boolean {
  return !plan.hasRules || !plan.isNginx
}

function rulesFor(plan: IngressPlan, key: string): HostPlan | undefined {
  return plan.hostsByKey === undefined
    ? plan.hosts.find((host) => host.key === key)
    : plan.hostsByKey.get(key)
}
