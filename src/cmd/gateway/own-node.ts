/**
 * Where this replica runs: the node's name from flag or environment (the downward API), its zone from flag, environment
 * or the Node object. Traffic that prefers or must stay near depends on it. Called when a cluster is followed.
 */
import type { ClusterConfig } from '#config/static/cluster.ts'
import type { KubeClient } from '#kube/client.ts'
import { asKubeError } from '#kube/errors.ts'
import { isInCluster } from '#kube/in-cluster.ts'
import type { KubeObject } from '#kube/objects.ts'
import { sleep } from '#kube/timers.ts'
import type { Logger } from '#observe/log.ts'
import type { Locality } from '#providers/kubernetes/locality.ts'
import { NODES } from '#providers/kubernetes-ingress/resources.ts'

const ZONE_LABEL = 'topology.kubernetes.io/zone'
const RETRY_MS = 60_000

/** As far as flags and environment tell; undefined: this is no place in a cluster. */
export function ownPlace(cluster: ClusterConfig, environment: NodeJS.ProcessEnv): Locality | undefined {
  const nodeName = cluster.nodeName ?? (environment['NODE_NAME'] || undefined)
  const zone = cluster.zone ?? (environment['NODE_ZONE'] || undefined)
  if (nodeName === undefined && zone === undefined && !isInCluster(environment)) return undefined
  return { nodeName, zone }
}

/** Reads the zone of the node, where only that is missing; tells `onZone` once. Ends with the signal. */
export async function followZone(
  client: KubeClient,
  place: Locality | undefined,
  logger: Logger,
  signal: AbortSignal,
  onZone: (locality: Locality) => void,
): Promise<void> {
  if (place?.nodeName === undefined || place.zone !== undefined) return
  const { nodeName } = place
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    try {
      const node = await client.get<KubeObject>(NODES, { name: nodeName }, { signal })
      const zone = node.metadata.labels?.[ZONE_LABEL]
      if (zone !== undefined) onZone({ nodeName, zone })
      return
    } catch (error) {
      if (signal.aborted) return
      const { message } = asKubeError(error, `node ${nodeName}`)
      if (isFirst) {
        const hint = '--zone names it; a ClusterRole with get for nodes lets it be read'
        logger.info('the zone of this node is not known', { node: nodeName, reason: message, hint })
      }
      await sleep(client.timers, RETRY_MS, signal)
    }
  }
}
