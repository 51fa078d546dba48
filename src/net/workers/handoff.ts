/**
 * Accepted sockets on their way from one worker to another. All workers accept on one socket, and the kernel wakes
 * whom it likes; a worker that already holds more connections than the least loaded one passes a new one on, so that
 * four long connections spread over the workers as a thousand short ones do.
 *
 * The table is one SharedArrayBuffer: per worker its load and a ring of descriptors given to it, each with the number of
 * the entrypoint it was accepted on. The load counts connections from the moment somebody claims a place for them until
 * they are over, also those in the ring, so that two workers that accept at once see each other. A descriptor stays in
 * the ring until its new worker has taken it; what a worker left behind when it ended is taken by its replacement. A
 * worker counts as absent, and is given nothing, until it has said that it can serve (`begin`).
 */
import { BroadcastChannel } from 'node:worker_threads'

const RING_SLOTS = 64
/** Load, then the ring. */
const WORDS = 1 + RING_SLOTS
const RING = 1
/** Load of a worker that is not there; far from what counting can reach. */
const ABSENT = -0x40000000
const PRESENT_FROM = ABSENT / 2
/** A slot holds descriptor + 1 below this bit and the entrypoint above it. */
const FD_BITS = 24
const FD_MASK = (1 << FD_BITS) - 1
/** Entrypoints that fit; one beyond keeps its sockets. */
const MAX_ENTRY = 127

export function createHandoffTable(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(workers * WORDS * 4)
}

export class Handoff {
  readonly #table: Int32Array
  readonly #workers: number
  readonly #self: number
  readonly #channelName: string
  readonly #outbound: (BroadcastChannel | null)[]
  readonly #inbound: BroadcastChannel
  readonly #onSocket: (fd: number, entry: number) => void
  readonly #load: number
  readonly #ring: number
  /** Claimed before the first `begin`. */
  #early = 0
  #hasBegun = false

  /** `name` is unique to the process; `onSocket` receives a descriptor that is now this worker's, and its entrypoint's number. */
  constructor(
    buffer: SharedArrayBuffer,
    self: number,
    name: string,
    onSocket: (fd: number, entry: number) => void,
  ) {
    this.#table = new Int32Array(buffer)
    this.#workers = this.#table.length / WORDS
    this.#self = self
    this.#load = self * WORDS
    this.#ring = this.#load + RING
    this.#channelName = name
    this.#outbound = Array.from({ length: this.#workers }, () => null)
    this.#onSocket = onSocket
    this.#inbound = new BroadcastChannel(`${name}-${self}`)
    this.#inbound.onmessage = () => this.#takeAll()
  }

  /** From now on sockets are taken, those that wait already first. Further calls do nothing. */
  begin(): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    let waiting = 0
    for (let slot = 0; slot < RING_SLOTS; slot++)
      if (Atomics.load(this.#table, this.#ring + slot) !== 0) waiting++
    Atomics.store(this.#table, this.#load, this.#early + waiting)
    this.#takeAll()
  }

  /**
   * The worker that should have a connection just accepted here, which may be this one. Its place there is claimed:
   * `give` it or serve it, and `release` it when it is over.
   */
  claim(): number {
    if (!this.#hasBegun) {
      this.#early++
      return this.#self
    }
    for (;;) {
      const mine = Atomics.load(this.#table, this.#load)
      let best = this.#self
      let seen = mine
      let least = mine - (mine >> 3)
      for (let index = 0; index < this.#workers; index++) {
        if (index === this.#self) continue
        const load = Atomics.load(this.#table, index * WORDS)
        if (load < least && load > PRESENT_FROM) {
          seen = least = load
          best = index
        }
      }
      if (Atomics.compareExchange(this.#table, best * WORDS, seen, seen + 1) === seen) return best
    }
  }

  /** A connection of this worker is over, or was not taken after all. */
  release(): void {
    if (this.#hasBegun) Atomics.sub(this.#table, this.#load, 1)
    else this.#early--
  }

  /** Connections here, those on their way to this worker included. */
  get load(): number {
    return this.#hasBegun ? Atomics.load(this.#table, this.#load) : this.#early
  }

  /** Hands over to the worker that `claim` named. False when its ring is full: serve the socket here, where it counts now. */
  give(worker: number, fd: number, entry: number): boolean {
    const ring = worker * WORDS + RING
    const value = (entry << FD_BITS) | (fd + 1)
    const fits = entry <= MAX_ENTRY && fd < FD_MASK
    for (let slot = fits ? 0 : RING_SLOTS; slot < RING_SLOTS; slot++) {
      if (Atomics.compareExchange(this.#table, ring + slot, 0, value) !== 0) continue
      this.#channelTo(worker).postMessage(0)
      return true
    }
    this.keep(worker)
    return false
  }

  /** Moves the place claimed at `worker` to this one. */
  keep(worker: number): void {
    if (Atomics.load(this.#table, worker * WORDS) > PRESENT_FROM) Atomics.sub(this.#table, worker * WORDS, 1)
    Atomics.add(this.#table, this.#load, 1)
  }

  close(): void {
    this.#inbound.close()
    for (const channel of this.#outbound) channel?.close()
  }

  #channelTo(worker: number): BroadcastChannel {
    return (this.#outbound[worker] ??= new BroadcastChannel(`${this.#channelName}-${worker}`))
  }

  #takeAll(): void {
    if (!this.#hasBegun) return
    for (let slot = 0; slot < RING_SLOTS; slot++) {
      const taken = Atomics.exchange(this.#table, this.#ring + slot, 0)
      if (taken !== 0) this.#onSocket((taken & FD_MASK) - 1, taken >>> FD_BITS)
    }
  }
}

/** Control's part when a worker ended: nobody gives to it any more. What is in its ring waits for the replacement. */
export function markAbsent(buffer: SharedArrayBuffer, worker: number): void {
  Atomics.store(new Int32Array(buffer), worker * WORDS, ABSENT)
}
