/**
 * Options of `sekisho gateway` beyond those that every gateway has: which cluster, which objects of it are served, and
 * what is written back. Decoded from flags together with the static configuration; documented in
 * docs/reference/static.md from here.
 */
import { isIP } from 'node:net'
import { list, object } from '#lib/schema/composites.ts'
import { boolean, string } from '#lib/schema/scalars.ts'
import type { ParseOptions } from '#lib/schema/schema.ts'
import type { Issue } from '#lib/errors.ts'
import { selectorProblem } from './label-selector.ts'
import { completeStatic, staticFields, staticNames, type StaticConfig } from './static.ts'

/** `spec.controller` of the IngressClasses that are ours. */
export const CONTROLLER_CLASS = 'sekisho.dev/ingress-controller'

/** What everything in a namespace is called by (RFC 1123 label). */
const namespaceName = () =>
  string({ minLength: 1, maxLength: 63 }).refine((text) =>
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text)
      ? undefined
      : 'is no name of a namespace (lower case letters, digits and hyphens)',
  )

const selector = () =>
  string({ minLength: 1, maxLength: 4096 }).refine(selectorProblem).optional().named('SELECTOR')

/** What an object of the API is called by where it is no label (RFC 1123 subdomain). */
const objectNameOnly = () =>
  string({ minLength: 1, maxLength: 253 }).refine((text) =>
    /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/.test(text)
      ? undefined
      : 'is no name of an object (lower case letters, digits, hyphens and dots)',
  )

export interface ObjectName {
  readonly namespace: string
  readonly name: string
}

const objectName = () =>
  string({ minLength: 3, maxLength: 317 }).transform((text): ObjectName | Error => {
    const [namespace = '', name = '', ...rest] = text.split('/')
    if (namespace !== '' && name !== '' && rest.length === 0) return { namespace, name }
    return new Error('must be NAMESPACE/NAME')
  })

