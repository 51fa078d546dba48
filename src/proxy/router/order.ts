/**
 * The one table of precedence among routers that match the same request on the same host level; the doc comment
 * of `RouterOrder` says it in words. Used when routers are filed and, between candidates of different places,
 * while a request is matched: so it compares numbers only, and text in a true tie.
 *
 *   1. `rank`, smaller first          4. length of the path's value, longer first (regex: of the pattern)
 *   2. `priority`, larger first       5. `created`, older first
 *   3. exact path before any other    6. `name`, by code units
 *
 * The host comes before all of these: exact, one-label wildcard, any.
 */
import type { PathMatch } from '#config/model/dynamic.ts'

/** A pair of rank and priority. Which of two comes first is which `label` is smaller: no BigInt per request. */
export interface OrderClass {
  readonly rank: number
  readonly priority: bigint
  label: number
  /** Routers that have it. */
  uses: number
}

/** What is compared. */
export interface Ordered {
  orderClass: OrderClass
  /** From `specificity()`, larger first. */
  specificity: number
  created: number
  name: string
}

/** Whether `a` is asked before `b`. A total order as long as names are unique. */
export function precedes(a: Ordered, b: Ordered): boolean {
  if (a.orderClass !== b.orderClass) return a.orderClass.label < b.orderClass.label
  if (a.specificity !== b.specificity) return a.specificity > b.specificity
  if (a.created !== b.created) return a.created < b.created
  return a.name < b.name
}

/** The row of the table that puts one router before another. */
export type OrderRule = 'rank' | 'priority' | 'exact path' | 'longer path' | 'age' | 'name'

/** Why `precedes(a, b)`; for explanations. */
export function decidingRule(a: Ordered, b: Ordered): OrderRule {
  if (a.orderClass.rank !== b.orderClass.rank) return 'rank'
  if (a.orderClass !== b.orderClass) return 'priority'
  if (a.specificity !== b.specificity) {
    return a.specificity >= EXACT_BONUS && b.specificity < EXACT_BONUS ? 'exact path' : 'longer path'
  }
  return a.created === b.created ? 'name' : 'age'
}

const EXACT_BONUS = 0x1000_0000

/** Rows 3 and 4 as one number. `literal` is the value in normal form without the trailing slash of a prefix. */
export function specificity(kind: PathMatch['kind'], literal: string): number {
  if (kind === 'any') return 0
  if (kind === 'exact') return EXACT_BONUS + literal.length
  // The prefix `/` has no literal left, but is still more than no path at all.
  return Math.max(literal.length, 1)
}

/** The pairs in use, sorted; labels leave gaps so that a new pair rarely touches the others. */
export class OrderClasses {
  readonly #sorted: OrderClass[] = []
  #latest: OrderClass | null = null

  acquire(rank: number, priority: bigint): OrderClass {
    const latest = this.#latest
    if (latest !== null && latest.rank === rank && latest.priority === priority) {
      latest.uses++
      return latest
    }
    const sorted = this.#sorted
    let low = 0
    let high = sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      const other = sorted[middle] as OrderClass
      if (other.rank < rank || (other.rank === rank && other.priority > priority)) low = middle + 1
      else high = middle
    }
    let found = sorted[low]
    if (found === undefined || found.rank !== rank || found.priority !== priority) {
      found = { rank, priority, label: 0, uses: 0 }
      sorted.splice(low, 0, found)
      this.#label(low)
    }
    found.uses++
    this.#latest = found
    return found
  }

  release(orderClass: OrderClass): void {
    if (--orderClass.uses > 0) return
    this.#sorted.splice(this.#sorted.indexOf(orderClass), 1)
    if (this.#latest === orderClass) this.#latest = null
  }

  #label(index: number): void {
    const sorted = this.#sorted
    const added = sorted[index] as OrderClass
    const before = index === 0 ? undefined : (sorted[index - 1] as OrderClass).label
    const after = sorted[index + 1]?.label
    if (before === undefined) added.label = after === undefined ? 0 : after - 1
    else if (after === undefined) added.label = before + 1
    else {
      added.label = before + (after - before) / 2
      // The gap is used up after some fifty insertions at one point.
      if (added.label <= before || added.label >= after) sorted.forEach((item, place) => (item.label = place))
    }
  }
}
