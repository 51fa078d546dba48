/**
 * Finds what belongs to an object (a service, a router, a certificate …) by the labels that name it, without
 * walking through every series. Used by both ends of the metrics: registry.ts and aggregate.ts.
 */

/** Label names and the values that a removed object's series have. */
export type LabelMatch = Readonly<Record<string, string>>

/** Labels that name something which can go. */
const OBJECT_LABELS: ReadonlySet<string> = new Set([
  'entrypoint',
  'router',
  'service',
  'url',
  'serial',
  'worker',
])

export interface Labelled {
  readonly labelNames: readonly string[]
  readonly labels: readonly string[]
}

export class LabelIndex<T extends Labelled> {
  readonly #sets = new Map<string, Set<T>>()

  add(item: T): void {
    for (const key of objectKeys(item)) {
      const set = this.#sets.get(key)
      if (set === undefined) this.#sets.set(key, new Set([item]))
      else set.add(item)
    }
  }

  delete(item: T): void {
    for (const key of objectKeys(item)) {
      const set = this.#sets.get(key)
      if (set === undefined) continue
      set.delete(item)
      if (set.size === 0) this.#sets.delete(key)
    }
  }

  /** Everything that has all these labels. Throws when none of them names an object. */
  find(match: LabelMatch): T[] {
    const entries = Object.entries(match)
    const named = entries.find(([label]) => OBJECT_LABELS.has(label))
    if (named === undefined) throw new Error(`series are removed by one of ${[...OBJECT_LABELS].join(', ')}`)
    const candidates = this.#sets.get(named.join('\0'))
    if (candidates === undefined) return []
    return [...candidates].filter((item) =>
      entries.every(([label, value]) => item.labels[item.labelNames.indexOf(label)] === value),
    )
  }
}

function objectKeys(item: Labelled): string[] {
  const keys: string[] = []
  for (const [i, name] of item.labelNames.entries()) {
    if (OBJECT_LABELS.has(name)) keys.push(`${name}\0${item.labels[i] as string}`)
  }
  return keys
}
