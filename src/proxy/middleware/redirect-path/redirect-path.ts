/** Sends clients of one exact path elsewhere (ingress-nginx `app-root`: `/` only). */
import { redirectReply } from '../../http/reply.ts'
import { absoluteLocation } from '../location.ts'
import type { Filter } from '../middleware.ts'

export interface RedirectPathOptions {
  readonly from: string
  readonly to: string
  readonly code: number
}

export function redirectPath({ from, to, code }: RedirectPathOptions): Filter {
  return {
    request(exchange) {
      return exchange.path === from ? redirectReply(code, absoluteLocation(exchange, to)) : undefined
    },
  }
}
