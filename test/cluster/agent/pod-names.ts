/**
 * What a pod's programs find under /etc of names: its own host name, /etc/hosts, /etc/resolv.conf (Kubernetes, "DNS for
 * Services and Pods"). Pure.
 */
import type { ClusterDns } from './node-context.ts'
import type { Pod } from './pod.ts'

const MAX_HOSTNAME = 63
const LOOPBACK = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n'

export function podHostname(pod: Pod, nodeName: string): string {
  if (pod.spec.hostNetwork === true) return nodeName
  return (pod.spec.hostname ?? pod.metadata.name).slice(0, MAX_HOSTNAME).replace(/[-.]+$/, '')
}

export function hostsFile(
  pod: Pod,
  hostname: string,
  addresses: readonly string[],
  dns: ClusterDns | undefined,
): string {
  const { subdomain, hostAliases = [] } = pod.spec
  const isNamed = subdomain !== undefined && subdomain !== '' && dns !== undefined
  const full = isNamed ? `${hostname}.${subdomain}.${pod.metadata.namespace}.svc.${dns.domain}\t` : ''
  const own = addresses.map((address) => `${address}\t${full}${hostname}\n`)
  const aliases = hostAliases.map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}\n`)
  return [LOOPBACK, ...own, ...aliases].join('')
}

/** `machine`: the node's own file, for pods that ask for it. */
export function resolvConf(pod: Pod, dns: ClusterDns | undefined, machine: string): string {
  const { dnsPolicy = 'ClusterFirst', dnsConfig, hostNetwork } = pod.spec
  const isCluster =
    dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && hostNetwork !== true)
  const servers: string[] = []
  const searches: string[] = []
  const options: string[] = []
  let rest = ''
  if (isCluster && dns !== undefined) {
    servers.push(...dns.servers)
    searches.push(`${pod.metadata.namespace}.svc.${dns.domain}`, `svc.${dns.domain}`, dns.domain)
    options.push('ndots:5')
  } else if (dnsPolicy !== 'None') rest = machine
  servers.push(...(dnsConfig?.nameservers ?? []))
  searches.push(...(dnsConfig?.searches ?? []))
  for (const { name = '', value } of dnsConfig?.options ?? [])
    options.push(value === undefined ? name : `${name}:${value}`)
  const lines = [...new Set(servers)].map((server) => `nameserver ${server}\n`)
  if (searches.length > 0) lines.push(`search ${[...new Set(searches)].join(' ')}\n`)
  if (options.length > 0) lines.push(`options ${options.join(' ')}\n`)
  return rest + lines.join('')
}
