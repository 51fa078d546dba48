/**
 * A server as one worker sees it (architecture §2, "upstream"): what the configuration says, this worker's
 * connection pool, and the shared record of its health and of the requests in flight.
 *
 * What each request does here uses plain loads and stores: V8 calls out for Atomics.load and .store (20 ns against 1),
 * an aligned 32-bit word is never torn, a lane has one writer, and nothing here depends on the order of two words.
 *
 * Made and ended by its Service. Per attempt: `begin` and later `finish`, and at most one of `reportSuccess` and
 * `reportFailure` (neither when the client went away). After `retire` the object stays good for the attempts it has; with the last
 * `finish` it lets go of its slot and counts in private memory from then on.
 */
import type { ServerConfig } from '#config/model/dynamic.ts'
import type { SlotRef, SlotView } from '#net/shared/slots.ts'
import { detachedView } from '#net/shared/slots.ts'
import {
  SERVER_IN,
  SV_FAILING_SINCE,
  SV_FAILURES,
  SV_LANES,
  SV_LAST_FAILURE,
  SV_STATE,
  serverSlotKind,
} from './words.ts'

/** What a server needs of its service. */
export interface ServerHome {
  /** Lane of this worker, and how many there are. */
  readonly lane: number
  readonly lanes: number
  /** Called for the failure that reaches the threshold, and for each later one. */
  readonly failureThreshold: number
  readonly failureWindowMs: number
  failedRepeatedly(server: Server, now: number, kind: number): void
  /** The server refers to its slot no more. */
  letGo(ref: SlotRef): void
}

export class Server {
  readonly id: string
  readonly address: string
  readonly port: number
  weight: number
  fenced: boolean
  /** Opaque to this layer: the worker's connection pool, attached by the proxy. */
  pool: unknown = null
  readonly ref: SlotRef
  /** The slot's words; `base` is the first of them. */
  ints: Int32Array
  base: number
  /** Requests in flight of this worker through this object. */
  active = 0
  isRetired = false
  #isAttached = true
  readonly home: ServerHome

  constructor(config: ServerConfig, ref: SlotRef, view: SlotView, home: ServerHome) {
    this.id = config.id
    this.address = config.address
    this.port = config.port
    this.weight = config.weight
    this.fenced = config.fenced === true
    this.ref = ref
    this.ints = view.ints
    this.base = view.base
    this.home = home
  }

  /** Requests in flight over all workers. */
  inFlight(): number {
    const ints = this.ints
    const end = this.base + SV_LANES + this.home.lanes
    let sum = 0
    for (let i = this.base + SV_LANES; i < end; i++) sum += ints[i]!
    return sum
  }

  /** One more in flight. In the same turn as the selection. */
  begin(): void {
    this.active += 1
    const at = this.base + SV_LANES + this.home.lane
    this.ints[at]! += 1
  }

  /** One less in flight; exactly once per `begin`. */
  finish(): void {
    if (this.active === 0) throw new Error(`server ${this.id}: finish without begin`)
    this.active -= 1
    const at = this.base + SV_LANES + this.home.lane
    this.ints[at]! -= 1
    if (this.isRetired && this.active === 0) this.#detach()
  }

  /** A response head arrived. Ends a run of failures; does not end an ejection, which is for the probe to do. */
  reportSuccess(_now: number): void {
    const at = this.base + SV_FAILURES
    if (this.ints[at] !== 0) Atomics.store(this.ints, at, 0)
  }

  /** `kind`: a FAIL_… of src/client/failure.ts. What the client caused (its cancellation) is not a failure of the server. */
  reportFailure(now: number, kind: number): void {
    const ints = this.ints
    const at = this.base + SV_FAILURES
    Atomics.store(ints, this.base + SV_LAST_FAILURE, kind)
    const before = Atomics.load(ints, at)
    const runMs = ((now | 0) - Atomics.load(ints, this.base + SV_FAILING_SINCE)) >>> 0
    let failures = 1
    if (before === 0 || runMs > this.home.failureWindowMs) {
      Atomics.store(ints, this.base + SV_FAILING_SINCE, now | 0)
      Atomics.store(ints, at, 1)
    } else failures = Atomics.add(ints, at, 1) + 1
    if (failures >= this.home.failureThreshold && !this.isRetired) this.home.failedRepeatedly(this, now, kind)
  }

  /** Not ejected, in the eyes of any worker. */
  isAvailable(_now: number): boolean {
    return this.ints[this.base + SV_STATE] === SERVER_IN
  }

  /** Removed from the configuration. */
  retire(): void {
    if (this.isRetired) return
    this.isRetired = true
    if (this.active === 0) this.#detach()
  }

  #detach(): void {
    if (!this.#isAttached) return
    this.#isAttached = false
    const view = detachedView(serverSlotKind(this.home.lanes))
    this.ints = view.ints
    this.base = view.base
    this.home.letGo(this.ref)
  }
}
