/**
 * `--backend NAMESPACE/SERVICE[:PORT]=HOST:PORT,…`: endpoints given by hand for Services that have none in the
 * manifests. The flag may be repeated; values for one Service port add up. Asked by the Kubernetes translation.
 */
import { isIP } from 'node:net'
import type { IntOrString } from '#providers/kubernetes/objects.ts'

export interface BackendAddress {
  /** IP address (IPv6 without brackets) or DNS name. */
  readonly host: string
  readonly port: number
}

const SHAPE = 'NAMESPACE/SERVICE[:PORT]=HOST:PORT,…'

/** A Kubernetes name: a DNS label or subdomain (RFC 1123). */
const NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/
const PORT_NAME = /^[a-z0-9](?:[a-z0-9-]{0,13}[a-z0-9])?$/
const HOST_LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i

export class Backends {
  /** By `namespace/service`, then by port; the empty text is every port. */
  readonly #services = new Map<string, Map<string, BackendAddress[]>>()

  /**
   * @param values of the flag, one for each time it was given
   * @throws Error with a message for the user
   */
  static parse(values: readonly string[]): Backends {
    const backends = new Backends()
    for (const value of values) backends.#add(value)
    return backends
  }

  /**
   * Endpoints for a port of a Service, by its number or its name: those given for this port, or else for the Service as
   * a whole. Empty: none were given. A port that has number and name is asked for by both, one after the other.
   */
  backendsFor(namespace: string, service: string, port: IntOrString): readonly BackendAddress[] {
    const ports = this.#services.get(`${namespace}/${service}`)
    return ports?.get(String(port)) ?? ports?.get('') ?? []
  }

  /** `namespace/service` of every Service that was given endpoints. */
  get services(): string[] {
    return [...this.#services.keys()]
  }

  #add(value: string): void {
    const equals = value.indexOf('=')
    if (equals === -1) throw wrong(value, 'has no =')
    const slash = value.indexOf('/')
    if (slash === -1 || slash > equals) throw wrong(value, 'has no namespace in front of the service')
    const namespace = value.slice(0, slash)
    const target = value.slice(slash + 1, equals)
    const colon = target.indexOf(':')
    const service = colon === -1 ? target : target.slice(0, colon)
    const port = colon === -1 ? '' : target.slice(colon + 1)
    if (!NAME.test(namespace)) throw wrong(value, `has "${namespace}" where a namespace belongs`)
    if (!NAME.test(service)) throw wrong(value, `has "${service}" where the name of a service belongs`)
    if (colon !== -1 && !isServicePort(port)) {
      throw wrong(value, `has "${port}" where a port's number or name belongs`)
    }
    const addresses = value
      .slice(equals + 1)
      .split(',')
      .map((text) => parseAddress(value, text.trim()))
    this.#entry(`${namespace}/${service}`, /^\d+$/.test(port) ? String(Number(port)) : port).push(
      ...addresses,
    )
  }

  #entry(service: string, port: string): BackendAddress[] {
    let ports = this.#services.get(service)
    if (ports === undefined) this.#services.set(service, (ports = new Map()))
    let addresses = ports.get(port)
    if (addresses === undefined) ports.set(port, (addresses = []))
    return addresses
  }
}

function parseAddress(value: string, text: string): BackendAddress {
  if (text === '') throw wrong(value, 'has an empty address')
  if (text.includes('://')) throw wrong(value, `has a URL "${text}" where HOST:PORT belongs`)
  if (isIP(text) === 6) throw wrong(value, `has "${text}" without brackets; write [${text}]:PORT`)
  const colon = text.lastIndexOf(':')
  if (colon === -1 || text.endsWith(']')) throw wrong(value, `has no port in "${text}"`)
  const host = text.slice(0, colon)
  const port = text.slice(colon + 1)
  if (!isPortNumber(port)) throw wrong(value, `has "${port}" where a port from 1 to 65535 belongs`)
  return { host: parseHost(value, host), port: Number(port) }
}

function parseHost(value: string, host: string): string {
  if (host.startsWith('[') && host.endsWith(']')) {
    const inner = host.slice(1, -1)
    if (isIP(inner) === 6) return inner
    throw wrong(value, `has "${inner}" in brackets, which is not an IPv6 address`)
  }
  if (isIP(host) === 4) return host
  if (isIP(host) === 6) throw wrong(value, `has the IPv6 address "${host}" without brackets`)
  const labels = host.replace(/\.$/, '').split('.')
  // A last label of digits is an IPv4 address gone wrong (WHATWG URL, "ends in a number").
  const isName =
    host.length <= 253 && labels.every((label) => HOST_LABEL.test(label)) && !/^\d+$/.test(labels.at(-1)!)
  if (!isName) throw wrong(value, `has "${host}" where an address or DNS name belongs`)
  return host.toLowerCase()
}

function isServicePort(text: string): boolean {
  return /^\d+$/.test(text) ? isPortNumber(text) : PORT_NAME.test(text)
}

function isPortNumber(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535
}

function wrong(value: string, problem: string): Error {
  return new Error(`--backend ${value} ${problem}; write ${SHAPE}, for example shop/web:80=127.0.0.1:3000`)
}
