/**
 * The fields of each kind that something reads, with their types, for every API version that is understood; and the
 * names of the other fields of the API, which are left out without a word. The types are those of `objects.ts`. Anything
 * else in a manifest is a misspelt field and is told; in an object from an API server it is a field of a newer version.
 */
import type { SupportedKind } from './objects.ts'

export type Shape =
  | 'boolean'
  | 'integer'
  | 'integerOrString'
  | 'string'
  /** A mapping of strings. */
  | 'strings'
  /** A mapping of base64 texts. */
  | 'bytes'
  | ListShape
  | FieldsShape

export interface ListShape {
  readonly kind: 'list'
  readonly items: Shape
}

export interface FieldsShape {
  readonly kind: 'fields'
  readonly fields: ReadonlyMap<string, Shape>
  readonly required: readonly string[]
  /** Fields of the API that nothing reads. */
  readonly ignored: ReadonlySet<string>
  /** Fields of another version of the API, and what they are called in this one. */
  readonly renamed: ReadonlyMap<string, string>
}

interface FieldsOptions {
  readonly required?: readonly string[]
  readonly ignored?: string
  readonly renamed?: Readonly<Record<string, string>>
}

function list(items: Shape): ListShape {
  return { kind: 'list', items }
}

function fields(shapes: Readonly<Record<string, Shape>>, options: FieldsOptions = {}): FieldsShape {
  return {
    kind: 'fields',
    fields: new Map(Object.entries(shapes)),
    required: options.required ?? [],
    ignored: new Set(options.ignored?.split(' ')),
    renamed: new Map(Object.entries(options.renamed ?? {})),
  }
}

const METADATA = fields(
  {
    name: 'string',
    namespace: 'string',
    labels: 'strings',
    annotations: 'strings',
    creationTimestamp: 'string',
    uid: 'string',
    generation: 'integer',
  },
  {
    required: ['name'],
    ignored:
      'managedFields resourceVersion selfLink finalizers ownerReferences generateName deletionTimestamp deletionGracePeriodSeconds clusterName',
  },
)

/** A whole object; `status` is left out everywhere. */
function object(shapes: Readonly<Record<string, Shape>>, options: FieldsOptions = {}): FieldsShape {
  return fields(
    { apiVersion: 'string', kind: 'string', metadata: METADATA, ...shapes },
    {
      ...options,
      ignored: `status ${options.ignored ?? ''}`,
      required: ['metadata', ...(options.required ?? [])],
    },
  )
}

const REFERENCE = fields({ apiGroup: 'string', kind: 'string', name: 'string' })

const INGRESS_TLS = list(fields({ hosts: list('string'), secretName: 'string' }))

function ingressRules(backend: Shape): ListShape {
  const path = fields({ path: 'string', pathType: 'string', backend })
  return list(fields({ host: 'string', http: fields({ paths: list(path) }) }))
}

const BACKEND_V1 = fields(
  {
    service: fields(
      { name: 'string', port: fields({ name: 'string', number: 'integer' }) },
      { required: ['name'] },
    ),
    resource: REFERENCE,
  },
  { renamed: { serviceName: 'service.name', servicePort: 'service.port.number' } },
)

const BACKEND_V1BETA1 = fields(
  { serviceName: 'string', servicePort: 'integerOrString', resource: REFERENCE },
  { renamed: { service: 'serviceName and servicePort' } },
)

const INGRESS_V1 = object({
  spec: fields(
    {
      ingressClassName: 'string',
      defaultBackend: BACKEND_V1,
      tls: INGRESS_TLS,
      rules: ingressRules(BACKEND_V1),
    },
    { renamed: { backend: 'defaultBackend' } },
  ),
})

const INGRESS_V1BETA1 = object({
  spec: fields(
    {
      ingressClassName: 'string',
      backend: BACKEND_V1BETA1,
      tls: INGRESS_TLS,
      rules: ingressRules(BACKEND_V1BETA1),
    },
    { renamed: { defaultBackend: 'backend' } },
  ),
})

const INGRESS_CLASS = object({
  spec: fields({
    controller: 'string',
    parameters: fields({
      apiGroup: 'string',
      kind: 'string',
      name: 'string',
      namespace: 'string',
      scope: 'string',
    }),
  }),
})

