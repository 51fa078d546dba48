/**
 * Which endpoints are used from a place in the cluster, as kube-proxy decides it: with `internalTrafficPolicy: Local`
 * those of the own node (KEP-2086); otherwise those that the hints of the control plane mean for the own node or else
 * the own zone, all or nothing: one ready endpoint without a hint, or none for here, and all are used (KEP-2433,
 * KEP-4444). Endpoints that are about to end have no hints and stay as the last resort. Pure.
 */
import type { Candidate } from './endpoints.ts'

/** Where this gateway runs. Undefined: not known. */
export interface Locality {
  readonly nodeName?: string | undefined
  /** Label `topology.kubernetes.io/zone` of the node. */
  readonly zone?: string | undefined
}

export interface Preference {
  readonly candidates: readonly Candidate[]
  /** Another place could give others. */
  readonly dependsOnPlace: boolean
}

/** `locality` undefined: this is no place in a cluster. */
export function preferredHere(
  candidates: readonly Candidate[],
  isLocalOnly: boolean,
  locality: Locality | undefined,
): Preference {
  if (locality === undefined) return { candidates, dependsOnPlace: false }
  const { nodeName, zone } = locality
  if (isLocalOnly) {
    const local = candidates.filter((one) => nodeName !== undefined && one.nodeName === nodeName)
    return { candidates: local, dependsOnPlace: true }
  }
  let allHaveNodes = true
  let allHaveZones = true
  let isAnyForNode = false
  let isAnyForZone = false
  let isAnyReady = false
  for (const { isReady, hints } of candidates) {
    if (!isReady) continue
    isAnyReady = true
    const nodes = hints?.forNodes ?? []
    const zones = hints?.forZones ?? []
    if (nodes.length === 0) allHaveNodes = false
    else if (names(nodes, nodeName)) isAnyForNode = true
    if (zones.length === 0) allHaveZones = false
    else if (names(zones, zone)) isAnyForZone = true
    if (!allHaveNodes && !allHaveZones) break
  }
  const dependsOnPlace = isAnyReady && (allHaveNodes || allHaveZones)
  if (!dependsOnPlace) return { candidates, dependsOnPlace }
  if (allHaveNodes && isAnyForNode) {
    return { candidates: candidates.filter((one) => isFor(one, 'forNodes', nodeName)), dependsOnPlace }
  }
  if (allHaveZones && isAnyForZone) {
    return { candidates: candidates.filter((one) => isFor(one, 'forZones', zone)), dependsOnPlace }
  }
  return { candidates, dependsOnPlace }
}

function isFor(
  { isReady, hints }: Candidate,
  field: 'forNodes' | 'forZones',
  place: string | undefined,
): boolean {
  return !isReady || names(hints?.[field] ?? [], place)
}

function names(places: readonly { readonly name: string }[], place: string | undefined): boolean {
  if (place === undefined) return false
  for (const { name } of places) if (name === place) return true
  return false
}
