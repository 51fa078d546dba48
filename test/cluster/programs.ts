/**
 * The programs of the test bed: which modules they are built from, and where the built ones are. The cache is outside
 * of the repository, one directory per content of the modules under go/, so that a change of a version is another directory
 * and several checkouts share one. build.ts fills it; everything else only asks here.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Bigger when the way of building changes. */
const RECIPE = 1
const KUBERNETES = 'k8s.io/kubernetes/cmd'

export interface Program {
  readonly name: string
  /** Directory below go/ with its go.mod. */
  readonly module: string
  /** Main package. */
  readonly target: string
  /** Its answer to this holds its version; left out where a program has no such flag. */
  readonly versionArgs?: readonly string[]
}

/** In the order they are built: what the others wait for comes first. */
export const PROGRAMS: readonly Program[] = [
  { name: 'etcd', module: 'etcd', target: 'go.etcd.io/etcd/server/v3', versionArgs: ['--version'] },
  ...['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'].map(kubernetes),
  {
    name: 'kubectl',
    module: 'kubernetes',
    target: `${KUBERNETES}/kubectl`,
    versionArgs: ['version', '--client'],
  },
  kubernetes('kube-proxy'),
  { name: 'echo-basic', module: 'echo', target: 'sigs.k8s.io/gateway-api-conformance-images/echo-basic' },
  { name: 'helm', module: 'helm', target: 'helm.sh/helm/v4/cmd/helm', versionArgs: ['version'] },
]

export const GO_DIRECTORY = fileURLToPath(new URL('go', import.meta.url))

function kubernetes(name: string): Program {
  return { name, module: 'kubernetes', target: `${KUBERNETES}/${name}`, versionArgs: ['--version'] }
}

/** Where the programs for the present modules are, built or not. */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const base =
    environment['SEKISHO_CLUSTER_CACHE'] ??
    join(environment['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'sekisho/cluster')
  return join(base, cacheKey())
}

/** `bin` below the cache directory. */
export function binDirectory(environment?: NodeJS.ProcessEnv): string {
  return join(cacheDirectory(environment), 'bin')
}

function cacheKey(): string {
  const hash = createHash('sha256').update(`${RECIPE} ${process.arch}`)
  for (const module of new Set(PROGRAMS.map((program) => program.module)))
    for (const file of ['go.mod', 'go.sum']) hash.update(readFileSync(join(GO_DIRECTORY, module, file)))
  return hash.digest('hex').slice(0, 12)
}

/** Names of programs that are not built yet. */
export function missingPrograms(directory = binDirectory()): readonly string[] {
  return PROGRAMS.filter(({ name }) => {
    const stats = statSync(join(directory, name), { throwIfNoEntry: false })
    return stats === undefined || !stats.isFile() || (stats.mode & 0o100) === 0
  }).map(({ name }) => name)
}

/** The `go` to build with, or undefined. */
export function findGo(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const directories = [
    ...(environment['PATH'] ?? '').split(delimiter),
    '/usr/local/go/bin',
    '/usr/lib/go/bin',
  ]
  return directories
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, 'go'))
    .find((file) => existsSync(file))
}

/** Why no cluster can be started here, as one clause; undefined: it can, after building at most. */
export function obstacle(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  if (process.platform !== 'linux') return 'a cluster needs Linux'
  if (process.getuid?.() !== 0) return 'a cluster needs root, for network namespaces'
  if (missingPrograms(binDirectory(environment)).length > 0 && findGo(environment) === undefined)
    return 'Go is not installed, and the programs of the control plane are not built yet (https://go.dev/dl)'
  return undefined
}
