/**
 * Passive health of one service, as one worker takes part in it: a server that fails repeatedly is set aside
 * (ejected) for a growing time and probed by connecting to it; a probe that succeeds brings it back.
 *
 * Everything that is decided lives in the slots, so all workers see it at once and it survives reloads and the end
 * of any worker. Nothing is locked: an ejection is a compare-and-swap on the server's state, checked against the
 * limit afterwards and taken back when it passed it; a probe is claimed by moving its time ahead, so a claim whose
 * worker ended lapses by itself.
 */
import type { Server } from './server.ts'
import {
  SC_CHANGES,
  SC_EJECTIONS,
  SC_PROBES,
  SC_REINSTATEMENTS,
  SC_WITHHELD,
  SERVER_EJECTED,
  SERVER_IN,
  SV_FAILURES,
  SV_LEVEL,
  SV_PROBE_AT,
  SV_REINSTATED_AT,
  SV_STATE,
} from './words.ts'

/** Every value has a row in docs/reference/limits.md. */
export interface EjectionOptions {
  /** Failures in a row that eject a server; 0 turns ejection off. */
  readonly failures: number
  /** The run of failures must fit into this time, else it starts anew. */
  readonly windowMs: number
  /** First time set aside; doubles with each ejection or failed probe in a row. */
  readonly baseMs: number
  /** Longest time set aside. A server that stayed in this long starts from `baseMs` again. */
  readonly maxMs: number
  /** Share of a service's servers that may be ejected at the same time; one of two always may, the last never. */
  readonly maxPercent: number
  /** A probe must have its answer in this time. */
  readonly probeTimeoutMs: number
}

/**
 * How long after a probe's time another worker may claim it. With no margin a probe that times out, as those of a
 * vanished machine do, would lose its claim before it can say so, and the pause would never grow.
 */
const CLAIM_MARGIN_MS = 2000

export const DEFAULT_EJECTION: EjectionOptions = {
  failures: 3,
  windowMs: 30_000,
  baseMs: 5_000,
  maxMs: 60_000,
  maxPercent: 50,
  probeTimeoutMs: 5_000,
}

/** What the worker gives; all but `probe` are for logs. */
export interface EjectionHost {
  /** ms since epoch. */
  readonly now: () => number
  /** In [0, 1). */
  readonly random: () => number
  /** Whether a connection to the server can be opened. */
  probe(server: Server): Promise<boolean>
  ejected?(server: Server, kind: number, forMs: number): void
  reinstated?(server: Server): void
}

/** Where a service's words are; moved to private memory when the service is closed. */
export interface SharedWords {
  ints: Int32Array
  base: number
}

export class Ejection {
  readonly #options: EjectionOptions
  readonly #host: EjectionHost
  readonly #words: SharedWords
  #servers: readonly Server[] = []
  #seenChanges = -1
  /** Earliest time at which a server may need a probe; Infinity while none is ejected. */
  #nextDue = Infinity

  constructor(options: EjectionOptions, host: EjectionHost, words: SharedWords) {
    this.#options = options
    this.#host = host
    this.#words = words
  }

  setServers(servers: readonly Server[]): void {
    this.#servers = servers
    this.#seenChanges = -1
  }

