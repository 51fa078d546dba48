/**
 * The coarse clock of one thread: time read as a plain field, refreshed by whoever owns the event loop (the
 * worker ticks it once per turn or timer tick). `now` follows the monotonic clock, so it never goes back and a
 * step of the system's clock fires no timer early; `wallOffset` and `httpDate` follow the system's clock and are
 * refreshed at most once a second.
 */

/** How far the two clocks may disagree before `wallOffset` follows; below it is slewing and rounding. */
const WALL_TOLERANCE_MS = 50

export class CoarseClock {
  /** Milliseconds since the epoch, whole, never decreasing. */
  now: number
  /** What to add to `now` for a time to show to people; 0 until the system's clock is stepped. */
  wallOffset: number
  /** IMF-fixdate (RFC 9110 §5.6.7) of the current second: `Sun, 06 Nov 1994 08:49:37 GMT`. */
  httpDate: string
  readonly #monotonic: () => number
  readonly #wall: () => number
  readonly #base: number
  #nextSecond: number

  /** Both sources return milliseconds: `monotonic` from any origin, `wall` since the epoch. */
  constructor(monotonic: () => number = () => performance.now(), wall: () => number = Date.now) {
    this.#monotonic = monotonic
    this.#wall = wall
    const wallNow = wall()
    this.#base = wallNow - monotonic()
    this.now = wallNow
    this.wallOffset = 0
    this.httpDate = ''
    this.#nextSecond = 0
    this.#refresh()
  }

  tick(): void {
    const now = Math.floor(this.#base + this.#monotonic())
    if (now > this.now) this.now = now
    if (this.now >= this.#nextSecond) this.#refresh()
  }

  #refresh(): void {
    const offset = this.#wall() - this.now
    if (Math.abs(offset - this.wallOffset) > WALL_TOLERANCE_MS) this.wallOffset = Math.round(offset)
    const wall = this.now + this.wallOffset
    // toUTCString is IMF-fixdate by its specification (ECMA-262 §21.4.4.43), for years of four digits.
    this.httpDate = new Date(wall).toUTCString()
    this.#nextSecond = this.now + 1000 - (((wall % 1000) + 1000) % 1000)
  }
}
