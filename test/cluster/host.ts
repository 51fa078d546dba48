/**
 * The process that holds one test cluster. cluster.ts starts it in process, mount and network namespaces of its own; all
 * that the cluster is (control plane, nodes, pods, links, files) is inside of these, so the kernel ends everything when
 * this process ends, however that comes about. Takes requests over its channel (channel.ts), ends when the channel closes.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { addressPlan, API_PORT, type AddressPlan } from './address-plan.ts'
import { auditFlags } from './audit.ts'
import type {
  ContainerPlace,
  HostFacts,
  HostMessage,
  HostMethods,
  HostOptions,
  HostRequest,
} from './channel.ts'
import { ControlPlane, type ControlPlaneProgram } from './control-plane.ts'
import { ClusterCredentials } from './credentials.ts'
import { KubeProxy } from './kube-proxy.ts'
import { Network } from './network.ts'
import { NodeSet } from './node-set.ts'
import { run } from './run-command.ts'

/** In memory, and only in this mount namespace. */
const STATE = '/run/cluster'

class Host implements HostMethods {
  readonly #fail: (message: string) => void
  #plan: AddressPlan | undefined
  #controlPlane: ControlPlane | undefined
  #nodes: NodeSet | undefined

  constructor(fail: (message: string) => void) {
    this.#fail = fail
  }

  async start(options: HostOptions): Promise<HostFacts> {
    const steps: Record<string, number> = {}
    const mark = (step: string) => (steps[step] = Math.round(performance.now()))
    const directory = (name: string): string => {
      mkdirSync(join(STATE, name), { recursive: true })
      return join(STATE, name)
    }
    const logs = directory('logs')
    const plan = addressPlan(options.number)
    this.#plan = plan
    const credentials = new ClusterCredentials(directory('pki'), plan)
    const network = new Network(plan)
    await network.start()
    mark('underlay')
    const shared = { plan, bin: options.bin, directory: directory('control-plane'), logs, onEnd: this.#fail }
    const controlPlane = new ControlPlane({
      ...shared,
      credentials,
      apiServerFlags: [
        ...(options.isAudited ? auditFlags(directory('audit'), logs) : []),
        ...options.apiServerFlags,
      ],
    })
    this.#controlPlane = controlPlane
    const isUp = controlPlane.startApi()
    // Awaited below, after what can be done meanwhile.
    isUp.catch(() => {})
    for (const { name, zone } of options.nodes) await network.addNode(name, zone)
    mark('node networks')
    await isUp
    mark('API server')
    controlPlane.startControllers()
    const { kubeconfig } = credentials.files
    const nodes = new NodeSet({
      nodes: network.nodes,
      credentials,
      images: options.images,
      directory: directory('nodes'),
    })
    const proxies = network.nodes.map((node) => new KubeProxy(node, { ...shared, kubeconfig }))
    this.#nodes = nodes
    await nodes.start()
    mark('node agents')
    for (const proxy of proxies) proxy.start()
    await Promise.all([
      nodes.ready().then(() => mark('nodes ready')),
      nodes.podsAdmitted().then(() => mark('service accounts')),
      ...proxies.map((proxy) => proxy.synced().then(() => mark(proxy.name))),
    ])
    return { kubeconfig, logs, steps }
  }

  startProgram(program: ControlPlaneProgram): Promise<void> {
    return settle(() => this.#running.start(program))
  }

  stopProgram(program: ControlPlaneProgram, signal: NodeJS.Signals): Promise<void> {
    return this.#running.stop(program, signal)
  }

  pauseProgram(program: ControlPlaneProgram): Promise<void> {
    return settle(() => this.#running.pause(program))
  }

  resumeProgram(program: ControlPlaneProgram): Promise<void> {
    return settle(() => this.#running.resume(program))
  }

  apiReady(): Promise<void> {
    return this.#running.isAnswering('/readyz')
  }

  compactStore(): Promise<void> {
    return this.#running.compact()
  }

  async cutApiConnections(): Promise<number> {
    const [v4 = '', v6 = ''] = this.#plan?.controlPlane ?? []
    // The listening socket has another state and stays.
    const cut = await Promise.all(
      [v4, `[${v6}]`, `[::ffff:${v4}]`].map((address) =>
        run('ss', ['-HKtn', 'state', 'connected', 'src', `${address}:${API_PORT}`]),
      ),
    )
    return cut.join('').split('\n').filter(Boolean).length
  }

  signalContainer(where: ContainerPlace, signal: NodeJS.Signals): Promise<void> {
    const { node, namespace, pod, container } = where
    return settle(() => this.#startedNodes.agent(node).signal(namespace, pod, container, signal))
  }

  get #startedNodes(): NodeSet {
    if (this.#nodes === undefined) throw new Error('the cluster has not been started')
    return this.#nodes
  }

  get #running(): ControlPlane {
    if (this.#controlPlane === undefined) throw new Error('the cluster has not been started')
    return this.#controlPlane
  }
}

/** An exception becomes a rejection. */
function settle(work: () => void): Promise<void> {
  return Promise.try(work)
}

function send(message: HostMessage): void {
  if (process.connected) process.send?.(message)
}

async function main(): Promise<void> {
  process.on('disconnect', () => process.exit(0))
  // Ctrl-C at a terminal is the runner's to take.
  process.on('SIGINT', () => {})
  // Nothing of this cluster may appear in /run of the machine, nor stay there.
  await run('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'cluster', '/run'])
  mkdirSync('/run/netns')
  mkdirSync(STATE)
  const host = new Host((message) => send({ kind: 'failure', message }))
  process.on('message', (request: HostRequest) => {
    const call = host[request.method] as (...args: readonly unknown[]) => Promise<unknown>
    call.apply(host, [...request.args]).then(
      (result) => send({ kind: 'result', id: request.id, result }),
      (error: Error) => send({ kind: 'error', id: request.id, message: error.stack ?? error.message }),
    )
  })
  send({ kind: 'hello' })
}

await main()
