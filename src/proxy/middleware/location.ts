/** Location fields of redirects: absolute, as the peers write them, on the host and port that the client asked for. */
import type { Exchange } from '../http/exchange.ts'

/** `target` is a path with query, or an absolute URL, which stays as it is. */
export function absoluteLocation(exchange: Exchange, target: string): string {
  if (!target.startsWith('/') || target.startsWith('//')) return target
  return exchange.authority === '' ? target : `${exchange.scheme}://${exchange.authority}${target}`
}
