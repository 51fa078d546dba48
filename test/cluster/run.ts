/**
 * A cluster for a person: `npm run cluster`. Builds the programs where that was not done yet, starts a control plane
 * with nodes, installs this checkout by its chart, and says how to reach it. Ctrl-C ends all of it.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { once } from 'node:events'
import { build } from './build.ts'
import { Cluster } from './cluster.ts'
import { binDirectory, obstacle } from './programs.ts'

const HELP = `usage: npm run cluster -- [--nodes N] [--no-sekisho] [--set NAME=VALUE]…

Starts a Kubernetes cluster on this machine (real control plane, pods as processes) with Sekisho in it. Needs root on
Linux, and Go for the first run. --set goes to Helm.
`
const CHART = fileURLToPath(new URL('../../deploy/chart', import.meta.url))
const NAMESPACE = 'sekisho'
const RELEASE = 'sekisho'

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  let nodes = 2
  let hasSekisho = existsSync(join(CHART, 'Chart.yaml'))
  const values: string[] = []
  for (let i = 0; i < args.length; i++) {
    const [flag, inline] = split(args[i] ?? '')
    if (flag === '--help' || flag === '-h') {
      process.stdout.write(HELP)
      return 0
    }
    if (flag === '--no-sekisho') hasSekisho = false
    else if (flag === '--nodes') nodes = Number(inline ?? args[++i])
    else if (flag === '--set') values.push('--set', inline ?? args[++i] ?? '')
    else return usage(`unknown argument ${flag}`)
  }
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > 20) return usage('--nodes needs a number from 1 to 20')
  const reason = obstacle()
  if (reason !== undefined) {
    process.stderr.write(`cluster: ${reason}\n`)
    return 1
  }
  await build({ isForced: false, say })
  const started = performance.now()
  await using cluster = await Cluster.start({ nodes })
  say(`cluster with ${nodes} nodes: up in ${seconds(started)} s`)
  if (hasSekisho) {
    const installed = performance.now()
    const flags = ['--namespace', NAMESPACE, '--create-namespace', '--wait', '--timeout', '2m']
    await cluster.helm(['install', RELEASE, CHART, ...flags, ...values])
    say(`sekisho: installed in ${seconds(installed)} s`)
    const [address = ''] = await cluster.expose({ namespace: NAMESPACE, name: RELEASE }).catch(() => [])
    if (address !== '') say(`its address: ${address} (Ingresses of class sekisho)`)
  }
  say(usageOf(cluster))
  const reasonOfEnd = await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), cluster.ended])
  if (!(reasonOfEnd instanceof Error)) return 0
  process.stderr.write(`cluster: ${reasonOfEnd.message}\n`)
  return 1
}

function usageOf(cluster: Cluster): string {
  return `
  export KUBECONFIG=${cluster.kubeconfig}
  export KUBECACHEDIR=/proc/${cluster.pid}/root/run/kubectl
  export PATH=${binDirectory()}:$PATH
  kubectl get nodes,pods -A

Images that pods can use: ${cluster.imageNames.join(', ')}
Nodes: ${cluster.nodes.map(({ name, addresses }) => `${name} ${addresses[0]}`).join(', ')}; they and their pods are reachable from here.
A server of yours that pods shall reach listens on ${cluster.outside[0]}. Ctrl-C ends the cluster.`
}

function split(arg: string): readonly [string, string | undefined] {
  const at = arg.indexOf('=')
  return at < 0 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)]
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function seconds(started: number): string {
  return ((performance.now() - started) / 1000).toFixed(1)
}

function usage(message: string): number {
  process.stderr.write(`cluster: ${message}\n${HELP}`)
  return 2
}
