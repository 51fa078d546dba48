/** Which resource an object of a manifest belongs to, so that tests apply objects without asking the API server. */
import type { KubeObject } from '#kube/objects.ts'
import type { Resource } from '#kube/resource.ts'

const CLUSTER_SCOPED = new Set([
  'APIService',
  'ClusterRole',
  'ClusterRoleBinding',
  'CustomResourceDefinition',
  'GatewayClass',
  'IngressClass',
  'MutatingWebhookConfiguration',
  'Namespace',
  'Node',
  'PersistentVolume',
  'PriorityClass',
  'RuntimeClass',
  'StorageClass',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'ValidatingWebhookConfiguration',
])

/** By `apiVersion` and `kind`. Throws on an object without them. */
export function resourceOf(object: Pick<KubeObject, 'apiVersion' | 'kind'>): Resource {
  const { apiVersion, kind } = object
  if (apiVersion === undefined || kind === undefined)
    throw new TypeError(`an object without apiVersion and kind: ${JSON.stringify(object).slice(0, 200)}`)
  return resource(apiVersion, kind)
}

/** `resource('apps/v1', 'Deployment')`. The plural is guessed as `kubectl` does where it must. */
export function resource(apiVersion: string, kind: string): Resource {
  const slash = apiVersion.indexOf('/')
  return {
    group: slash < 0 ? '' : apiVersion.slice(0, slash),
    version: apiVersion.slice(slash + 1),
    plural: plural(kind.toLowerCase()),
    kind,
    isNamespaced: !CLUSTER_SCOPED.has(kind),
  }
}

function plural(kind: string): string {
  if (kind === 'endpoints') return kind
  if (kind.endsWith('s') || kind.endsWith('x')) return `${kind}es`
  // `gateways`, but `policies`.
  if (/[^aeiou]y$/.test(kind)) return `${kind.slice(0, -1)}ies`
  return `${kind}s`
}

export const PODS = resource('v1', 'Pod')
export const NODES = resource('v1', 'Node')
export const NAMESPACES = resource('v1', 'Namespace')
export const SERVICES = resource('v1', 'Service')
export const SECRETS = resource('v1', 'Secret')
export const CONFIG_MAPS = resource('v1', 'ConfigMap')
export const SERVICE_ACCOUNTS = resource('v1', 'ServiceAccount')
export const DEPLOYMENTS = resource('apps/v1', 'Deployment')
export const DAEMON_SETS = resource('apps/v1', 'DaemonSet')
export const INGRESSES = resource('networking.k8s.io/v1', 'Ingress')
export const INGRESS_CLASSES = resource('networking.k8s.io/v1', 'IngressClass')
export const ENDPOINT_SLICES = resource('discovery.k8s.io/v1', 'EndpointSlice')
