/**
 * One resource of one namespace (or of all): its informer, what there is to say about its state, and the reading of its
 * objects. Settled means that waiting for it makes no sense any more: its first list is complete, or the API server has
 * said repeatedly that it may not be read or does not exist. What was not permitted is tried again for good, so that it
 * heals when the permission comes. Made by the cluster source.
 */
import type { KubeClient } from '#kube/client.ts'
import type { KubeError } from '#kube/errors.ts'
import { Informer, type InformerHandler } from '#kube/informer.ts'
import type { KubeObject } from '#kube/objects.ts'
import type { Resource } from '#kube/resource.ts'
import type { ReadonlyStore } from '#kube/store.ts'
import type { ShapeProblem } from '#providers/kubernetes/shape-reader.ts'
import { keyOfHeld, type HeldObject, type ObjectReader } from './held-object.ts'

/** An API server that starts says 403 and 404 for a moment to everybody. */
const REFUSALS_TO_SETTLE = 2

export interface ResourceSelection {
  readonly resource: Resource
  /** Undefined: all. */
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  readonly isMetadataOnly?: boolean
}

export interface ResourceListener {
  /** `before` is undefined for an object that is new. */
  onSet(object: HeldObject, before: HeldObject | undefined): void
  onRemove(object: HeldObject): void
  /** One read of the connection has been told. `receivedAt`: Timers.now of its bytes; undefined for lists. */
  onBatch(receivedAt: number | undefined): void
  /** Settled, or its problem is another one. */
  onState(watched: WatchedResource): void
}

/** For metrics. */
export interface ResourceFacts {
  /** `ingresses` */
  readonly resource: string
  readonly objects: number
  readonly lists: number
  readonly watches: number
  readonly stalls: number
  readonly hasProblem: boolean
  /** Milliseconds since the epoch; 0: never. */
  readonly lastEventAt: number
}

export class WatchedResource implements InformerHandler<HeldObject> {
  readonly selection: ResourceSelection
  /** Objects whose shape is wrong, by key, with what is wrong. */
  readonly malformed = new Map<string, ShapeProblem>()
  readonly #informer: Informer<HeldObject>
  readonly #listener: ResourceListener
  readonly #now: () => number
  #refusals = 0
  #lastEventAt = 0
  #problem: KubeError | undefined
  /** Milliseconds since the epoch. */
  #problemSince = 0

  /** `reader` undefined: metadata is all that there is. */
  constructor(
    client: KubeClient,
    selection: ResourceSelection,
    reader: ObjectReader | undefined,
    listener: ResourceListener,
  ) {
    this.selection = selection
    this.#listener = listener
    this.#now = () => client.timers.wall()
    this.#informer = new Informer<HeldObject>(client, {
      ...selection,
      prune: (object) => (reader === undefined ? nameOnly(object) : this.#read(reader, object)),
    })
    this.#informer.addHandler(this)
  }

  get store(): ReadonlyStore<HeldObject> {
    return this.#informer.store
  }

  get isSettled(): boolean {
    return this.#informer.hasSynced || this.#refusals >= REFUSALS_TO_SETTLE
  }

  /** The first list was complete. */
  get hasSynced(): boolean {
    return this.#informer.hasSynced
  }

  /** The API server says that it is not permitted, or does not exist. */
  get isRefused(): boolean {
    return this.#refusals >= REFUSALS_TO_SETTLE
  }

  get problem(): KubeError | undefined {
    return this.#problem
  }

  get problemSince(): number {
    return this.#problemSince
  }

  get facts(): ResourceFacts {
    const { lists, watches, stalls } = this.#informer.facts
    return {
      resource: this.selection.resource.plural,
      objects: this.#informer.store.size,
      lists,
      watches,
      stalls,
      hasProblem: this.#problem !== undefined,
      lastEventAt: this.#lastEventAt,
    }
  }

  addHandler(handler: InformerHandler<HeldObject>): () => void {
    return this.#informer.addHandler(handler)
  }

  start(): void {
    this.#informer.start()
  }

  async stop(): Promise<void> {
    await this.#informer.stop()
  }

  onAdd(object: HeldObject): void {
    this.#listener.onSet(object, undefined)
  }

  onUpdate(object: HeldObject, before: HeldObject): void {
    this.#listener.onSet(object, before)
  }

  onDelete(object: HeldObject): void {
    this.malformed.delete(keyOfHeld(object))
    this.#listener.onRemove(object)
  }

  onBatchEnd(receivedAt: number | undefined): void {
    this.#lastEventAt = this.#now()
    this.#listener.onBatch(receivedAt)
  }

  onSynced(): void {
    this.#listener.onState(this)
  }

  onProblem(problem: KubeError | null): void {
    const isRefusal = problem !== null && (problem.code === 403 || problem.code === 404)
    this.#refusals = isRefusal ? this.#refusals + 1 : problem === null ? 0 : this.#refusals
    if (problem === null) this.#problem = undefined
    else if (this.#problem?.code !== problem.code || this.#problem.reason !== problem.reason) {
      if (this.#problem === undefined) this.#problemSince = this.#now()
      this.#problem = problem
    }
    this.#listener.onState(this)
  }

  /** The last good version stays where the new one is not what its kind looks like. */
  #read(reader: ObjectReader, object: HeldObject): HeldObject | undefined {
    const { name, namespace } = object.metadata
    const before = this.#informer.store.get(namespace === undefined ? name : `${namespace}/${name}`)
    const key = keyOfHeld({ ...object, kind: this.selection.resource.kind as HeldObject['kind'] })
    const { held, problem } = reader.read(object, before)
    const hadProblem = problem === undefined ? this.malformed.delete(key) : this.malformed.has(key)
    if (problem !== undefined) this.malformed.set(key, problem)
    if (hadProblem || problem !== undefined) this.#listener.onState(this)
    return held ?? before
  }
}

function nameOnly(object: KubeObject): HeldObject {
  const { name, namespace, uid, resourceVersion } = object.metadata
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
  }
}
