/** Middlewares of one router, composed once when configuration changes. */
import type { Filter } from './middleware.ts'

export interface Chain {
  /** Filters with a request phase, outermost first, and so on: phases without a filter are empty. */
  readonly request: readonly Filter[]
  /** Innermost first. */
  readonly response: readonly Filter[]
  readonly end: readonly Filter[]
}

/** Null for no filters: a router without middlewares pays nothing. */
export function composeChain(filters: readonly Filter[]): Chain | null {
  if (filters.length === 0) return null
  return {
    request: filters.filter((filter) => filter.request !== undefined),
    response: filters.filter((filter) => filter.response !== undefined).reverse(),
    end: filters.filter((filter) => filter.end !== undefined).reverse(),
  }
}
