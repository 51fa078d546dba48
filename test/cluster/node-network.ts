/**
 * The network of one node and its pods: each pod is a namespace with one veth to the node, addresses of its own and a
 * host route in the node. Neighbours are fixed entries, so that a pod reaches everything from its first packet on.
 */
import type { NodeAddresses } from './address-plan.ts'
import { ip, netnsPath, sysctl } from './ip.ts'
import type { NodeHost, PodNetwork } from './node-host.ts'

const FIRST_POD = 2
const LAST_POD = 254
/** Next hop of every pod, at the node's end of its veth: never on a wire. */
const GATEWAY_4 = '169.254.1.1'
const GATEWAY_6 = 'fe80::1'
const GATEWAY_MAC = 'ee:ee:ee:ee:ee:ee'
/** As network.ts says; more, because what a pod sent before it ended should arrive. */
const POD_SYSCTLS = { 'net.ipv4.tcp_orphan_retries': 3 } as const

interface Attachment {
  readonly number: number
  readonly namespace: string
  readonly network: Promise<PodNetwork>
}

export class NodeNetwork implements NodeHost {
  readonly name: string
  readonly zone: string
  readonly addresses: readonly [string, string]
  readonly podCidrs: readonly [string, string]
  readonly netns: string
  readonly #plan: NodeAddresses
  readonly #attachments = new Map<string, Attachment>()
  readonly #used = new Set<number>()
  #last = FIRST_POD - 1

  constructor(name: string, zone: string, plan: NodeAddresses) {
    this.name = name
    this.zone = zone
    this.#plan = plan
    this.addresses = plan.addresses
    this.podCidrs = plan.podCidrs
    this.netns = netnsPath(name)
  }

  attach(podUid: string): Promise<PodNetwork> {
    const present = this.#attachments.get(podUid)
    if (present !== undefined) return present.network
    const number = this.#takeNumber()
    const namespace = `pod-${podUid}`
    const network = this.#connect(number, namespace)
    this.#attachments.set(podUid, { number, namespace, network })
    return network
  }

  async detach(podUid: string): Promise<void> {
    const attachment = this.#attachments.get(podUid)
    if (attachment === undefined) return
    this.#attachments.delete(podUid)
    await attachment.network.catch(() => {})
    // Takes the veth along, whose routes go with it; deleted by itself too, because a namespace may live on a while.
    await ip([`link del ${linkName(attachment.number)}`], this.name).catch(() => {})
    await ip([`netns del ${attachment.namespace}`]).catch(() => {})
    this.#used.delete(attachment.number)
  }

  /** Round and round, so that an address of a pod that is gone is not at once another's. */
  #takeNumber(): number {
    const count = LAST_POD - FIRST_POD + 1
    for (let step = 0; step < count; step++) {
      this.#last = this.#last >= LAST_POD ? FIRST_POD : this.#last + 1
      if (this.#used.has(this.#last)) continue
      this.#used.add(this.#last)
      return this.#last
    }
    throw new Error(`${this.name} has no address left for another pod`)
  }

  async #connect(number: number, namespace: string): Promise<PodNetwork> {
    const addresses = this.#plan.pod(number)
    const [v4, v6] = addresses
    const link = linkName(number)
    const mac = `02:00:00:00:00:${number.toString(16).padStart(2, '0')}`
    await ip([`netns add ${namespace}`])
    await ip(
      [
        `link add ${link} address ${GATEWAY_MAC} type veth peer name eth0 address ${mac} netns ${namespace}`,
        `link set ${link} up`,
        `addr add ${GATEWAY_6}/64 dev ${link} nodad`,
        `route add ${v4}/32 dev ${link}`,
        `route add ${v6}/128 dev ${link}`,
        `neigh replace ${v4} lladdr ${mac} dev ${link} nud permanent`,
        `neigh replace ${v6} lladdr ${mac} dev ${link} nud permanent`,
      ],
      this.name,
    )
    const links = ip(
      [
        'link set lo up',
        'link set eth0 up',
        `addr add ${v4}/32 dev eth0`,
        `addr add ${v6}/128 dev eth0 nodad`,
        `route add ${GATEWAY_4}/32 dev eth0`,
        `neigh replace ${GATEWAY_4} lladdr ${GATEWAY_MAC} dev eth0 nud permanent`,
        `neigh replace ${GATEWAY_6} lladdr ${GATEWAY_MAC} dev eth0 nud permanent`,
        `route add default via ${GATEWAY_4} dev eth0`,
        `route add default via ${GATEWAY_6} dev eth0`,
      ],
      namespace,
    )
    await Promise.all([links, sysctl(POD_SYSCTLS, netnsPath(namespace))])
    return { netns: netnsPath(namespace), addresses }
  }
}

function linkName(number: number): string {
  return `pod${number}`
}
