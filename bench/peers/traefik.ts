/** Traefik as a peer, by its file provider; only where its program is found. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, isExecutable, versionLine } from '../lab/programs.ts'
import type { Peer, PeerSetup } from './peer.ts'

export const traefik: Peer = {
  name: 'Traefik',
  async locate() {
    const path = process.env['SEKISHO_BENCH_TRAEFIK'] ?? findProgram('traefik')
    if (path === undefined) return { reason: 'no traefik in PATH, and SEKISHO_BENCH_TRAEFIK names none' }
    return isExecutable(path) ? { path } : { reason: `SEKISHO_BENCH_TRAEFIK: ${path} cannot be run` }
  },
  async version(program) {
    // A program built without the linker's version says "dev".
    return `traefik ${(await versionLine(program, ['version'])).replace(/^Version:\s*/, '')}`
  },
  prepare(program, setup) {
    const file = join(setup.dir, 'dynamic.yaml')
    writeFileSync(file, JSON.stringify(dynamic(setup)))
    return {
      file: program,
      args: [
        `--entryPoints.web.address=127.0.0.1:${setup.port}`,
        '--entryPoints.web.transport.respondingTimeouts.idleTimeout=1h',
        `--providers.file.filename=${file}`,
        '--providers.file.watch=false',
        '--serversTransport.maxIdleConnsPerHost=256',
        '--global.checkNewVersion=false',
        '--global.sendAnonymousUsage=false',
        '--log.level=ERROR',
      ],
      env: { GOMAXPROCS: String(setup.workers) },
    }
  },
}

function dynamic(setup: PeerSetup): unknown {
  const routers = setup.rules.map(({ host, path }, index) => [
    `r${index}`,
    {
      rule: `Host(\`${host}\`) && PathPrefix(\`${path}\`)`,
      service: 'apps',
      ...(setup.tls === undefined ? {} : { tls: {} }),
    },
  ])
  return {
    http: {
      routers: Object.fromEntries(routers) as unknown,
      services: {
        apps: { loadBalancer: { servers: [{ url: `http://127.0.0.1:${setup.backendPort}` }] } },
      },
    },
    ...(setup.tls === undefined
      ? {}
      : { tls: { certificates: [{ certFile: setup.tls.certificate, keyFile: setup.tls.key }] } }),
  }
}
