/**
 * What the types of a ServiceConfig cannot say. Control calls it before a configuration goes to the workers, where
 * `Service` calls it again: a service that cannot work is refused whole, with the reason.
 */
import type { ServiceConfig } from '#config/model/dynamic.ts'
import type { Issue } from '#lib/errors.ts'
import { balancerNamed, balancers } from '../balancer/registry.ts'

// RFC 6265 §4.1.1: cookie-name is a token, attribute values have no control character and no semicolon.
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const ATTRIBUTE = /^[\x20-\x3a\x3c-\x7e]+$/

/** Empty when the service is sound. */
export function checkService(config: ServiceConfig): Issue[] {
  const issues: Issue[] = []
  const balancer = balancerNamed(config.balancer)
  if (balancer === undefined) {
    const known = balancers.map((one) => one.name).join(', ')
    issues.push({
      path: ['balancer'],
      message: `unknown balancer ${config.balancer}`,
      suggestion: `known are ${known}`,
    })
  } else issues.push(...(balancer.check?.(config) ?? []))
  const { sticky } = config
  if (sticky !== undefined) {
    if (!TOKEN.test(sticky.name)) {
      issues.push({
        path: ['sticky', 'name'],
        message: `${JSON.stringify(sticky.name)} is not a cookie name`,
      })
    }
    for (const field of ['path', 'domain'] as const) {
      const value = sticky[field]
      if (value === undefined || ATTRIBUTE.test(value)) continue
      issues.push({
        path: ['sticky', field],
        message: `${JSON.stringify(value)} cannot stand in a cookie`,
        suggestion: 'use printable characters without a semicolon',
      })
    }
  }
  config.servers.forEach((server, index) => {
    if (Number.isSafeInteger(server.weight) && server.weight >= 0) return
    issues.push({
      path: ['servers', index, 'weight'],
      message: `${server.weight} is not a whole number of 0 or more`,
    })
  })
  return issues
}
