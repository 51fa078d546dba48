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
const KUBERNETES = 'k8s.io/kubernetes'
const ETCD = 'go.etcd.io/etcd/server/v3'
const HELM = 'helm.sh/helm/v4'
const ECHO = 'sigs.k8s.io/gateway-api-conformance-images'

export interface Program {
  readonly name: string
  /** Directory below go/ with its go.mod. */
  readonly directory: string
  /** Whose version is that of the program. */
  readonly module: string
  /** Main package. */
  readonly target: string
  /** Its answer to this holds its version; left out where a program has no such flag. */
  readonly versionArgs?: readonly string[]
  /** Variables of the program that take its version, by the linker. */
  readonly versionVariables?: readonly string[]
}

/** In the order they are built: what the others wait for comes first. */
export const PROGRAMS: readonly Program[] = [
  { name: 'etcd', directory: 'etcd', module: ETCD, target: ETCD, versionArgs: ['--version'] },
  kubernetes('kube-apiserver'),
  kubernetes('kube-controller-manager'),
  kubernetes('kube-scheduler'),
  kubernetes('kubectl', ['version', '--client']),
  kubernetes('kube-proxy'),
  { name: 'echo-basic', directory: 'echo', module: ECHO, target: `${ECHO}/echo-basic` },
  {
    name: 'helm',
    directory: 'helm',
    module: HELM,
    target: `${HELM}/cmd/helm`,
    versionArgs: ['version', '--short'],
    versionVariables: [`${HELM}/internal/version.version`],
  },
]

export const GO_DIRECTORY = fileURLToPath(new URL('go', import.meta.url))

function kubernetes(name: string, versionArgs: readonly string[] = ['--version']): Program {
  // Without these `kubectl version` fails on a placeholder.
  const versionVariables = [
    'k8s.io/component-base/version.gitVersion',
    'k8s.io/client-go/pkg/version.gitVersion',
  ]
  const target = `${KUBERNETES}/cmd/${name}`
  return { name, directory: 'kubernetes', module: KUBERNETES, target, versionArgs, versionVariables }
}

/** `v1.37.1`, as its go.mod says. */
export function versionOf({ directory, module }: Program): string {
  const text = readFileSync(join(GO_DIRECTORY, directory, 'go.mod'), 'utf8')
  const lines = text.split('\n').filter((one) => !one.startsWith('//'))
  const line = lines.find((one) => one.split(/\s+/).includes(module) && / v\d/.test(one))
  const version = line?.split(/\s+/).find((word) => /^v\d/.test(word))
  if (version === undefined) throw new Error(`go/${directory}/go.mod does not require ${module}`)
  return version
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
  for (const directory of new Set(PROGRAMS.map((program) => program.directory)))
    for (const file of ['go.mod', 'go.sum']) hash.update(readFileSync(join(GO_DIRECTORY, directory, file)))
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
