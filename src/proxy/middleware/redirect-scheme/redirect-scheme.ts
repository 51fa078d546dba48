/** Sends clients of the other scheme to the same host, path and query under this one. */
import { redirectReply } from '../../http/reply.ts'
import type { Filter } from '../middleware.ts'

export interface RedirectSchemeOptions {
  readonly scheme: 'http' | 'https'
  readonly port?: string | undefined
  readonly permanentCode: number
}

export function redirectScheme(options: RedirectSchemeOptions): Filter {
  const { scheme, port, permanentCode } = options
  const isDefault = port === undefined || port === (scheme === 'https' ? '443' : '80')
  const suffix = isDefault ? '' : `:${port}`
  return {
    request(exchange) {
      if (exchange.scheme === scheme || exchange.host === '') return undefined
      const host = exchange.host.includes(':') ? `[${exchange.host}]` : exchange.host
      // The target as the client wrote it: a redirect must not decode or resolve anything for the next request.
      return redirectReply(permanentCode, `${scheme}://${host}${suffix}${exchange.originalTarget}`)
    },
  }
}
