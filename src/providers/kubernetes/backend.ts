/**
 * From a Service port that an Ingress names to servers, protocol and balancing, or the reason why there are none.
 * Servers given by hand (`--backend`) stand in where the objects have none. Called by `service-uses.ts`; pure.
 */
import type { ServerConfig } from '#config/model/dynamic.ts'
import { canonicalAddress } from '#lib/ip/address.ts'
import { judgeServiceAnnotation } from './annotations/read.ts'
import { serverAt, serversOfEndpoints, serversOfSlices, type EndpointRules } from './endpoints.ts'
import type { FindingCode } from './finding-codes.ts'
import { parseHost } from './host.ts'
import type { Locality } from './locality.ts'
import type { IntOrString, ServiceObject, ServicePort, SourcedObject } from './objects.ts'

/** Servers given by hand for a Service port. */
export type BackendLookup = (
  namespace: string,
  service: string,
  port: IntOrString,
) => readonly { readonly host: string; readonly port: number }[]

/** What is the same for all Services. */
export interface BackendSituation {
  readonly given: BackendLookup
  /** Services of type ExternalName are served. */
  readonly allowsExternalNames: boolean
  /** The objects are those of a cluster, and what to do about them is said for one. */
  readonly isCluster: boolean
  /** Where this gateway runs; undefined: no place in a cluster. */
  readonly locality: Locality | undefined
}

/** The objects about one Service. */
export interface ServiceSources {
  readonly service: SourcedObject | undefined
  readonly slices: readonly SourcedObject[]
  readonly endpoints: SourcedObject | undefined
}

export interface ServiceReference {
  readonly namespace: string
  readonly service: string
  readonly port: IntOrString
}

export interface BackendProblem {
  readonly code: FindingCode
  readonly severity: 'error' | 'warning'
  readonly message: string
  readonly hint?: string
  /** What it is about; undefined: the Ingress that names the Service. */
  readonly sourced?: SourcedObject
  readonly path?: readonly (number | string)[]
}

export interface ResolvedBackend {
  readonly servers: readonly ServerConfig[]
  readonly scheme: 'http' | 'https'
  /** Name that TLS to the servers asks for. */
  readonly serverName?: string
  readonly isClientAffine: boolean
  readonly problems: readonly BackendProblem[]
  /** Another locality could give other servers. */
  readonly dependsOnPlace: boolean
  /** Something about the Service restricts access and is not built: requests are refused. */
  readonly closed?: string
}

export function resolveBackend(
  reference: ServiceReference,
  sources: ServiceSources,
  situation: BackendSituation,
): ResolvedBackend {
  return new Resolution(reference, sources, situation).run()
}

class Resolution {
  readonly #reference: ServiceReference
  readonly #sources: ServiceSources
  readonly #situation: BackendSituation
  readonly #problems: BackendProblem[] = []
  #scheme: 'http' | 'https' = 'http'
  #serverName: string | undefined
  #closed: string | undefined
  /** A finding says already why there are no servers. */
  #isExplained = false
  #dependsOnPlace = false

  constructor(reference: ServiceReference, sources: ServiceSources, situation: BackendSituation) {
    this.#reference = reference
    this.#sources = sources
    this.#situation = situation
  }

