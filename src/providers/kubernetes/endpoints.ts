/**
 * The servers of a Service port, from EndpointSlices or, where a Service has none, from its Endpoints object. Ready
 * endpoints serve; serving ones that are about to end are fenced (used when nothing else is there). KEP-752, KEP-1672.
 * Called by `backend.ts`; pure.
 */
import type { ServerConfig } from '#config/model/dynamic.ts'
import { canonicalAddress } from '#lib/ip/address.ts'
import type {
  EndpointSliceObject,
  EndpointsObject,
  ServicePort,
  SlicePort,
  SourcedObject,
} from './objects.ts'

export interface EndpointResult {
  readonly servers: readonly ServerConfig[]
  /** Endpoints that were left out, by reason, for the finding when none is left. */
  readonly notReady: number
  /** Names of ports that the endpoints do have, when the wanted one is not among them. */
  readonly otherPorts: readonly string[]
  /** Addresses that are none, and slices of names, with the object each is in. */
  readonly problems: readonly EndpointProblem[]
}

export interface EndpointProblem {
  readonly sourced: SourcedObject
  readonly message: string
}

export function serversOfSlices(slices: Iterable<SourcedObject>, port: ServicePort): EndpointResult {
  const collector = new Collector()
  for (const sourced of slices) {
    collector.sourced = sourced
    const slice = sourced.object as EndpointSliceObject
    if (slice.addressType === 'FQDN') {
      collector.problem(
        'has addressType FQDN, which names no address; use a Service of type ExternalName for a name',
      )
      continue
    }
    const number = collector.portNumber(slice.ports, port)
    if (number === undefined) continue
    for (const endpoint of slice.endpoints ?? []) {
      const { ready, serving, terminating } = endpoint.conditions ?? {}
      // Absent conditions: ready means true, serving means what ready says.
      const isReady = ready ?? true
      const isFenced = !isReady && (serving ?? false) && (terminating ?? false)
      // The addresses of one endpoint are interchangeable; consumers use the first.
      const address = endpoint.addresses[0]
      if (address === undefined) continue
      if (isReady || isFenced) collector.add(address, number, isFenced)
      else collector.notReady++
    }
  }
  return collector
}

export function serversOfEndpoints(sourced: SourcedObject, port: ServicePort): EndpointResult {
  const collector = new Collector()
  collector.sourced = sourced
  for (const subset of (sourced.object as EndpointsObject).subsets ?? []) {
    const number = collector.portNumber(subset.ports, port)
    if (number === undefined) continue
    for (const address of subset.addresses ?? []) collector.add(address.ip, number, false)
    collector.notReady += subset.notReadyAddresses?.length ?? 0
  }
  return collector
}

/** A server by address or name: `10.0.0.1:8080`, `[2001:db8::1]:8080`, `db.example:5432`. */
export function serverAt(address: string, port: number, isFenced = false): ServerConfig {
  const id = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  return isFenced ? { id, address, port, weight: 1, fenced: true } : { id, address, port, weight: 1 }
}

class Collector implements EndpointResult {
  readonly #byId = new Map<string, ServerConfig>()
  readonly otherPorts: string[] = []
  readonly problems: EndpointProblem[] = []
  /** What is being read. */
  sourced: SourcedObject | undefined
  notReady = 0

  get servers(): readonly ServerConfig[] {
    return [...this.#byId.values()].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  }

  problem(message: string): void {
    if (this.sourced !== undefined) this.problems.push({ sourced: this.sourced, message })
  }

  /** The same pod may stand in two slices for a while; ready anywhere is ready. */
  add(address: string, port: number, isFenced: boolean): void {
    const canonical = canonicalAddress(address)
    if (canonical === null) {
      this.problem(`${JSON.stringify(address)} is not an IP address`)
      return
    }
    const server = serverAt(canonical, port, isFenced)
    const known = this.#byId.get(server.id)
    if (known === undefined || known.fenced === true) this.#byId.set(server.id, server)
  }

  /** The port that endpoints listen on for a Service port: matched by name, unnamed ones by having none. */
  portNumber(ports: readonly SlicePort[] | undefined, wanted: ServicePort): number | undefined {
    for (const port of ports ?? []) {
      if ((port.name ?? '') !== (wanted.name ?? '')) continue
      if ((port.protocol ?? 'TCP') !== 'TCP') continue
      return port.port ?? (typeof wanted.targetPort === 'number' ? wanted.targetPort : wanted.port)
    }
    for (const port of ports ?? []) this.otherPorts.push(port.name ?? '')
    return undefined
  }
}
