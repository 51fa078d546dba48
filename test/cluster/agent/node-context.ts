/** What the parts of a node agent share: the node, the API, the images. Made once by agent.ts. */
import type { EventRecorder } from '#kube/events.ts'
import type { KubeClient } from '#kube/client.ts'
import type { ImageTable } from '../images.ts'
import type { NodeHost } from '../node-host.ts'
import type { Gate } from './gate.ts'
import type { NodeNetwork } from './node-network.ts'
import type { ObjectSource } from './object-source.ts'

export interface ClusterDns {
  /** Addresses of the cluster's name servers. */
  readonly servers: readonly string[]
  /** `cluster.local`. */
  readonly domain: string
}

/** How long a container that ended waits to run again; doubled each time, back to the first after twice the last. */
export interface RestartBackoff {
  readonly baseMs: number
  readonly maxMs: number
}

export interface NodeContext {
  readonly host: NodeHost
  readonly client: KubeClient
  readonly images: ImageTable
  readonly network: NodeNetwork
  readonly objects: ObjectSource
  readonly events: EventRecorder
  /** Through which containers start. */
  readonly starts: Gate
  /** Where pods reach the API server. */
  readonly apiServer: { readonly host: string; readonly port: number }
  readonly dns: ClusterDns | undefined
  readonly restarts: RestartBackoff
  /** Resources of the node, as the downward API tells them. */
  readonly allocatable: Readonly<Record<string, string>>
  /** Directory of the pods on this machine. */
  readonly podsDirectory: string
}
