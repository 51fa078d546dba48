/**
 * Host names of Ingress rules: what the API accepts (RFC 1123 names, a wildcard of one label in front), in the form
 * that routing compares: lower case, no trailing dot. Called by the planning of Ingresses and of their TLS sections.
 */
import type { HostMatch } from '#config/model/dynamic.ts'
import { parseAddress } from '#lib/ip/address.ts'

export const ANY_HOST: HostMatch = { kind: 'any' }

/** One label: letters, digits and inner hyphens. */
const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/

/** The match for a rule's `host`, or the reason why it is none. Absent or empty: every host. */
export function parseHost(text: string | undefined): HostMatch | string {
  if (text === undefined || text === '') return ANY_HOST
  if (text.length > 254) return 'is longer than a DNS name may be'
  const lower = text.toLowerCase()
  const isWildcard = lower.startsWith('*.')
  if (lower === '*') return 'is no name; leave host out to match every host'
  const name = (isWildcard ? lower.slice(2) : lower).replace(/\.$/, '')
  if (name.includes('*')) return 'has a wildcard elsewhere than as its whole first label'
  if (parseAddress(name.replace(/^\[|\]$/g, '')) !== null) return 'is an IP address; a DNS name is needed'
  if (/:\d+$/.test(name)) return 'has a port; rules match names on every port'
  for (const label of name.split('.')) {
    if (!LABEL.test(label)) return `is not a DNS name (see ${JSON.stringify(label)})`
  }
  return isWildcard ? { kind: 'wildcard', name } : { kind: 'exact', name }
}

/** `shop.example`, `*.shop.example`, or empty for every host: key of maps. */
export function hostKey(host: HostMatch): string {
  if (host.kind === 'any') return ''
  return host.kind === 'exact' ? host.name : `*.${host.name}`
}
