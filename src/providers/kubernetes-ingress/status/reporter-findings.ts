/** What there is to say about writing status and events. Made by the cluster reporter; pure. */
import type { Finding } from '#config/model/finding.ts'
import type { KubeError } from '#kube/errors.ts'
import type { FindingCode } from '../finding-codes.ts'
import type { AddressProblem, Publish } from './address-source.ts'

/** Objects that a finding names; there may be thousands. */
const MAX_NAMED = 3

export function addressFinding(problem: AddressProblem, publish: Publish): Finding {
  const service = publish.kind === 'service' ? `Service ${publish.namespace}/${publish.name}` : ''
  const object = service === '' ? 'status of Ingresses' : service
  const instead = '--publish-address names the addresses instead'
  switch (problem.kind) {
    case 'service-missing':
      return finding(
        'status-address',
        'warning',
        object,
        'it does not exist, so the addresses for the status of Ingresses are not known',
        `--publish-service names another one; ${instead}`,
      )
    case 'no-pod':
      return finding(
        'status-address',
        'info',
        object,
        'no status is written: outside of a pod the nodes of this gateway are not known',
        `--publish-service names a Service to take addresses from; ${instead}`,
      )
    case 'error':
      return finding(
        'status-address',
        'warning',
        object,
        `the addresses for the status of Ingresses are not known: ${problem.error.message}`,
        problem.error.code === 403 ? `the service account lacks this right; ${instead}` : 'it is tried again',
      )
  }
}

/** `refused`: by `namespace/name`, not empty. */
export function refusedFinding(refused: ReadonlyMap<string, KubeError>): Finding | undefined {
  const [first] = refused.values()
  if (first === undefined) return undefined
  return finding(
    'status-refused',
    'warning',
    named([...refused.keys()]),
    `the status cannot be written: ${first.message}`,
    first.code === 403
      ? 'the service account needs the verb patch for ingresses/status in networking.k8s.io'
      : undefined,
  )
}

export function contestedFinding(contested: ReadonlySet<string>): Finding | undefined {
  if (contested.size === 0) return undefined
  return finding(
    'status-contested',
    'warning',
    named([...contested]),
    'another controller keeps writing another status; it is left alone until this process starts anew',
    'two controllers serve one class and both write its status: leave out --update-status here, or take the class from the other one',
  )
}

export function electionFinding(error: KubeError, namespace: string, name: string): Finding {
  return finding(
    'election-failed',
    'warning',
    `Lease ${namespace}/${name}`,
    `it cannot be held or read, so this replica writes no status and no events: ${error.message}`,
    error.code === 403
      ? 'the service account needs a Role there with get, create and update for leases in coordination.k8s.io'
      : 'it is tried again every few seconds',
  )
}

export function eventsFinding(): Finding {
  return finding(
    'events-forbidden',
    'info',
    'events',
    'some events may not be written, so kubectl describe does not show every finding',
    'the service account needs the verbs create and patch for events in events.k8s.io',
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

/** `Ingress shop/web`, `Ingresses shop/a, shop/b, shop/c and 4 more`. */
function named(keys: readonly string[]): string {
  if (keys.length === 1) return `Ingress ${keys[0]}`
  const more = keys.length > MAX_NAMED ? ` and ${keys.length - MAX_NAMED} more` : ''
  return `Ingresses ${keys.slice(0, MAX_NAMED).join(', ')}${more}`
}
