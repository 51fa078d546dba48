/**
 * Many path literals of one host, found by hashing the request path once: the hash of every prefix that ends at a
 * segment's end falls out on the way, and each is one probe. So the cost is that of the path, however many
 * literals there are, and at most one cache line per segment is touched in vain, where a tree touches several
 * per branch. Holds heads of lists (`Entry.next`) by their literal.
 *
 * Open addressing with linear probing; at most half full, so there is always an empty slot to stop at. Keys are
 * configuration: who sends requests cannot make them collide, and a hit is compared in full.
 */
import type { Entry } from './entry.ts'
import { continuesWith } from './radix-tree.ts'

/** FNV-1a; `hashStep` over every code unit, from `HASH_START` on. */
export const HASH_START = 0x811c9dc5 | 0

export function hashStep(hash: number, code: number): number {
  return Math.imul(hash ^ code, 0x01000193)
}

export class LiteralHash<T> {
  /** No literal is longer, nor was one; further on in a path there is nothing to find. */
  maxLength = 0
  #size = 0
  #mask = 15
  #hashes = new Int32Array(16)
  #heads = emptySlots<T>(16)

  /** The head whose literal is the first `length` code units of `text`; `hash` is the hash of these. */
  find(text: string, length: number, hash: number): Entry<T> | null {
    const mask = this.#mask
    const hashes = this.#hashes
    for (let at = spread(hash) & mask; ; at = (at + 1) & mask) {
      const head = this.#heads[at] as Entry<T> | null
      if (head === null) return null
      if (hashes[at] === hash && head.literal.length === length && continuesWith(text, 0, head.literal)) {
        return head
      }
    }
  }

  get(literal: string): Entry<T> | null {
    return this.find(literal, literal.length, hashOf(literal))
  }

  /** Puts a head in, in place of the one with the same literal. */
  set(head: Entry<T>): void {
    if (head.literal.length > this.maxLength) this.maxLength = head.literal.length
    const hash = hashOf(head.literal)
    let at = spread(hash) & this.#mask
    for (let other = this.#heads[at]; other !== null; other = this.#heads[at]) {
      if (other?.literal === head.literal) {
        this.#heads[at] = head
        return
      }
      at = (at + 1) & this.#mask
    }
    this.#heads[at] = head
    this.#hashes[at] = hash
    if (++this.#size * 2 > this.#mask) this.#grow()
  }

  delete(literal: string): void {
    const mask = this.#mask
    const heads = this.#heads
    const hashes = this.#hashes
    let hole = spread(hashOf(literal)) & mask
    while (heads[hole] !== null && heads[hole]?.literal !== literal) hole = (hole + 1) & mask
    if (heads[hole] === null) return
    this.#size--
    // What follows in the run moves up unless that would put it before its own first place.
    for (let at = (hole + 1) & mask; heads[at] !== null; at = (at + 1) & mask) {
      const home = spread(hashes[at] as number) & mask
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      heads[hole] = heads[at] as Entry<T>
      hashes[hole] = hashes[at] as number
      hole = at
    }
    heads[hole] = null
  }

  *values(): Generator<Entry<T>> {
    for (const head of this.#heads) if (head !== null) yield head
  }

  #grow(): void {
    const heads = this.#heads
    const hashes = this.#hashes
    const size = heads.length * 2
    const mask = size - 1
    const newHeads = emptySlots<T>(size)
    const newHashes = new Int32Array(size)
    for (let from = 0; from < heads.length; from++) {
      const head = heads[from] as Entry<T> | null
      if (head === null) continue
      const hash = hashes[from] as number
      let at = spread(hash) & mask
      while (newHeads[at] !== null) at = (at + 1) & mask
      newHeads[at] = head
      newHashes[at] = hash
    }
    this.#mask = mask
    this.#heads = newHeads
    this.#hashes = newHashes
  }
}

function emptySlots<T>(size: number): (Entry<T> | null)[] {
  const slots: (Entry<T> | null)[] = []
  for (let i = 0; i < size; i++) slots.push(null)
  return slots
}

function hashOf(text: string): number {
  let hash = HASH_START
  for (let i = 0; i < text.length; i++) hash = hashStep(hash, text.charCodeAt(i))
  return hash
}

/** The low bits of FNV-1a alone are not good enough for a mask. */
function spread(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 12
}
