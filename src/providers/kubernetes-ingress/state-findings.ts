/**
 * What there is to say about reading the cluster: rights that are missing, an API server that does not answer, objects
 * of a wrong shape. One finding per cause, without what differs from one try to the next. Called by the cluster source.
 */
import type { Finding } from '#config/model/finding.ts'
import type { KubeError } from '#kube/errors.ts'
import type { Resource } from '#kube/resource.ts'
import type { FindingCode } from './finding-codes.ts'
import type { NamedSecrets } from './named-secrets.ts'
import { SECRETS } from './resources.ts'
import type { WatchedResource } from './watched-resource.ts'

/** `before`: problems that began later are not told yet (milliseconds since the epoch). */
export function stateFindings(
  watched: readonly WatchedResource[],
  secrets: NamedSecrets,
  before: number,
): readonly Finding[] {
  const findings: Finding[] = []
  let unreachable: WatchedResource | undefined
  for (const each of watched) {
    const { problem, selection, malformed } = each
    for (const [key, { message }] of malformed) findings.push(malformedFinding(key, message))
    if (problem === undefined) continue
    if (each.isRefused) findings.push(refusal(problem, selection.resource, selection.namespace))
    else if (each.problemSince <= before && (unreachable?.problemSince ?? Infinity) > each.problemSince)
      unreachable = each
  }
  if (unreachable?.problem !== undefined) findings.push(outage(unreachable.problem, unreachable.problemSince))
  const forbidden = new Set<string>()
  for (const { namespace, error } of secrets.problems()) {
    if (error.code !== 403 || forbidden.has(namespace)) continue
    forbidden.add(namespace)
    findings.push(
      notPermitted('get', SECRETS, namespace, 'the certificates of Ingresses there are not known'),
    )
  }
  for (const key of secrets.malformed())
    findings.push(malformedFinding(`Secret/${key}`, 'it is not what a Secret is'))
  return findings
}

function refusal(problem: KubeError, resource: Resource, namespace: string | undefined): Finding {
  if (problem.code === 403) return notPermitted('list and watch', resource, namespace, consequence(resource))
  const group = resource.group === '' ? '' : ` of ${resource.group}`
  return finding(
    'cluster-missing',
    'error',
    resource.plural,
    `the API server has no ${resource.plural}${group}/${resource.version}; ${consequence(resource)}`,
    'Kubernetes 1.21 and later have it, unless its API is switched off',
  )
}

function notPermitted(
  verbs: string,
  resource: Resource,
  namespace: string | undefined,
  effect: string,
): Finding {
  const where = !resource.isNamespaced
    ? 'in the cluster'
    : namespace === undefined
      ? 'in all namespaces'
      : `in namespace ${namespace}`
  const group = resource.group === '' ? 'the core group' : resource.group
  const role = namespace === undefined ? 'ClusterRole' : 'Role'
  return finding(
    'cluster-forbidden',
    'warning',
    namespace === undefined ? resource.plural : `${resource.plural} in ${namespace}`,
    `may not ${verbs} ${resource.plural} ${where}; ${effect}`,
    `a ${role} with the verbs ${verbs.replace(' and ', ', ')} for ${resource.plural} in ${group}, bound to the service account, gives the right; it is noticed within half a minute`,
  )
}

function consequence({ plural }: Resource): string {
  switch (plural) {
    case 'ingresses':
      return 'no Ingress there is served'
    case 'services':
    case 'endpointslices':
      return 'Ingresses there answer 503'
    case 'secrets':
      return 'those that Ingresses name are asked for every half minute instead'
    case 'ingressclasses':
      return 'which class an Ingress has is known by its name alone (--ingress-class)'
    case 'configmaps':
      return 'Ingresses of the classes that have it as parameters answer 503'
    default:
      return 'namespaces are not known, so nothing in them is served'
  }
}

function outage(problem: KubeError, since: number): Finding {
  const time = new Date(since).toISOString().slice(0, 19)
  const hint =
    problem.code === 401 || problem.reason === 'Credentials'
      ? 'the credentials are tried again at intervals; check the service account, or the user of the kubeconfig'
      : 'it is tried again every few seconds'
  return finding(
    'cluster-unreachable',
    'error',
    'API server',
    `cannot be followed since ${time}Z: ${problem.message}`,
    hint,
  )
}

function malformedFinding(key: string, message: string): Finding {
  const [kind = '', namespace = '', name = ''] = key.split('/')
  const object = namespace === '' ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
  return finding(
    'cluster-object',
    'error',
    object,
    `${message}; the last version that could be read stays in force`,
  )
}

function finding(
  code: FindingCode,
  severity: Finding['severity'],
  object: string,
  message: string,
  hint?: string,
): Finding {
  return { code, severity, object, message, ...(hint === undefined ? {} : { hint }) }
}
