/**
 * An API server as a source of Kubernetes objects: informers for what is served (Ingresses, Services, EndpointSlices,
 * IngressClasses and what their parameters name), Secrets as far as they are asked for. What one read of a connection
 * brought is one change. What may not be read is a finding and blocks nothing; what cannot be followed for a while stays
 * as it was.
 *
 * Invariants: nothing is handed out before everything that can be read has been, once, completely; of the namespaces
 * that are not selected nothing is handed out but what the parameters of a class name.
 */
import type { Finding } from '#config/model/finding.ts'
import type { KubeClient } from '#kube/client.ts'
import type { InformerHandler } from '#kube/informer.ts'
import { apiVersionOf, type Resource } from '#kube/resource.ts'
import type { SecretDemand } from '#providers/kubernetes/certificates.ts'
import {
  objectKey,
  type IngressClassObject,
  type ObjectChange,
  type ObjectListener,
  type ObjectSource,
  type SourcedObject,
  type SupportedKind,
} from '#providers/kubernetes/objects.ts'
import { ClassParameters } from './class-parameters.ts'
import { ClusterObject, keyOfHeld, meansTheSame, ObjectReader, type HeldObject } from './held-object.ts'
import { NamedSecrets } from './named-secrets.ts'
import {
  CONFIG_MAPS,
  ENDPOINT_SLICES,
  INGRESS_CLASSES,
  INGRESSES,
  NAMESPACES,
  SECRETS,
  SERVICES,
} from './resources.ts'
import { stateFindings } from './state-findings.ts'
import { WatchedResource, type ResourceFacts, type ResourceSelection } from './watched-resource.ts'

export interface ClusterSourceOptions {
  /** Only these; empty: all. Nothing outside of them is asked for but IngressClasses and Namespaces. */
  readonly namespaces: readonly string[]
  /** Of labels of Namespaces; only without `namespaces`. */
  readonly namespaceSelector?: string
  /** Of labels of Ingresses. */
  readonly ingressSelector?: string
  /** Whether Ingresses of the class are served: only then its parameters are read. */
  readonly servesClass: (ingressClass: IngressClassObject) => boolean
}

interface DeferredClass {
  readonly object: HeldObject
  readonly watched: WatchedResource
  /** To be stopped when the class is handed out. */
  readonly unused: readonly (WatchedResource | undefined)[]
}

/** From here on a step is long: some thousand objects. */
const LONG_STEP_MS = 50
const MAX_REST_MS = 2000
/** Objects handed out in one change at the start, so that probes are answered in between. */
const OBJECTS_PER_FIRST_CHANGE = 2000
/** A connection that ends and is there again is nothing to talk about. */
const SILENT_PROBLEM_MS = 2000

/** Order of the first changes: what is named before what names it. */
const FIRST_ORDER: readonly Resource[] = [CONFIG_MAPS, INGRESS_CLASSES, SERVICES, ENDPOINT_SLICES, INGRESSES]

export class ClusterSource implements ObjectSource {
  readonly #client: KubeClient
  readonly #strings = new Map<string, string>()
  readonly #readers = new Map<Resource, ObjectReader>()
  readonly #watched: WatchedResource[] = []
  readonly #byResource = new Map<Resource, WatchedResource[]>()
  readonly #namespaces: WatchedResource | undefined
  readonly #parameters: ClassParameters
  readonly #secrets: NamedSecrets
  /** IngressClasses whose parameters are not read yet, by name: until then the version before is in force. */
  readonly #deferred = new Map<string, DeferredClass>()
  readonly #set = new Map<string, SourcedObject>()
  readonly #removed = new Set<string>()
  #listener: ObjectListener | undefined
  #isHandingOut = false
  #areFindingsStale = true
  #findings: readonly Finding[] = []
  /** A long step was handed out; nothing is until it is over. */
  #cancelRest: (() => void) | undefined
  /** When the first change came that waits for the end of the rest. */
  #restReceivedAt: number | undefined
  #cancelReview: (() => void) | undefined
  #waiters: (() => void)[] = []
  #signal: AbortSignal | undefined

