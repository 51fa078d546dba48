/**
 * Which routers belong to which entrypoint. Routers name sets of entrypoints, and there are few different sets:
 * each is numbered, and an entrypoint has a row of flags over these numbers, so that asking costs one load and
 * a router on several entrypoints is filed once.
 */

/** Index: number of a set; 1: the entrypoint is in it. */
export type Served = readonly number[]

export class Bindings {
  readonly #sets: (ReadonlySet<string> | null)[] = []
  readonly #numbers = new Map<string, number>()
  readonly #served = new Map<string, number[]>()
  readonly #defaults: ReadonlySet<string> | null

  /** Entrypoints that routers without own ones are bound to; null: all. */
  constructor(defaults: readonly string[] | null) {
    this.#defaults = defaults === null ? null : new Set(defaults)
  }

  /** Number of the set with these names; sets are few and never forgotten. */
  numberOf(entryPoints: readonly string[] | undefined): number {
    const key = entryPoints === undefined ? '' : JSON.stringify([...entryPoints].sort())
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = this.#sets.length
    const names = entryPoints === undefined ? this.#defaults : new Set(entryPoints)
    this.#sets.push(names)
    this.#numbers.set(key, number)
    for (const [name, served] of this.#served) served.push(names === null || names.has(name) ? 1 : 0)
    return number
  }

  /** Row of an entrypoint; entrypoints come from static configuration, so the rows stay few. */
  served(entryPoint: string): Served {
    return this.#served.get(entryPoint) ?? this.#add(entryPoint)
  }

  #add(entryPoint: string): Served {
    const served = this.#sets.map((names) => (names === null || names.has(entryPoint) ? 1 : 0))
    this.#served.set(entryPoint, served)
    return served
  }
}
