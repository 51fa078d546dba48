/**
 * Bounded hash table in shared memory that counts per key, for keys that clients choose (connections per address).
 * The size never changes; a key that is not counted any more gives its entry to the next one.
 *
 * Buckets of eight entries, two candidate buckets per key. An entry is a state word, the key's two words, the time
 * of its last use, and one count per worker (lanes.ts). Nothing locks: a count has one writer, and an entry changes
 * hands only by compare-and-swap on its state. Who counts writes its count first and checks the entry afterwards;
 * who takes an entry claims the state first and checks the counts afterwards; Atomics order these, so one of the two
 * always notices. A worker that ends between two steps leaves a claimed entry and its counts; `reconcile` mends both.
 */
import type { HashSeed } from './key-hash.ts'

/** Plain data; posted to workers when they start. */
export interface HashTableShape {
  readonly buffer: SharedArrayBuffer
  readonly buckets: number
  readonly lanes: number
  /** For the KeyHasher that makes the keys. */
  readonly seed: HashSeed
}

/** Result of `increment`: the key is at its limit. */
export const AT_LIMIT = -1
/** Result of `increment`: no entry is free in the key's buckets. Nothing was counted. */
export const TABLE_FULL = -2

// Results inside this file: the entry changed hands, look again; no such key.
const RETRY = -3
const ABSENT = -4

const ENTRIES_PER_BUCKET = 8

// Words of an entry; its first word is the state.
const E_HI = 1
const E_LO = 2
const E_USED_AT = 3
const E_LANES = 4

// States; from CLAIMED on: claimed by the worker of lane (state - CLAIMED).
const FREE = 0
const LIVE = 1
const CLAIMED = 2

/** How often an increment looks again after it lost a race; each loss is another worker's success. */
const MAX_ATTEMPTS = 64
/**
 * Further ones with a pause of a millisecond before each: the worker that holds the key's entry may have lost its
 * processor between two instructions.
 */
const PATIENT_ATTEMPTS = 20
const pause = new Int32Array(new SharedArrayBuffer(4))

/** Makes an empty table for at least `capacity` keys; four times the expected keys keeps TABLE_FULL away. */
export function createHashTable(capacity: number, lanes: number, seed: HashSeed): HashTableShape {
  let buckets = 2
  while (buckets * ENTRIES_PER_BUCKET < capacity) buckets *= 2
  const words = buckets * ENTRIES_PER_BUCKET * (E_LANES + lanes)
  return { buffer: new SharedArrayBuffer(words * 4), buckets, lanes, seed }
}

export class HashTable {
  readonly #words: Int32Array
  readonly #mask: number
  readonly #lanes: number
  readonly #stride: number
  readonly #lane: number

  /** `lane`: the worker's own; control, which counts nothing itself, may give any. */
  constructor(shape: HashTableShape, lane: number) {
    this.#words = new Int32Array(shape.buffer)
    this.#mask = shape.buckets - 1
    this.#lanes = shape.lanes
    this.#stride = E_LANES + shape.lanes
    this.#lane = lane
  }

  /**
   * One more for the key, unless it has `limit` already. Returns a handle (≥ 0) to give back to `decrement`,
   * AT_LIMIT or TABLE_FULL. The limit is never passed; workers that race for the last place may all be told
   * AT_LIMIT. After too many lost races, and while an entry for the key is claimed by a worker that ended, the answer
   * is TABLE_FULL.
   */
  increment(hi: number, lo: number, nowSeconds: number, limit: number): number {
    for (let attempt = 0; attempt < MAX_ATTEMPTS + PATIENT_ATTEMPTS; attempt++) {
      if (attempt >= MAX_ATTEMPTS) Atomics.wait(pause, 0, 0, 1)
      const found = this.#find(hi, lo)
      if (found === ABSENT && limit < 1) return AT_LIMIT
      const result =
        found === ABSENT ? this.#take(hi, lo, nowSeconds) : this.#countIn(found, hi, lo, nowSeconds, limit)
      if (result !== RETRY) return result
    }
    return TABLE_FULL
  }

  /** Ends one `increment` of this worker. */
  decrement(handle: number, nowSeconds: number): void {
    const words = this.#words
    const at = handle + E_LANES + this.#lane
    Atomics.store(words, handle + E_USED_AT, nowSeconds)
    Atomics.store(words, at, Atomics.load(words, at) - 1)
  }

  /** Count of a key over all workers, 0 when unknown. */
  count(hi: number, lo: number): number {
    const entry = this.#find(hi, lo)
    return entry < 0 ? 0 : this.#sum(entry)
  }

