/**
 * The same key goes to the same server; a change of n servers moves about 1/n of the keys. A request in which
 * nothing of the key is present (no such cookie, header or parameter) is spread by turns instead of all going to one.
 */
import type { Server } from '../../upstream/server.ts'
import type { Exchange } from '../../http/exchange.ts'
import { nextTurn } from '../balancer.ts'
import type { Picker, PickerInput, SharedWord } from '../balancer.ts'
import { Rendezvous } from '../hash.ts'
import { HashKey } from './hash-key.ts'

export class ConsistentHash implements Picker {
  readonly #key: HashKey
  readonly #rendezvous: Rendezvous
  readonly #position: SharedWord

  constructor(input: PickerInput) {
    this.#key = new HashKey(input.hashOn)
    this.#rendezvous = new Rendezvous(input.servers, input.ignoreHealth)
    this.#position = input.position
  }

  pick(exchange: Exchange, tried: readonly Server[], now: number): Server | null {
    const hash = this.#key.compute(exchange)
    return this.#rendezvous.pick(this.#key.hasKey ? hash : nextTurn(this.#position), tried, now)
  }
}
