/** The contract between a service and its balancing algorithm. */
import type { HashSource, ServiceConfig } from '#config/model/dynamic.ts'
import type { Issue } from '#lib/errors.ts'
import type { Server } from '../upstream/server.ts'
import type { Exchange } from '../http/exchange.ts'

/**
 * Pure picker over a fixed list of servers. Made anew when the list changes; what must survive (positions,
 * in-flight counts, health) lives in the slots of the service and of its servers.
 */
export interface Picker {
  /**
   * Chooses among servers that are available now and not in `tried`. Null: none. Never allocates on the
   * ordinary path. `exchange` gives client address, headers and cookies for keyed algorithms.
   */
  pick(exchange: Exchange, tried: readonly Server[], now: number): Server | null
}

/** One Int32 word in shared memory. The place may move (a service that is closed), so it is read at each use. */
export interface SharedWord {
  ints: Int32Array
  index: number
}

export interface PickerInput {
  /** At least one; all with a weight above 0, all equally eligible but for health. */
  readonly servers: readonly Server[]
  /** Round-robin position, one for all workers; every use takes the next value. */
  readonly position: SharedWord
  readonly hashOn: HashSource
  /** Ejected servers count as available: nothing else is left. */
  readonly ignoreHealth: boolean
  /** In [0, 1). */
  readonly random: () => number
}

/** A balancing algorithm: what a folder's index.ts exports and registry.ts lists. */
export interface BalancerDeclaration {
  /** The folder's name, and the value of `balancer` in a ServiceConfig. */
  readonly name: ServiceConfig['balancer']
  readonly status: 'stable' | 'experimental'
  /** `key`: the same key goes to the same server. `load`: looks at requests in flight. */
  readonly basis: 'turn' | 'load' | 'key'
  /** What this algorithm cannot work with in an otherwise sound service. */
  check?(config: ServiceConfig): Issue[]
  create(input: PickerInput): Picker
}

/** May be chosen: not among those that failed this exchange, and healthy unless health is ignored. */
export function isEligible(
  server: Server,
  tried: readonly Server[],
  now: number,
  ignoreHealth: boolean,
): boolean {
  if (tried.length > 0 && tried.includes(server)) return false
  return ignoreHealth || server.isAvailable(now)
}

/** The next value of the position, an unsigned 32-bit number. */
export function nextTurn(position: SharedWord): number {
  return Atomics.add(position.ints, position.index, 1) >>> 0
}
