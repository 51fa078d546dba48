/**
 * The times in which a worker is made to crash and replaced: only what is lost then is explained. Everything else that
 * a client of the soak loses is a failure.
 */

/** How a crash looks to a client; an answer of the gateway never is one. */
const BROKEN = /^(closed|read ECONNRESET|write EPIPE|write ECONNRESET|ECONNRESET|EPIPE|socket hang up|1006)\b/

const MAX_KEPT = 50

export class CrashWindows {
  isOpen = false
  /** Lost to a crash. */
  explained = 0
  /** Lost to nobody, with the reasons of the first ones. */
  unexplained = 0
  readonly reasons: string[] = []

  lost(reason: string): void {
    if (this.isOpen && BROKEN.test(reason)) {
      this.explained++
      return
    }
    this.unexplained++
    if (this.reasons.length < MAX_KEPT) this.reasons.push(reason.slice(0, 300))
  }
}