  run(): ResolvedBackend {
    const service = this.#sources.service?.object as ServiceObject | undefined
    const port = service === undefined ? undefined : this.#findPort(service)
    let servers: readonly ServerConfig[] = []
    let missing: BackendProblem | undefined
    let isSpoken = true
    if (service === undefined) missing = this.#noService()
    else if (port === undefined) missing = this.#noPort(service)
    else {
      isSpoken = this.#readProtocol(service, port)
      servers = this.#objectServers(service, port)
    }
    const givenServers = servers.length === 0 ? this.#givenServers(port) : []
    if (givenServers.length > 0) {
      servers = givenServers
      missing = undefined
    } else if (service?.spec?.type === 'ExternalName' && !this.#situation.allowsExternalNames)
      this.#refuseExternalName()
    else if (missing !== undefined) this.#problems.push(missing)
    else if (servers.length === 0 && service !== undefined && port !== undefined)
      this.#noEndpoints(service, port)
    this.#readAnnotations(service)
    return {
      servers: isSpoken ? servers : [],
      scheme: this.#scheme,
      ...(this.#serverName === undefined ? {} : { serverName: this.#serverName }),
      isClientAffine: service?.spec?.sessionAffinity === 'ClientIP',
      problems: this.#problems,
      dependsOnPlace: this.#dependsOnPlace,
      ...(this.#closed === undefined ? {} : { closed: this.#closed }),
    }
  }

  #findPort(service: ServiceObject): ServicePort | undefined {
    const wanted = this.#reference.port
    const named = service.spec?.ports?.filter((port) =>
      typeof wanted === 'number' ? port.port === wanted : port.name === wanted,
    )
    // One number may stand for TCP and UDP (HTTP/3, DNS); HTTP is on the TCP one.
    const found = named?.find((port) => (port.protocol ?? 'TCP') === 'TCP') ?? named?.[0]
    if (found !== undefined) return found
    // An ExternalName Service needs no ports: the number is that of the other side.
    if (service.spec?.type === 'ExternalName' && typeof wanted === 'number') return { port: wanted }
    return undefined
  }

  #objectServers(service: ServiceObject, port: ServicePort): readonly ServerConfig[] {
    if (service.spec?.type === 'ExternalName') return this.#externalServers(service, port)
    const { slices, endpoints } = this.#sources
    const rules = this.#endpointRules(service)
    const result =
      slices.length > 0
        ? serversOfSlices(slices, port, rules)
        : endpoints === undefined
          ? undefined
          : serversOfEndpoints(endpoints, port, rules)
    if (result === undefined) return []
    this.#dependsOnPlace = result.dependsOnPlace
    for (const problem of result.problems) {
      this.#add('endpoint-address', 'warning', problem.message, undefined, problem.sourced, [])
    }
    const sourced = slices[0] ?? endpoints
    if (result.servers.length === 0 && result.otherPorts.length > 0) {
      const wanted = port.name === undefined ? 'without a name' : `named ${port.name}`
      const names = [...new Set(result.otherPorts)].map((name) => (name === '' ? 'one without a name' : name))
      const message = `no endpoints have a port ${wanted} (they have ${names.join(', ')}); ports are matched by name; answers 503`
      this.#add('endpoint-port-name', 'warning', message, 'give both the same name', sourced, ['ports'])
      this.#isExplained = true
    }
    if (result.servers.length === 0 && result.elsewhere > 0) this.#noneHere()
    return result.servers
  }

  #endpointRules(service: ServiceObject): EndpointRules {
    const { ipFamilies, publishNotReadyAddresses, internalTrafficPolicy } = service.spec ?? {}
    const { locality } = this.#situation
    return {
      family: ipFamilies?.[0] === 'IPv6' ? 'IPv6' : 'IPv4',
      publishesNotReady: publishNotReadyAddresses === true,
      isLocalOnly: internalTrafficPolicy === 'Local' && locality !== undefined,
      locality,
    }
  }

