/**
 * Lanes: each running worker owns one small number, its column in every per-worker count in shared memory. Only the
 * owner writes its column, so counts need no locks; when a worker ends, control clears its column and gives the
 * number to the next one. Whoever sums a count reads all lanes.
 */

/** Most lanes a count may have; bounds the size of every record. */
export const MAX_LANES = 64

export class WorkerLanes {
  readonly count: number
  readonly #taken: boolean[]

  /** `count`: workers that may run at the same time, those being replaced included. */
  constructor(count: number) {
    if (!Number.isInteger(count) || count < 1 || count > MAX_LANES) {
      throw new RangeError(`lanes must be between 1 and ${MAX_LANES}, not ${count}`)
    }
    this.count = count
    this.#taken = Array.from({ length: count }, () => false)
  }

  /** The lowest free lane, -1 when every one is taken. */
  acquire(): number {
    const lane = this.#taken.indexOf(false)
    if (lane !== -1) this.#taken[lane] = true
    return lane
  }

  /** Only after everything in that lane has been cleared. */
  release(lane: number): void {
    this.#taken[lane] = false
  }
}
