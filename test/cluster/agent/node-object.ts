/** The Node object of a test node: what the scheduler, kubectl and controllers read of it. Pure. */
import { arch, release } from 'node:os'
import type { KubeObject } from '#kube/objects.ts'
import type { Resource } from '#kube/resource.ts'
import type { NodeHost } from '../node-host.ts'

export const NODES: Resource = {
  group: '',
  version: 'v1',
  plural: 'nodes',
  kind: 'Node',
  isNamespaced: false,
}
const KUBELET_VERSION = 'v1.37.1'

/** More than this machine has: the scheduler shall not count what a test bed does not enforce. */
export const RESOURCES: Readonly<Record<string, string>> = {
  cpu: '64',
  memory: '64Gi',
  'ephemeral-storage': '64Gi',
  pods: '250',
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

export function nodeObject(host: NodeHost): KubeObject {
  const architecture = ARCHITECTURES[arch()] ?? arch()
  return {
    metadata: {
      name: host.name,
      labels: {
        'kubernetes.io/hostname': host.name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': architecture,
        'topology.kubernetes.io/zone': host.zone,
        'topology.kubernetes.io/region': 'test-bed',
      },
    },
    ...{ spec: { podCIDR: host.podCidrs[0], podCIDRs: host.podCidrs } },
  }
}

/** Strategic merge patch for `status` of the Node. `readySince` and `now`: RFC 3339. `port`: of the kubelet endpoint. */
export function nodeStatus(
  host: Pick<NodeHost, 'name' | 'addresses'>,
  port: number,
  readySince: string,
  now: string,
): unknown {
  const healthy = ['MemoryPressure', 'DiskPressure', 'PIDPressure'].map((type) => ({ type, status: 'False' }))
  const conditions = [...healthy, { type: 'Ready', status: 'True' }]
  return {
    addresses: [
      ...host.addresses.map((address) => ({ type: 'InternalIP', address })),
      { type: 'Hostname', address: host.name },
      // They are merged by type, of which two have the same.
      { $patch: 'replace' },
    ],
    capacity: RESOURCES,
    allocatable: RESOURCES,
    conditions: conditions.map((condition) => ({
      ...condition,
      reason: condition.type === 'Ready' ? 'KubeletReady' : 'KubeletHasSufficientResources',
      message: condition.type === 'Ready' ? 'the node agent takes pods' : 'not watched on a test bed',
      lastHeartbeatTime: now,
      lastTransitionTime: readySince,
    })),
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
    nodeInfo: {
      architecture: ARCHITECTURES[arch()] ?? arch(),
      operatingSystem: 'linux',
      kernelVersion: release(),
      osImage: 'Sekisho test bed',
      containerRuntimeVersion: 'test-bed://1.0.0',
      kubeletVersion: KUBELET_VERSION,
      kubeProxyVersion: KUBELET_VERSION,
      machineID: host.name,
      systemUUID: host.name,
      bootID: host.name,
    },
    // KEP-5328: the API server hands WebSockets on to this node as they are.
    declaredFeatures: ['ExtendWebSocketsToKubelet'],
  }
}
