/**
 * Kubernetes objects as the translation reads them, and the interface of what supplies them. The shapes follow the
 * API (core/v1, discovery.k8s.io/v1, networking.k8s.io/v1 and the old Ingress versions) and name only the fields that
 * something reads; other fields may be present. Suppliers (a directory of manifests, an API server) have checked the
 * types of the named fields; they have not checked meaning: host names, port ranges and references may be wrong.
 */
import type { Finding, Place } from '#config/model/finding.ts'

export type SupportedKind =
  | 'ConfigMap'
  | 'EndpointSlice'
  | 'Endpoints'
  | 'Ingress'
  | 'IngressClass'
  | 'Namespace'
  | 'Secret'
  | 'Service'

export interface ObjectMeta {
  readonly name: string
  /** Suppliers fill in `default` where a namespaced object has none; undefined for cluster-scoped kinds. */
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  /** RFC 3339. */
  readonly creationTimestamp?: string
  readonly uid?: string
  readonly generation?: number
}

interface Meta<Kind extends SupportedKind, ApiVersion extends string> {
  readonly apiVersion: ApiVersion
  readonly kind: Kind
  readonly metadata: ObjectMeta
}

/** A port by number or by name; a string of digits is a name that no port can have. */
export type IntOrString = number | string

export type IngressObject = IngressV1 | IngressV1Beta1

export interface IngressV1 extends Meta<'Ingress', 'networking.k8s.io/v1'> {
  readonly spec?: {
    readonly ingressClassName?: string
    readonly defaultBackend?: IngressBackendV1
    readonly tls?: readonly IngressTls[]
    readonly rules?: readonly IngressRule<IngressBackendV1>[]
  }
}

/** Both old groups have one shape. */
export interface IngressV1Beta1 extends Meta<'Ingress', 'networking.k8s.io/v1beta1' | 'extensions/v1beta1'> {
  readonly spec?: {
    readonly ingressClassName?: string
    readonly backend?: IngressBackendV1Beta1
    readonly tls?: readonly IngressTls[]
    readonly rules?: readonly IngressRule<IngressBackendV1Beta1>[]
  }
}

export interface IngressTls {
  readonly hosts?: readonly string[]
  readonly secretName?: string
}

export interface IngressRule<Backend> {
  readonly host?: string
  readonly http?: { readonly paths?: readonly IngressPath<Backend>[] }
}

export interface IngressPath<Backend> {
  readonly path?: string
  /** `Exact`, `Prefix`, `ImplementationSpecific`; old versions may have none. */
  readonly pathType?: string
  readonly backend?: Backend
}

export interface IngressBackendV1 {
  readonly service?: {
    readonly name?: string
    readonly port?: { readonly name?: string; readonly number?: number }
  }
  readonly resource?: ResourceReference
}

export interface IngressBackendV1Beta1 {
  readonly serviceName?: string
  readonly servicePort?: IntOrString
  readonly resource?: ResourceReference
}

export interface ResourceReference {
  readonly apiGroup?: string
  readonly kind?: string
  readonly name?: string
}

export interface IngressClassObject extends Meta<
  'IngressClass',
  'networking.k8s.io/v1' | 'networking.k8s.io/v1beta1'
> {
  readonly spec?: {
    readonly controller?: string
    readonly parameters?: ResourceReference & { readonly namespace?: string; readonly scope?: string }
  }
}

export interface ServiceObject extends Meta<'Service', 'v1'> {
  readonly spec?: {
    /** `ClusterIP` when absent; `NodePort`, `LoadBalancer`, `ExternalName`. */
    readonly type?: string
    /** `None`: headless. */
    readonly clusterIP?: string
    readonly externalName?: string
    readonly selector?: Readonly<Record<string, string>>
    readonly ports?: readonly ServicePort[]
    readonly sessionAffinity?: string
    readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number } }
    readonly publishNotReadyAddresses?: boolean
    /** `IPv4`, `IPv6`, the preferred one first. */
    readonly ipFamilies?: readonly string[]
    /** `Local`: only endpoints on the node of the client; `Cluster` when absent. */
    readonly internalTrafficPolicy?: string
  }
}

export interface ServicePort {
  readonly name?: string
  readonly port: number
  readonly targetPort?: IntOrString
  /** `TCP` when absent. */
  readonly protocol?: string
  readonly appProtocol?: string
}

export interface EndpointSliceObject extends Meta<
  'EndpointSlice',
  'discovery.k8s.io/v1' | 'discovery.k8s.io/v1beta1'
