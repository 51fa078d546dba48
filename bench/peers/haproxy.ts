/** HAProxy as a peer. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, versionLine } from '../lab/programs.ts'
import type { Peer, PeerSetup } from './peer.ts'

export const haproxy: Peer = {
  name: 'HAProxy',
  async locate() {
    const path = findProgram('haproxy')
    return path === undefined ? { reason: 'no haproxy; Debian package haproxy' } : { path }
  },
  version: (program) => versionLine(program, ['-v']),
  prepare(program, setup) {
    const file = join(setup.dir, 'haproxy.cfg')
    writeFileSync(file, configuration(setup))
    return { file: program, args: ['-db', '-f', file] }
  },
}

function configuration(setup: PeerSetup): string {
  const bind = setup.tls === undefined ? '' : ` ssl crt ${setup.tls.both} alpn http/1.1`
  return `global
  maxconn 9000
  nbthread ${setup.workers}
  no log

defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 60s
  timeout http-keep-alive 1h
  option dontlognull
  http-reuse always
  option forwardfor

frontend web
  bind 127.0.0.1:${setup.port} backlog 4096${bind}
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Proto ${setup.tls === undefined ? 'http' : 'https'}
${choice(setup)}

backend apps
  server app 127.0.0.1:${setup.backendPort} pool-max-conn 256

backend none
  http-request return status 404
`
}

/** One rule as ACLs, many as a map looked up by prefix. */
function choice(setup: PeerSetup): string {
  const [first] = setup.rules
  if (setup.rules.length === 1 && first !== undefined)
    return `  acl is_host req.hdr(host),field(1,:) -i ${first.host}
  acl is_path path ${first.path}
  acl is_path path_beg ${first.path}/
  use_backend apps if is_host is_path
  default_backend none`
  const map = join(setup.dir, 'routes.map')
  writeFileSync(map, setup.rules.map(({ host, path }) => `${host}${path}/ apps\n`).join(''))
  return `  use_backend %[base,map_beg(${map},none)]`
}
