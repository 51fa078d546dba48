/** A router's conditions in Traefik's words, so that people recognise them: ``Host(`a.example`) && PathPrefix(`/x`)``. */
import type { HostMatch, PathMatch, RouterConfig } from '#config/model/dynamic.ts'

export function ruleText(router: Pick<RouterConfig, 'host' | 'path'>): string {
  const parts = [hostText(router.host), pathText(router.path)].filter((part) => part !== '')
  return parts.length === 0 ? 'everything' : parts.join(' && ')
}

function hostText(host: HostMatch): string {
  if (host.kind === 'any') return ''
  return `Host(\`${hostName(host)}\`)`
}

/** `a.example`, `*.example`, `*` for any. */
export function hostName(host: HostMatch): string {
  if (host.kind === 'any') return '*'
  return host.kind === 'exact' ? host.name : `*.${host.name}`
}

function pathText(path: PathMatch): string {
  switch (path.kind) {
    case 'any':
      return ''
    case 'exact':
      return `Path(\`${path.value}\`)`
    case 'prefix':
      return `PathPrefix(\`${path.value}\`) by element`
    case 'stringPrefix':
      return `PathPrefix(\`${path.value}\`)`
    case 'regex':
      return `PathRegexp(\`${path.caseInsensitive ? '(?i)' : ''}^${path.value}\`)`
    default:
      return path satisfies never
  }
}
