/**
 * Weighted round robin whose position is one for all workers: each pick takes the next turn of the service, so the
 * spread is even however connections fell to workers, and a reload goes on where it was.
 */
import type { Server } from '../../upstream/server.ts'
import type { Exchange } from '../../http/exchange.ts'
import { isEligible, nextTurn } from '../balancer.ts'
import type { Picker, PickerInput, SharedWord } from '../balancer.ts'
import { weightedSequence } from '../weighted-sequence.ts'

/** Turns that may fall on servers that cannot be used, before the list is searched instead. */
const MAX_SKIPS = 32

export class WeightedRoundRobin implements Picker {
  readonly #servers: readonly Server[]
  readonly #sequence: Uint16Array | Uint32Array | null
  readonly #turns: number
  readonly #position: SharedWord
  readonly #ignoreHealth: boolean

  constructor(input: PickerInput) {
    this.#servers = input.servers
    this.#sequence = weightedSequence(input.servers)
    this.#turns = this.#sequence === null ? input.servers.length : this.#sequence.length
    this.#position = input.position
    this.#ignoreHealth = input.ignoreHealth
  }

  pick(_exchange: Exchange, tried: readonly Server[], now: number): Server | null {
    let turn = 0
    // Each skip takes a turn of its own: handing a skipped turn to the neighbour would give that one a double share.
    for (let skips = 0; skips < MAX_SKIPS; skips++) {
      turn = nextTurn(this.#position) % this.#turns
      const server = this.#servers[this.#sequence === null ? turn : this.#sequence[turn]!]!
      if (isEligible(server, tried, now, this.#ignoreHealth)) return server
    }
    for (let i = 0; i < this.#servers.length; i++) {
      const server = this.#servers[(turn + i) % this.#servers.length]!
      if (isEligible(server, tried, now, this.#ignoreHealth)) return server
    }
    // Nobody had these turns. Keeping them could fall into step with the list, so that the next tier's pick always
    // lands on the same server.
    Atomics.sub(this.#position.ints, this.#position.index, MAX_SKIPS)
    return null
  }
}
