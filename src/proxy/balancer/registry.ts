/** Every balancing algorithm there is, in the order in which help and reference list them. */
import type { BalancerDeclaration } from './balancer.ts'
import clientIp from './client-ip/index.ts'
import consistentHash from './consistent-hash/index.ts'
import leastConnections from './least-connections/index.ts'
import p2c from './p2c/index.ts'
import wrr from './wrr/index.ts'

export const balancers: readonly BalancerDeclaration[] = [
  wrr,
  leastConnections,
  p2c,
  clientIp,
  consistentHash,
]

const byName = new Map<string, BalancerDeclaration>(balancers.map((balancer) => [balancer.name, balancer]))

/** Undefined for a name that no folder has. */
export function balancerNamed(name: string): BalancerDeclaration | undefined {
  return byName.get(name)
}
