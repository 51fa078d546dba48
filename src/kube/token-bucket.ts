/**
 * A bound on how often something may happen: so many at once, then one in so much time. Takes the time, owns no timer.
 * Counts in milliseconds of credit, so that a token is there exactly when its time is over.
 */

export class TokenBucket {
  readonly #refillMs: number
  readonly #maxCreditMs: number
  #creditMs: number
  #at: number

  /** `refillMs`: time in which one token comes back. */
  constructor(burst: number, refillMs: number, now: number) {
    this.#refillMs = refillMs
    this.#maxCreditMs = burst * refillMs
    this.#creditMs = this.#maxCreditMs
    this.#at = now
  }

  /** Takes a token; false when there is none. */
  take(now: number): boolean {
    this.#refill(now)
    if (this.#creditMs < this.#refillMs) return false
    this.#creditMs -= this.#refillMs
    return true
  }

  /** Milliseconds until there is a token. */
  wait(now: number): number {
    this.#refill(now)
    return Math.max(0, this.#refillMs - this.#creditMs)
  }

  #refill(now: number): void {
    this.#creditMs = Math.min(this.#maxCreditMs, this.#creditMs + now - this.#at)
    this.#at = now
  }
}
