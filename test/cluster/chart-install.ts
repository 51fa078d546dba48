/**
 * The gateway of a cluster, as users install it without Helm in the cluster: the chart is rendered by the real Helm and
 * its objects are applied by kubectl. Called by tests; the same call again with other values is an upgrade.
 */
import { fileURLToPath } from 'node:url'
import type { ObjectName } from '#kube/resource.ts'
import type { Cluster } from './cluster.ts'
import { DAEMON_SETS, SERVICES } from './resources.ts'

export const CHART = fileURLToPath(new URL('../../deploy/chart', import.meta.url))
const NAME = 'sekisho'

export interface ChartOptions {
  /** By dotted name, as `helm --set` takes them; strings stay strings. */
  readonly values?: Readonly<Record<string, string | number | boolean>>
  /** Default `sekisho`; made when it is not there. */
  readonly namespace?: string
  /** Default: that of this checkout. */
  readonly chart?: string
}

/** Objects of the chart as YAML. */
export function renderChart(cluster: Cluster, options: ChartOptions = {}): Promise<string> {
  const { values = {}, namespace = NAME, chart = CHART } = options
  const flags = Object.entries(values).flatMap(([name, value]) => [
    typeof value === 'string' ? '--set-string' : '--set',
    `${name}=${value}`,
  ])
  return cluster.helm(['template', NAME, chart, '--namespace', namespace, ...flags])
}

/** Applies them; resolves with the name of the workload, which need not be ready yet. */
export async function applyChart(cluster: Cluster, options: ChartOptions = {}): Promise<ObjectName> {
  const { namespace = NAME } = options
  await cluster.objects.createNamespace(namespace)
  await cluster.kubectl(['apply', '--filename', '-'], { stdin: await renderChart(cluster, options) })
  return { namespace, name: NAME }
}

/** Applies them, and waits until every replica is ready. */
export async function installChart(cluster: Cluster, options: ChartOptions = {}): Promise<ObjectName> {
  const workload = await applyChart(cluster, options)
  if (options.values?.['kind'] === 'DaemonSet') await waitForDaemonSet(cluster, workload)
  else await cluster.objects.waitForDeployment(workload)
  return workload
}

interface DaemonSetObject {
  readonly metadata: { readonly name: string; readonly generation?: number }
  readonly status?: {
    readonly observedGeneration?: number
    readonly desiredNumberScheduled?: number
    readonly updatedNumberScheduled?: number
    readonly numberAvailable?: number
  }
}

async function waitForDaemonSet(cluster: Cluster, name: ObjectName): Promise<void> {
  await cluster.objects.waitFor<DaemonSetObject>(DAEMON_SETS, name, ({ metadata, status }) => {
    const wanted = status?.desiredNumberScheduled ?? 0
    return (
      (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0) &&
      wanted > 0 &&
      status?.updatedNumberScheduled === wanted &&
      status.numberAvailable === wanted
    )
  })
}

interface ServiceObject {
  readonly metadata: { readonly name: string }
  readonly spec: { readonly ports: readonly { readonly name?: string; readonly nodePort?: number }[] }
}

/** Port of every node that leads to the gateway's `web` or `websecure`. */
export async function nodePort(cluster: Cluster, service: ObjectName, port = 'web'): Promise<number> {
  const { spec } = await cluster.client.get<ServiceObject>(SERVICES, service)
  const found = spec.ports.find(({ name }) => name === port)?.nodePort
  if (found === undefined) throw new Error(`service ${service.name} has no node port for ${port}`)
  return found
}
