/**
 * Writes deploy/manifests/*.yaml: what the chart renders with the values listed below, for those who do not use Helm. With
 * `--check` it writes nothing and fails when a file differs. Needs Helm: SEKISHO_HELM, or `helm` in PATH. Without one
 * `--check` says so and fails; the suite `cluster` of the tests brings its own.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
export const CHART = join(ROOT, 'deploy/chart')
const RELEASE = 'sekisho'

export interface Manifest {
  readonly path: string
  readonly what: string
  readonly values: readonly string[]
}

export const MANIFESTS: readonly Manifest[] = [
  {
    path: 'deploy/manifests/deployment.yaml',
    what: 'Two replicas behind a Service of type LoadBalancer.',
    values: [],
  },
  {
    path: 'deploy/manifests/daemonset.yaml',
    what: 'One replica on every node, at the ports 80 and 443 of the node.',
    values: ['kind=DaemonSet', 'hostNetwork=true', 'service.type=ClusterIP', 'status.publishService=false'],
  },
]

const NAMESPACE = `apiVersion: v1
kind: Namespace
metadata:
  name: ${RELEASE}
`

/** Calls Helm with directories of its own; `helm` is a path or a name in PATH. Throws with what it said. */
export function runHelm(helm: string, args: readonly string[]): string {
  const home = mkdtempSync(join(tmpdir(), 'sekisho-helm-'))
  try {
    const env = { ...process.env, HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home }
    return execFileSync(helm, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } finally {
    rmSync(home, { recursive: true })
  }
}

/** The text of the file, as it has to be. */
export function render(helm: string, { what, values }: Manifest): string {
  const set = values.flatMap((value) => ['--set', value])
  const text = runHelm(helm, ['template', RELEASE, CHART, '--namespace', RELEASE, ...set])
  // Helm does not manage what kubectl applies.
  const lines = text
    .split('\n')
    .filter((line) => !/^# Source: |^\s+(helm\.sh\/chart|app\.kubernetes\.io\/managed-by): /.test(line))
  const documents = lines
    .join('\n')
    .split(/^---\n/m)
    .map((document) => document.trim())
  const header = `# ${what}\n# Generated from deploy/chart by tools/gen-manifests.ts; change it there.\n`
  return `${header}${[NAMESPACE.trim(), ...documents.filter((document) => document !== '')].join('\n---\n')}\n`
}

export function isCurrent(helm: string, manifest: Manifest): boolean {
  const file = join(ROOT, manifest.path)
  return existsSync(file) && readFileSync(file, 'utf8') === render(helm, manifest)
}

function main(args: readonly string[]): number {
  if (args.includes('--help')) {
    process.stdout.write('usage: [SEKISHO_HELM=FILE] node tools/gen-manifests.ts [--check]\n')
    return 0
  }
  const helm = process.env['SEKISHO_HELM'] ?? 'helm'
  const stale = MANIFESTS.filter((manifest) => !isCurrent(helm, manifest))
  for (const manifest of stale) {
    if (args.includes('--check')) {
      process.stdout.write(`${manifest.path} is not what the chart says; run: node tools/gen-manifests.ts\n`)
      continue
    }
    mkdirSync(join(ROOT, 'deploy/manifests'), { recursive: true })
    writeFileSync(join(ROOT, manifest.path), render(helm, manifest))
    process.stdout.write(`wrote ${manifest.path}\n`)
  }
  return args.includes('--check') && stale.length > 0 ? 1 : 0
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2))
