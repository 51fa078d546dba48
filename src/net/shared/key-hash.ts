/**
 * Keyed hash of a text that a client chose, for places in shared tables: HalfSipHash-2-4 with its 64-bit result
 * (J.-P. Aumasson and D. J. Bernstein). The key is random per process, so that nobody can aim at a bucket. The
 * message is the text's UTF-16 code units, low byte first.
 */

/** Two random words; made by control, the same in all workers. */
export type HashSeed = readonly [number, number]

export class KeyHasher {
  readonly #k0: number
  readonly #k1: number
  /** The result of the last `hash`, two Int32 words. */
  hi = 0
  lo = 0

  constructor(seed: HashSeed) {
    this.#k0 = seed[0] | 0
    this.#k1 = seed[1] | 0
  }

  /** Sets `hi` and `lo`; linear in the length of the text. */
  hash(text: string): void {
    let v0 = this.#k0
    let v1 = this.#k1 ^ 0xee
    let v2 = this.#k0 ^ 0x6c796765
    let v3 = this.#k1 ^ 0x74656462
    const words = text.length >> 1
    // Blocks, then the length block, then two finalisations: one round function inlined for all of them.
    let lo = 0
    for (let step = 0; step <= words + 2; step++) {
      let block = 0
      let rounds = 2
      if (step < words) {
        block = text.charCodeAt(step * 2) | (text.charCodeAt(step * 2 + 1) << 16)
      } else if (step === words) {
        block = ((text.length * 2) << 24) | ((text.length & 1) === 1 ? text.charCodeAt(words * 2) : 0)
      } else {
        rounds = 4
        if (step === words + 1) v2 ^= 0xee
        else v1 ^= 0xdd
      }
      v3 ^= block
      for (let round = 0; round < rounds; round++) {
        v0 = (v0 + v1) | 0
        v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
        v0 = (v0 << 16) | (v0 >>> 16)
        v2 = (v2 + v3) | 0
        v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
        v0 = (v0 + v3) | 0
        v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
        v2 = (v2 + v1) | 0
        v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
        v2 = (v2 << 16) | (v2 >>> 16)
      }
      v0 ^= block
      if (step === words + 1) lo = v1 ^ v3
    }
    this.lo = lo
    this.hi = v1 ^ v3
  }
}
