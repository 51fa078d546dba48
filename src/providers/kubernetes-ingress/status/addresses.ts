/**
 * What `status.loadBalancer.ingress` of an Ingress may say: addresses and host names of a Service, of nodes, or given by
 * hand. Pure; everything comes out sorted and once, so that equal addresses are an equal status. Called by the sources
 * of addresses.
 */
import { parseAddress } from '#lib/ip/address.ts'
import type { KubeObject } from '#kube/objects.ts'

/** An address or a name, as the API has it. */
export interface PublishedAddress {
  readonly ip?: string
  readonly hostname?: string
}

/** As much of a Service as decides its addresses. */
export interface PublishedService extends KubeObject {
  readonly spec?: {
    readonly type?: string
    readonly clusterIP?: string
    readonly clusterIPs?: readonly string[]
    readonly externalIPs?: readonly string[]
    readonly externalName?: string
  }
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly PublishedAddress[] } }
}

export interface NodeObject extends KubeObject {
  readonly status?: {
    readonly addresses?: readonly { readonly type?: string; readonly address?: string }[]
  }
}

/** Undefined: those of the nodes that run replicas (a NodePort Service without external addresses). */
export function addressesOfService({ spec, status }: PublishedService): PublishedAddress[] | undefined {
  const external = spec?.externalIPs ?? []
  switch (spec?.type) {
    case 'LoadBalancer':
      return sorted([
        ...(status?.loadBalancer?.ingress ?? []).map(nameOrAddress),
        ...external.map((ip) => ({ ip })),
      ])
    case 'NodePort':
      return external.length === 0 ? undefined : sorted(external.map((ip) => ({ ip })))
    case 'ExternalName':
      return spec.externalName === undefined ? [] : sorted([fromText(spec.externalName)])
    case 'ClusterIP':
    case undefined:
    default:
      return sorted((external.length > 0 ? external : clusterAddresses(spec)).map((ip) => ({ ip })))
  }
}

/** Of both families: the external ones, or else the internal ones. */
export function addressesOfNode({ status }: NodeObject): PublishedAddress[] {
  const of = (type: string): string[] =>
    (status?.addresses ?? []).flatMap((each) =>
      each.type === type && each.address !== undefined ? [each.address] : [],
    )
  const external = of('ExternalIP')
  return sorted((external.length > 0 ? external : of('InternalIP')).map(fromText))
}

/** Each once; IPv4, IPv6, names. */
export function sorted(addresses: readonly PublishedAddress[]): PublishedAddress[] {
  const byKey = new Map<string, PublishedAddress>()
  for (const each of addresses) byKey.set(sortKey(each), each)
  return [...byKey.keys()].toSorted().map((key) => byKey.get(key)!)
}

/** An IP address, or else a name. */
export function fromText(text: string): PublishedAddress {
  return parseAddress(text) === null ? { hostname: text } : { ip: text }
}

/** Without what else a Service says there (ports, mode). */
function nameOrAddress({ ip, hostname }: PublishedAddress): PublishedAddress {
  return {
    ...(ip === undefined || ip === '' ? {} : { ip }),
    ...(hostname === undefined || hostname === '' ? {} : { hostname }),
  }
}

function clusterAddresses(spec: PublishedService['spec']): readonly string[] {
  const all = spec?.clusterIPs ?? (spec?.clusterIP === undefined ? [] : [spec.clusterIP])
  return all.filter((address) => address !== '' && address !== 'None')
}

function sortKey({ ip, hostname }: PublishedAddress): string {
  if (ip === undefined) return `3 ${hostname ?? ''}`
  return `${ip.includes(':') ? 2 : 1} ${ip} ${hostname ?? ''}`
}
