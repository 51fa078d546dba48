/**
 * The real kube-proxy (nftables mode) of one node: ClusterIPs, NodePorts and load-balancer addresses as in any cluster.
 * It runs in the node's network namespace; what it changes in the kernel goes with that.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AddressPlan } from './address-plan.ts'
import { ManagedProcess } from './managed-process.ts'
import type { NodeHost } from './node-host.ts'
import { retryUntil } from './retry-until.ts'

const HEALTH_PORT = 10256
const START_MS = 60_000

export interface KubeProxyOptions {
  readonly bin: string
  readonly directory: string
  readonly logs: string
  readonly kubeconfig: string
  readonly plan: AddressPlan
  readonly onEnd: (text: string) => void
}

export class KubeProxy extends ManagedProcess {
  readonly #node: NodeHost

  constructor(node: NodeHost, options: KubeProxyOptions) {
    const config = join(options.directory, `kube-proxy-${node.name}.json`)
    writeFileSync(config, JSON.stringify(configuration(node, options)))
    super({
      name: `kube-proxy of ${node.name}`,
      command: [join(options.bin, 'kube-proxy'), `--config=${config}`],
      logFile: join(options.logs, `kube-proxy-${node.name}.log`),
      netns: node.netns,
      onEnd: options.onEnd,
    })
    this.#node = node
  }

  /** Resolves when its rules are in the kernel. */
  async synced(): Promise<void> {
    const url = `http://${this.#node.addresses[0]}:${HEALTH_PORT}/healthz`
    await retryUntil(`${this.name} has its rules`, async () => (await fetch(url)).ok, START_MS)
  }
}

function configuration(node: NodeHost, { kubeconfig, plan }: KubeProxyOptions): unknown {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    hostnameOverride: node.name,
    clientConnection: { kubeconfig, qps: 500, burst: 1000 },
    clusterCIDR: plan.podCidrs.join(','),
    detectLocalMode: 'ClusterCIDR',
    healthzBindAddress: `0.0.0.0:${HEALTH_PORT}`,
    metricsBindAddress: '127.0.0.1:10249',
    // A change is in the kernel at once, and what belongs to the whole machine is left as it is.
    nftables: { minSyncPeriod: '0s', syncPeriod: '30s' },
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  }
}
