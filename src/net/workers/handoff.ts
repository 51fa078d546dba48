/**
 * Accepted sockets on their way from one worker to another. All workers accept on one socket, and the kernel wakes
 * whom it likes; a worker that already holds more connections than the least loaded one passes a new one on, so that
 * four long connections spread over the workers as a thousand short ones do.
 *
 * The table is one SharedArrayBuffer: per worker its number of open connections and a ring of descriptors given to it, each with the number of the entrypoint it was accepted on. A descriptor stays in the ring until its new worker
 * has taken it; what a worker left behind when it ended is taken by its replacement. A worker counts as absent, and is
 * given nothing, until it has said that it can serve (`begin`).
 */
import { BroadcastChannel } from 'node:worker_threads'

const RING_SLOTS = 64
/** Open connections, sockets that wait in the ring, the ring. */
const WORDS = 2 + RING_SLOTS
const WAITING = 1
const RING = 2
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
  #open = 0
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
    this.#publish()
    this.#takeAll()
  }

  opened(): void {
    this.#open++
    this.#publish()
  }

  closed(): void {
    this.#open--
    this.#publish()
  }

  get openHere(): number {
    return this.#open
  }

  /** Worker that should have the next connection instead of this one, or -1. */
  betterWorker(): number {
    const mine = this.openHere
    let best = -1
    let least = mine - (mine >> 3)
    for (let index = 0; index < this.#workers; index++) {
      const base = index * WORDS
      const open = Atomics.load(this.#table, base)
      // A negative count marks a worker that is not there.
      if (index === this.#self || open < 0) continue
      const load = open + Atomics.load(this.#table, base + WAITING)
      if (load < least) {
        least = load
        best = index
      }
    }
    return best
  }

  /** False when the worker's ring is full: keep the socket. */
  give(worker: number, fd: number, entry: number): boolean {
    if (entry > MAX_ENTRY || fd >= FD_MASK) return false
    const base = worker * WORDS
    for (let slot = 0; slot < RING_SLOTS; slot++) {
      const value = (entry << FD_BITS) | (fd + 1)
      if (Atomics.compareExchange(this.#table, base + RING + slot, 0, value) !== 0) continue
      Atomics.add(this.#table, base + WAITING, 1)
      this.#channelTo(worker).postMessage(0)
      return true
    }
    return false
  }

  close(): void {
    this.#inbound.close()
    for (const channel of this.#outbound) channel?.close()
  }

  #channelTo(worker: number): BroadcastChannel {
    return (this.#outbound[worker] ??= new BroadcastChannel(`${this.#channelName}-${worker}`))
  }

  /** Each worker writes its own count alone. */
  #publish(): void {
    if (this.#hasBegun) Atomics.store(this.#table, this.#self * WORDS, this.#open)
  }

  #takeAll(): void {
    if (!this.#hasBegun) return
    const base = this.#self * WORDS
    for (let slot = 0; slot < RING_SLOTS; slot++) {
      const taken = Atomics.exchange(this.#table, base + RING + slot, 0)
      if (taken === 0) continue
      Atomics.sub(this.#table, base + WAITING, 1)
      this.#onSocket((taken & FD_MASK) - 1, taken >>> FD_BITS)
    }
  }
}

/** Control's part when a worker ended: nobody gives to it any more. What is in its ring waits for the replacement. */
export function markAbsent(buffer: SharedArrayBuffer, worker: number): void {
  Atomics.store(new Int32Array(buffer), worker * WORDS, -1)
}
