/**
 * The network of a test cluster, made inside of the cluster's own network namespace: a bridge that is the underlay
 * (control plane on it, one port for the world of the test), and per node a namespace with a leg on it. Nodes route;
 * there is no bridge in them. Everything goes with the namespace.
 */
import { ip, netnsPath, sysctl } from './ip.ts'
import { UNDERLAY_LENGTHS, type AddressPlan } from './address-plan.ts'
import { NodeNetwork } from './node-network.ts'

const BRIDGE = 'underlay'
/** Name of the link from the world of the test, as the runner creates it. */
export const UPLINK = 'uplink'

/**
 * Of namespaces that forward. Duplicate address detection would hold every address back for a second. Connections whose
 * process was killed keep a namespace alive while they try to tell the other side, two minutes if that is gone too; with
 * so few retries it is less than a second.
 */
export const ROUTER_SYSCTLS = {
  'net.ipv4.tcp_orphan_retries': 1,
  'net.ipv4.ip_forward': 1,
  'net.ipv6.conf.all.forwarding': 1,
  'net.ipv4.conf.all.rp_filter': 0,
  'net.ipv4.conf.default.rp_filter': 0,
  'net.ipv4.conf.all.send_redirects': 0,
  'net.ipv4.conf.default.send_redirects': 0,
  'net.ipv6.conf.all.accept_dad': 0,
  'net.ipv6.conf.default.accept_dad': 0,
} as const

export class Network {
  readonly plan: AddressPlan
  readonly nodes: NodeNetwork[] = []

  constructor(plan: AddressPlan) {
    this.plan = plan
  }

  /** The uplink must be there. */
  async start(): Promise<void> {
    const [v4, v6] = this.plan.controlPlane
    await sysctl(ROUTER_SYSCTLS)
    await ip([
      'link set lo up',
      `link add ${BRIDGE} type bridge mcast_snooping 0`,
      `link set ${UPLINK} master ${BRIDGE}`,
      `link set ${UPLINK} up`,
      `link set ${BRIDGE} up`,
      `addr add ${v4}/${UNDERLAY_LENGTHS[4]} dev ${BRIDGE}`,
      `addr add ${v6}/${UNDERLAY_LENGTHS[6]} dev ${BRIDGE} nodad`,
    ])
  }

  async addNode(name: string, zone: string): Promise<NodeNetwork> {
    const index = this.nodes.length
    const node = new NodeNetwork(name, zone, this.plan.node(index))
    const others = [...this.nodes]
    this.nodes.push(node)
    const port = `node${index}`
    await ip([`netns add ${name}`])
    // Before there are links: each takes the defaults of its namespace when it is made.
    await sysctl(ROUTER_SYSCTLS, netnsPath(name))
    await ip([
      `link add ${port} type veth peer name eth0 netns ${name}`,
      `link set ${port} master ${BRIDGE}`,
      `link set ${port} up`,
      ...routesTo(node),
    ])
    const [v4, v6] = node.addresses
    const [gateway4, gateway6] = this.plan.controlPlane
    await ip(
      [
        'link set lo up',
        'link set eth0 up',
        `addr add ${v4}/${UNDERLAY_LENGTHS[4]} dev eth0`,
        `addr add ${v6}/${UNDERLAY_LENGTHS[6]} dev eth0 nodad`,
        `route add default via ${gateway4}`,
        `route add default via ${gateway6}`,
        ...others.flatMap(routesTo),
      ],
      name,
    )
    for (const other of others) await ip(routesTo(node), other.name)
    return node
  }
}

/** To the pods of a node. */
export function routesTo(node: {
  readonly addresses: readonly string[]
  readonly podCidrs: readonly string[]
}): readonly string[] {
  return node.podCidrs.map((cidr, family) => `route add ${cidr} via ${node.addresses[family] ?? ''}`)
}