  /** Per selection, and from a timer for services without traffic: starts the probes that are due. */
  tick(now: number): void {
    const { ints, base } = this.#words
    if (ints[base + SC_CHANGES] !== this.#seenChanges) {
      // Read again with order: the states are looked at after the count that announces them, never before.
      this.#seenChanges = Atomics.load(ints, base + SC_CHANGES)
      this.#nextDue = this.#earliest(now)
    }
    if (now >= this.#nextDue) this.#probeDue(now)
  }

  /** Servers set aside now. */
  count(): number {
    let count = 0
    for (const server of this.#servers) if (!server.isAvailable(0)) count += 1
    return count
  }

  /** Ejects the server if it is in and the limit allows it. */
  eject(server: Server, now: number, kind: number): void {
    const { ints, base } = server
    if (Atomics.load(ints, base + SV_STATE) !== SERVER_IN) return
    const limit = this.#limit(server)
    if (this.#ejectedIn(server) >= limit) {
      this.#add(SC_WITHHELD)
      return
    }
    let level = Atomics.load(ints, base + SV_LEVEL)
    const inMs = ((now | 0) - Atomics.load(ints, base + SV_REINSTATED_AT)) >>> 0
    if (inMs > this.#options.maxMs) level = 0
    const forMs = this.#backoff(level)
    Atomics.store(ints, base + SV_PROBE_AT, (now + forMs) | 0)
    if (Atomics.compareExchange(ints, base + SV_STATE, SERVER_IN, SERVER_EJECTED) !== SERVER_IN) return
    if (this.#ejectedIn(server) > limit) {
      // Another worker ejected a sibling in the same instant. Both may give way: better one too few.
      Atomics.compareExchange(ints, base + SV_STATE, SERVER_EJECTED, SERVER_IN)
      this.#add(SC_WITHHELD)
      return
    }
    Atomics.store(ints, base + SV_LEVEL, level + 1)
    this.#add(SC_EJECTIONS)
    this.#add(SC_CHANGES)
    this.#host.ejected?.(server, kind, forMs)
  }

  #probeDue(now: number): void {
    for (const server of this.#servers) {
      const { ints, base } = server
      if (Atomics.load(ints, base + SV_STATE) !== SERVER_EJECTED) continue
      const at = Atomics.load(ints, base + SV_PROBE_AT)
      const inMs = (at - (now | 0)) | 0
      if (inMs > 0) continue
      const claim = (now + this.#options.probeTimeoutMs + CLAIM_MARGIN_MS) | 0
      if (Atomics.compareExchange(ints, base + SV_PROBE_AT, at, claim) !== at) continue
      this.#add(SC_PROBES)
      this.#probe(server, claim)
    }
    this.#nextDue = this.#earliest(now)
  }

  #probe(server: Server, claim: number): void {
    // The server's words may move to private memory while the probe runs; the verdict is for the slot of now.
    const { ints, base } = server
    this.#host.probe(server).then(
      (isGood) => this.#settle(server, ints, base, claim, isGood),
      () => this.#settle(server, ints, base, claim, false),
    )
  }

  #settle(server: Server, ints: Int32Array, base: number, claim: number, isGood: boolean): void {
    // Removed from the configuration meanwhile: the slot may have another owner.
    if (server.ints !== ints) return
    const now = this.#host.now()
    if (isGood) {
      Atomics.store(ints, base + SV_FAILURES, 0)
      Atomics.store(ints, base + SV_REINSTATED_AT, now | 0)
      if (Atomics.compareExchange(ints, base + SV_STATE, SERVER_EJECTED, SERVER_IN) !== SERVER_EJECTED) return
      this.#add(SC_REINSTATEMENTS)
      this.#add(SC_CHANGES)
      this.#host.reinstated?.(server)
      return
    }
    const level = Atomics.load(ints, base + SV_LEVEL)
    const until = (now + this.#backoff(level)) | 0
    // A claim that lapsed belongs to another worker now, and so does the verdict.
    if (Atomics.compareExchange(ints, base + SV_PROBE_AT, claim, until) !== claim) return
    Atomics.store(ints, base + SV_LEVEL, level + 1)
    this.#add(SC_CHANGES)
  }

  #earliest(now: number): number {
    let earliest = Infinity
    for (const { ints, base } of this.#servers) {
      if (Atomics.load(ints, base + SV_STATE) !== SERVER_EJECTED) continue
      const inMs = (Atomics.load(ints, base + SV_PROBE_AT) - (now | 0)) | 0
      if (now + inMs < earliest) earliest = now + inMs
    }
    return earliest
  }

  /** Twenty per cent either way, so that servers that fell together are not probed together. */
  #backoff(level: number): number {
    const ms = Math.min(this.#options.maxMs, this.#options.baseMs * 2 ** Math.min(level, 20))
    return Math.round(ms * (0.8 + 0.4 * this.#host.random()))
  }

  /** How many servers of the same tier (fenced or not) may be out. */
  #limit(server: Server): number {
    let size = 0
    for (const other of this.#servers) if (other.fenced === server.fenced) size += 1
    const share = Math.max(1, Math.floor((size * this.#options.maxPercent) / 100))
    return this.#options.maxPercent === 0 ? 0 : Math.min(size - 1, share)
  }

  #ejectedIn(server: Server): number {
    let count = 0
    for (const other of this.#servers) {
      if (other.fenced !== server.fenced) continue
      // Ordered behind our own compare-and-swap: of two workers that eject at once, one sees both.
      if (Atomics.load(other.ints, other.base + SV_STATE) === SERVER_EJECTED) count += 1
    }
    return count
  }

  #add(word: number): void {
    Atomics.add(this.#words.ints, this.#words.base + word, 1)
  }
}
