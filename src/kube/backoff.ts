/**
 * Exponential back-off with jitter: each delay is between half of the present step and the whole of it, so that many
 * clients that lost the same server come back spread out, and none at once.
 */
import type { Timers } from './timers.ts'

export interface BackoffOptions {
  readonly baseMs: number
  readonly maxMs: number
}

export class Backoff {
  readonly #options: BackoffOptions
  readonly #timers: Timers
  #failures = 0

  constructor(options: BackoffOptions, timers: Timers) {
    this.#options = options
    this.#timers = timers
  }

  /** Failures since the last reset. */
  get failures(): number {
    return this.#failures
  }

  reset(): void {
    this.#failures = 0
  }

  /** Counts a failure. Milliseconds to wait, at least `atLeastMs` (what a server asked for). */
  next(atLeastMs = 0): number {
    const { baseMs, maxMs } = this.#options
    // Beyond 2^30 the step is at its maximum anyway.
    const step = Math.min(maxMs, baseMs * 2 ** Math.min(this.#failures, 30))
    this.#failures++
    const delay = step / 2 + (step / 2) * this.#timers.random()
    // Jitter on top of the server's wish too: it gave the same one to everybody.
    return Math.max(delay, atLeastMs * (1 + 0.1 * this.#timers.random()))
  }
}
