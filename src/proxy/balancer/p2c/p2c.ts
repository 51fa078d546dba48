/**
 * Power of two choices: two different servers at random, in proportion to their weights, and of them the one with
 * fewer requests in flight for its weight. Cost does not depend on the number of servers, and workers that decide at
 * the same moment do not all run to the same one.
 */
import type { Server } from '../../upstream/server.ts'
import type { Exchange } from '../../http/exchange.ts'
import { isEligible } from '../balancer.ts'
import type { Picker, PickerInput } from '../balancer.ts'
import { weightedSequence } from '../weighted-sequence.ts'

/** Draws that may fall on servers that cannot be used, before the list is searched instead. */
const MAX_DRAWS = 8

export class PowerOfTwoChoices implements Picker {
  readonly #servers: readonly Server[]
  readonly #sequence: Uint16Array | Uint32Array | null
  readonly #turns: number
  readonly #ignoreHealth: boolean
  readonly #random: () => number

  constructor(input: PickerInput) {
    this.#servers = input.servers
    this.#sequence = weightedSequence(input.servers)
    this.#turns = this.#sequence === null ? input.servers.length : this.#sequence.length
    this.#ignoreHealth = input.ignoreHealth
    this.#random = input.random
  }

  pick(_exchange: Exchange, tried: readonly Server[], now: number): Server | null {
    let first: Server | null = null
    for (let draws = 0; draws < MAX_DRAWS; draws++) {
      const server = this.#draw()
      if (server === first || !isEligible(server, tried, now, this.#ignoreHealth)) continue
      if (first === null) first = server
      else return lighter(first, server)
    }
    return this.#search(first, tried, now)
  }

  #draw(): Server {
    const turn = Math.floor(this.#random() * this.#turns)
    return this.#servers[this.#sequence === null ? turn : this.#sequence[turn]!]!
  }

  /** Luck did not find two: takes the next usable ones of the list from a random place on. */
  #search(first: Server | null, tried: readonly Server[], now: number): Server | null {
    const servers = this.#servers
    const start = Math.floor(this.#random() * servers.length)
    for (let i = 0; i < servers.length; i++) {
      const server = servers[(start + i) % servers.length]!
      if (server === first || !isEligible(server, tried, now, this.#ignoreHealth)) continue
      if (first !== null) return lighter(first, server)
      first = server
    }
    return first
  }
}

/** A tie goes to the one drawn first: draws are in proportion to the weights already. */
function lighter(first: Server, second: Server): Server {
  return second.inFlight() * first.weight < first.inFlight() * second.weight ? second : first
}
