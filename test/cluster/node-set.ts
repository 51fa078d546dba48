/**
 * The nodes of a test cluster as the API server sees them: one node agent each, and waiting until they take pods. Runs in
 * the cluster's host process.
 */
import { join } from 'node:path'
import { KubeClient } from '#kube/client.ts'
import { kubeconfigAccess } from '#kube/kubeconfig-access.ts'
import type { KubeObject } from '#kube/objects.ts'
import { SYSTEM_TIMERS } from '#kube/timers.ts'
import { API_SERVICE } from './address-plan.ts'
import { NodeAgent } from './agent/agent.ts'
import type { ClusterCredentials } from './credentials.ts'
import type { ImageTable } from './images.ts'
import type { NodeHost } from './node-host.ts'
import { NODES, SERVICE_ACCOUNTS } from './resources.ts'
import { retryUntil } from './retry-until.ts'

const READY_MS = 60_000
/** Of the Service `kubernetes`. */
const API_SERVICE_PORT = 443
/** Requests of one node under way at a time: it stands for a machine of its own. */
const NODE_REQUESTS = 32
/** Shorter than in Kubernetes: nobody waits ten seconds for a container that is to fail. */
const RESTARTS = { baseMs: 1000, maxMs: 60_000 }

export interface NodeSetOptions {
  readonly nodes: readonly NodeHost[]
  readonly credentials: ClusterCredentials
  readonly images: ImageTable
  /** For the files of pods. */
  readonly directory: string
}

interface NodeObject extends KubeObject {
  readonly spec?: { readonly taints?: readonly unknown[] }
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  }
}

export class NodeSet {
  readonly #client: KubeClient
  readonly #agents = new Map<string, NodeAgent>()

  constructor({ nodes, credentials, images, directory }: NodeSetOptions) {
    const client = () =>
      new KubeClient(kubeconfigAccess({ file: credentials.files.kubeconfig }, {}, SYSTEM_TIMERS), {
        userAgent: 'sekisho-test-node',
        maxRequests: NODE_REQUESTS,
      })
    this.#client = client()
    for (const host of nodes) {
      const { certificate, key } = credentials.nodeServing(host.name, host.addresses)
      const agent = new NodeAgent({
        host,
        client: client(),
        images,
        stateDir: join(directory, host.name),
        tls: { certificate, key, clientAuthority: credentials.authority },
        apiServer: { host: API_SERVICE, port: API_SERVICE_PORT },
        restarts: RESTARTS,
      })
      this.#agents.set(host.name, agent)
    }
  }

  async start(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.start()))
  }

  /** By name of the node. */
  agent(name: string): NodeAgent {
    const agent = this.#agents.get(name)
    if (agent === undefined) throw new Error(`there is no node ${name}`)
    return agent
  }

  /** All nodes are Ready and take pods. */
  async ready(): Promise<void> {
    await retryUntil(
      'all nodes are ready',
      async () => {
        const { items } = await this.#client.list<NodeObject>(NODES)
        return items.length === this.#agents.size && items.every(isReady)
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

function isReady({ spec, status }: NodeObject): boolean {
  const isTainted = (spec?.taints?.length ?? 0) > 0
  const isNodeReady = status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True')
  return isNodeReady === true && !isTainted
}
