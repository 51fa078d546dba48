/**
 * Time for everything in src/kube that waits: two clocks and one timer, handed in, so that tests turn them. `now` is
 * monotonic (a step of the system's clock must not end a lease); `wall` is only for what is written down.
 */

export interface Timers {
  /** Milliseconds from any origin, never decreasing. */
  now(): number
  /** Milliseconds since the epoch. */
  wall(): number
  /** A number in [0, 1). */
  random(): number
  /** Calls back once after `ms`, unless cancelled by the returned function. */
  after(ms: number, callback: () => void): () => void
}

export const SYSTEM_TIMERS: Timers = {
  now: () => performance.now(),
  wall: () => Date.now(),
  random: () => Math.random(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}

/** True after `ms`; false, at once, when the signal aborts. */
export function sleep(timers: Timers, ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false)
  return new Promise((resolve) => {
    const onAbort = (): void => {
      cancel()
      resolve(false)
    }
    const cancel = timers.after(ms, () => {
      signal.removeEventListener('abort', onAbort)
      resolve(true)
    })
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
