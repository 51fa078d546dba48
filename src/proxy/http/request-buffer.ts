/**
 * Body bytes of a request that have arrived before a server took them, or that are kept in case it has to be sent again.
 * Bounded; what grows beyond is sent once and cannot be replayed.
 */
import type { MemoryBudget } from '#net/budget.ts'

export const REPLAY_MAX_BYTES = 65_536

export class RequestBuffer {
  readonly #budget: MemoryBudget
  #pieces: Buffer[] = []
  bytes = 0

  constructor(budget: MemoryBudget) {
    this.#budget = budget
  }

  get isFull(): boolean {
    return this.bytes >= REPLAY_MAX_BYTES
  }

  keep(buffer: Buffer, start: number, end: number): void {
    this.#pieces.push(Buffer.from(buffer.subarray(start, end)))
    this.bytes += end - start
    this.#budget.charge(end - start)
  }

  /** Kept pieces in order; they stay kept. */
  get pieces(): readonly Buffer[] {
    return this.#pieces
  }

  drop(): void {
    this.#budget.release(this.bytes)
    this.#pieces = []
    this.bytes = 0
  }
}
