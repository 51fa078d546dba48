/**
 * Hashing for balancers that send the same key to the same server: FNV-1a over the key, and rendezvous (highest
 * random weight; Thaler and Ravishankar, 1998) to choose the server. Both are unkeyed on purpose, so that workers,
 * replicas and restarts agree. Rendezvous keeps no table: a server that comes or goes moves only its own keys, a
 * server that is passed over leaves its keys spread over all others, and the cost is one multiplication per server.
 */
import type { Server } from '../upstream/server.ts'
import { isEligible } from './balancer.ts'

/** Start of a hash. */
export const HASH_START = 0x811c9dc5 | 0

/** `hash` continued over `text[start, end)`. */
export function hashText(hash: number, text: string, start: number, end: number): number {
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

/** Spreads every input bit over the whole word (the finalizer of MurmurHash3). */
export function mix(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35)
  return word ^ (word >>> 16)
}

export class Rendezvous {
  readonly #servers: readonly Server[]
  readonly #ignoreHealth: boolean
  /** Two words per server, from its id: one alone would let two servers of a large set share all scores. */
  readonly #seeds: Int32Array
  readonly #isWeighted: boolean

  constructor(servers: readonly Server[], ignoreHealth: boolean) {
    this.#servers = servers
    this.#ignoreHealth = ignoreHealth
    this.#isWeighted = servers.some((server) => server.weight !== servers[0]!.weight)
    this.#seeds = new Int32Array(servers.length * 2)
    servers.forEach((server, index) => {
      const hash = hashText(HASH_START, server.id, 0, server.id.length)
      this.#seeds[index * 2] = mix(hash)
      this.#seeds[index * 2 + 1] = mix(hashText(mix(hash), server.id, 0, server.id.length))
    })
  }

  /** The eligible server with the highest score for a key's hash; null when none is eligible. */
  pick(hash: number, tried: readonly Server[], now: number): Server | null {
    const servers = this.#servers
    const seeds = this.#seeds
    const key = mix(hash)
    let best: Server | null = null
    let bestScore = -1
    for (let i = 0; i < servers.length; i++) {
      const word = mix(Math.imul(key ^ seeds[i * 2]!, 0x9e3779b1) ^ seeds[i * 2 + 1]!) >>> 0
      const server = servers[i]!
      // Weighted: weight / -ln(u) keeps shares proportional and still moves only the keys it must.
      const score = this.#isWeighted ? server.weight / -Math.log((word + 0.5) / 2 ** 32) : word
      if (score <= bestScore) continue
      if (!isEligible(server, tried, now, this.#ignoreHealth)) continue
      best = server
      bestScore = score
    }
    return best
  }
}
