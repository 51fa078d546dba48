/**
 * Evaluates a HashSource on an exchange: the hash of all its parts, computed without building the key. Parts are
 * put behind each other with a separator, so that ("ab", "c") and ("a", "bc") differ.
 */
import type { HashSource } from '#config/model/dynamic.ts'
import type { Exchange } from '../../http/exchange.ts'
import { cookieValueEnd, findCookie } from '../../upstream/cookie.ts'
import { HASH_START, hashText } from '../hash.ts'

// Kinds of parts, decided once.
const P_LITERAL = 0
const P_HEADER = 1
const P_COOKIE = 2
const P_QUERY = 3
const P_HOST = 4
const P_URI = 5
const P_PATH = 6
const P_METHOD = 7
const P_CLIENT_ADDRESS = 8
const P_SCHEME = 9

/** Names that a `variable` part may have. */
export const HASH_VARIABLES: ReadonlyMap<string, number> = new Map([
  ['host', P_HOST],
  ['uri', P_URI],
  ['path', P_PATH],
  ['method', P_METHOD],
  ['clientAddress', P_CLIENT_ADDRESS],
  ['scheme', P_SCHEME],
])

interface Part {
  readonly kind: number
  readonly text: string
}

export class HashKey {
  readonly #parts: readonly Part[]
  /** The last `compute` found at least one part of the request with something in it. */
  hasKey = false

  /** Unknown variables throw: check.ts names them before. */
  constructor(source: HashSource) {
    this.#parts = source.map(compile)
  }

  compute(exchange: Exchange): number {
    let hash = HASH_START
    this.hasKey = false
    for (const part of this.#parts) {
      hash = this.#add(hash, part, exchange)
      hash = Math.imul(hash ^ 0x1f, 0x01000193)
    }
    return hash
  }

  #add(hash: number, part: Part, exchange: Exchange): number {
    switch (part.kind) {
      case P_LITERAL:
        return hashText(hash, part.text, 0, part.text.length)
      case P_HEADER:
        return this.#whole(hash, exchange.request.get(part.text) ?? '')
      case P_COOKIE:
        return this.#cookie(hash, exchange.request.get('cookie') ?? '', part.text)
      case P_QUERY:
        return this.#query(hash, exchange.query, part.text)
      case P_HOST:
        return this.#whole(hash, exchange.host)
      case P_URI:
        return this.#whole(this.#whole(hash, exchange.path), exchange.query)
      case P_PATH:
        return this.#whole(hash, exchange.path)
      case P_METHOD:
        return this.#whole(hash, exchange.method)
      case P_CLIENT_ADDRESS:
        return this.#whole(hash, exchange.clientAddress)
      default:
        return this.#whole(hash, exchange.scheme)
    }
  }

  #whole(hash: number, text: string): number {
    return this.#range(hash, text, 0, text.length)
  }

  #range(hash: number, text: string, start: number, end: number): number {
    if (end > start) this.hasKey = true
    return hashText(hash, text, start, end)
  }

  #cookie(hash: number, field: string, name: string): number {
    const start = findCookie(field, name, 0)
    return start === -1 ? hash : this.#range(hash, field, start, cookieValueEnd(field, start))
  }

  /** First parameter of that name, as sent: not decoded. */
  #query(hash: number, query: string, name: string): number {
    let start = 1
    while (start < query.length) {
      let end = query.indexOf('&', start)
      if (end === -1) end = query.length
      if (query.startsWith(name, start) && query[start + name.length] === '=') {
        return this.#range(hash, query, start + name.length + 1, end)
      }
      start = end + 1
    }
    return hash
  }
}

function compile(part: HashSource[number]): Part {
  switch (part.kind) {
    case 'literal':
      return { kind: P_LITERAL, text: part.value }
    case 'header':
      return { kind: P_HEADER, text: part.name }
    case 'cookie':
      return { kind: P_COOKIE, text: part.name }
    case 'query':
      return { kind: P_QUERY, text: part.name }
    case 'variable':
      break
  }
  const kind = HASH_VARIABLES.get(part.name)
  if (kind === undefined) throw new Error(`unknown variable ${part.name} in a hash source`)
  return { kind, text: '' }
}
