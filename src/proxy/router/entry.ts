/**
 * One router as the program files it: what has to be looked at per request in plain fields, and the links of the
 * two lists it can be in. An entry belongs to exactly one PathTable.
 */
import type { RouterConfig } from '#config/model/dynamic.ts'
import type { Regex } from '#lib/regex/regex.ts'
import type { OrderClass, Ordered } from './order.ts'

export const PATH_ANY = 0
export const PATH_EXACT = 1
export const PATH_PREFIX = 2
export const PATH_STRING_PREFIX = 3
export const PATH_REGEX = 4

/** Bits of `schemes`. */
export const SCHEME_HTTP = 1
export const SCHEME_HTTPS = 2

export class Entry<T> implements Ordered {
  router: RouterConfig
  payload: T
  name: string
  orderClass: OrderClass
  specificity: number
  created: number
  /** One of the PATH constants. */
  readonly pathKind: number
  readonly schemes: number
  /** From `Bindings`: which set of entrypoints. */
  readonly binding: number
  /** What the request path is compared with; `''` for any path and for the prefix `/`. */
  readonly literal: string
  /** The next one, by order, with the same literal. */
  next: Entry<T> | null = null
  /** Head of the list of another literal, while the table is small. */
  sibling: Entry<T> | null = null

  constructor(
    router: RouterConfig,
    payload: T,
    orderClass: OrderClass,
    specificity: number,
    pathKind: number,
    schemes: number,
    binding: number,
    literal: string,
  ) {
    this.router = router
    this.payload = payload
    this.name = router.name
    this.orderClass = orderClass
    this.specificity = specificity
    this.created = router.order.created
    this.pathKind = pathKind
    this.schemes = schemes
    this.binding = binding
    this.literal = literal
  }
}

/** A router whose path is a regular expression. */
export interface RegexRule<T> {
  readonly entry: Entry<T>
  readonly regex: Regex
}
