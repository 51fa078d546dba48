/** Sends clients of one exact path elsewhere (ingress-nginx `app-root`: `/` only). */
import { redirectReply } from '../../http/reply.ts'
import { absoluteLocation, locationText } from '../location.ts'
import type { Filter } from '../middleware.ts'
import { comparablePath } from '../target-text.ts'

export interface RedirectPathOptions {
  readonly from: string
  readonly to: string
  readonly code: number
}

export function redirectPath(options: RedirectPathOptions): Filter {
  const { code } = options
  const from = comparablePath(options.from, 'from')
  const to = locationText(options.to, 'to')
  return {
    request(exchange) {
      return exchange.path === from ? redirectReply(code, absoluteLocation(exchange, to)) : undefined
    },
  }
}
