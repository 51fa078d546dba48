/** Declaration of the `p2c` balancer. */
import type { BalancerDeclaration } from '../balancer.ts'
import { PowerOfTwoChoices } from './p2c.ts'

export default {
  name: 'p2c',
  status: 'stable',
  basis: 'load',
  create: (input) => new PowerOfTwoChoices(input),
} satisfies BalancerDeclaration
