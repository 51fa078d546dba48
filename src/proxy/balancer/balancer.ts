/** The contract between a service and its balancing algorithm. */
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
