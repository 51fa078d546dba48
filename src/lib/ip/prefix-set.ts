/**
 * A set of IP prefixes that answers "is this address in it": trusted proxies, allow and deny lists. Asked once per
 * connection or request, so an IPv4 address given as text is looked up without allocation.
 *
 * Prefixes are merged into sorted, disjoint ranges: IPv4 as 32-bit numbers, IPv6 as four such words; a look-up is
 * a binary search.
 */
import { ConfigError } from '../errors.ts'
import { NOT_IPV4, parseAddress, parseIPv4 } from './address.ts'
import { parsePrefix } from './prefix.ts'
import type { Prefix } from './prefix.ts'

const WORDS = 4

export class PrefixSet {
  /** Pairs: first and last address of each range, ascending. */
  readonly #v4: Uint32Array
  /** Eight words a range: first address, last address, ascending. */
  readonly #v6: Uint32Array
  readonly #scratch = new Uint32Array(WORDS)

  constructor(prefixes: readonly Prefix[]) {
    this.#v4 = flatten(prefixes.filter((prefix) => prefix.bytes.length === 4))
    this.#v6 = flatten(prefixes.filter((prefix) => prefix.bytes.length === 16))
  }

  /** Throws a ConfigError that lists every entry which is no address or prefix. */
  static parse(list: readonly string[]): PrefixSet {
    const prefixes: Prefix[] = []
    const issues = []
    for (const [index, text] of list.entries()) {
      const prefix = parsePrefix(text)
      if (prefix === null) {
        issues.push({
          path: [index],
          message: `must be an IP address or prefix, not ${JSON.stringify(text)}`,
        })
      } else {
        prefixes.push(prefix)
      }
    }
    if (issues.length > 0) throw new ConfigError(issues)
    return new PrefixSet(prefixes)
  }

  get isEmpty(): boolean {
    return this.#v4.length === 0 && this.#v6.length === 0
  }

  /** Text, or four or sixteen bytes. What is no address is in no set. */
  has(address: string | Uint8Array): boolean {
    if (typeof address === 'string') {
      const v4 = parseIPv4(address)
      if (v4 !== NOT_IPV4) return this.#hasV4(v4)
      const bytes = parseAddress(address)
      return bytes !== null && this.#hasBytes(bytes)
    }
    return this.#hasBytes(address)
  }

  #hasBytes(bytes: Uint8Array): boolean {
    if (bytes.length === 4) return this.#hasV4(readWord(bytes, 0))
    if (bytes.length !== 16) return false
    if (readWord(bytes, 0) === 0 && readWord(bytes, 4) === 0 && readWord(bytes, 8) === 0xffff) {
      return this.#hasV4(readWord(bytes, 12))
    }
    for (let i = 0; i < WORDS; i++) this.#scratch[i] = readWord(bytes, i * 4)
    return this.#hasV6(this.#scratch)
  }

  #hasV4(address: number): boolean {
    const ranges = this.#v4
    let low = 0
    let high = ranges.length >> 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((ranges[middle * 2 + 1] ?? 0) < address) low = middle + 1
      else high = middle
    }
    return low * 2 < ranges.length && (ranges[low * 2] ?? 0) <= address
  }

  #hasV6(words: Uint32Array): boolean {
    const ranges = this.#v6
    let low = 0
    let high = ranges.length / (2 * WORDS)
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareAt(ranges, middle * 2 * WORDS + WORDS, words) < 0) low = middle + 1
      else high = middle
    }
    const at = low * 2 * WORDS
    return at < ranges.length && compareAt(ranges, at, words) <= 0
  }
}

/** Sorted disjoint ranges of prefixes of one family, as words: first…, last…, first…, last…. */
function flatten(prefixes: readonly Prefix[]): Uint32Array {
  const ranges = prefixes.map((prefix) => rangeOf(prefix)).toSorted((a, b) => compareAt(a.first, 0, b.first))
  const merged: { first: Uint32Array; last: Uint32Array }[] = []
  for (const range of ranges) {
    // Two prefixes are either apart or one inside the other, and the outer one comes first or equal.
    const previous = merged.at(-1)
    if (previous === undefined || compareAt(previous.last, 0, range.first) < 0) merged.push(range)
    else if (compareAt(previous.last, 0, range.last) < 0) previous.last = range.last
  }
  return Uint32Array.from(merged.flatMap((range) => [...range.first, ...range.last]))
}

function rangeOf(prefix: Prefix): { first: Uint32Array; last: Uint32Array } {
  const count = prefix.bytes.length / 4
  const first = new Uint32Array(count)
  const last = new Uint32Array(count)
  for (let i = 0; i < count; i++) {
    const word = readWord(prefix.bytes, i * 4)
    const kept = Math.min(32, Math.max(0, prefix.bits - i * 32))
    first[i] = word
    last[i] = kept === 32 ? word : word | (0xffffffff >>> kept)
  }
  return { first, last }
}

/** Sign of `words[at…]` minus `other`. */
function compareAt(words: Uint32Array, at: number, other: Uint32Array): number {
  for (let i = 0; i < other.length; i++) {
    const difference = (words[at + i] ?? 0) - (other[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function readWord(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) * 0x1000000 +
    (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))
  )
}
