/**
 * One probe of one run of a container: asks in its period and tells when the verdict changes, after as many successes or
 * failures in a row as the probe wants (core/v1 Probe).
 *
 * One thing is otherwise than in a kubelet: until the first success it asks more often than the period says, so that
 * pods of a test are ready when they are, not up to a second later. Failures count once per period all the same.
 */
import type { Outcome } from './handler.ts'
import type { ProbeSpec } from './pod.ts'

const EAGER_MS = 25

export interface ProberOptions {
  readonly spec: ProbeSpec
  /** What counts before the first answer. */
  readonly initial: boolean
  /** False: asks only in its period, because asking is dear (a command). */
  readonly isEager: boolean
  ask(timeoutMs: number, signal: AbortSignal): Promise<Outcome>
  /** The verdict changed, or is bad once more; `reason` says why it is bad. */
  onVerdict(isGood: boolean, reason: string): void
  /** Each single failure. */
  onFailure(reason: string): void
}

export class Prober {
  readonly #options: ProberOptions
  readonly #stop = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #isGood: boolean
  #hasSucceeded = false
  #inARow = 0
  #lastWasGood: boolean | undefined
  #countedAt: number
  #eagerMs = EAGER_MS

  constructor(options: ProberOptions) {
    this.#options = options
    this.#isGood = options.initial
    const delayMs = (options.spec.initialDelaySeconds ?? 0) * 1000
    this.#countedAt = options.isEager ? performance.now() + delayMs : -Infinity
    this.#timer = setTimeout(() => void this.#run(), delayMs)
  }

  get isGood(): boolean {
    return this.#isGood
  }

  /** Nothing is told any more. */
  stop(): void {
    this.#stop.abort()
    clearTimeout(this.#timer)
  }

  async #run(): Promise<void> {
    const { spec, isEager } = this.#options
    const periodMs = (spec.periodSeconds ?? 10) * 1000
    const startedAt = performance.now()
    const outcome = await this.#options.ask((spec.timeoutSeconds ?? 1) * 1000, this.#stop.signal)
    if (this.#stop.signal.aborted) return
    this.#take(outcome, periodMs)
    // The verdict's hearer may have stopped this.
    if (this.#stop.signal.aborted) return
    let waitMs = periodMs
    if (isEager && !this.#hasSucceeded) {
      waitMs = Math.min(this.#eagerMs, periodMs)
      this.#eagerMs *= 1.5
    }
    const elapsed = performance.now() - startedAt
    this.#timer = setTimeout(() => void this.#run(), Math.max(0, waitMs - elapsed))
  }

  #take(outcome: Outcome, periodMs: number): void {
    const { spec } = this.#options
    const now = performance.now()
    const isGood = outcome === undefined
    if (isGood) this.#hasSucceeded = true
    else if (!this.#hasSucceeded && now - this.#countedAt < periodMs) return
    this.#countedAt = now
    this.#inARow = this.#lastWasGood === isGood ? this.#inARow + 1 : 1
    this.#lastWasGood = isGood
    if (!isGood) this.#options.onFailure(outcome)
    const threshold = isGood ? (spec.successThreshold ?? 1) : (spec.failureThreshold ?? 3)
    if (this.#inARow < threshold) return
    if (isGood && this.#isGood) return
    this.#isGood = isGood
    this.#options.onVerdict(isGood, outcome ?? '')
  }
}
