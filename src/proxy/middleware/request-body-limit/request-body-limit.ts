/** Refuses long request bodies, declared ones before a server is asked (nginx `client_max_body_size`). */
import type { Filter } from '../middleware.ts'

export function requestBodyLimit({ maxBytes }: { readonly maxBytes: number }): Filter {
  return {
    request(exchange) {
      exchange.limitRequestBody(maxBytes)
      return undefined
    },
  }
}
