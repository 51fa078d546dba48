/**
 * What has been yielded of one kind, by name, and what changed since the last step. Steps may set and remove the same
 * name several times; only the difference between before and after goes out. Called by everything that yields.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Changes } from '#config/model/dynamic.ts'

export class Published<T extends { readonly name: string }> {
  readonly #live = new Map<string, T>()
  /** What names that were touched in this step stood for before it. */
  readonly #before = new Map<string, T | undefined>()

  set(value: T): void {
    this.#touch(value.name)
    this.#live.set(value.name, value)
  }

  remove(name: string): void {
    this.#touch(name)
    this.#live.delete(name)
  }

  get(name: string): T | undefined {
    return this.#live.get(name)
  }

  /** The changes of this step, and a new step begins. Undefined: none. */
  take(): Changes<T> | undefined {
    if (this.#before.size === 0) return undefined
    const set: T[] = []
    const remove: string[] = []
    for (const [name, before] of this.#before) {
      const now = this.#live.get(name)
      if (now === undefined) {
        if (before !== undefined) remove.push(name)
      } else if (before === undefined) set.push(now)
      else if (isDeepStrictEqual(before, now)) {
        // The one that was yielded stays, so that an equal copy is not kept beside it.
        this.#live.set(name, before)
      } else set.push(now)
    }
    this.#before.clear()
    return set.length === 0 && remove.length === 0 ? undefined : { set, remove }
  }

  #touch(name: string): void {
    if (!this.#before.has(name)) this.#before.set(name, this.#live.get(name))
  }
}
