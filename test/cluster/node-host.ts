/**
 * What a node agent is given: one node of the test bed, with its network. The bed makes it (network.ts), the agent
 * (agent/) asks it for a network per pod and starts processes inside. Addresses are listed IPv4 first.
 */

export interface NodeHost {
  readonly name: string
  /** Of the node on the underlay network, IPv4 and IPv6. */
  readonly addresses: readonly string[]
  /** Network namespace of the node, for `nsenter --net=`; pods with `hostNetwork` run in it. */
  readonly netns: string
  /** Value of the label topology.kubernetes.io/zone. */
  readonly zone: string
  /** Ranges that the addresses of its pods are from; `spec.podCIDRs` of the Node object. */
  readonly podCidrs: readonly string[]
  /** A network namespace for a pod, with addresses and routes; asked again for the same pod, the same answer. */
  attach(podUid: string): Promise<PodNetwork>
  /** Lets the addresses and the namespace go. Processes in it must have ended. A pod without a network is no error. */
  detach(podUid: string): Promise<void>
}

export interface PodNetwork {
  readonly netns: string
  readonly addresses: readonly string[]
}
