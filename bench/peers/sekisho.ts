/**
 * Sekisho itself, as its package is installed, on a directory of generated manifests: an Ingress, a Service and an
 * EndpointSlice per host.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { versionLine } from '../lab/programs.ts'
import { rulesByHost, type Peer, type PeerSetup, type TlsFiles } from './peer.ts'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const HOSTS_PER_FILE = 100

export const sekisho: Peer = {
  name: 'Sekisho',
  async locate() {
    return { path: await packed() }
  },
  version: (program) => versionLine(program, ['version']),
  prepare(program, setup) {
    const dir = manifestDirectory(setup)
    mkdirSync(dir)
    for (const [name, text] of manifests(setup, 'app')) writeFileSync(join(dir, name), text)
    const tls = setup.tls === undefined ? [] : ['--entryPoints.web.http.tls=true']
    return {
      file: program,
      args: [
        'up',
        dir,
        `--workers=${setup.workers}`,
        `--entryPoints.web.address=127.0.0.1:${setup.port}`,
        ...tls,
        `--entryPoints.traefik.address=127.0.0.1:${setup.internalPort}`,
        '--ping',
        '--log.level=ERROR',
      ],
    }
  },
}

/** Packs the checkout and unpacks it beside the dependencies that it has already. The launcher's path. */
async function packed(): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'sekisho-bench-package-'))
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', dir], { cwd: ROOT })
  await run('tar', ['-xf', join(dir, stdout.trim().split('\n').at(-1) ?? ''), '-C', dir])
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'))
  return join(dir, 'package', 'bin', 'sekisho')
}

export function manifestDirectory(setup: PeerSetup): string {
  return join(setup.dir, 'manifests')
}

/**
 * Makes every route lead to another Service (of the name `service`), file by file, as an editor would: written
 * beside and renamed. `more` rules are added.
 */
export function rewriteManifests(setup: PeerSetup, service: string): void {
  const dir = manifestDirectory(setup)
  for (const [name, text] of manifests(setup, service)) {
    writeFileSync(join(setup.dir, name), text)
    renameSync(join(setup.dir, name), join(dir, name))
  }
}

/** File name and text of each. YAML, as `kubectl` users have it. */
export function manifests(setup: PeerSetup, service: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  const hosts = [...rulesByHost(setup.rules)]
  for (let start = 0; start < hosts.length; start += HOSTS_PER_FILE) {
    const documents = hosts
      .slice(start, start + HOSTS_PER_FILE)
      .map(([host, paths], offset) =>
        hostDocuments(setup, `${service}-${start + offset}`, `web-${start + offset}`, host, paths),
      )
    files.set(`hosts-${start}.yaml`, documents.join('---\n'))
  }
  if (setup.tls !== undefined) files.set('certificate.yaml', secretDocument(setup.tls))
  return files
}

function hostDocuments(
  setup: PeerSetup,
  service: string,
  ingress: string,
  host: string,
  paths: readonly string[],
): string {
  const tls = setup.tls === undefined ? '' : `  tls: [{ hosts: [${host}], secretName: certificate }]\n`
  return `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: ${ingress}, namespace: default }
spec:
${tls}  rules:
    - host: ${host}
      http:
        paths:
${paths.map((path) => `          - { path: ${path}, pathType: Prefix, backend: { service: { name: ${service}, port: { number: 80 } } } }\n`).join('')}---
apiVersion: v1
kind: Service
metadata: { name: ${service}, namespace: default }
spec: { ports: [{ name: http, port: 80, targetPort: ${setup.backendPort} }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${service}-1
  namespace: default
  labels: { kubernetes.io/service-name: ${service} }
addressType: IPv4
ports: [{ name: http, port: ${setup.backendPort} }]
endpoints: [{ addresses: [127.0.0.1], conditions: { ready: true } }]
`
}

function secretDocument(tls: TlsFiles): string {
  const encoded = (file: string): string => readFileSync(file).toString('base64')
  return `apiVersion: v1
kind: Secret
metadata: { name: certificate, namespace: default }
type: kubernetes.io/tls
data: { tls.crt: ${encoded(tls.certificate)}, tls.key: ${encoded(tls.key)} }
`
}
