/**
 * A real Kubernetes cluster for a test: `await using cluster = await Cluster.start()`. Control plane, nodes and pods run
 * in namespaces of their own (host.ts); the test reaches nodes, pods and API server over one link. It ends with `stop`,
 * and as surely when this process or any part of the cluster is killed.
 *
 * Needs root on Linux and the programs of build.ts.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { KubeClient } from '#kube/client.ts'
import { kubeconfigAccess } from '#kube/kubeconfig-access.ts'
import type { KubeObject } from '#kube/objects.ts'
import type { ObjectName } from '#kube/resource.ts'
import { SYSTEM_TIMERS } from '#kube/timers.ts'
import { addressPlan, type AddressPlan } from './address-plan.ts'
import { AUDIT_LOG, auditEntries, type AuditEntry } from './audit.ts'
import type { HostFacts, NodeSpec } from './channel.ts'
import type { ControlPlaneProgram } from './control-plane.ts'
import { HostConnection } from './host-connection.ts'
import { standardImages, type ImageTable } from './images.ts'
import { outsideLink, removeLink } from './outside-link.ts'
import { binDirectory, cacheDirectory, missingPrograms, obstacle } from './programs.ts'
import { SERVICES } from './resources.ts'
import { outcomeOf, run, type Outcome, type RunOptions } from './run-command.ts'
import { ClusterObjects, type PodObject } from './cluster-objects.ts'

const HOST = fileURLToPath(new URL('host.ts', import.meta.url))

export interface ClusterOptions {
  /** How many (in the zones zone-1, zone-2, …), or which. Default 2. */
  readonly nodes?: number | readonly NodeSpec[]
  /** Beside the standard ones (images.ts), and instead of those of the same name. */
  readonly images?: ImageTable
  /** Behind the bed's own. */
  readonly apiServerFlags?: readonly string[]
  /** The API server writes down what service accounts ask for: `audit`. */
  readonly isAudited?: boolean
}

interface ServiceObject extends KubeObject {
  readonly spec: { readonly ipFamilies?: readonly string[] }
}

export interface ClusterNode extends NodeSpec {
  /** IPv4, IPv6; reachable from here. */
  readonly addresses: readonly [string, string]
  readonly podCidrs: readonly [string, string]
  /** Network namespace, for `nsenter --net=`. */
  readonly netns: string
}

export class Cluster implements AsyncDisposable {
  /** File, as long as the cluster lives. */
  readonly kubeconfig: string
  readonly client: KubeClient
  readonly objects: ClusterObjects
  readonly nodes: readonly ClusterNode[]
  /** Address of this side on the cluster's network: servers of a test that pods shall reach listen here. */
  readonly outside: readonly [string, string]
  /** Of the API server, which is on port 6443. */
  readonly apiAddress: string
  /** Milliseconds until each step of the start was done. */
  readonly steps: Readonly<Record<string, number>>
  readonly faults: Faults
  /** Decides its addresses (address-plan.ts). */
  readonly number: number
  /** Of the process that holds everything. */
  readonly pid: number
  readonly imageNames: readonly string[]
  /** Resolves with the reason when the cluster, or a program of its control plane, ends by itself. */
  readonly ended: Promise<Error>
  readonly #child: ChildProcess
  readonly #plan: AddressPlan
  readonly #logs: string
  #exposed = 0

