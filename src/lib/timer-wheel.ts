/**
 * The one timer wheel of a worker: hierarchical (Varghese and Lauck), 4 levels of 64 slots, intrusive entries, so
 * that arming, re-arming and disarming are a few field writes and allocate nothing. It owns no system timer: the
 * worker calls `advance` with its coarse clock, tests with any number.
 *
 * Invariants: an entry never fires early, and at most one tick (plus the caller's own delay) late; an entry is not
 * armed any more when its callback runs, so the callback may arm it again; nothing armed from a callback fires in
 * the same `advance`.
 *
 * For a deadline that moves with every byte, do not re-arm each time: note the time of the last progress, and
 * arm again for the rest from `onTimer`.
 */

const SLOT_BITS = 6
const SLOTS = 1 << SLOT_BITS
const SLOT_MASK = SLOTS - 1
/** Ticks that one slot of level 0, 1, 2 and 3 spans. */
const SPAN_1 = SLOTS
const SPAN_2 = SLOTS ** 2
const SPAN_3 = SLOTS ** 3
/** Delays from here on wait in the farthest slot of the last level and are placed again when it comes up. */
const HORIZON = SLOTS ** 4

export interface TimerOwner {
  /** `tag` is the entry's, `now` what `advance` was given. */
  onTimer(tag: number, now: number): void
}

const NO_OWNER: TimerOwner = { onTimer(): void {} }

/** Embedded in (or held by) the object that waits, for its whole life. `tag` tells an owner's entries apart. */
export class TimerEntry {
  readonly owner: TimerOwner
  readonly tag: number
  /** The wheel's own; null while not armed. */
  next: TimerEntry | null
  prev: TimerEntry | null
  deadlineTick: number

  constructor(owner: TimerOwner, tag: number) {
    this.owner = owner
    this.tag = tag
    this.next = null
    this.prev = null
    this.deadlineTick = 0
  }

  get isArmed(): boolean {
    return this.next !== null
  }
}

export class TimerWheel {
  /** Time of the last `advance`; delays count from here. */
  now: number
  /** Armed entries. */
  size: number
  readonly #tickMs: number
  readonly #origin: number
  /** Head of each slot's ring, level after level. */
  readonly #slots: TimerEntry[]
  /** The tick whose slot was emptied last. */
  #tick: number

  constructor(now: number, tickMs = 100) {
    this.now = now
    this.size = 0
    this.#tickMs = tickMs
    // Counting from the start keeps ticks small integers for years.
    this.#origin = now
    this.#tick = 0
    this.#slots = []
    for (let i = 0; i < 4 * SLOTS; i++) {
      const head = new TimerEntry(NO_OWNER, 0)
      head.next = head
      head.prev = head
      this.#slots.push(head)
    }
  }

  /** (Re-)arms for `delayMs` after `now`; a negative delay counts as 0. */
  arm(entry: TimerEntry, delayMs: number): void {
    const elapsed = this.now - this.#origin + (delayMs > 0 ? delayMs : 0)
    const deadline = Math.floor(elapsed / this.#tickMs) + 1
    if (entry.next !== null) {
      if (entry.deadlineTick === deadline) return
      unlink(entry)
    } else {
      this.size++
    }
    entry.deadlineTick = deadline
    this.#place(entry)
  }

  /** Nothing happens when it is not armed. */
  disarm(entry: TimerEntry): void {
    if (entry.next === null) return
    unlink(entry)
    this.size--
  }

  /** Fires what is due. A `now` before the last one does nothing. */
  advance(now: number): void {
    if (now > this.now) this.now = now
    const target = Math.floor((this.now - this.#origin) / this.#tickMs)
    // Entries left behind when a callback threw; otherwise this slot is empty.
    this.#fire(this.#slotOf(0, this.#tick))
    while (this.#tick < target) {
      if (this.size === 0) {
        this.#tick = target
        return
      }
      const tick = ++this.#tick
      const index = tick & SLOT_MASK
      if (index === 0) this.#cascade(tick)
      this.#fire(this.#slotOf(0, index))
    }
  }

  #slotOf(level: number, index: number): TimerEntry {
    return this.#slots[level * SLOTS + (index & SLOT_MASK)] as TimerEntry
  }

  #place(entry: TimerEntry): void {
    const deadline = entry.deadlineTick
    const delta = deadline - this.#tick
    let head: TimerEntry
    // `&` takes the low 32 bits of any integer, so the divisions hold beyond 2^31 ticks too.
    if (delta < SPAN_1) head = this.#slotOf(0, deadline)
    else if (delta < SPAN_2) head = this.#slotOf(1, Math.floor(deadline / SPAN_1))
    else if (delta < SPAN_3) head = this.#slotOf(2, Math.floor(deadline / SPAN_2))
    else if (delta < HORIZON) head = this.#slotOf(3, Math.floor(deadline / SPAN_3))
    else head = this.#slotOf(3, Math.floor(this.#tick / SPAN_3) + SLOT_MASK)
    const last = head.prev as TimerEntry
    entry.prev = last
    entry.next = head
    last.next = entry
    head.prev = entry
  }

  /** A block of 64 ticks begins: spread what waits for it, the highest level that turns over first. */
  #cascade(tick: number): void {
    if (tick % SPAN_3 === 0) this.#spread(this.#slotOf(3, Math.floor(tick / SPAN_3)))
    if (tick % SPAN_2 === 0) this.#spread(this.#slotOf(2, Math.floor(tick / SPAN_2)))
    this.#spread(this.#slotOf(1, Math.floor(tick / SPAN_1)))
  }

  #spread(head: TimerEntry): void {
    for (let entry = head.next as TimerEntry; entry !== head; entry = head.next as TimerEntry) {
      unlink(entry)
      this.#place(entry)
    }
  }

  #fire(head: TimerEntry): void {
    // Popping one by one lets a callback disarm any other entry, the next one of this slot included.
    for (let entry = head.next as TimerEntry; entry !== head; entry = head.next as TimerEntry) {
      unlink(entry)
      this.size--
      entry.owner.onTimer(entry.tag, this.now)
    }
  }
}

function unlink(entry: TimerEntry): void {
  const prev = entry.prev as TimerEntry
  const next = entry.next as TimerEntry
  prev.next = next
  next.prev = prev
  entry.next = null
  entry.prev = null
}
