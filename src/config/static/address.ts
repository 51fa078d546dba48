/**
 * Addresses of entrypoints and of anything else that is written `HOST:PORT`: `:80`, `127.0.0.1:8080`, `[::1]:80`,
 * `localhost:0`.
 */
import { parseAddress } from '#lib/ip/address.ts'
import { string } from '#lib/schema/scalars.ts'
import type { Schema } from '#lib/schema/schema.ts'

export interface HostPort {
  /** IP address or name, without brackets; `''`: every address of the machine. */
  readonly host: string
  /** 0: the system chooses. */
  readonly port: number
}

/** `[host]:port` with Traefik's optional `/tcp`. */
export function listenAddress(): Schema<HostPort> {
  return string({ format: 'host:port', maxLength: 300 }).transform((text) => parseHostPort(text))
}

/** Returns an Error (not thrown) whose message says what is wrong with the text. */
export function parseHostPort(text: string): HostPort | Error {
  const suffix = /\/(tcp|udp)$/i.exec(text)
  if (suffix?.[1]?.toLowerCase() === 'udp') return new Error('UDP entrypoints are not available yet')
  const address = suffix === null ? text : text.slice(0, suffix.index)
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(address)
  if (match === null) {
    const hint = /^\d+$/.test(address) ? `, such as :${address}` : ', such as :8080 or 127.0.0.1:8080'
    const brackets = address.split(':').length > 2 ? ' (an IPv6 address stands in brackets: [::1]:8080)' : ''
    return new Error(`must be HOST:PORT or :PORT${hint}, not ${JSON.stringify(text)}${brackets}`)
  }
  const port = Number(match[3])
  if (port > 65_535) return new Error(`has port ${port}, but ports end at 65535`)
  const v6 = match[1]
  if (v6 !== undefined && (parseAddress(v6)?.length ?? 0) === 0) {
    return new Error(`has ${JSON.stringify(v6)} in brackets, which is no IPv6 address`)
  }
  const host = v6 ?? match[2] ?? ''
  if (host !== '' && v6 === undefined && parseAddress(host) === null && !HOST_NAME.test(host)) {
    return new Error(`has the host ${JSON.stringify(host)}, which is neither an IP address nor a name`)
  }
  return { host, port }
}

/** `127.0.0.1:8080`, `[::1]:80`, `:80`. */
export function formatHostPort(address: HostPort): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

// All digits and dots would be a mistyped IPv4 address, not a name.
const HOST_NAME = /^(?![\d.]+$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?$/
