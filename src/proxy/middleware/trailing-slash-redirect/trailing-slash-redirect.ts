/** `/docs` → 301 to `/docs/`, where the rule's path is `/docs/`: nginx does it for every proxied location. */
import { redirectReply } from '../../http/reply.ts'
import { absoluteLocation } from '../location.ts'
import type { Filter } from '../middleware.ts'

export function trailingSlashRedirect({ path }: { readonly path: string }): Filter {
  const bare = path.slice(0, -1)
  return {
    request(exchange) {
      if (exchange.path !== bare) return undefined
      return redirectReply(301, absoluteLocation(exchange, path + exchange.query))
    },
  }
}
