/**
 * For tests: time that the test turns. Timers fire in order while `advance` passes over them; between two, whatever they
 * set going by promises alone has its turn.
 */
import { Waiter } from '#net/transport/transport.fixture.ts'
import type { Timers } from './timers.ts'

interface Armed {
  readonly at: number
  readonly callback: () => void
}

export class ManualTimers extends Waiter implements Timers {
  #now = 5000
  /** What the wall shows beyond the monotonic clock; a test may step it. */
  wallOffset = 1_800_000_000_000
  /** What `random` gives. */
  nextRandom = 0
  readonly #armed = new Set<Armed>()

  now(): number {
    return this.#now
  }

  wall(): number {
    return this.#now + this.wallOffset
  }

  random(): number {
    return this.nextRandom
  }

  after(ms: number, callback: () => void): () => void {
    const armed = { at: this.#now + ms, callback }
    this.#armed.add(armed)
    this.happened()
    return () => this.#armed.delete(armed)
  }

  /** Milliseconds until each armed timer, soonest first. */
  get delays(): number[] {
    return [...this.#armed].map((each) => each.at - this.#now).sort((a, b) => a - b)
  }

  /** A timer that will fire in this time is armed. */
  async armed(ms: number): Promise<void> {
    await this.until(() => this.delays.some((delay) => Math.abs(delay - ms) < 0.001), `a timer of ${ms} ms`)
  }

  /** Time passes while nothing runs: no timer fires. */
  jump(ms: number): void {
    this.#now += ms
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      const next = [...this.#armed].filter((each) => each.at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#armed.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.callback()
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.#now = end
  }
}
