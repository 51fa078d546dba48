/** Waiting for a condition that can only be asked for, with a message that says what never became true. */
import { setTimeout as delay } from 'node:timers/promises'

const FIRST_PAUSE_MS = 10
const LONGEST_PAUSE_MS = 100

/**
 * Asks until the answer is neither undefined nor false, and resolves with it. An error of `probe` counts as no; the last
 * one is the cause when the time is over. Aborting the signal rejects with its reason.
 */
export async function retryUntil<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  let cause: unknown
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)) {
    signal?.throwIfAborted()
    try {
      const answer = await probe()
      if (answer !== undefined && answer !== false) return answer
      cause = undefined
    } catch (error) {
      cause = error
    }
    if (performance.now() >= deadline) {
      const why = cause instanceof Error ? `: ${cause.message}` : ''
      throw new Error(`not within ${timeoutMs / 1000} s: ${what}${why}`, { cause })
    }
    await delay(pause, undefined, signal === undefined ? {} : { signal }).catch(() => {})
  }
}
