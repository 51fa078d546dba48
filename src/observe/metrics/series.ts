/**
 * What the data plane holds to count: a series is a few cells of a slab. Counting is an array store.
 *
 * A series that was removed points to cells that nobody reads: an exchange that outlives its service may go on
 * counting, and cannot count for whoever got the cells next.
 */
import type { Block } from './slab.ts'

/** As large as the largest block can be: bucket counts of removed histograms land here. */
const NOWHERE = new Float64Array(256)

export class Series {
  /** The registry's number of it, unique in the thread. */
  readonly id: number
  cells: Float64Array
  index: number
  block: Block | null

  constructor(id: number, block: Block) {
    this.id = id
    this.block = block
    this.cells = block.slab.cells
    this.index = block.index
  }

  /** Counters count up only: `amount` ≥ 0 there. */
  add(amount: number): void {
    this.cells[this.index] = (this.cells[this.index] as number) + amount
  }

  /** For gauges, and for counters that mirror a counter kept elsewhere. */
  set(value: number): void {
    this.cells[this.index] = value
  }

  get value(): number {
    return this.cells[this.index] as number
  }

  get isRemoved(): boolean {
    return this.block === null
  }

  /** The registry's: cuts the series off its cells. */
  detach(): void {
    this.block = null
    this.cells = NOWHERE
    this.index = 0
  }
}

/**
 * Units of the sum of a histogram in one of its values: sums are whole numbers, so that what threads have counted adds up to
 * the same in any order. The smallest difference would be a counter that goes down. Enough for 285 years of seconds.
 */
export const SUM_UNITS = 1e6

/** Cells: one count per bucket and one for what is above all, then the sum in SUM_UNITS. */
export class HistogramSeries extends Series {
  readonly #buckets: readonly number[]

  constructor(id: number, block: Block, buckets: readonly number[]) {
    super(id, block)
    this.#buckets = buckets
  }

  observe(value: number): void {
    const buckets = this.#buckets
    const count = buckets.length
    let bucket = 0
    while (bucket < count && value > (buckets[bucket] as number)) bucket++
    const cells = this.cells
    const index = this.index
    cells[index + bucket] = (cells[index + bucket] as number) + 1
    cells[index + count + 1] = (cells[index + count + 1] as number) + Math.round(value * SUM_UNITS)
  }
}

/** Most buckets a histogram may have. */
export const MAX_BUCKETS = NOWHERE.length - 2

/** Cells that a series takes. */
export function cellCount(isHistogram: boolean, buckets: readonly number[]): number {
  return isHistogram ? buckets.length + 2 : 1
}
