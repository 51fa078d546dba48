/**
 * Replaces the start of a path, element by element: the old `ingress.kubernetes.io/rewrite-target` and Gateway API's
 * ReplacePrefixMatch. `/app` → `/`: `/app/x` becomes `/x`, `/app` becomes `/`.
 */
import type { Filter } from '../middleware.ts'
import { comparablePath, joinQueries, normalTarget } from '../target-text.ts'

export interface ReplacePathPrefixOptions {
  readonly prefix: string
  readonly replacement: string
}

export function replacePathPrefix(options: ReplacePathPrefixOptions): Filter {
  const prefix = withoutEndSlash(comparablePath(options.prefix, 'prefix'))
  const target = normalTarget(options.replacement, 'replacement')
  const replacement = withoutEndSlash(target.path)
  return {
    request(exchange) {
      const { path } = exchange
      if (!path.startsWith(prefix)) return undefined
      const rest = path.slice(prefix.length)
      if (rest !== '' && !rest.startsWith('/')) return undefined
      exchange.rewrite(replacement + rest || '/', joinQueries(target.query, exchange.query))
      return undefined
    },
  }
}

function withoutEndSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}