  /** Entries that hold a key, and the sum of all counts. Walks the whole table: for metrics. */
  totals(): { keys: number; count: number } {
    let keys = 0
    let count = 0
    for (let entry = 0; entry < this.#words.length; entry += this.#stride) {
      if (Atomics.load(this.#words, entry) === FREE) continue
      keys += 1
      count += this.#sum(entry)
    }
    return { keys, count }
  }

  /** Frees the entries that count nothing and were last used before `nowSeconds - idleSeconds`. Returns how many. */
  expire(nowSeconds: number, idleSeconds: number): number {
    let freed = 0
    for (let entry = 0; entry < this.#words.length; entry += this.#stride) {
      if (nowSeconds - Atomics.load(this.#words, entry + E_USED_AT) < idleSeconds) continue
      if (!this.#claimIdle(entry)) continue
      Atomics.store(this.#words, entry, FREE)
      freed += 1
    }
    return freed
  }

  /** Control: takes back everything the ended worker of a lane had counted or claimed. Returns the count taken back. */
  reconcile(lane: number): number {
    const words = this.#words
    let takenBack = 0
    for (let entry = 0; entry < words.length; entry += this.#stride) {
      takenBack += Atomics.exchange(words, entry + E_LANES + lane, 0)
      if (Atomics.load(words, entry) !== CLAIMED + lane) continue
      // It was inserting or taking over. Others may have counted just before the claim: those keep the entry.
      Atomics.store(words, entry, this.#sum(entry) === 0 ? FREE : LIVE)
    }
    return takenBack
  }

  /** The key's entry, or ABSENT. */
  #find(hi: number, lo: number): number {
    const words = this.#words
    for (let candidate = 0; candidate < 2; candidate++) {
      let entry = this.#bucket(hi, lo, candidate)
      for (let i = 0; i < ENTRIES_PER_BUCKET; i++, entry += this.#stride) {
        if (Atomics.load(words, entry) !== LIVE) continue
        if (Atomics.load(words, entry + E_HI) === hi && Atomics.load(words, entry + E_LO) === lo) return entry
      }
    }
    return ABSENT
  }

  /** Whether any entry but `own` has the key, those being filled or taken over included. */
  #isElsewhere(hi: number, lo: number, own: number): boolean {
    const words = this.#words
    for (let candidate = 0; candidate < 2; candidate++) {
      let entry = this.#bucket(hi, lo, candidate)
      for (let i = 0; i < ENTRIES_PER_BUCKET; i++, entry += this.#stride) {
        if (entry === own || Atomics.load(words, entry) === FREE) continue
        if (Atomics.load(words, entry + E_HI) === hi && Atomics.load(words, entry + E_LO) === lo) return true
      }
    }
    return false
  }

  #countIn(entry: number, hi: number, lo: number, nowSeconds: number, limit: number): number {
    const words = this.#words
    const at = entry + E_LANES + this.#lane
    const own = Atomics.load(words, at)
    Atomics.store(words, at, own + 1)
    const isStillIt =
      Atomics.load(words, entry) === LIVE &&
      Atomics.load(words, entry + E_HI) === hi &&
      Atomics.load(words, entry + E_LO) === lo
    if (!isStillIt) {
      Atomics.store(words, at, own)
      return RETRY
    }
    if (this.#sum(entry) > limit) {
      Atomics.store(words, at, own)
      return AT_LIMIT
    }
    Atomics.store(words, entry + E_USED_AT, nowSeconds)
    return entry
  }

  /** Fills a free entry, else the longest unused one that counts nothing. */
  #take(hi: number, lo: number, nowSeconds: number): number {
    const words = this.#words
    let best = -1
    let bestAge = -1
    for (let candidate = 0; candidate < 2; candidate++) {
      let entry = this.#bucket(hi, lo, candidate)
      for (let i = 0; i < ENTRIES_PER_BUCKET; i++, entry += this.#stride) {
        const state = Atomics.load(words, entry)
        if (state === FREE) return this.#fill(entry, FREE, hi, lo, nowSeconds)
        if (state !== LIVE || this.#sum(entry) !== 0) continue
        const age = Math.max(0, nowSeconds - Atomics.load(words, entry + E_USED_AT))
        if (age <= bestAge) continue
        best = entry
        bestAge = age
      }
    }
    return best === -1 ? TABLE_FULL : this.#fill(best, LIVE, hi, lo, nowSeconds)
  }

  #fill(entry: number, from: number, hi: number, lo: number, nowSeconds: number): number {
    const words = this.#words
    if (from === LIVE) {
      if (!this.#claimIdle(entry)) return RETRY
    } else if (Atomics.compareExchange(words, entry, FREE, CLAIMED + this.#lane) !== FREE) return RETRY
    Atomics.store(words, entry + E_HI, hi)
    Atomics.store(words, entry + E_LO, lo)
    Atomics.store(words, entry + E_USED_AT, nowSeconds)
    const at = entry + E_LANES + this.#lane
    const own = Atomics.load(words, at)
    Atomics.store(words, at, own + 1)
    if (!this.#isElsewhere(hi, lo, entry)) {
      Atomics.store(words, entry, LIVE)
      return entry
    }
    // Another worker has, or is making, an entry for the same key. Both wrote theirs before they looked, so at least
    // one sees the other; whoever does gives way, and there are never two that count.
    Atomics.store(words, at, own)
    Atomics.store(words, entry, FREE)
    return RETRY
  }

  /** LIVE → claimed, but only when it counts nothing. */
  #claimIdle(entry: number): boolean {
    const words = this.#words
    if (Atomics.compareExchange(words, entry, LIVE, CLAIMED + this.#lane) !== LIVE) return false
    if (this.#sum(entry) === 0) return true
    Atomics.store(words, entry, LIVE)
    return false
  }

  #sum(entry: number): number {
    let sum = 0
    for (let lane = 0; lane < this.#lanes; lane++) sum += Atomics.load(this.#words, entry + E_LANES + lane)
    return sum
  }

  #bucket(hi: number, lo: number, candidate: number): number {
    return ((candidate === 0 ? lo : hi) & this.#mask) * ENTRIES_PER_BUCKET * this.#stride
  }
}
