/**
 * Caps on open connections: of this worker (its share of the process's) and of one client address over all workers.
 * Above the first the worker stops accepting, and connections queue in the kernel; above the second they are reset.
 */
import { AT_LIMIT, type HashTable } from '#net/shared/hash-table.ts'
import type { KeyHasher } from '#net/shared/key-hash.ts'

/** Accepting goes on when this share of the cap is in use. */
const RESUME_SHARE = 0.95

/** The address has as many connections as it may. */
export const REFUSED = -1
/** Admitted without being counted: exempt, or the table has no room (it is then no client's fault). */
const UNCOUNTED = -2

export interface AdmissionOptions {
  /** Connections of this worker. */
  readonly maxHere: number
  /** Per address over all workers; 0: no limit. */
  readonly maxPerAddress: number
  /** Connections of this worker, those included that another one has accepted for it and that are not open here yet. */
  claimed(): number
  readonly table: HashTable
  readonly hasher: KeyHasher
  /** Seconds, any epoch. */
  nowSeconds(): number
  onFull(): void
  onRoom(): void
}

export class Admission {
  readonly #options: AdmissionOptions
  #open = 0
  #isFull = false
  /** Connections refused because of their address. */
  refused = 0
  /** How often accepting was paused. */
  pauses = 0

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  get openHere(): number {
    return this.#open
  }

  /** A ticket to give back to `close`, or REFUSED. Address null: counted in this worker only. */
  open(address: string | null): number {
    const ticket = address === null ? UNCOUNTED : this.count(address)
    if (ticket === REFUSED) return REFUSED
    this.#open++
    if (!this.#isFull && this.#inUse() >= this.#options.maxHere) {
      this.#isFull = true
      this.pauses++
      this.#options.onFull()
    }
    return ticket
  }

  /** Counts an address alone, for a connection that is open already. The ticket takes the place of its first one. */
  count(address: string): number {
    const { table, hasher, maxPerAddress } = this.#options
    if (maxPerAddress === 0) return UNCOUNTED
    hasher.hash(address)
    const ticket = table.increment(hasher.hi, hasher.lo, this.#options.nowSeconds(), maxPerAddress)
    if (ticket !== AT_LIMIT) return ticket
    this.refused++
    return REFUSED
  }

  close(ticket: number): void {
    if (ticket >= 0) this.#options.table.decrement(ticket, this.#options.nowSeconds())
    this.#open--
    if (this.#isFull && this.#inUse() < this.#options.maxHere * RESUME_SHARE) {
      this.#isFull = false
      this.#options.onRoom()
    }
  }

  #inUse(): number {
    return Math.max(this.#open, this.#options.claimed())
  }
}