const SERVICE = object({
  spec: fields(
    {
      type: 'string',
      clusterIP: 'string',
      externalName: 'string',
      selector: 'strings',
      ports: list(
        fields(
          {
            name: 'string',
            port: 'integer',
            targetPort: 'integerOrString',
            protocol: 'string',
            appProtocol: 'string',
          },
          { required: ['port'], ignored: 'nodePort' },
        ),
      ),
      sessionAffinity: 'string',
      sessionAffinityConfig: fields({ clientIP: fields({ timeoutSeconds: 'integer' }) }),
      publishNotReadyAddresses: 'boolean',
      ipFamilies: list('string'),
      internalTrafficPolicy: 'string',
    },
    {
      ignored:
        'allocateLoadBalancerNodePorts clusterIPs externalIPs externalTrafficPolicy healthCheckNodePort ipFamilyPolicy ipFamily loadBalancerClass loadBalancerIP loadBalancerSourceRanges trafficDistribution topologyKeys',
    },
  ),
})

const SLICE_PORTS = list(
  fields({ name: 'string', port: 'integer', protocol: 'string', appProtocol: 'string' }),
)

const HINTS = list(fields({ name: 'string' }, { required: ['name'] }))

const ENDPOINT_SLICE = object({
  addressType: 'string',
  endpoints: list(
    fields(
      {
        addresses: list('string'),
        conditions: fields({ ready: 'boolean', serving: 'boolean', terminating: 'boolean' }),
        hostname: 'string',
        nodeName: 'string',
        zone: 'string',
        targetRef: fields(
          { uid: 'string' },
          { ignored: 'apiVersion fieldPath kind name namespace resourceVersion' },
        ),
        hints: fields({ forZones: HINTS, forNodes: HINTS }),
      },
      { required: ['addresses'], ignored: 'topology deprecatedTopology' },
    ),
  ),
  ports: SLICE_PORTS,
})

const ENDPOINT_ADDRESSES = list(
  fields({ ip: 'string', hostname: 'string' }, { required: ['ip'], ignored: 'nodeName targetRef' }),
)

const ENDPOINTS = object({
  subsets: list(
    fields({ addresses: ENDPOINT_ADDRESSES, notReadyAddresses: ENDPOINT_ADDRESSES, ports: SLICE_PORTS }),
  ),
})

const SECRET = object({ type: 'string', data: 'bytes', stringData: 'strings' }, { ignored: 'immutable' })

const CONFIG_MAP = object({ data: 'strings', binaryData: 'bytes' }, { ignored: 'immutable' })

const NAMESPACE = object({}, { ignored: 'spec' })

export interface KindShapes {
  readonly kind: SupportedKind
  readonly isNamespaced: boolean
  /** Groups in which the kind is the one meant here (empty: core); a Service of another group is something else. */
  readonly groups: readonly string[]
  /** By apiVersion. */
  readonly versions: ReadonlyMap<string, FieldsShape>
}

function kind(name: SupportedKind, isNamespaced: boolean, versions: Record<string, FieldsShape>): KindShapes {
  const groups = [...new Set(Object.keys(versions).map(groupOf))]
  return { kind: name, isNamespaced, groups, versions: new Map(Object.entries(versions)) }
}

/** `networking.k8s.io/v1` is in group `networking.k8s.io`, `v1` in the core group, named by the empty text. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/')
  return slash === -1 ? '' : apiVersion.slice(0, slash)
}

const KINDS: readonly KindShapes[] = [
  kind('ConfigMap', true, { v1: CONFIG_MAP }),
  kind('EndpointSlice', true, {
    'discovery.k8s.io/v1': ENDPOINT_SLICE,
    'discovery.k8s.io/v1beta1': ENDPOINT_SLICE,
  }),
  kind('Endpoints', true, { v1: ENDPOINTS }),
  kind('Ingress', true, {
    'networking.k8s.io/v1': INGRESS_V1,
    'networking.k8s.io/v1beta1': INGRESS_V1BETA1,
    'extensions/v1beta1': INGRESS_V1BETA1,
  }),
  kind('IngressClass', false, {
    'networking.k8s.io/v1': INGRESS_CLASS,
    'networking.k8s.io/v1beta1': INGRESS_CLASS,
  }),
  kind('Namespace', false, { v1: NAMESPACE }),
  kind('Secret', true, { v1: SECRET }),
  kind('Service', true, { v1: SERVICE }),
]

/** By name of the kind. */
export const KIND_SHAPES: ReadonlyMap<string, KindShapes> = new Map(KINDS.map((entry) => [entry.kind, entry]))
