/** Gives every request the same path (`rewrite-target` without groups). */
import { ConfigError } from '#lib/errors.ts'
import { normalizePath } from '../../router/path.ts'
import type { Filter } from '../middleware.ts'

export function replacePath(options: { readonly path: string }): Filter {
  const mark = options.path.indexOf('?')
  const path = normalizePath(mark < 0 ? options.path : options.path.slice(0, mark))
  if (path === null || !path.startsWith('/')) {
    throw new ConfigError([{ path: ['path'], message: 'must be a path that starts with /' }])
  }
  const own = mark < 0 ? '' : options.path.slice(mark)
  return {
    request(exchange) {
      const { query } = exchange
      exchange.rewrite(path, own === '' ? query : query.length > 1 ? `${own}&${query.slice(1)}` : own)
      return undefined
    },
  }
}
