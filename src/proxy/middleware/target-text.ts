/**
 * Texts of configuration that become part of a request target or of a Location field. They are made fit when a
 * middleware is created, so that nothing written in a manifest can end the line it stands in (RFC 9112 §3, RFC 3986 §2).
 */
import { ConfigError } from '#lib/errors.ts'
import { normalizePath, normalizeRulePath } from '../router/path.ts'

/** A path with what follows its first `?`, if anything does. */
export interface TargetText {
  readonly path: string
  /** With its `?`, or `''`. */
  readonly query: string
}

/**
 * Percent-encodes (UTF-8) what may not stand in a target: white space and everything beyond ASCII. Throws a ConfigError
 * at `option` for control characters, which no spelling makes right.
 */
export function encodeText(text: string, option: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\0-\x1f\x7f]/.test(text)) {
    throw new ConfigError([{ path: [option], message: 'has a control character, which no URL may have' }])
  }
  return text.replaceAll(/[^\x21-\x7e]+/g, percentEncode)
}

/** Splits and encodes; throws a ConfigError at `option` when it is no path. */
export function targetText(text: string, option: string): TargetText {
  const encoded = encodeText(text, option)
  if (encoded.includes('#')) {
    throw new ConfigError([
      {
        path: [option],
        message: 'has a fragment, which is never sent',
        suggestion: 'write %23 for a # itself',
      },
    ])
  }
  const mark = encoded.indexOf('?')
  return mark < 0
    ? { path: encoded, query: '' }
    : { path: encoded.slice(0, mark), query: encoded.slice(mark) }
}

/** The same, with the path in normal form. */
export function normalTarget(text: string, option: string): TargetText {
  const { path, query } = targetText(text, option)
  const normal = path === '' ? null : normalizePath(path)
  if (normal === null) {
    throw new ConfigError([
      { path: [option], message: 'must be a path that starts with / and stays below it' },
    ])
  }
  return { path: normal, query }
}

/** A path that requests are compared with, as routing sees them. Throws a ConfigError at `option`. */
export function comparablePath(text: string, option: string): string {
  const path = normalizeRulePath(text)
  if (path === null) {
    throw new ConfigError([
      { path: [option], message: 'is a path that no request can have; it must start with /' },
    ])
  }
  return path
}

/** The configuration's query, then the client's. Both with their `?`, or `''`. */
export function joinQueries(own: string, client: string): string {
  if (own.length < 2) return client
  return client.length > 1 ? `${own}&${client.slice(1)}` : own
}

function percentEncode(run: string): string {
  let text = ''
  for (const byte of Buffer.from(run, 'utf8')) text += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return text
}
