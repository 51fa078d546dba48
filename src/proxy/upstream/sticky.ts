/**
 * Sticky sessions of one service: which server a cookie means, and what Set-Cookie says.
 *
 * The value is HMAC-SHA256 of service name and server id under a key that all replicas share, cut to 128 bits: every
 * worker and replica computes the same, no address can be read from it, and it survives restarts. A value that no
 * server of the service has is like no cookie.
 */
import { createHmac } from 'node:crypto'
import type { StickyCookieConfig } from '#config/model/dynamic.ts'
import { cookieValueEnd, findCookie } from './cookie.ts'
import type { Server } from './server.ts'

/** Hexadecimal digits of a value. */
const VALUE_LENGTH = 32

export class StickySession {
  readonly #config: StickyCookieConfig
  readonly #byValue = new Map<string, Server>()
  /** `name=value` per server. */
  readonly #pairs = new Map<Server, string>()
  /** All attributes but Expires and Secure. */
  readonly #attributes: string

  constructor(config: StickyCookieConfig, serviceName: string, key: string, servers: readonly Server[]) {
    this.#config = config
    for (const server of servers) {
      const value = cookieValue(key, serviceName, server.id)
      this.#byValue.set(value, server)
      this.#pairs.set(server, `${config.name}=${value}`)
    }
    let attributes = `; Path=${config.path ?? '/'}`
    if (config.domain !== undefined) attributes += `; Domain=${config.domain}`
    if (config.maxAge !== undefined) attributes += `; Max-Age=${config.maxAge}`
    if (config.httpOnly) attributes += '; HttpOnly'
    if (config.sameSite !== undefined) attributes += `; SameSite=${config.sameSite}`
    this.#attributes = attributes
  }

  get changeOnFailure(): boolean {
    return this.#config.changeOnFailure === true
  }

  /** The server that a Cookie field names; the first value that is ours counts. */
  serverOf(field: string): Server | undefined {
    const name = this.#config.name
    let start = findCookie(field, name, 0)
    while (start !== -1) {
      const end = cookieValueEnd(field, start)
      if (end - start === VALUE_LENGTH) {
        const server = this.#byValue.get(field.slice(start, end))
        if (server !== undefined) return server
      }
      start = findCookie(field, name, end)
    }
    return undefined
  }

  /** Value of the Set-Cookie field that binds a client to the server. `now`: ms since epoch. */
  setCookie(server: Server, scheme: 'http' | 'https', now: number): string {
    const { secure, expires } = this.#config
    let text = this.#pairs.get(server)! + this.#attributes
    if (expires !== undefined) text += `; Expires=${new Date(now + expires * 1000).toUTCString()}`
    if (secure === true || (secure === 'auto' && scheme === 'https')) text += '; Secure'
    return text
  }
}

/** Value of the cookie for a server: 32 hexadecimal digits. */
export function cookieValue(key: string, serviceName: string, serverId: string): string {
  const digest = createHmac('sha256', key).update(`${serviceName}\0${serverId}`).digest('hex')
  return digest.slice(0, VALUE_LENGTH)
}
