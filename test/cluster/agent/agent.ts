/**
 * The node agent of the test bed: a kubelet in small, for one node. Pods that the scheduler gives to its node run as
 * processes of this machine in namespaces of their own. Registers the node, keeps its Lease, runs a worker per pod,
 * serves logs and commands. Made by the bed's host process, which is root in namespaces of its own: with that process all
 * of it ends, so there is no stopping here.
 *
 * Without: limits of CPU and memory, cgroups, image pulls, terminals, port forwarding, volumes other than those of
 * volumes/pod-volumes.ts, environment variables of services other than the API server's.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { KubeClient } from '#kube/client.ts'
import { EventRecorder } from '#kube/events.ts'
import { Informer } from '#kube/informer.ts'
import type { ImageTable } from '../images.ts'
import type { NodeHost } from '../node-host.ts'
import type { Container } from './container.ts'
import { Gate } from './gate.ts'
import { KubeletServer, type KubeletTls } from './kubelet-server.ts'
import type { ClusterDns, NodeContext, RestartBackoff } from './node-context.ts'
import { NodeNetwork } from './node-network.ts'
import { RESOURCES } from './node-object.ts'
import { NodeRegistration } from './node-registration.ts'
import { ObjectSource } from './object-source.ts'
import { PODS, type Pod } from './pod.ts'
import { PodWorker } from './pod-worker.ts'

export interface NodeAgentOptions {
  readonly host: NodeHost
  /** May do everything; its number of requests at a time is shared by all pods. */
  readonly client: KubeClient
  readonly images: ImageTable
  /** For the files of pods; of this agent alone. */
  readonly stateDir: string
  /** Of the kubelet endpoint. */
  readonly tls: KubeletTls
  /** Where pods reach the API server: the first Service address. */
  readonly apiServer: { readonly host: string; readonly port: number }
  /** Undefined: pods get no name servers. */
  readonly dns?: ClusterDns
  /** Default: as in Kubernetes. */
  readonly restarts?: RestartBackoff
  /** Of the kubelet endpoint; default 10250. */
  readonly port?: number
}

const PORT = 10_250
/** Containers that start at a time: more would only slow down each other, and everything else. */
const STARTS = 3

export class NodeAgent {
  readonly #node: NodeContext
  readonly #port: number
  readonly #pods: Informer<Pod>
  readonly #registration: NodeRegistration
  readonly #server: KubeletServer
  /** By uid. */
  readonly #workers = new Map<string, PodWorker>()

  constructor(options: NodeAgentOptions) {
    const { host, client, images, stateDir } = options
    const podsDirectory = join(stateDir, 'pods')
    rmSync(podsDirectory, { recursive: true, force: true })
    mkdirSync(podsDirectory, { recursive: true })
    this.#node = {
      host,
      client,
      images,
      network: new NodeNetwork(host.netns),
      objects: new ObjectSource(client),
      events: new EventRecorder(client, { controller: 'kubelet', instance: host.name }),
      starts: new Gate(STARTS),
      apiServer: options.apiServer,
      dns: options.dns,
      restarts: options.restarts ?? { baseMs: 10_000, maxMs: 300_000 },
      allocatable: RESOURCES,
      podsDirectory,
    }
    this.#port = options.port ?? PORT
    this.#registration = new NodeRegistration(client, host, this.#port)
    this.#server = new KubeletServer(
      { pods: () => this.#served(), container: (...path) => this.container(...path) },
      options.tls,
    )
    this.#pods = new Informer<Pod>(client, { resource: PODS, fieldSelector: `spec.nodeName=${host.name}` })
    this.#pods.addHandler({
      onAdd: (pod) => this.#take(pod),
      onUpdate: (pod) => this.#take(pod),
      onDelete: (pod) => this.#workers.get(pod.metadata.uid)?.onGone(),
    })
  }

  /** Resolves when the node is Ready and takes pods. */
  async start(): Promise<void> {
    await Promise.all([
      this.#server.start(this.#node.network, this.#port),
      this.#node.objects.start(),
      this.#registration.start(),
    ])
    this.#pods.start()
    await this.#pods.synced
  }

  /** Of a pod that runs here, or has run here and is not deleted yet. */
  container(namespace: string, pod: string, name: string): Container | undefined {
    return this.#worker(namespace, pod)?.container(name)
  }

  /** To the first process of a container, as if from the node: `SIGKILL`. Throws an Error when it does not run. */
  signal(namespace: string, pod: string, container: string, signal: string): void {
    const run = this.container(namespace, pod, container)?.run
    if (run === undefined)
      throw new Error(`container ${container} of ${namespace}/${pod} does not run on ${this.#node.host.name}`)
    run.process.signal(signal)
  }

  /** The newest of that name: one that is being deleted may be there still. */
  #worker(namespace: string, name: string): PodWorker | undefined {
    return [...this.#workers.values()].findLast(
      ({ pod }) => pod.metadata.name === name && pod.metadata.namespace === namespace,
    )
  }

  #take(pod: Pod): void {
    const { uid } = pod.metadata
    const known = this.#workers.get(uid)
    if (known !== undefined) {
      known.update(pod)
      return
    }
    const worker = new PodWorker(this.#node, pod)
    this.#workers.set(uid, worker)
    void worker.done.then(() => this.#workers.delete(uid))
  }

  #served(): readonly Pod[] {
    return [...this.#workers.values()].map((worker) => ({
      ...worker.pod,
      ...(worker.status === undefined ? {} : { status: worker.status }),
    }))
  }
}