  constructor(client: KubeClient, options: ClusterSourceOptions) {
    this.#client = client
    const namespaces = options.namespaces.length === 0 ? [undefined] : options.namespaces
    const { ingressSelector, namespaceSelector } = options
    if (namespaceSelector !== undefined) {
      this.#namespaces = this.#watch({ resource: NAMESPACES, labelSelector: namespaceSelector })
    }
    this.#watch({ resource: INGRESS_CLASSES })
    for (const namespace of namespaces) {
      const scope = namespace === undefined ? {} : { namespace }
      this.#watch({ resource: SERVICES, ...scope })
      this.#watch({ resource: ENDPOINT_SLICES, ...scope })
      const labels = ingressSelector === undefined ? {} : { labelSelector: ingressSelector }
      this.#watch({ resource: INGRESSES, ...scope, ...labels })
      this.#watch({ resource: SECRETS, ...scope, isMetadataOnly: true })
    }
    this.#parameters = new ClassParameters(options.servesClass, (namespace, name) =>
      this.#resource({ resource: CONFIG_MAPS, namespace, fieldSelector: `metadata.name=${name}` }),
    )
    this.#secrets = new NamedSecrets(client, this.#reader(SECRETS), {
      onSet: (held) => this.#note(held),
      onAbsent: (namespace, name) => this.#forget(objectKey('Secret', namespace, name)),
      onBatch: () => this.#handOut(undefined),
      onState: () => this.#onState(),
    })
  }

  /** What the translation asks for. */
  get demand(): SecretDemand {
    return this.#secrets
  }

  /** Resolves when everything that can be read has been handed out, Secrets included. */
  async start(onChange: ObjectListener, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    this.#listener = onChange
    this.#signal = signal
    signal.addEventListener('abort', () => this.#stop(), { once: true })
    for (const each of this.#watched) each.start()
    await this.#until(() => this.#hasRead())
    if (signal.aborted) return
    await this.#handOutFirst(onChange, signal)
    await this.#until(() => this.#secrets.isSettled)
  }

  /** Objects of a resource, by `namespace/name`; undefined: not held, or not selected. */
  get(resource: Resource, key: string): HeldObject | undefined {
    for (const each of this.#of(resource)) {
      const { namespace } = each.selection
      if (namespace !== undefined && !key.startsWith(`${namespace}/`)) continue
      const found = each.store.get(key)
      if (found !== undefined) return this.#isSelected(found) ? found : undefined
    }
    return undefined
  }

  *values(resource: Resource): Iterable<HeldObject> {
    for (const each of this.#of(resource)) {
      for (const object of each.store.values()) if (this.#isSelected(object)) yield object
    }
  }

  /** Tells everything about a resource, also of namespaces that are not selected. The returned function ends it. */
  addHandler(resource: Resource, handler: InformerHandler<HeldObject>): () => void {
    const ends = this.#of(resource).map((each) => each.addHandler(handler))
    return () => {
      for (const end of ends) end()
    }
  }

  /** Of each list and watch. */
  facts(): readonly ResourceFacts[] {
    return this.#all().map((each) => each.facts)
  }

  /** What keeps it from handing out, for whoever asks why it is not ready. */
  waitsFor(): string | undefined {
    const open = this.#all().find((each) => !each.isSettled)
    if (open !== undefined) {
      const what = `waits for the first list of ${open.selection.resource.plural}`
      return open.problem === undefined ? what : `${what}: ${open.problem.message}`
    }
    if (!this.#hasRead()) return 'may not read Ingresses in any namespace'
    return this.#secrets.isSettled ? undefined : 'waits for Secrets that Ingresses name'
  }

  #watch(selection: ResourceSelection): WatchedResource {
    const watched = this.#resource(selection)
    this.#watched.push(watched)
    const others = this.#byResource.get(selection.resource)
    if (others === undefined) this.#byResource.set(selection.resource, [watched])
    else others.push(watched)
    return watched
  }

  #resource(selection: ResourceSelection): WatchedResource {
    const { resource } = selection
    const reader = selection.isMetadataOnly === true ? undefined : this.#reader(resource)
    return new WatchedResource(this.#client, selection, reader, {
      onSet: (object, before) => this.#onSet(resource, object, before),
      onRemove: (object) => this.#onRemove(resource, object),
      onBatch: (receivedAt) => this.#handOut(receivedAt),
      onState: () => this.#onState(),
    })
  }

  #reader(resource: Resource): ObjectReader {
    let reader = this.#readers.get(resource)
    if (reader === undefined) {
      reader = new ObjectReader(resource.kind as SupportedKind, apiVersionOf(resource), this.#strings)
      this.#readers.set(resource, reader)
    }
    return reader
  }

  #of(resource: Resource): readonly WatchedResource[] {
    return resource === CONFIG_MAPS ? [...this.#parameters.watched] : (this.#byResource.get(resource) ?? [])
  }

  #all(): readonly WatchedResource[] {
    return [...this.#watched, ...this.#parameters.watched]
  }

  /** At least one list of Ingresses must be permitted: a gateway that may read none serves nothing. */
  #hasRead(): boolean {
    return this.#all().every((each) => each.isSettled) && this.#of(INGRESSES).some((each) => each.hasSynced)
  }

  #onSet(resource: Resource, object: HeldObject, before: HeldObject | undefined): void {
    switch (resource) {
      case SECRETS:
        this.#secrets.changed(nameOf(object), object.metadata.resourceVersion)
        return
      case NAMESPACES:
        if (before === undefined) this.#select(object.metadata.name, true)
        return
      case INGRESS_CLASSES:
        if (this.#defer(object)) return
        break
      default:
    }
    if (before !== undefined && meansTheSame(before, object)) return
    if (this.#isSelected(object)) this.#note(object)
  }

  #onRemove(resource: Resource, object: HeldObject): void {
    switch (resource) {
      case SECRETS:
        this.#secrets.gone(nameOf(object))
        return
      case NAMESPACES:
        this.#select(object.metadata.name, false)
        return
      case INGRESS_CLASSES:
        this.#stopWatching(this.#deferred.get(object.metadata.name)?.unused)
        this.#deferred.delete(object.metadata.name)
        this.#stopWatching([this.#parameters.remove(object.metadata.name).unused])
        break
      default:
    }
    if (this.#isSelected(object)) this.#forget(keyOfHeld(object))
  }

  /** A namespace begins or ceases to be one that is served. */
  #select(namespace: string, isSelected: boolean): void {
    if (!this.#isHandingOut) return
    for (const resource of [SERVICES, ENDPOINT_SLICES, INGRESSES]) {
      for (const each of this.#of(resource)) {
        for (const object of each.store.values()) {
          if (object.metadata.namespace !== namespace) continue
          if (isSelected) this.#note(object)
          else this.#forget(keyOfHeld(object))
        }
      }
    }
  }

  #isSelected({ kind, metadata }: HeldObject): boolean {
    if (this.#namespaces === undefined || metadata.namespace === undefined) return true
    // What a class names is its administrator's, in whatever namespace; nothing in it is served.
    if (kind === 'ConfigMap') return true
    return this.#namespaces.store.get(metadata.namespace) !== undefined
  }

  /** Whether it has to wait for its parameters. */
  #defer(object: HeldObject): boolean {
    const { name } = object.metadata
    const { watched, unused } = this.#parameters.set(object as unknown as IngressClassObject)
    const unusedNow = [...(this.#deferred.get(name)?.unused ?? []), unused]
    if (this.#isHandingOut && watched?.isSettled === false) {
      this.#deferred.set(name, { object, watched, unused: unusedNow })
      return true
    }
    this.#deferred.delete(name)
    this.#stopWatching(unusedNow)
    return false
  }

  #endDeferral(): void {
    for (const [name, { object, watched, unused }] of this.#deferred) {
      if (!watched.isSettled) continue
      this.#deferred.delete(name)
      this.#note(object)
      this.#stopWatching(unused)
      this.#handOut(undefined)
    }
  }

  #stopWatching(unused: readonly (WatchedResource | undefined)[] = []): void {
    for (const each of unused) {
      if (each === undefined) continue
      for (const object of each.store.values()) {
        // A class may have come back to it meanwhile, and it is watched anew.
        if (this.get(each.selection.resource, nameOf(object)) === undefined) this.#forget(keyOfHeld(object))
      }
      void each.stop()
    }
  }

  #note(object: HeldObject): void {
    // Until the first change the stores are what counts.
    if (!this.#isHandingOut) return
    const sourced = new ClusterObject(object)
    this.#removed.delete(sourced.key)
    this.#set.set(sourced.key, sourced)
  }

  #forget(key: string): void {
    if (!this.#isHandingOut) return
    this.#set.delete(key)
    this.#removed.add(key)
  }

  async #handOutFirst(onChange: ObjectListener, signal: AbortSignal): Promise<void> {
    // From here on changes are noted, and go out behind what there is now.
    this.#isHandingOut = true
    let set: SourcedObject[] = []
    for (const resource of FIRST_ORDER) {
      for (const object of [...this.values(resource)]) {
        // Gone or changed meanwhile: that is noted.
        if (this.get(resource, nameOf(object)) !== object) continue
        set.push(new ClusterObject(object))
        if (set.length < OBJECTS_PER_FIRST_CHANGE) continue
        onChange({ set, remove: [] }, this.#stateFindings())
        set = []
        await new Promise((resume) => setImmediate(resume))
        if (signal.aborted) return
      }
    }
    onChange({ set, remove: [] }, this.#stateFindings())
  }

  #handOut(receivedAt: number | undefined): void {
    const listener = this.#listener
    if (listener === undefined) return
    const hasChange = this.#set.size > 0 || this.#removed.size > 0
    if (!hasChange && !this.#areFindingsStale) return
    if (this.#cancelRest !== undefined) {
      this.#restReceivedAt ??= receivedAt
      return
    }
    const change: ObjectChange = { set: [...this.#set.values()], remove: [...this.#removed] }
    this.#set.clear()
    this.#removed.clear()
    const startedAt = performance.now()
    listener(change, this.#stateFindings(), receivedAt)
    const tookMs = performance.now() - startedAt
    if (tookMs >= LONG_STEP_MS) this.#rest(tookMs)
  }

  /**
   * Behind a step that took long, what comes is gathered for as long again: of an object that changes faster than it can
   * be translated only the last version is, and others' changes do not queue up behind it without end.
   */
  #rest(ms: number): void {
    this.#cancelRest = this.#client.timers.after(Math.min(ms, MAX_REST_MS), () => {
      this.#cancelRest = undefined
      const receivedAt = this.#restReceivedAt
      this.#restReceivedAt = undefined
      this.#handOut(receivedAt)
    })
  }

  #onState(): void {
    this.#areFindingsStale = true
    this.#endDeferral()
    const isUnwatched = this.#of(SECRETS).some((each) => each.isRefused)
    this.#secrets.setWatched(!isUnwatched)
    for (const wake of this.#waiters.splice(0)) wake()
    // Not now: a batch may be under way. Problems are told when they last.
    this.#cancelReview ??= this.#client.timers.after(SILENT_PROBLEM_MS + 1, () => {
      this.#cancelReview = undefined
      if (this.#signal?.aborted === true) return
      this.#areFindingsStale = true
      this.#handOut(undefined)
      const told = this.#toldBefore()
      if (this.#all().some((each) => each.problem !== undefined && each.problemSince > told)) this.#onState()
    })
  }

  /** Problems that are older are told. */
  #toldBefore(): number {
    return this.#client.timers.wall() - SILENT_PROBLEM_MS
  }

  #stateFindings(): readonly Finding[] {
    if (this.#areFindingsStale) {
      this.#areFindingsStale = false
      this.#findings = stateFindings(this.#all(), this.#secrets, this.#toldBefore())
    }
    return this.#findings
  }

  /** Until the condition holds, or the end. */
  async #until(condition: () => boolean): Promise<void> {
    while (!condition() && this.#signal?.aborted !== true) {
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve)
      })
    }
  }

  #stop(): void {
    this.#listener = undefined
    this.#cancelReview?.()
    this.#cancelRest?.()
    this.#secrets.stop()
    for (const each of this.#all()) void each.stop()
    for (const wake of this.#waiters.splice(0)) wake()
  }
}

function nameOf({ metadata }: HeldObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`
}
