/**
 * The link between the test's own network namespace and that of a cluster. Its name holds the cluster's number, so the
 * kernel decides which of two clusters started at once gets a number. It goes with the cluster's namespace.
 */
import { existsSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { addressPlan, CLUSTERS, UNDERLAY_LENGTHS } from './address-plan.ts'
import { ip } from './ip.ts'
import { routesTo, UPLINK } from './network.ts'
import { outcomeOf } from './run-command.ts'

/** Makes the link into the network namespace of `pid`, with routes to the pods of so many nodes; the cluster's number. */
export async function outsideLink(pid: number, nodes: number): Promise<number> {
  const first = Math.floor(Math.random() * CLUSTERS)
  for (let step = 0; step < CLUSTERS; step++) {
    const number = (first + step) % CLUSTERS
    const { link, outside } = addressPlan(number)
    if (isTaken(number)) continue
    const add = ['link', 'add', link, 'type', 'veth', 'peer', 'name', UPLINK, 'netns', String(pid)]
    const { code, stderr } = await outcomeOf('ip', add)
    if (code !== 0) {
      if (stderr.includes('File exists')) continue
      throw new Error(`ip ${add.join(' ')}: ${stderr.trim()}`)
    }
    const [v4, v6] = outside
    const routes = Array.from({ length: nodes }, (_, index) =>
      routesTo(addressPlan(number).node(index)),
    ).flat()
    const lines = [
      `link set ${link} up`,
      `addr add ${v4}/${UNDERLAY_LENGTHS[4]} dev ${link}`,
      `addr add ${v6}/${UNDERLAY_LENGTHS[6]} dev ${link} nodad`,
      ...routes,
    ]
    await ip(hasIpv6() ? lines : lines.filter((line) => !/fd00:/.test(line)))
    return number
  }
  throw new Error(`no number from 0 to ${CLUSTERS - 1} is free for another cluster`)
}

export async function removeLink(link: string): Promise<void> {
  // The kernel may have been faster.
  await outcomeOf('ip', ['link', 'del', link])
}

/** Something else uses the addresses of this number already. */
function isTaken(number: number): boolean {
  const plan = addressPlan(number)
  if (existsSync(`/sys/class/net/${plan.link}`)) return true
  const prefix = plan.outside[0].replace(/\d+$/, '')
  return Object.values(networkInterfaces()).some((list) =>
    list?.some(({ address }) => address.startsWith(prefix)),
  )
}

function hasIpv6(): boolean {
  try {
    return readFileSync('/proc/sys/net/ipv6/conf/all/disable_ipv6', 'utf8').trim() === '0'
  } catch {
    return false
  }
}
