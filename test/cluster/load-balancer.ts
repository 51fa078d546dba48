/**
 * What a cloud does for a Service of type LoadBalancer: it gets an address, and traffic for that is led to a node.
 * The addresses are those above the underlay network (address-plan.ts), again one range for each cluster.
 */
import type { ObjectName } from '#kube/resource.ts'
import type { Cluster } from './cluster.ts'
import { SERVICES } from './resources.ts'

/** Resolves with the address. `host`: its last part, of one that no other Service of the cluster has. */
export async function giveAddress(cluster: Cluster, service: ObjectName, host = 1): Promise<string> {
  const [node] = cluster.nodes
  if (node === undefined) throw new Error('a cluster without nodes has no balanced addresses')
  const ip = `198.19.${cluster.number}.${host}`
  await cluster.route(`${ip}/32`, node)
  const status = { loadBalancer: { ingress: [{ ip }] } }
  await cluster.client.patch(SERVICES, service, 'merge', { status }, { subresource: 'status' })
  return ip
}
