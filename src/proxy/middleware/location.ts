/** Location fields of redirects: absolute, as the peers write them, on the host and port that the client asked for. */
import { ConfigError } from '#lib/errors.ts'
import type { Exchange } from '../http/exchange.ts'
import { encodeText } from './target-text.ts'

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308]

/** `target` is a path with query, or an absolute URL, which stays as it is. */
export function absoluteLocation(exchange: Exchange, target: string): string {
  if (!target.startsWith('/') || target.startsWith('//')) return target
  return exchange.authority === '' ? target : `${exchange.scheme}://${exchange.authority}${target}`
}

/** A path or absolute URL of configuration, fit to stand in a Location. Throws a ConfigError at `option`. */
export function locationText(text: string, option: string): string {
  const encoded = encodeText(text, option)
  if (!encoded.startsWith('/') && !/^https?:\/\/[^/?#]/i.test(encoded)) {
    throw new ConfigError([
      {
        path: [option],
        message: `must be a path that starts with / or a URL that starts with http:// or https://`,
      },
    ])
  }
  return encoded
}

/** For schemas: what is wrong with a status of a redirect, undefined when nothing is. */
export function wrongRedirect(status: number): string | undefined {
  return REDIRECTS.includes(status) ? undefined : `must be one of ${REDIRECTS.join(', ')}, not ${status}`
}
