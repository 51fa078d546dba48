/**
 * The routers of one host level, found by path. While there are few different literals they are in a list. Then
 * those that end at a segment's end (exact, prefix, any) are in a hash table and string prefixes in a radix tree.
 * Each place holds, per literal, a list of entries sorted by order. Regular expressions are one list in order.
 * Called by RoutingProgram only.
 *
 * Invariant: of all entries that match, the first by `precedes` is found, whichever structure they are in.
 */
import type { Served } from './bindings.ts'
import {
  type Entry,
  PATH_EXACT,
  PATH_PREFIX,
  PATH_REGEX,
  PATH_STRING_PREFIX,
  type RegexRule,
} from './entry.ts'
import { HASH_START, hashStep, LiteralHash } from './literal-hash.ts'
import type { Regex } from '#lib/regex/regex.ts'
import { precedes } from './order.ts'
import { childOf, continuesWith, type RadixNode, RadixTree } from './radix-tree.ts'
import type { MatchRecorder } from './recorder.ts'

/** A walk over so many literals costs less than hashing the path. */
const MAX_LISTED_LITERALS = 8

const CHAR_SLASH = 0x2f

export class PathTable<T> {
  /** Entries in it. */
  size = 0
  /** Heads of the literals while they are few, linked by `sibling`. */
  #list: Entry<T> | null = null
  /** Heads of the literals once they are many; then `#list` is empty. */
  #large: LargeTable<T> | null = null
  #regexes: readonly RegexRule<T>[] | null = null
  /** Entries by binding that make the level owned. */
  #owners: number[] | null = null