  #noneHere(): void {
    const { namespace, service } = this.#reference
    const nodeName = this.#situation.locality?.nodeName
    const where = nodeName === undefined ? 'this gateway, whose node is not known' : `node ${nodeName}`
    const message = `Service ${namespace}/${service} has internalTrafficPolicy Local and no ready endpoint on ${where}; answers 503`
    const hint =
      nodeName === undefined
        ? '--node-name or the environment variable NODE_NAME names the node'
        : 'internalTrafficPolicy: Cluster uses the endpoints of all nodes'
    const path = ['spec', 'internalTrafficPolicy']
    this.#add('service-not-local', 'warning', message, hint, this.#sources.service, path)
    this.#isExplained = true
  }

  #refuseExternalName(): void {
    const { namespace, service } = this.#reference
    const text = `Service ${namespace}/${service} is of type ExternalName, which is not allowed`
    this.#closed ??= text
    this.#problems.push({
      code: 'service-external-name-off',
      severity: 'error',
      message: `${text}; answers 503`,
      hint: '--allow-external-name-services allows them: who may write Services can reach any name from here then',
    })
  }

  #externalServers(service: ServiceObject, port: ServicePort): readonly ServerConfig[] {
    if (!this.#situation.allowsExternalNames) return []
    const text = service.spec?.externalName ?? ''
    const address = canonicalAddress(text)
    if (address !== null) return [serverAt(address, port.port)]
    const host = parseHost(text)
    if (typeof host === 'string' || host.kind !== 'exact') {
      const message = `externalName ${JSON.stringify(text)} is not a DNS name; answers 503`
      this.#add('service-external-name', 'error', message, undefined, this.#sources.service, [
        'spec',
        'externalName',
      ])
      return []
    }
    this.#serverName = host.name
    return [serverAt(host.name, port.port)]
  }

  #givenServers(port: ServicePort | undefined): readonly ServerConfig[] {
    const { namespace, service, port: wanted } = this.#reference
    let given = this.#situation.given(namespace, service, wanted)
    // The Ingress may say the name where the flag says the number, or the other way round.
    if (given.length === 0 && port !== undefined) {
      const other = typeof wanted === 'number' ? port.name : port.port
      if (other !== undefined) given = this.#situation.given(namespace, service, other)
    }
    return given.map((one) => serverAt(one.host, one.port))
  }

  /** False: the Service speaks what cannot be spoken to it yet. */
  #readProtocol(service: ServiceObject, port: ServicePort): boolean {
    const protocol = port.appProtocol
    const path = ['spec', 'ports', Math.max(0, service.spec?.ports?.indexOf(port) ?? 0), 'appProtocol']
    switch (protocol?.toLowerCase()) {
      case undefined:
      case '':
      case 'http':
      case 'tcp':
      case 'kubernetes.io/ws':
        return true
      case 'https':
      case 'kubernetes.io/wss':
        this.#scheme = 'https'
        return true
      case 'kubernetes.io/h2c':
      case 'grpc':
      case 'h2c':
      case 'http2':
      case 'grpcs': {
        const message = `appProtocol ${protocol} needs HTTP/2 to the endpoints, which is not supported yet; answers 503`
        this.#add('service-protocol', 'error', message, undefined, this.#sources.service, path)
        return false
      }
      default: {
        const message = `appProtocol ${protocol} is not known; HTTP is spoken`
        this.#add('service-protocol', 'warning', message, undefined, this.#sources.service, path)
        return true
      }
    }
  }

  #readAnnotations(service: ServiceObject | undefined): void {
    const annotations = service?.metadata.annotations
    for (const annotation in annotations) {
      const judgement = judgeServiceAnnotation(annotation, annotations[annotation] ?? '')
      if (judgement === undefined) continue
      const path = ['metadata', 'annotations', annotation]
      const text = `annotation ${annotation} is not supported yet`
      if (judgement === 'closes') {
        this.#closed ??= text
        const message = `${text}: it may restrict access, so requests for this Service answer 503`
        this.#add('annotation-not-supported', 'error', message, undefined, this.#sources.service, path)
        continue
      }
      const message =
        judgement === 'later'
          ? `${text}; it has no effect`
          : `annotation ${annotation} belongs on an Ingress; it has no effect`
      this.#add('annotation-not-built', 'warning', message, undefined, this.#sources.service, path)
    }
  }

  #noService(): BackendProblem {
    const message = `Service ${this.#reference.namespace}/${this.#reference.service} does not exist; answers 503`
    return { code: 'service-not-found', severity: 'warning', message, hint: this.#ways() }
  }

  #noPort(service: ServiceObject): BackendProblem {
    const ports = service.spec?.ports ?? []
    const list = ports.map((port) =>
      port.name === undefined ? `${port.port}` : `${port.port} (${port.name})`,
    )
    const has = list.length === 0 ? 'it has none' : `it has ${list.join(', ')}`
    const { namespace, service: name, port } = this.#reference
    return {
      code: 'service-port-not-found',
      severity: 'warning',
      message: `Service ${namespace}/${name} has no port ${port} (${has}); answers 503`,
      hint: this.#ways(),
    }
  }

  #noEndpoints(service: ServiceObject, port: ServicePort): void {
    const { namespace, service: name } = this.#reference
    const { slices, endpoints } = this.#sources
    if (this.#isExplained || service.spec?.type === 'ExternalName') return
    const has =
      slices.length > 0 || endpoints !== undefined
        ? 'no ready endpoints'
        : 'no EndpointSlice and no Endpoints object'
    const message = `Service ${namespace}/${name} has ${has} for port ${port.name ?? port.port}; answers 503`
    this.#add('service-without-endpoints', 'warning', message, this.#ways(), this.#sources.service, [])
  }

  #ways(): string {
    const { namespace, service, port } = this.#reference
    if (this.#situation.isCluster)
      return `kubectl get service,endpointslice -n ${namespace} shows what there is`
    return (
      `add an EndpointSlice labelled kubernetes.io/service-name: ${service}, or run with ` +
      `--backend ${namespace}/${service}:${port}=HOST:PORT`
    )
  }

  #add(
    code: FindingCode,
    severity: 'error' | 'warning',
    message: string,
    hint: string | undefined,
    sourced: SourcedObject | undefined,
    path: readonly (number | string)[],
  ): void {
    this.#problems.push({
      code,
      severity,
      message,
      path,
      ...(hint === undefined ? {} : { hint }),
      ...(sourced === undefined ? {} : { sourced }),
    })
  }
}
