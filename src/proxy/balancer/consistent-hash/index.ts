/** Declaration of the `consistent-hash` balancer. */
import type { ServiceConfig } from '#config/model/dynamic.ts'
import type { Issue } from '#lib/errors.ts'
import type { BalancerDeclaration } from '../balancer.ts'
import { ConsistentHash } from './consistent-hash.ts'
import { HASH_VARIABLES } from './hash-key.ts'

export default {
  name: 'consistent-hash',
  status: 'stable',
  basis: 'key',
  check,
  create: (input) => new ConsistentHash(input),
} satisfies BalancerDeclaration

function check(config: ServiceConfig): Issue[] {
  const source = config.hashOn ?? []
  if (!source.some((part) => part.kind !== 'literal')) {
    return [
      {
        path: ['hashOn'],
        message: 'consistent-hash needs something of the request to hash',
        suggestion: 'name a variable, header, cookie or query parameter',
      },
    ]
  }
  const issues: Issue[] = []
  source.forEach((part, index) => {
    if (part.kind !== 'variable' || HASH_VARIABLES.has(part.name)) return
    issues.push({
      path: ['hashOn', index],
      message: `unknown variable ${part.name}`,
      suggestion: `known are ${[...HASH_VARIABLES.keys()].join(', ')}`,
    })
  })
  return issues
}
