/** Declaration of the `client-ip` balancer. */
import type { BalancerDeclaration } from '../balancer.ts'
import { ClientIp } from './client-ip.ts'

export default {
  name: 'client-ip',
  status: 'stable',
  basis: 'key',
  create: (input) => new ClientIp(input),
} satisfies BalancerDeclaration
