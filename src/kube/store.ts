/**
 * The objects of one resource as an informer holds them: by key, and by whatever its indexes say. Changed by the
 * informer alone; readers see the state after the last batch. Objects are never changed in place: an update puts another
 * one there, so a reader may keep what it was given.
 */
import { keyOf, type KubeObject } from './objects.ts'

/** Keys under which an object is found in an index; the same key twice counts once. */
export type IndexFunction<T> = (object: T) => readonly string[]

class Index<T> {
  readonly keysOf: IndexFunction<T>
  readonly #entries = new Map<string, Map<string, T>>()

  constructor(keysOf: IndexFunction<T>) {
    this.keysOf = keysOf
  }

  get(value: string): ReadonlyMap<string, T> | undefined {
    return this.#entries.get(value)
  }

  add(key: string, object: T): void {
    for (const value of this.keysOf(object)) {
      const entry = this.#entries.get(value)
      if (entry === undefined) this.#entries.set(value, new Map([[key, object]]))
      else entry.set(key, object)
    }
  }

  remove(key: string, object: T): void {
    for (const value of this.keysOf(object)) {
      const entry = this.#entries.get(value)
      if (entry?.delete(key) === true && entry.size === 0) this.#entries.delete(value)
    }
  }
}

/** What readers see. */
export interface ReadonlyStore<T> {
  readonly size: number
  get(key: string): T | undefined
  values(): IterableIterator<T>
  keys(): IterableIterator<string>
  /** Objects that the index has under `value`, in the order they came. Throws a RangeError for an index that was not declared. */
  byIndex(index: string, value: string): readonly T[]
}

export class Store<T extends KubeObject> implements ReadonlyStore<T> {
  readonly #objects = new Map<string, T>()
  readonly #indexes = new Map<string, Index<T>>()

  constructor(indexes: Readonly<Record<string, IndexFunction<T>>> = {}) {
    for (const [name, keysOf] of Object.entries(indexes)) this.#indexes.set(name, new Index(keysOf))
  }

  get size(): number {
    return this.#objects.size
  }

  get(key: string): T | undefined {
    return this.#objects.get(key)
  }

  values(): IterableIterator<T> {
    return this.#objects.values()
  }

  keys(): IterableIterator<string> {
    return this.#objects.keys()
  }

  byIndex(index: string, value: string): readonly T[] {
    const found = this.#indexes.get(index)
    if (found === undefined) throw new RangeError(`there is no index ${index}`)
    return [...(found.get(value)?.values() ?? [])]
  }

  /** Puts it in the place of the one with its key, which is returned. */
  set(object: T): T | undefined {
    const key = keyOf(object)
    const before = this.#objects.get(key)
    this.#objects.set(key, object)
    for (const index of this.#indexes.values()) {
      if (before !== undefined) index.remove(key, before)
      index.add(key, object)
    }
    return before
  }

  /** Returns what was there. */
  delete(key: string): T | undefined {
    const before = this.#objects.get(key)
    if (before === undefined) return undefined
    this.#objects.delete(key)
    for (const index of this.#indexes.values()) index.remove(key, before)
    return before
  }
}
