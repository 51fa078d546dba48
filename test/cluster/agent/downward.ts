/**
 * What a pod may be told of itself (Kubernetes, "Downward API"): fields of the pod, and the resources of its containers.
 * Pure; used by environment variables and by volumes.
 */
import { ConfigProblem, type ContainerSpec, type Pod, type ResourceRef } from './pod.ts'
import { parseQuantity } from './quantity.ts'

/** What the pod's object does not say yet when it starts. */
export interface Whereabouts {
  /** IPv4 first. */
  readonly podAddresses: readonly string[]
  readonly nodeAddresses: readonly string[]
  readonly nodeName: string
  /** What a container without a limit may use: `cpu`, `memory`, `ephemeral-storage`. */
  readonly allocatable: Readonly<Record<string, string>>
}

const ENTRY = /^metadata\.(labels|annotations)\['([^']+)'\]$/

/** Throws a ConfigProblem for a field that does not exist. */
export function fieldValue(pod: Pod, path: string, where: Whereabouts): string {
  const { metadata, spec } = pod
  switch (path) {
    case 'metadata.name':
      return metadata.name
    case 'metadata.namespace':
      return metadata.namespace
    case 'metadata.uid':
      return metadata.uid
    case 'metadata.labels':
      return mapText(metadata.labels)
    case 'metadata.annotations':
      return mapText(metadata.annotations)
    case 'spec.nodeName':
      return where.nodeName
    case 'spec.serviceAccountName':
      return spec.serviceAccountName ?? 'default'
    case 'status.hostIP':
      return where.nodeAddresses[0] ?? ''
    case 'status.hostIPs':
      return where.nodeAddresses.join(',')
    case 'status.podIP':
      return where.podAddresses[0] ?? ''
    case 'status.podIPs':
      return where.podAddresses.join(',')
    default: {
      const match = ENTRY.exec(path)
      if (match === null) throw new ConfigProblem(`fieldPath ${path} is not supported`)
      const entries = match[1] === 'labels' ? metadata.labels : metadata.annotations
      return entries?.[match[2]!] ?? ''
    }
  }
}

/** Lines `key="value"`, sorted, quoted as Go does. */
function mapText(map: Readonly<Record<string, string>> | undefined): string {
  const entries = Object.entries(map ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  return entries.map(([key, value]) => `${key}=${JSON.stringify(value)}\n`).join('')
}

/** A whole number of divisors, rounded up. Throws a ConfigProblem. */
export function resourceValue(container: ContainerSpec, ref: ResourceRef, where: Whereabouts): string {
  const [kind, ...rest] = ref.resource.split('.')
  const name = rest.join('.')
  const { resources } = container
  let quantity: string
  if (kind === 'limits') quantity = resources?.limits?.[name] ?? where.allocatable[name] ?? '0'
  else if (kind === 'requests') quantity = resources?.requests?.[name] ?? '0'
  else throw new ConfigProblem(`resource ${ref.resource} is not supported`)
  const divisor = parseQuantity(ref.divisor ?? '1') || 1
  // Not 0.30000000000000004 divisors.
  return String(Math.ceil(Number((parseQuantity(quantity) / divisor).toPrecision(15))))
}
