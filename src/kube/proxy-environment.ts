/**
 * HTTPS_PROXY, HTTP_PROXY and NO_PROXY, lower case too, as kubectl reads them: what users of a corporate network have
 * set already. Loopback is never proxied. Called where the kubeconfig cluster names no `proxy-url`.
 */
import { BlockList, isIP } from 'node:net'
import { proxyOfUrl, type Proxy } from './transport/tunnel.ts'
import { KubeError } from './errors.ts'

interface Destination {
  readonly isTls: boolean
  readonly host: string
  readonly port: number
}

/** Throws a KubeError (`Credentials`) for a URL that is none. */
export function proxyFromEnvironment(to: Destination, environment: NodeJS.ProcessEnv): Proxy | undefined {
  const name = to.isTls ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const value = environment[name] || environment[name.toLowerCase()]
  if (!value || isLoopback(to.host)) return undefined
  const exceptions = environment['NO_PROXY'] || environment['no_proxy'] || ''
  if (exceptions.split(',').some((entry) => matches(entry.trim().toLowerCase(), to))) return undefined
  const url = URL.parse(value.includes('://') ? value : `http://${value}`)
  const proxy = url === null ? undefined : proxyOfUrl(url)
  if (proxy === undefined) {
    const message = `${name} is not the URL of a proxy (http, https or socks5); mend it, or put the API server's host into NO_PROXY`
    throw new KubeError(0, 'Credentials', message)
  }
  return proxy
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** One entry of NO_PROXY: `*`, an address, a prefix, a domain (itself and all below it), `.domain` (only below), each with a port or without. */
function matches(entry: string, { host, port }: Destination): boolean {
  if (entry === '') return false
  if (entry === '*') return true
  if (entry.includes('/')) return isInPrefix(entry, host)
  const withPort = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(entry)
  if (withPort !== null && Number(withPort[3]) !== port) return false
  const bare = (withPort?.[1] ?? withPort?.[2] ?? entry).replace(/^\[|\]$/g, '')
  const name = host.toLowerCase()
  if (isIP(bare) !== 0 || isIP(name) !== 0) return bare === name
  const domain = bare.replace(/^\*/, '')
  return domain.startsWith('.') ? name.endsWith(domain) : name === domain || name.endsWith(`.${domain}`)
}

function isInPrefix(prefix: string, host: string): boolean {
  const family = isIP(host)
  if (family === 0) return false
  const [network = '', length = ''] = prefix.split('/')
  const type = family === 6 ? 'ipv6' : 'ipv4'
  if (isIP(network) !== family || !/^\d{1,3}$/.test(length) || Number(length) > (family === 6 ? 128 : 32))
    return false
  const list = new BlockList()
  list.addSubnet(network, Number(length), type)
  return list.check(host, type)
}
