/** The replicas of a gateway that the chart installed: who of them leads, what they log and count. */
import type { KubeObject } from '#kube/objects.ts'
import type { ObjectName, Resource } from '#kube/resource.ts'
import { ask } from './ask.ts'
import type { Cluster } from './cluster.ts'
import { isPodReady, type PodObject } from './cluster-objects.ts'
import { resource } from './resources.ts'

const LEASES: Resource = resource('coordination.k8s.io/v1', 'Lease')
const INTERNAL_PORT = 8081
const SELECTOR = 'app.kubernetes.io/component=gateway'

interface LeaseObject extends KubeObject {
  readonly spec?: { readonly holderIdentity?: string }
}

export class GatewayReplicas {
  readonly #cluster: Cluster
  readonly #workload: ObjectName

  /** `workload`: as installChart gives it. */
  constructor(cluster: Cluster, workload: ObjectName) {
    this.#cluster = cluster
    this.#workload = workload
  }

  /** Those that are ready. */
  async pods(): Promise<readonly PodObject[]> {
    const all = await this.#cluster.objects.pods(this.#workload.namespace ?? '', SELECTOR)
    return all.filter(isPodReady)
  }

  /** Who holds the Lease: another one also when the same pod leads again after an end of its container. */
  async holder(): Promise<string> {
    const { namespace = '', name } = this.#workload
    const lease = await this.#cluster.client.get<LeaseObject>(LEASES, { namespace, name: `${name}-leader` })
    return lease.spec?.holderIdentity ?? ''
  }

  /** The ready replica that holds the Lease, once there is one. */
  leader(): Promise<PodObject> {
    return this.#cluster.objects.until('a replica leads', async () => {
      const holder = await this.holder()
      const ready = await this.pods()
      const leads = await Promise.all(ready.map((pod) => this.metric(pod, 'sekisho_kube_leader')))
      const leader = ready.find(
        ({ metadata }, index) => holder.startsWith(`${metadata.name}_`) && leads[index] === 1,
      )
      if (leader !== undefined) return leader
      const replicas = ready.map(({ metadata }, index) => `${metadata.name} (leads: ${leads[index]})`)
      throw new Error(`the holder is ${JSON.stringify(holder)}, ready are ${replicas.join(', ')}`)
    })
  }

  /** Value of a series of one replica: `sekisho_kube_status_writes_total{result="written"}`. */
  async metric(pod: PodObject, series: string): Promise<number> {
    const line = (await this.metrics(pod)).split('\n').find((each) => each.startsWith(`${series} `))
    return line === undefined ? 0 : Number(line.slice(series.length))
  }

  metrics(pod: PodObject): Promise<string> {
    return this.internal(pod, '/metrics')
  }

  /** What the internal entrypoint of a replica answers. */
  async internal(pod: PodObject, path: string): Promise<string> {
    const address = pod.status?.podIP ?? ''
    const { status, body } = await ask({ address, port: INTERNAL_PORT, path })
    if (status !== 200) throw new Error(`${path} of ${pod.metadata.name} answers ${status}`)
    return body
  }

  /** What all replicas that exist have logged. */
  async log(): Promise<string> {
    const { namespace = '' } = this.#workload
    const flags = ['--namespace', namespace, '--prefix', '--tail=-1', `--selector=${SELECTOR}`]
    return this.#cluster.kubectl(['logs', ...flags])
  }

  /** Waits until the log has such a line; the line. */
  logged(pattern: RegExp): Promise<string> {
    return this.#cluster.objects.until(`a replica logs ${pattern}`, async () =>
      (await this.log()).split('\n').find((line) => pattern.test(line)),
    )
  }
}
