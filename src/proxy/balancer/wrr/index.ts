/** Declaration of the `wrr` balancer. */
import type { BalancerDeclaration } from '../balancer.ts'
import { WeightedRoundRobin } from './wrr.ts'

export default {
  name: 'wrr',
  status: 'stable',
  basis: 'turn',
  create: (input) => new WeightedRoundRobin(input),
} satisfies BalancerDeclaration
