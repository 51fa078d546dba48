/**
 * The nodes of a test cluster as the API server sees them: one node agent each, and waiting until they take pods. Runs in
 * the cluster's host process.
 */
import { KubeClient } from '#kube/client.ts'
import { kubeconfigAccess } from '#kube/kubeconfig-access.ts'
import type { KubeObject } from '#kube/objects.ts'
import { SYSTEM_TIMERS } from '#kube/timers.ts'
import type { ClusterCredentials } from './credentials.ts'
import type { ImageTable } from './images.ts'
import type { NodeHost } from './node-host.ts'
import { NODES, SERVICE_ACCOUNTS } from './resources.ts'
import { retryUntil } from './retry-until.ts'

const READY_MS = 60_000

export interface NodeSetOptions {
  readonly nodes: readonly NodeHost[]
  readonly credentials: ClusterCredentials
  readonly images: ImageTable
  readonly bin: string
  /** For the files of pods. */
  readonly directory: string
}

interface NodeObject extends KubeObject {
  readonly spec?: { readonly podCIDRs?: readonly string[]; readonly taints?: readonly unknown[] }
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  }
}

export class NodeSet {
  readonly #options: NodeSetOptions
  readonly #client: KubeClient

  constructor(options: NodeSetOptions) {
    this.#options = options
    const choice = { file: options.credentials.files.kubeconfig }
    this.#client = new KubeClient(kubeconfigAccess(choice, {}, SYSTEM_TIMERS), {
      userAgent: 'sekisho-test-nodes',
    })
  }

  async start(): Promise<void> {
    await Promise.all(
      this.#options.nodes.map(async (node) => {
        const labels = {
          'kubernetes.io/hostname': node.name,
          'kubernetes.io/os': 'linux',
          'topology.kubernetes.io/zone': node.zone,
        }
        await this.#client.create(NODES, {
          metadata: { name: node.name, labels },
          spec: { podCIDR: node.podCidrs[0], podCIDRs: node.podCidrs },
        } as KubeObject)
        const now = new Date().toISOString()
        const quantities = { cpu: '8', memory: '8Gi', pods: '110' }
        await this.#client.patch(
          NODES,
          { name: node.name },
          'strategic',
          {
            status: {
              addresses: node.addresses.map((address) => ({ type: 'InternalIP', address })),
              capacity: quantities,
              allocatable: quantities,
              conditions: [
                {
                  type: 'Ready',
                  status: 'True',
                  reason: 'Test',
                  message: '',
                  lastHeartbeatTime: now,
                  lastTransitionTime: now,
                },
              ],
            },
          },
          { subresource: 'status' },
        )
      }),
    )
  }

  /** All nodes are Ready and take pods. */
  async ready(): Promise<void> {
    await retryUntil(
      'all nodes are ready',
      async () => {
        const { items } = await this.#client.list<NodeObject>(NODES)
        return items.length === this.#options.nodes.length && items.every(isReady)
      },
      READY_MS,
    )
  }

  /** Pods can be created: the default service account is there. */
  async podsAdmitted(): Promise<void> {
    const name = { namespace: 'default', name: 'default' }
    await retryUntil(
      'the default service account is there',
      async () => (await this.#client.get(SERVICE_ACCOUNTS, name)) !== undefined,
      READY_MS,
    )
  }
}

function isReady(node: NodeObject): boolean {
  const isTainted = (node.spec?.taints?.length ?? 0) > 0
  return (
    !isTainted &&
    (node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false)
  )
}
