/** Gives every request the same path (`rewrite-target` without groups). */
import type { Filter } from '../middleware.ts'
import { joinQueries, normalTarget } from '../target-text.ts'

export function replacePath(options: { readonly path: string }): Filter {
  const { path, query } = normalTarget(options.path, 'path')
  return {
    request(exchange) {
      exchange.rewrite(path, joinQueries(query, exchange.query))
      return undefined
    },
  }
}
