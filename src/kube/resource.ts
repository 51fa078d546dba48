/**
 * A resource of the API: group, version, plural name, and the paths below which the server has it (Kubernetes API
 * concepts, "Resource URIs"). Names in paths are escaped, so that no object name can lead to another path.
 */

export interface Resource {
  /** `''`: the core group. */
  readonly group: string
  readonly version: string
  /** Lower case plural: `ingresses`. */
  readonly plural: string
  readonly kind: string
  readonly isNamespaced: boolean
}

/** Which object; `namespace` only for namespaced resources. */
export interface ObjectName {
  readonly name: string
  readonly namespace?: string
}

export const LEASES: Resource = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  isNamespaced: true,
}

export const EVENTS: Resource = {
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  isNamespaced: true,
}

/** `networking.k8s.io/v1`, `v1`. */
export function apiVersionOf(resource: Resource): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`
}

/** Of the collection: of one namespace, or of all of them when none is given. */
export function collectionPath(resource: Resource, namespace?: string): string {
  const root = resource.group === '' ? '/api/' : '/apis/'
  const base = `${root}${apiVersionOf(resource)}/`
  if (namespace === undefined || namespace === '' || !resource.isNamespaced) return base + resource.plural
  return `${base}namespaces/${segment(namespace)}/${resource.plural}`
}

/** Of one object, or of one of its sub-resources. */
export function objectPath(
  resource: Resource,
  { name, namespace }: ObjectName,
  subresource?: string,
): string {
  if (resource.isNamespaced && (namespace === undefined || namespace === ''))
    throw new TypeError(`${resource.kind} ${name}: a namespace is needed`)
  const path = `${collectionPath(resource, namespace)}/${segment(name)}`
  return subresource === undefined ? path : `${path}/${subresource}`
}

/** One element of a path. `.` and `..` cannot be escaped (RFC 3986 §6.2.2.3), and no object has such a name. */
function segment(text: string): string {
  if (text === '' || text === '.' || text === '..')
    throw new TypeError(`${JSON.stringify(text)} is not a name of an object`)
  return encodeURIComponent(text)
}
