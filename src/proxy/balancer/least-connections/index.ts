/** Declaration of the `least-connections` balancer. */
import type { BalancerDeclaration } from '../balancer.ts'
import { LeastConnections } from './least-connections.ts'

export default {
  name: 'least-connections',
  status: 'stable',
  basis: 'load',
  create: (input) => new LeastConnections(input),
} satisfies BalancerDeclaration
