/**
 * Keeps a node known and alive: its Node object, the Lease that is renewed every ten seconds (without it the node
 * controller takes the node for lost after 40 s), and its status now and then.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { KubeClient } from '#kube/client.ts'
import { asKubeError } from '#kube/errors.ts'
import { microTime, type KubeObject, type Lease } from '#kube/objects.ts'
import { LEASES } from '#kube/resource.ts'
import type { NodeHost } from '../node-host.ts'
import { nodeObject, nodeStatus, NODES } from './node-object.ts'

const RENEW_MS = 10_000
const LEASE_SECONDS = 40
/** Status in every sixth renewal. */
const RENEWALS_PER_STATUS = 6
const RETRY_MS = 250
const LEASE_NAMESPACE = 'kube-node-lease'

export class NodeRegistration {
  readonly #client: KubeClient
  readonly #host: NodeHost
  readonly #port: number
  readonly #readySince = new Date().toISOString()
  #uid = ''

  /** `port`: of the kubelet endpoint. */
  constructor(client: KubeClient, host: NodeHost, port: number) {
    this.#client = client
    this.#host = host
    this.#port = port
  }

  /** Resolves when the node is there and Ready. */
  async start(): Promise<void> {
    await this.#insist(async () => this.#create())
    await this.#insist(async () => this.#writeStatus())
    void this.#beat()
  }

  async #create(): Promise<void> {
    const node = nodeObject(this.#host)
    let made: KubeObject
    try {
      made = await this.#client.create(NODES, node)
    } catch (error) {
      if (!asKubeError(error, 'node').isAlreadyExists) throw error
      made = await this.#client.patch(NODES, { name: this.#host.name }, 'merge', node)
    }
    this.#uid = made.metadata.uid ?? ''
  }

  async #writeStatus(): Promise<void> {
    const now = new Date().toISOString()
    const status = nodeStatus(this.#host, this.#port, this.#readySince, now)
    await this.#client.patch(
      NODES,
      { name: this.#host.name },
      'strategic',
      { status },
      { subresource: 'status' },
    )
  }

  async #beat(): Promise<void> {
    for (let beats = 0; ; beats++) {
      await this.#insist(async () => this.#renew())
      if (beats > 0 && beats % RENEWALS_PER_STATUS === 0) await this.#insist(async () => this.#writeStatus())
      await delay(RENEW_MS)
    }
  }

  async #renew(): Promise<void> {
    const { name } = this.#host
    const spec = {
      holderIdentity: name,
      leaseDurationSeconds: LEASE_SECONDS,
      renewTime: microTime(Date.now()),
    }
    try {
      await this.#client.patch(LEASES, { name, namespace: LEASE_NAMESPACE }, 'merge', { spec })
    } catch (error) {
      if (!asKubeError(error, 'lease').isNotFound) throw error
      const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name, uid: this.#uid }]
      const metadata = { name, namespace: LEASE_NAMESPACE, ownerReferences }
      await this.#client.create<Lease>(LEASES, { metadata, spec })
    }
  }

  async #insist(work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await work()
        return
      } catch (error) {
        const { retryAfterMs } = asKubeError(error, 'node')
        await delay(retryAfterMs ?? RETRY_MS)
      }
    }
  }
}