  private constructor(
    child: ChildProcess,
    plan: AddressPlan,
    nodes: readonly NodeSpec[],
    connection: HostConnection,
    facts: HostFacts,
    images: ImageTable,
  ) {
    this.#child = child
    this.pid = child.pid ?? 0
    this.#plan = plan
    this.number = plan.number
    this.#logs = this.#inside(facts.logs)
    this.kubeconfig = this.#inside(facts.kubeconfig)
    this.client = new KubeClient(kubeconfigAccess({ file: this.kubeconfig }, {}, SYSTEM_TIMERS), {
      userAgent: 'sekisho-test',
      maxRequests: 64,
    })
    this.objects = new ClusterObjects(this.client, connection.signal)
    this.nodes = nodes.map((node, index) => {
      const { addresses, podCidrs } = plan.node(index)
      return { ...node, addresses, podCidrs, netns: this.#inside(`/run/netns/${node.name}`) }
    })
    this.outside = plan.outside
    this.apiAddress = plan.controlPlane[0]
    this.steps = facts.steps
    this.faults = new Faults(connection)
    this.imageNames = Object.keys(images)
    this.ended = connection.failed
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const reason = obstacle()
    if (reason !== undefined) throw new Error(reason)
    const bin = binDirectory()
    const missing = missingPrograms(bin)
    if (missing.length > 0)
      throw new Error(`not built yet: ${missing.join(', ')} (node test/cluster/build.ts builds them)`)
    const nodes = nodeSpecs(options.nodes ?? 2)
    const images = { ...standardImages(bin), ...options.images }
    const child = spawnHost()
    const connection = new HostConnection(child)
    let link: string | undefined
    try {
      await connection.hello
      const number = await outsideLink(child.pid ?? 0, nodes.length)
      const plan = addressPlan(number)
      link = plan.link
      const facts = await connection.call('start', {
        number,
        nodes,
        bin,
        images,
        apiServerFlags: options.apiServerFlags ?? [],
        isAudited: options.isAudited ?? false,
      })
      return new Cluster(child, plan, nodes, connection, facts, images)
    } catch (error) {
      await end(child, link)
      throw error
    }
  }

  /** What is asked of `kubectl`; its standard output. Rejects with what it said when it fails. */
  kubectl(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return run(join(binDirectory(), 'kubectl'), args, { ...options, env: this.#environment(options) })
  }

  /** The same, for a `kubectl` that may fail. */
  kubectlOutcome(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return outcomeOf(join(binDirectory(), 'kubectl'), args, { ...options, env: this.#environment(options) })
  }

  /** The real Helm, at this cluster. */
  helm(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return run(join(binDirectory(), 'helm'), args, { ...options, env: this.#environment(options) })
  }

  /** Command line that runs a program of this machine in the network of a node, or of a pod by its uid. */
  inNetworkOf(where: { readonly node: string } | { readonly podUid: string }): readonly [string, string] {
    const name = 'node' in where ? where.node : `pod-${where.podUid}`
    return ['nsenter', `--net=${this.#inside(`/run/netns/${name}`)}`]
  }

  /**
   * Does what a cloud does for a Service of type LoadBalancer: gives it an address of each of its families, and leads
   * these to `node` (default: the first), as a router before the cluster would. The addresses, first family first.
   */
  async expose(name: ObjectName, node?: ClusterNode): Promise<readonly string[]> {
    const { spec } = await this.client.get<ServiceObject>(SERVICES, name)
    const target = node ?? this.nodes[0]
    if (target === undefined) throw new Error('a cluster without nodes cannot expose a Service')
    const both = this.#plan.loadBalancer(this.#exposed++)
    const addresses = (spec.ipFamilies ?? ['IPv4']).map((family) => both[family === 'IPv6' ? 1 : 0])
    for (const address of addresses) await this.route(address, target)
    const status = { loadBalancer: { ingress: addresses.map((ip) => ({ ip })) } }
    await this.client.patch(SERVICES, name, 'merge', { status }, { subresource: 'status' })
    return addresses
  }

  /** Leads traffic from here for other addresses to a node. */
  async route(cidr: string, node: ClusterNode): Promise<void> {
    const via = node.addresses[cidr.includes(':') ? 1 : 0]
    await run('ip', ['route', 'replace', cidr, 'via', via, 'dev', this.#plan.link])
  }

  /** What a program has logged: `kube-apiserver`, `kube-proxy-node-1`. */
  log(program: string): string {
    return readFileSync(join(this.#logs, `${program}.log`), 'utf8')
  }

  /** What service accounts have asked for so far, in a cluster that is audited. */
  audit(): readonly AuditEntry[] {
    return auditEntries(this.log(AUDIT_LOG))
  }

  async stop(): Promise<void> {
    this.client.close()
    await end(this.#child, this.#plan.link)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** A path of the cluster's mount namespace as this process can open it. */
  #inside(path: string): string {
    return `/proc/${this.pid}/root${path}`
  }

  #environment(options: RunOptions): NodeJS.ProcessEnv {
    return {
      ...(options.env ?? process.env),
      KUBECONFIG: this.kubeconfig,
      // What they remember of a cluster goes with it: another one will have the same address.
      KUBECACHEDIR: this.#inside('/run/kubectl'),
      HELM_CACHE_HOME: this.#inside('/run/helm/cache'),
      HELM_CONFIG_HOME: this.#inside('/run/helm/config'),
      HELM_DATA_HOME: this.#inside('/run/helm/data'),
    }
  }
}

/** What can go wrong in a cluster, on purpose. */
export class Faults {
  readonly #connection: HostConnection

  constructor(connection: HostConnection) {
    this.#connection = connection
  }

  /** Resolves when the program has ended. */
  stop(program: ControlPlaneProgram, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return this.#connection.call('stopProgram', program, signal)
  }

  start(program: ControlPlaneProgram): Promise<void> {
    return this.#connection.call('startProgram', program)
  }

  /** It keeps its connections and does nothing until `resume`. */
  pause(program: ControlPlaneProgram): Promise<void> {
    return this.#connection.call('pauseProgram', program)
  }

  resume(program: ControlPlaneProgram): Promise<void> {
    return this.#connection.call('resumeProgram', program)
  }

  apiReady(): Promise<void> {
    return this.#connection.call('apiReady')
  }

  /** Old revisions are forgotten: with an API server started anew, watches from before get 410. */
  compact(): Promise<void> {
    return this.#connection.call('compactStore')
  }

  /** To the first process of a container. */
  signalContainer(pod: PodObject, container: string, signal: NodeJS.Signals): Promise<void> {
    const { namespace = '', name } = pod.metadata
    const where = { node: pod.spec.nodeName ?? '', namespace, pod: name, container }
    return this.#connection.call('signalContainer', where, signal)
  }

  /** Resets all connections to the API server, watches among them; how many they were. */
  cutConnections(): Promise<number> {
    return this.#connection.call('cutApiConnections')
  }
}

function nodeSpecs(nodes: number | readonly NodeSpec[]): readonly NodeSpec[] {
  if (typeof nodes !== 'number') return nodes
  return Array.from({ length: nodes }, (_, index) => ({
    name: `node-${index + 1}`,
    zone: `zone-${index + 1}`,
  }))
}

/**
 * The kernel ends everything with the first process of the inner process namespace: that is the shell, which also reaps
 * what pods leave. unshare kills it when it is killed itself, and is killed with this process.
 */
function spawnHost(): ChildProcess {
  const unshare = ['unshare', '--net', '--pid', '--mount', '--fork', '--kill-child', '--mount-proc']
  // Nodes change their thread's network namespace through the foreign function interface, which Node calls new.
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', HOST]
  const shell = ['sh', '-c', '"$@" & wait $!', 'cluster', ...node]
  return spawn('setpriv', ['--pdeathsig', 'KILL', ...unshare, ...shell], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // Not in the process group of a terminal: who presses Ctrl-C there stops the cluster by this process.
    detached: true,
    env: {
      PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
      HOME: '/root',
      LANG: 'C.UTF-8',
      // The same hundred modules each time.
      NODE_COMPILE_CACHE: join(cacheDirectory(), 'compile'),
    },
  })
}

async function end(child: ChildProcess, link: string | undefined): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }
  if (link !== undefined) await removeLink(link)
}
