/** Caddy as a peer, configured by JSON as its admin API would take it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, versionLine } from '../lab/programs.ts'
import type { Peer, PeerSetup } from './peer.ts'

export const caddy: Peer = {
  name: 'Caddy',
  async locate() {
    const path = findProgram('caddy')
    return path === undefined ? { reason: 'no caddy; Debian package caddy' } : { path }
  },
  version: async (program) => `caddy ${await versionLine(program, ['version'])}`,
  prepare(program, setup) {
    const file = join(setup.dir, 'caddy.json')
    writeFileSync(file, JSON.stringify(configuration(setup)))
    return {
      file: program,
      args: ['run', '--config', file],
      env: {
        GOMAXPROCS: String(setup.workers),
        XDG_DATA_HOME: setup.dir,
        XDG_CONFIG_HOME: setup.dir,
        HOME: setup.dir,
      },
    }
  },
}

function configuration(setup: PeerSetup): unknown {
  const proxy = {
    handler: 'reverse_proxy',
    upstreams: [{ dial: `127.0.0.1:${setup.backendPort}` }],
    headers: { request: { set: { 'X-Real-Ip': ['{http.request.remote.host}'] } } },
    transport: {
      protocol: 'http',
      compression: false,
      keep_alive: { enabled: true, idle_timeout: '60s', max_idle_conns_per_host: 256 },
    },
  }
  const server = {
    listen: [`127.0.0.1:${setup.port}`],
    automatic_https: { disable: true },
    protocols: ['h1'],
    idle_timeout: '1h',
    routes: setup.rules.map(({ host, path }) => ({
      match: [{ host: [host], path: [path, `${path}/*`] }],
      handle: [proxy],
      terminal: true,
    })),
    ...(setup.tls === undefined ? {} : { tls_connection_policies: [{}] }),
  }
  const tls =
    setup.tls === undefined
      ? {}
      : {
          tls: {
            certificates: {
              load_files: [{ certificate: setup.tls.certificate, key: setup.tls.key }],
            },
          },
        }
  return {
    admin: { disabled: true, config: { persist: false } },
    logging: { logs: { default: { level: 'ERROR' } } },
    apps: { http: { servers: { web: server } }, ...tls },
  }
}
