/**
 * The servers of a Service port, from EndpointSlices or, where a Service has none, from its Endpoints object. Ready
 * endpoints serve; serving ones that are about to end are fenced (used when nothing else is there). A pod of two
 * address families is one server. Which of the ready ones are used from here is decided as kube-proxy decides it.
 * KEP-752, KEP-1672, KEP-2086, KEP-2433, KEP-4444. Called by `backend.ts`; pure. The order of slices means nothing.
 */
import type { ServerConfig } from '#config/model/dynamic.ts'
import { canonicalAddress } from '#lib/ip/address.ts'
import { preferredHere, type Locality } from './locality.ts'
import type {
  EndpointSliceObject,
  EndpointsObject,
  ServicePort,
  SliceEndpoint,
  SlicePort,
  SourcedObject,
} from './objects.ts'

export interface EndpointRules {
  /** Of a pod that has addresses of both families this one is used. */
  readonly family: 'IPv4' | 'IPv6'
  /** Endpoints serve whether or not they are ready. */
  readonly publishesNotReady: boolean
  /** Only endpoints of the own node serve (`internalTrafficPolicy: Local`). */
  readonly isLocalOnly: boolean
  /** Undefined: this is no place in a cluster, and where endpoints are means nothing. */
  readonly locality: Locality | undefined
}

export interface EndpointResult {
  readonly servers: readonly ServerConfig[]
  /** Endpoints that were left out, by reason, for the finding when none is left. */
  readonly notReady: number
  /** Ready ones, but on other nodes than this one. */
  readonly elsewhere: number
  /** Names of ports that the endpoints do have, when the wanted one is not among them. */
  readonly otherPorts: readonly string[]
  /** Addresses that are none, and slices of names, with the object each is in. */
  readonly problems: readonly EndpointProblem[]
  /** Another locality could give others. */
  readonly dependsOnPlace: boolean
}

export interface EndpointProblem {
  readonly sourced: SourcedObject
  readonly message: string
}

/** One address of an endpoint. */
export interface Candidate {
  readonly server: ServerConfig
  readonly isReady: boolean
  /** Undefined: whose it is, is not said. */
  readonly pod: string | undefined
  readonly nodeName: string | undefined
  readonly hints: SliceEndpoint['hints']
}

export function serversOfSlices(
  slices: readonly SourcedObject[],
  port: ServicePort,
  rules: EndpointRules,
): EndpointResult {
  const collector = new Collector(rules, new Set(slices.map(familyOf)).size > 1)
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
    for (const endpoint of slice.endpoints ?? []) collector.add(endpoint, number)
  }
  return collector.result()
}

export function serversOfEndpoints(
  sourced: SourcedObject,
  port: ServicePort,
  rules: EndpointRules,
): EndpointResult {
  const collector = new Collector(rules, false)
  collector.sourced = sourced
  for (const subset of (sourced.object as EndpointsObject).subsets ?? []) {
    const number = collector.portNumber(subset.ports, port)
    if (number === undefined) continue
    for (const { ip } of subset.addresses ?? []) collector.add({ addresses: [ip] }, number)
    for (const { ip } of subset.notReadyAddresses ?? []) {
      collector.add({ addresses: [ip], conditions: { ready: false } }, number)
    }
  }
  return collector.result()
}

/** A server by address or name: `10.0.0.1:8080`, `[2001:db8::1]:8080`, `db.example:5432`. */
export function serverAt(address: string, port: number, isFenced = false): ServerConfig {
  const id = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  return isFenced ? { id, address, port, weight: 1, fenced: true } : { id, address, port, weight: 1 }
}

class Collector {
  readonly #rules: EndpointRules
  /** There are slices of both families. */
  readonly #isDual: boolean
  readonly #byId = new Map<string, Candidate>()
  /** Those with an endpoint of the preferred family, ready or not: what that one says counts. */
  readonly #pods = new Set<string>()
  readonly #otherPorts: string[] = []
  readonly #problems: EndpointProblem[] = []
  /** What is being read. */
  sourced: SourcedObject | undefined
  #notReady = 0

  constructor(rules: EndpointRules, isDual: boolean) {
    this.#rules = rules
    this.#isDual = isDual
  }

  problem(message: string): void {
    if (this.sourced !== undefined) this.#problems.push({ sourced: this.sourced, message })
  }

