/**
 * Words of the slots that servers and services have in shared memory. Any worker changes any word, with Atomics,
 * except the lanes of in-flight counts, each written by its one worker.
 *
 * Times are the low 32 bits of milliseconds since epoch: differences are right up to 24 days, and no time that is
 * compared is older (an ejection ends within minutes, and what it is compared with is checked by state first).
 */
import type { SlotKind, SlotRef } from '#net/shared/slots.ts'

// A server's words.
/** SERVER_IN or SERVER_EJECTED. */
export const SV_STATE = 0
/** Failures since the last success. */
export const SV_FAILURES = 1
/** Time of the first of them. */
export const SV_FAILING_SINCE = 2
/** While ejected: when the next probe is due. A probe is claimed by moving it ahead. */
export const SV_PROBE_AT = 3
/** Ejections and failed probes in a row: exponent of the back-off. */
export const SV_LEVEL = 4
export const SV_REINSTATED_AT = 5
/** The FAIL_… (src/client/failure.ts) of the last failure, 0 before the first. */
export const SV_LAST_FAILURE = 6
/** First of the lanes: requests in flight per worker. */
export const SV_LANES = 7

export const SERVER_IN = 0
export const SERVER_EJECTED = 1

// A service's words.
/** Round-robin position of the balancer. */
export const SC_POSITION = 0
/** Changes whenever a server of the service is ejected or reinstated. */
export const SC_CHANGES = 1
/** Totals for metrics. */
export const SC_EJECTIONS = 2
export const SC_REINSTATEMENTS = 3
export const SC_PROBES = 4
/** Ejections that the limit on ejected servers forbade. */
export const SC_WITHHELD = 5
/** Selections that took an ejected server because nothing else was left. */
export const SC_PANICS = 6

/** Slot of a service. */
export const SERVICE_SLOT: SlotKind = { name: 'service', ints: 7, floats: 0 }

/** Slot of a server in a process with so many lanes. */
export function serverSlotKind(lanes: number): SlotKind {
  return { name: 'server', ints: SV_LANES + lanes, floats: 0 }
}

/** Slots of one service; plain data that travels with its ServiceConfig. */
export interface ServiceSlots {
  readonly service: SlotRef
  /** One for each server of the configuration, in its order; servers with the same id share one. */
  readonly servers: readonly SlotRef[]
}
