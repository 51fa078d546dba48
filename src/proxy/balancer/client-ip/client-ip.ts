/** The same client address goes to the same server, for as long as that one can be used (Service sessionAffinity). */
import type { Server } from '../../upstream/server.ts'
import type { Exchange } from '../../http/exchange.ts'
import type { Picker, PickerInput } from '../balancer.ts'
import { HASH_START, Rendezvous, hashText } from '../hash.ts'

export class ClientIp implements Picker {
  readonly #rendezvous: Rendezvous

  constructor(input: PickerInput) {
    this.#rendezvous = new Rendezvous(input.servers, input.ignoreHealth)
  }

  pick(exchange: Exchange, tried: readonly Server[], now: number): Server | null {
    const address = exchange.clientAddress
    return this.#rendezvous.pick(hashText(HASH_START, address, 0, address.length), tried, now)
  }
}