  add(endpoint: SliceEndpoint, port: number): void {
    // The addresses of one endpoint are interchangeable; consumers use the first.
    const [text] = endpoint.addresses
    if (text === undefined) return
    const address = canonicalAddress(text)
    if (address === null) {
      this.problem(`${JSON.stringify(text)} is not an IP address`)
      return
    }
    const pod = this.#isDual ? podOf(endpoint) : undefined
    if (pod !== undefined && address.includes(':') === (this.#rules.family === 'IPv6')) this.#pods.add(pod)
    const { ready, serving, terminating } = endpoint.conditions ?? {}
    // Absent conditions: ready means true, serving means what ready says.
    const isReady = (ready ?? true) || this.#rules.publishesNotReady
    if (!isReady && !((serving ?? false) && (terminating ?? false))) {
      this.#notReady++
      return
    }
    const server = serverAt(address, port, !isReady)
    const { nodeName, hints } = endpoint
    const candidate: Candidate = { server, isReady, pod, nodeName, hints }
    const known = this.#byId.get(server.id)
    this.#byId.set(server.id, known === undefined ? candidate : either(known, candidate))
  }

  /** The port that endpoints listen on for a Service port: matched by name, unnamed ones by having none. */
  portNumber(ports: readonly SlicePort[] | undefined, wanted: ServicePort): number | undefined {
    for (const port of ports ?? []) {
      if ((port.name ?? '') !== (wanted.name ?? '')) continue
      if ((port.protocol ?? 'TCP') !== 'TCP') continue
      return port.port ?? (typeof wanted.targetPort === 'number' ? wanted.targetPort : wanted.port)
    }
    for (const port of ports ?? []) this.#otherPorts.push(port.name ?? '')
    return undefined
  }

  result(): EndpointResult {
    const once: Candidate[] = []
    for (const candidate of this.#byId.values()) if (!this.#isSecondAddress(candidate)) once.push(candidate)
    const { isLocalOnly, locality } = this.#rules
    const here = preferredHere(once, isLocalOnly, locality)
    const servers = here.candidates.map((candidate) => candidate.server)
    return {
      servers: servers.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)),
      notReady: this.#notReady,
      elsewhere: isLocalOnly ? once.length - servers.length : 0,
      otherPorts: this.#otherPorts,
      problems: this.#problems,
      dependsOnPlace: here.dependsOnPlace,
    }
  }

  #isSecondAddress({ pod, server }: Candidate): boolean {
    if (pod === undefined || !this.#pods.has(pod)) return false
    return server.address.includes(':') !== (this.#rules.family === 'IPv6')
  }
}

/** By the slice's word; addresses of the other family in it are errors that the API server refuses. */
function familyOf(sourced: SourcedObject): string {
  return (sourced.object as EndpointSliceObject).addressType ?? 'IPv4'
}

function podOf({ targetRef, hostname, nodeName }: SliceEndpoint): string | undefined {
  if (targetRef?.uid !== undefined) return targetRef.uid
  return hostname === undefined ? undefined : `${nodeName ?? ''}/${hostname}`
}

/** The same endpoint may stand in two slices for a while; ready anywhere is ready. Which came first means nothing. */
function either(a: Candidate, b: Candidate): Candidate {
  if (a.isReady !== b.isReady) return a.isReady ? a : b
  const { pod, nodeName } = identityOf(a) < identityOf(b) ? a : b
  const hints = a.hints === undefined || b.hints === undefined ? undefined : joined(a.hints, b.hints)
  return { server: a.server, isReady: a.isReady, pod, nodeName, hints }
}

/** What is known comes before what is not. */
function identityOf({ pod, nodeName }: Candidate): string {
  return `${pod ?? '~'} ${nodeName ?? '~'}`
}

type Hints = NonNullable<SliceEndpoint['hints']>

function joined(a: Hints, b: Hints): Hints {
  const forZones = [...(a.forZones ?? []), ...(b.forZones ?? [])]
  const forNodes = [...(a.forNodes ?? []), ...(b.forNodes ?? [])]
  return {
    ...(a.forZones === undefined || b.forZones === undefined ? {} : { forZones }),
    ...(a.forNodes === undefined || b.forNodes === undefined ? {} : { forNodes }),
  }
}