> {
  /** `IPv4`, `IPv6`, `FQDN`. The Service is named by the label `kubernetes.io/service-name`. */
  readonly addressType?: string
  readonly endpoints?: readonly SliceEndpoint[]
  readonly ports?: readonly SlicePort[]
}

export interface SliceEndpoint {
  readonly addresses: readonly string[]
  /** An absent `ready` means ready. */
  readonly conditions?: {
    readonly ready?: boolean
    readonly serving?: boolean
    readonly terminating?: boolean
  }
  readonly hostname?: string
  readonly nodeName?: string
  readonly zone?: string
  /** The pod; its addresses of two families stand in two slices. */
  readonly targetRef?: { readonly uid?: string }
  /** Clients for whom the control plane means it, from `trafficDistribution`. */
  readonly hints?: {
    readonly forZones?: readonly { readonly name: string }[]
    readonly forNodes?: readonly { readonly name: string }[]
  }
}

export interface SlicePort {
  readonly name?: string
  readonly port?: number
  readonly protocol?: string
  readonly appProtocol?: string
}

export interface EndpointsObject extends Meta<'Endpoints', 'v1'> {
  readonly subsets?: readonly EndpointSubset[]
}

export interface EndpointSubset {
  readonly addresses?: readonly EndpointAddress[]
  readonly notReadyAddresses?: readonly EndpointAddress[]
  readonly ports?: readonly SlicePort[]
}

export interface EndpointAddress {
  readonly ip: string
  readonly hostname?: string
}

export interface SecretObject extends Meta<'Secret', 'v1'> {
  readonly type?: string
  /** Base64, as in the API; suppliers fold `stringData` into it and have checked that it decodes. */
  readonly data?: Readonly<Record<string, string>>
}

export interface ConfigMapObject extends Meta<'ConfigMap', 'v1'> {
  readonly data?: Readonly<Record<string, string>>
  /** Base64. */
  readonly binaryData?: Readonly<Record<string, string>>
}

export type NamespaceObject = Meta<'Namespace', 'v1'>

/** Discriminated by `kind`, an Ingress further by `apiVersion`. */
export type KubeObject =
  | ConfigMapObject
  | EndpointSliceObject
  | EndpointsObject
  | IngressClassObject
  | IngressObject
  | NamespaceObject
  | SecretObject
  | ServiceObject

/** A path inside an object: `['spec', 'rules', 0, 'host']`. */
export type ObjectPath = readonly (number | string)[]

/** One object with where it came from. Immutable but for `place`, which follows the text when lines move above it. */
export interface SourcedObject {
  /** `Kind/namespace/name`, the same for every API version of a kind; namespace empty for cluster-scoped kinds. */
  readonly key: string
  readonly kind: SupportedKind
  readonly object: KubeObject
  /** Where the object starts; undefined: it is in no file. */
  readonly place: Place | undefined
  /**
   * Why nobody may be let in by it: a part that may restrict access could not be read. Only of an Ingress; its paths
   * answer 503.
   */
  readonly closed?: string | undefined
  /**
   * Where the value at `path` stands (for a key of a mapping: the key), or the nearest ancestor that exists. Costs a
   * read and a parse: for findings, not for every object.
   */
  placeOf(path: ObjectPath): Place | undefined
}

export interface ObjectChange {
  /** Objects that are new or differ. */
  readonly set: readonly SourcedObject[]
  /** Keys of objects that are gone. */
  readonly remove: readonly string[]
}

/**
 * Called with each change and the source's whole list of findings as it is then; `change` may be empty. `receivedAt`:
 * performance.now when the change came in, where that is known.
 */
export type ObjectListener = (change: ObjectChange, findings: readonly Finding[], receivedAt?: number) => void

export interface ObjectSource {
  /**
   * Resolves after the first, complete set of objects has been handed to `onChange` (always called once by then, even
   * when there is nothing), and goes on calling it with changes until `signal` aborts. Does not reject: what is wrong
   * with the source is a finding.
   */
  start(onChange: ObjectListener, signal: AbortSignal): Promise<void>
}

/** `Kind/namespace/name`. */
export function objectKey(kind: SupportedKind, namespace: string | undefined, name: string): string {
  return `${kind}/${namespace ?? ''}/${name}`
}

/** How findings name an object: `Ingress shop/web`, `IngressClass nginx`. */
export function objectLabel(object: KubeObject): string {
  const { namespace, name } = object.metadata
  return namespace === undefined ? `${object.kind} ${name}` : `${object.kind} ${namespace}/${name}`
}