  /** The first entry by order that matches, null when none does. */
  find(path: string, scheme: number, served: Served, recorder: MatchRecorder | undefined): Entry<T> | null {
    let best: Entry<T> | null = null
    if (this.#large === null) {
      for (let head = this.#list; head !== null; head = head.sibling) {
        const literal = head.literal
        if (continuesWith(path, 0, literal)) {
          best = pick(head, path, literal.length, scheme, served, best, recorder)
        }
      }
    } else {
      best = findSegments(this.#large.hash, path, scheme, served, recorder)
      if (this.#large.tree !== null) {
        best = findPrefixes(this.#large.tree, path, scheme, served, best, recorder)
      }
    }
    return this.#regexes === null ? best : pickRegex(this.#regexes, path, scheme, served, best, recorder)
  }

  /** Requests of this entrypoint that match nothing here are not offered to less specific hosts. */
  isOwned(served: Served): boolean {
    return this.#owners !== null && this.#owners.some((count, binding) => count > 0 && served[binding] === 1)
  }

  /** `regex` exactly for entries whose path is one. */
  add(entry: Entry<T>, regex: Regex | null): void {
    this.size++
    if (entry.router.hostMode === 'owned') {
      this.#owners ??= []
      while (this.#owners.length <= entry.binding) this.#owners.push(0)
      this.#owners[entry.binding] = (this.#owners[entry.binding] ?? 0) + 1
    }
    if (regex !== null) {
      const rules = this.#regexes ?? []
      const at = rules.findIndex((rule) => precedes(entry, rule.entry))
      this.#regexes = rules.toSpliced(at === -1 ? rules.length : at, 0, { entry, regex })
      return
    }
    const head = this.#headOf(entry)
    if (head === null) this.#addLiteral(entry)
    else if (precedes(entry, head)) {
      this.#replaceHead(head, entry)
      entry.next = head
    } else {
      let before = head
      while (before.next !== null && precedes(before.next, entry)) before = before.next
      entry.next = before.next
      before.next = entry
    }
  }

  remove(entry: Entry<T>): void {
    this.size--
    if (entry.router.hostMode === 'owned' && this.#owners !== null) {
      this.#owners[entry.binding] = (this.#owners[entry.binding] ?? 0) - 1
    }
    if (entry.pathKind === PATH_REGEX) {
      const rest = (this.#regexes ?? []).filter((rule) => rule.entry !== entry)
      this.#regexes = rest.length === 0 ? null : rest
      return
    }
    const head = this.#headOf(entry)
    if (head === entry) this.#replaceHead(entry, entry.next)
    else {
      let before = head
      while (before !== null && before.next !== entry) before = before.next
      if (before !== null) before.next = entry.next
    }
    entry.next = null
  }

  /** Every entry, in no promised order. */
  *entries(): Generator<Entry<T>> {
    for (const head of this.#heads()) {
      for (let entry: Entry<T> | null = head; entry !== null; entry = entry.next) yield entry
    }
    for (const rule of this.#regexes ?? []) yield rule.entry
  }

  *#heads(): Generator<Entry<T>> {
    if (this.#large !== null) {
      yield* this.#large.hash.values()
      if (this.#large.tree !== null) yield* this.#large.tree.values()
    }
    for (let head = this.#list; head !== null; head = head.sibling) yield head
  }

  /** Head of the list where the entry belongs. */
  #headOf(entry: Entry<T>): Entry<T> | null {
    const { literal } = entry
    if (this.#large !== null) {
      if (entry.pathKind !== PATH_STRING_PREFIX) return this.#large.hash.get(literal)
      return this.#large.tree === null ? null : this.#large.tree.get(literal, 0)
    }
    let head = this.#list
    while (head !== null && head.literal !== literal) head = head.sibling
    return head
  }

  #addLiteral(entry: Entry<T>): void {
    if (this.#large === null) {
      let count = 1
      for (let head = this.#list; head !== null; head = head.sibling) count++
      if (count <= MAX_LISTED_LITERALS) {
        entry.sibling = this.#list
        this.#list = entry
        return
      }
      this.#enlarge()
    }
    this.#putHead(entry)
  }

  /** From the list to the structures for many. */
  #enlarge(): void {
    const entries = [...this.#heads()].flatMap(listFrom)
    this.#list = null
    this.#large = { hash: new LiteralHash<T>(), tree: null }
    for (const entry of entries) {
      entry.next = null
      entry.sibling = null
      // In order per literal, so each comes last in its list.
      let last = this.#headOf(entry)
      if (last === null) this.#putHead(entry)
      else {
        while (last.next !== null) last = last.next
        last.next = entry
      }
    }
  }

  #putHead(head: Entry<T>): void {
    const large = this.#large
    if (large === null) return
    if (head.pathKind !== PATH_STRING_PREFIX) large.hash.set(head)
    else {
      large.tree ??= new RadixTree<Entry<T>>()
      large.tree.set(head.literal, head)
    }
  }

  /** `by` null: the literal goes. */
  #replaceHead(head: Entry<T>, by: Entry<T> | null): void {
    if (this.#large !== null) {
      if (by !== null) this.#putHead(by)
      else if (head.pathKind !== PATH_STRING_PREFIX) this.#large.hash.delete(head.literal)
      else this.#large.tree?.delete(head.literal)
      return
    }
    const follower = by ?? head.sibling
    if (by !== null) by.sibling = head.sibling
    if (this.#list === head) this.#list = follower
    else {
      let before = this.#list
      while (before !== null && before.sibling !== head) before = before.sibling
      if (before !== null) before.sibling = follower
    }
    head.sibling = null
  }
}

interface LargeTable<T> {
  readonly hash: LiteralHash<T>
  tree: RadixTree<Entry<T>> | null
}

function listFrom<T>(head: Entry<T>): Entry<T>[] {
  const list: Entry<T>[] = []
  for (let entry: Entry<T> | null = head; entry !== null; entry = entry.next) list.push(entry)
  return list
}

/** Among exact paths and prefixes by element: asks at the end of every segment. */
function findSegments<T>(
  hashTable: LiteralHash<T>,
  path: string,
  scheme: number,
  served: Served,
  recorder: MatchRecorder | undefined,
): Entry<T> | null {
  let best: Entry<T> | null = null
  let hash = HASH_START
  const last = Math.min(path.length, hashTable.maxLength)
  for (let at = 0; at <= last; at++) {
    const isEnd = at === path.length
    const code = isEnd ? CHAR_SLASH : path.charCodeAt(at)
    if (code === CHAR_SLASH) {
      const head = hashTable.find(path, at, hash)
      if (head !== null) best = pick(head, path, at, scheme, served, best, recorder)
    }
    hash = hashStep(hash, code)
  }
  return best
}

/** Among prefixes that end anywhere. */
function findPrefixes<T>(
  tree: RadixTree<Entry<T>>,
  path: string,
  scheme: number,
  served: Served,
  best: Entry<T> | null,
  recorder: MatchRecorder | undefined,
): Entry<T> | null {
  let first = best
  let node: RadixNode<Entry<T>> | null = tree.root
  let at = 0
  for (;;) {
    if (node.value !== null) first = pick(node.value, path, at, scheme, served, first, recorder)
    if (at === path.length) return first
    node = childOf(node, path.charCodeAt(at))
    if (node === null || !continuesWith(path, at, node.label)) return first
    at += node.label.length
  }
}

/** The first of one literal's entries that match, or `best`. `at`: how much of the path the literal took. */
function pick<T>(
  head: Entry<T>,
  path: string,
  at: number,
  scheme: number,
  served: Served,
  best: Entry<T> | null,
  recorder: MatchRecorder | undefined,
): Entry<T> | null {
  const isEnd = at === path.length
  const isBoundary = isEnd || path.charCodeAt(at) === CHAR_SLASH
  let first = best
  for (let entry: Entry<T> | null = head; entry !== null; entry = entry.next) {
    const kind = entry.pathKind
    if (kind === PATH_EXACT ? !isEnd : kind === PATH_PREFIX && !isBoundary) continue
    if ((entry.schemes & scheme) === 0) {
      if (recorder !== undefined) recorder.rejected(entry.router, 'scheme')
      continue
    }
    if (served[entry.binding] !== 1) {
      if (recorder !== undefined) recorder.rejected(entry.router, 'entryPoint')
      continue
    }
    if (first === null || precedes(entry, first)) first = entry
    // The rest of the list comes later by order.
    if (recorder === undefined) return first
    recorder.matched(entry.router)
  }
  return first
}

function pickRegex<T>(
  rules: readonly RegexRule<T>[],
  path: string,
  scheme: number,
  served: Served,
  best: Entry<T> | null,
  recorder: MatchRecorder | undefined,
): Entry<T> | null {
  let first = best
  for (const rule of rules) {
    const entry = rule.entry
    const isFirst = first === null || precedes(entry, first)
    if (!isFirst && recorder === undefined) return first
    if (served[entry.binding] !== 1) {
      if (recorder !== undefined) recorder.rejected(entry.router, 'entryPoint')
      continue
    }
    if (!rule.regex.test(path)) continue
    if ((entry.schemes & scheme) === 0) {
      if (recorder !== undefined) recorder.rejected(entry.router, 'scheme')
      continue
    }
    if (isFirst) first = entry
    if (recorder === undefined) return first
    recorder.matched(entry.router)
  }
  return first
}
