/**
 * The server with the fewest requests in flight for its weight, counted over all workers. Servers that tie take
 * turns in proportion to their weights. Looks at every server, twice when some tie: for very many servers take p2c.
 */
import type { Server } from '../../upstream/server.ts'
import type { Exchange } from '../../http/exchange.ts'
import { isEligible, nextTurn } from '../balancer.ts'
import type { Picker, PickerInput, SharedWord } from '../balancer.ts'

export class LeastConnections implements Picker {
  readonly #servers: readonly Server[]
  readonly #position: SharedWord
  readonly #ignoreHealth: boolean
  /** Load per server as seen by the pick under way, so that both passes see the same; -1: not eligible. */
  readonly #loads: Float64Array

  constructor(input: PickerInput) {
    this.#servers = input.servers
    this.#position = input.position
    this.#ignoreHealth = input.ignoreHealth
    this.#loads = new Float64Array(input.servers.length)
  }

  pick(_exchange: Exchange, tried: readonly Server[], now: number): Server | null {
    const servers = this.#servers
    const loads = this.#loads
    let least = Infinity
    let best = -1
    let ties = 0
    let tiedWeight = 0
    for (let i = 0; i < servers.length; i++) {
      const server = servers[i]!
      if (!isEligible(server, tried, now, this.#ignoreHealth)) {
        loads[i] = -1
        continue
      }
      const load = server.inFlight() / server.weight
      loads[i] = load
      if (load < least) {
        least = load
        best = i
        ties = 1
        tiedWeight = server.weight
      } else if (load === least) {
        ties += 1
        tiedWeight += server.weight
      }
    }
    if (best === -1) return null
    if (ties === 1) return servers[best]!
    let turn = nextTurn(this.#position) % tiedWeight
    for (let i = best; i < servers.length; i++) {
      if (loads[i] !== least) continue
      turn -= servers[i]!.weight
      if (turn < 0) return servers[i]!
    }
    return servers[best]!
  }
}
