/**
 * A local copy of one resource that follows the API server, and tells what changed in it. Its reflector lists and
 * watches; what comes is pruned, put into the store, and told to the handlers in batches: everything that one read of
 * the connection brought, so that a consumer can work once for many changes.
 *
 * Invariants: a handler hears each object's life in order (add, updates, delete), whatever was missed in between (a list
 * tells deletions too); the store is changed before the handler hears of it; nothing is told before the first list is
 * complete, and then all of it in one batch.
 */
import type { KubeClient } from './client.ts'
import type { KubeError } from './errors.ts'
import { keyOf, type KubeObject } from './objects.ts'
import { dropBookkeeping } from './prune.ts'
import { Reflector, type ReflectorOptions, type ReflectorSink } from './reflector.ts'
import { Store, type IndexFunction, type ReadonlyStore } from './store.ts'
import type { WatchEvent } from './watch-stream.ts'

export interface InformerHandler<T> {
  onAdd?(object: T): void
  onUpdate?(object: T, before: T): void
  /** `object`: as it was last known. */
  onDelete?(object: T): void
  /** After each batch with at least one of the above. `receivedAt`: Timers.now of its bytes; undefined for lists. */
  onBatchEnd?(receivedAt: number | undefined): void
  /** The first list is complete. */
  onSynced?(): void
  /** Why the copy may be behind, or null when it follows again. */
  onProblem?(problem: KubeError | null): void
}

export interface InformerOptions<T> extends ReflectorOptions {
  /**
   * What to hold of an object; undefined: nothing, as if it did not exist. Metadata's name, namespace, uid and resource
   * version must stay. Managed fields and kubectl's annotation are gone already.
   */
  readonly prune?: (object: T) => T | undefined
  readonly indexes?: Readonly<Record<string, IndexFunction<T>>>
  /** A handler threw: its state is unknown. By default the exception goes on, uncaught. */
  readonly onFault?: (error: unknown) => void
}

export class Informer<T extends KubeObject> implements ReflectorSink<T> {
  /** Resolves when the first list is complete. */
  readonly synced: Promise<void>
  readonly #store: Store<T>
  readonly #reflector: Reflector<T>
  readonly #prune: ((object: T) => T | undefined) | undefined
  readonly #onFault: (error: unknown) => void
  readonly #handlers = new Set<InformerHandler<T>>()
  #resolveSynced: () => void = () => {}
  #hasSynced = false
  #problem: KubeError | null = null
  /** The list under way: what it holds; objects that did not change are those of the store. */
  #listed = new Map<string, T>()
  #hasChanged = false

  constructor(client: KubeClient, options: InformerOptions<T>) {
    this.synced = new Promise((resolve) => {
      this.#resolveSynced = resolve
    })
    this.#store = new Store(options.indexes)
    this.#prune = options.prune
    this.#onFault = options.onFault ?? throwUncaught
    this.#reflector = new Reflector<T>(client, options, this)
  }

  get store(): ReadonlyStore<T> {
    return this.#store
  }

  get hasSynced(): boolean {
    return this.#hasSynced
  }

  /** Why the copy may be behind; null: it follows. */
  get problem(): KubeError | null {
    return this.#problem
  }

  get facts(): Reflector<T>['facts'] {
    return this.#reflector.facts
  }

  start(): void {
    this.#reflector.start()
  }

  /** Resolves when nothing will be told any more. The store stays as it is. */
  async stop(): Promise<void> {
    await this.#reflector.stop()
  }

  /** A handler that comes late is told what there is. The returned function removes it. */
  addHandler(handler: InformerHandler<T>): () => void {
    this.#handlers.add(handler)
    if (this.#hasSynced) {
      this.#guard(() => {
        for (const object of this.#store.values()) handler.onAdd?.(object)
        if (this.#store.size > 0) handler.onBatchEnd?.(undefined)
        handler.onSynced?.()
      })
    }
    if (this.#problem !== null) this.#guard(() => handler.onProblem?.(this.#problem))
    return () => this.#handlers.delete(handler)
  }

  onListStart(): void {
    this.#listed = new Map()
  }

  onListed(objects: readonly T[]): void {
    for (const object of objects) {
      const key = keyOf(object)
      const known = this.#store.get(key)
      if (known !== undefined && isSame(known, object)) {
        this.#listed.set(key, known)
        continue
      }
      const held = this.#hold(object)
      if (held !== undefined) this.#listed.set(key, held)
    }
  }

  onListEnd(): void {
    const listed = this.#listed
    this.#listed = new Map()
    for (const [key, object] of listed) {
      if (this.#store.get(key) !== object) this.#put(object)
    }
    // A key may be deleted while the map is walked.
    for (const key of this.#store.keys()) {
      if (!listed.has(key)) this.#remove(key)
    }
    this.#endBatch(undefined)
    if (this.#hasSynced) return
    this.#hasSynced = true
    for (const handler of this.#handlers) this.#guard(() => handler.onSynced?.())
    this.#resolveSynced()
  }

  onWatched(events: readonly WatchEvent<T>[], receivedAt: number): void {
    for (const event of events) {
      const held = event.type === 'DELETED' ? undefined : this.#hold(event.object)
      if (held === undefined) this.#remove(keyOf(event.object))
      else this.#put(held)
    }
    this.#endBatch(receivedAt)
  }

  onProblem(problem: KubeError | null): void {
    this.#problem = problem
    for (const handler of this.#handlers) this.#guard(() => handler.onProblem?.(problem))
  }

  #hold(object: T): T | undefined {
    dropBookkeeping(object)
    return this.#prune === undefined ? object : this.#prune(object)
  }

  #put(object: T): void {
    const before = this.#store.get(keyOf(object))
    // What was seen already comes again when a watch resumes where a list or a cut watch was not quite yet.
    if (before !== undefined && isSame(before, object)) return
    // Another object with the old one's name.
    const isSuccessor = before !== undefined && before.metadata.uid !== object.metadata.uid
    if (isSuccessor) this.#remove(keyOf(object))
    this.#store.set(object)
    this.#hasChanged = true
    for (const handler of this.#handlers) {
      this.#guard(() => {
        if (before === undefined || isSuccessor) handler.onAdd?.(object)
        else handler.onUpdate?.(object, before)
      })
    }
  }

  #remove(key: string): void {
    const before = this.#store.delete(key)
    if (before === undefined) return
    this.#hasChanged = true
    for (const handler of this.#handlers) this.#guard(() => handler.onDelete?.(before))
  }

  #endBatch(receivedAt: number | undefined): void {
    if (!this.#hasChanged) return
    this.#hasChanged = false
    for (const handler of this.#handlers) this.#guard(() => handler.onBatchEnd?.(receivedAt))
  }

  #guard(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#onFault(error)
    }
  }
}

function isSame(one: KubeObject, other: KubeObject): boolean {
  const { uid, resourceVersion } = one.metadata
  return (
    resourceVersion !== undefined &&
    resourceVersion === other.metadata.resourceVersion &&
    uid === other.metadata.uid
  )
}

function throwUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