/** An IP address, or a DNS name of a load balancer. */
const publicAddress = () =>
  string({ minLength: 1, maxLength: 253 }).refine((text) => {
    if (isIP(text) !== 0) return undefined
    const isName = /^(?=.*[a-z])[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/.test(
      text,
    )
    return isName ? undefined : 'must be an IP address or a DNS name in lower case'
  })

export const clusterFields = {
  kubeconfig: string({ minLength: 1 })
    .optional()
    .named('FILE')
    .describe(
      'Kubeconfig file. Without it: KUBECONFIG; in a pod its service account; else the one in the home directory.',
    ),
  context: string({ minLength: 1 })
    .optional()
    .named('NAME')
    .describe('Context of the kubeconfig. Without it: its current one.'),
  // An empty list would mean all: what a script with an unset variable says must not open every namespace.
  watchNamespace: list(namespaceName())
    .refine((names) => (names.length === 0 ? 'must not be empty (without it: all namespaces)' : undefined))
    .default([])
    .named('NAMESPACE,…')
    .describe(
      'Serve only these namespaces. Rights there (a Role) are enough then. Without it: all namespaces. May be given several times.',
    ),
  watchNamespaceSelector: selector().describe(
    'Serve only namespaces with these labels, such as `gateway=public,stage in (prod)`. Needs the right to read namespaces.',
  ),
  ingressLabelSelector: selector().describe(
    'Serve only Ingresses with these labels. Traefik: labelSelector.',
  ),
  ingressClass: string({ minLength: 1, maxLength: 253 })
    .optional()
    .named('CLASS')
    .describe(
      'Serve Ingresses of the class of this name, whichever controller it belongs to. Without it: of every class of --controllerClass.',
    ),
  controllerClass: string({ minLength: 1, maxLength: 250 })
    .default(CONTROLLER_CLASS)
    .named('NAME')
    .describe('The controller that IngressClasses name whose Ingresses are served.'),
  watchIngressWithoutClass: boolean()
    .default(false)
    .describe(
      'Serve Ingresses that name no class. The API server fills in the default class where there is one.',
    ),
  publishService: objectName()
    .optional()
    .named('NAMESPACE/NAME')
    .describe('Service whose addresses are written to the status of Ingresses.'),
  publishAddress: list(publicAddress())
    .default([])
    .named('ADDRESS,…')
    .describe(
      'Addresses to write to the status of Ingresses. With neither this nor --publishService: those of the nodes that run replicas.',
    ),
  updateStatus: boolean()
    .default(false)
    .describe('Write the status of Ingresses also where their class belongs to another controller.'),
  electionId: objectNameOnly()
    .default('sekisho-ingress')
    .named('NAME')
    .describe('Lease by which replicas elect the one that writes status and events.'),
  electionNamespace: namespaceName()
    .optional()
    .named('NAMESPACE')
    .describe('Namespace of the Lease. Without it: that of the pod, or of the context.'),
  allowExternalNameServices: boolean()
    .default(false)
    .describe(
      'Serve Services of type ExternalName. Who may create one can then reach every name that this process can.',
    ),
  nodeName: string({ minLength: 1, maxLength: 253 })
    .optional()
    .named('NAME')
    .describe(
      'Node that this replica runs on, for traffic that prefers or must stay near. Without it: NODE_NAME.',
    ),
  zone: string({ minLength: 1, maxLength: 63 })
    .optional()
    .named('ZONE')
    .describe(
      'Zone of the node. Without it: NODE_ZONE, else the label topology.kubernetes.io/zone of the Node, if it may be read.',
    ),
}

const { backend: _backend, ...sharedFields } = staticFields

export const gatewaySchema = object(
  { ...sharedFields, ...clusterFields },
  {
    ...staticNames,
    later: {
      ...staticNames.later,
      backend: 'is for `sekisho up`; in a cluster, servers are the endpoints of a Service',
      providers: 'the cluster is the only provider of this command',
    },
  },
)

/** Everything decided but what the environment says. Plain data. */
export interface ClusterConfig {
  readonly kubeconfig?: string
  readonly context?: string
  /** Empty: all. */
  readonly watchNamespace: readonly string[]
  readonly watchNamespaceSelector?: string
  readonly ingressLabelSelector?: string
  readonly ingressClass?: string
  readonly controllerClass: string
  readonly watchIngressWithoutClass: boolean
  readonly publishService?: ObjectName
  readonly publishAddress: readonly string[]
  readonly updateStatus: boolean
  readonly electionId: string
  readonly electionNamespace?: string
  readonly allowExternalNameServices: boolean
  readonly nodeName?: string
  readonly zone?: string
}

export type GatewayResult =
  | {
      readonly ok: true
      readonly config: StaticConfig
      readonly cluster: ClusterConfig
      readonly warnings: readonly Issue[]
    }
  | { readonly ok: false; readonly issues: readonly Issue[]; readonly warnings: readonly Issue[] }

/** Checks and completes the options of `sekisho gateway`. */
export function decodeGateway(
  tree: unknown,
  options: ParseOptions = { isText: true, ignoreCase: true },
): GatewayResult {
  const result = gatewaySchema.parse(tree, options)
  if (!result.ok) return result
  const cluster: ClusterConfig = result.value
  const issues = contradictions(cluster)
  const completed = completeStatic({ ...result.value, backend: [] }, result.warnings)
  if (!completed.ok) return { ...completed, issues: [...issues, ...completed.issues] }
  if (issues.length > 0) return { ok: false, issues, warnings: result.warnings }
  return { ...completed, cluster }
}

function contradictions(cluster: ClusterConfig): readonly Issue[] {
  const issues: Issue[] = []
  if (cluster.watchNamespace.length > 0 && cluster.watchNamespaceSelector !== undefined) {
    issues.push({
      path: ['watchNamespaceSelector'],
      message: 'cannot stand beside --watchNamespace',
      suggestion: 'give the namespaces by name or by labels, not both',
    })
  }
  if (cluster.publishService !== undefined && cluster.publishAddress.length > 0) {
    issues.push({
      path: ['publishAddress'],
      message: 'cannot stand beside --publishService',
      suggestion: 'addresses come from the Service, or are given, not both',
    })
  }
  return issues
}
