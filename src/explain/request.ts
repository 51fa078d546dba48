/**
 * The request that a URL on a command line stands for. Not the URL class: that one resolves `..` and lowers hosts as
 * a browser does, and what is asked is what this program would do with the text as it is.
 */
import { ConfigError } from '#lib/errors.ts'

export interface AskedRequest {
  readonly scheme: 'http' | 'https'
  /** `host[:port]` as written. */
  readonly authority: string
  /** As written, null: none. */
  readonly port: number | null
  /** Bytes as latin1 text, as they would be sent; not yet in normal form. */
  readonly path: string
  /** With its `?`, or `''`. */
  readonly query: string
}

/** `[http[s]://]host[:port][/path][?query]`; a fragment is cut off, as clients do. Throws a ConfigError. */
export function parseRequestUrl(url: string): AskedRequest {
  const match = /^(?:([A-Za-z][A-Za-z0-9+.-]*):\/\/)?([^/?#]*)([^?#]*)(\?[^#]*)?/.exec(url)
  const scheme = (match?.[1] ?? 'http').toLowerCase()
  const authority = match?.[2] ?? ''
  if (scheme !== 'http' && scheme !== 'https') {
    throw new ConfigError(`${JSON.stringify(url)} begins with ${scheme}:, expected http: or https:`)
  }
  if (authority === '') {
    throw new ConfigError(`${JSON.stringify(url)} names no host: write it like https://shop.example/cart`)
  }
  const port = /:(\d+)$/.exec(authority)?.[1]
  return {
    scheme,
    authority,
    port: port === undefined ? null : Number(port),
    path: asSent(match?.[3] ?? ''),
    query: asSent(match?.[4] ?? ''),
  }
}

/** UTF-8 bytes as latin1 text: what arrives when a client sends the text unencoded. */
function asSent(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
