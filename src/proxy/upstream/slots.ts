/**
 * Control's side of upstreams: gives every service and server its slot by identity, clears what a worker that ended
 * left behind, and reads the shared records for metrics and `explain`.
 *
 * Identity: name of the service; name of the service and id of the server. Both survive any change that keeps them,
 * and removal for the allocator's grace period.
 */
import type { ServiceConfig } from '#config/model/dynamic.ts'
import type { SlotAllocator } from '#net/shared/slot-allocator.ts'
import type { SlotKind, SlotRef } from '#net/shared/slots.ts'
import {
  SC_CHANGES,
  SC_EJECTIONS,
  SC_PANICS,
  SC_PROBES,
  SC_REINSTATEMENTS,
  SC_WITHHELD,
  SERVER_EJECTED,
  SERVICE_SLOT,
  SV_FAILURES,
  SV_LANES,
  SV_LAST_FAILURE,
  SV_PROBE_AT,
  SV_STATE,
  serverSlotKind,
} from './words.ts'
import type { ServiceSlots } from './words.ts'

/** Totals since the service got its slot, and what holds now. */
export interface ServiceReport {
  readonly ejections: number
  readonly reinstatements: number
  readonly probes: number
  /** Ejections that the limit on ejected servers forbade. */
  readonly withheld: number
  /** Selections of an ejected server because nothing else was left. */
  readonly panics: number
  readonly servers: readonly ServerReport[]
}

export interface ServerReport {
  readonly id: string
  readonly isEjected: boolean
  /** Time to the next probe, ms; 0 while it is in. */
  readonly probeInMs: number
  readonly inFlight: number
  readonly failures: number
  /** A FAIL_… of src/client/failure.ts, 0 when there was none. */
  readonly lastFailure: number
}

interface Assigned {
  readonly slots: ServiceSlots
  /** Server slots by id, each allocated once. */
  readonly servers: ReadonlyMap<string, SlotRef>
}

export class UpstreamSlots {
  readonly #allocator: SlotAllocator
  readonly #lanes: number
  readonly #serverKind: SlotKind
  readonly #assigned = new Map<string, Assigned>()

  constructor(allocator: SlotAllocator, lanes: number) {
    this.#allocator = allocator
    this.#lanes = lanes
    this.#serverKind = serverSlotKind(lanes)
  }

  /** Slots for a service that is new or changed; they go to the workers together with the configuration. */
  assign(config: ServiceConfig, nowMs: number): ServiceSlots {
    const before = this.#assigned.get(config.name)
    const servers = new Map<string, SlotRef>()
    for (const { id } of config.servers) {
      if (!servers.has(id))
        servers.set(id, this.#allocator.allocate(this.#serverKind, identityOf(config.name, id)))
    }
    const slots: ServiceSlots = {
      service: this.#allocator.allocate(SERVICE_SLOT, config.name),
      servers: config.servers.map(({ id }) => servers.get(id)!),
    }
    if (before !== undefined) this.#release(config.name, before, nowMs)
    this.#assigned.set(config.name, { slots, servers })
    return slots
  }

  /** The service is in no configuration any more. Unknown names are ignored. */
  remove(name: string, nowMs: number): void {
    const before = this.#assigned.get(name)
    if (before === undefined) return
    this.#assigned.delete(name)
    this.#release(name, before, nowMs)
  }

  /** What `assign` gave last; for a worker that starts now. */
  slotsOf(name: string): ServiceSlots | undefined {
    return this.#assigned.get(name)?.slots
  }

  /** Takes the ended worker's requests out of all in-flight counts. Before its lane is given to another worker. */
  workerEnded(lane: number): void {
    this.#allocator.forEachSlot(this.#serverKind, (ints, base) => {
      Atomics.store(ints, base + SV_LANES + lane, 0)
    })
    // It may have ended between a change of state and its announcement: everybody looks again.
    this.#allocator.forEachSlot(SERVICE_SLOT, (ints, base) => {
      Atomics.add(ints, base + SC_CHANGES, 1)
    })
  }

  /** Undefined for an unknown service. `nowMs`: ms since epoch. */
  report(name: string, nowMs: number): ServiceReport | undefined {
    const assigned = this.#assigned.get(name)
    if (assigned === undefined) return undefined
    const { ints, base } = this.#allocator.view(assigned.slots.service)
    const total = (word: number): number => Atomics.load(ints, base + word) >>> 0
    return {
      ejections: total(SC_EJECTIONS),
      reinstatements: total(SC_REINSTATEMENTS),
      probes: total(SC_PROBES),
      withheld: total(SC_WITHHELD),
      panics: total(SC_PANICS),
      servers: [...assigned.servers].map(([id, ref]) => this.#reportServer(id, ref, nowMs)),
    }
  }

  #reportServer(id: string, ref: SlotRef, nowMs: number): ServerReport {
    const { ints, base } = this.#allocator.view(ref)
    const isEjected = Atomics.load(ints, base + SV_STATE) === SERVER_EJECTED
    let inFlight = 0
    for (let lane = 0; lane < this.#lanes; lane++) inFlight += Atomics.load(ints, base + SV_LANES + lane)
    return {
      id,
      isEjected,
      probeInMs: isEjected ? Math.max(0, (Atomics.load(ints, base + SV_PROBE_AT) - (nowMs | 0)) | 0) : 0,
      inFlight,
      failures: Atomics.load(ints, base + SV_FAILURES),
      lastFailure: Atomics.load(ints, base + SV_LAST_FAILURE),
    }
  }

  #release(name: string, assigned: Assigned, nowMs: number): void {
    for (const id of assigned.servers.keys()) {
      this.#allocator.release(this.#serverKind, identityOf(name, id), nowMs)
    }
    this.#allocator.release(SERVICE_SLOT, name, nowMs)
  }
}

function identityOf(service: string, server: string): string {
  return `${service}\0${server}`
}
