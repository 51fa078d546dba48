/** `/docs` → 301 to `/docs/`, where the rule's path is `/docs/`: nginx does it for every proxied location. */
import { ConfigError } from '#lib/errors.ts'
import { redirectReply } from '../../http/reply.ts'
import { absoluteLocation } from '../location.ts'
import type { Filter } from '../middleware.ts'
import { comparablePath } from '../target-text.ts'

export function trailingSlashRedirect(options: { readonly path: string }): Filter {
  const path = comparablePath(options.path, 'path')
  if (path.length < 2 || !path.endsWith('/')) {
    throw new ConfigError([{ path: ['path'], message: 'must end with / and be more than that' }])
  }
  const bare = path.slice(0, -1)
  return {
    request(exchange) {
      if (exchange.path !== bare) return undefined
      return redirectReply(301, absoluteLocation(exchange, path + exchange.query))
    },
  }
}
