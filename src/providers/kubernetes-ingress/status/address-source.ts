/**
 * The addresses that Ingresses are published under, as they are now: given by hand, of a Service, or of the nodes that
 * run ready replicas. Runs in the elected replica only, from the beginning of its term to the end. Says nothing until
 * the addresses are known; an empty list means that there are none.
 */
import { Backoff } from '#kube/backoff.ts'
import type { KubeClient } from '#kube/client.ts'
import { asKubeError, type KubeError } from '#kube/errors.ts'
import { Informer } from '#kube/informer.ts'
import type { ObjectName } from '#kube/resource.ts'
import { sleep } from '#kube/timers.ts'
import { NODES, SERVICES } from '../resources.ts'
import {
  addressesOfNode,
  addressesOfService,
  sorted,
  type NodeObject,
  type PublishedAddress,
  type PublishedService,
} from './addresses.ts'
import { ReplicaNodes, replicaSelector, type OwnPod } from './replicas.ts'

/** Nodes get and lose addresses without that any of our pods changes. */
const NODE_REVIEW_MS = 5 * 60_000
const BACKOFF = { baseMs: 500, maxMs: 30_000 }

export type Publish =
  | { readonly kind: 'addresses'; readonly addresses: readonly PublishedAddress[] }
  | { readonly kind: 'service'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'nodes' }

export interface AddressListener {
  onAddresses(addresses: readonly PublishedAddress[]): void
  /** Why they are not known, or null. `retry`: it is tried again. */
  onProblem(problem: AddressProblem | null): void
}

export type AddressProblem =
  | { readonly kind: 'service-missing' }
  /** Not in a pod, so the replicas are not known. */
  | { readonly kind: 'no-pod' }
  | { readonly kind: 'error'; readonly error: KubeError }

export class AddressSource {
  readonly #client: KubeClient
  readonly #publish: Publish
  readonly #pod: OwnPod | undefined
  readonly #listener: AddressListener
  readonly #stop = new AbortController()
  #service: Informer<PublishedService> | undefined
  #replicas: ReplicaNodes | undefined
  #areNodesAsked = false
  /** Of asking for nodes; the one before it has nothing to say any more. */
  #round = new AbortController()
  #told: string | undefined

  constructor(client: KubeClient, publish: Publish, pod: OwnPod | undefined, listener: AddressListener) {
    this.#client = client
    this.#publish = publish
    this.#pod = pod
    this.#listener = listener
  }

  start(): void {
    const publish = this.#publish
    if (publish.kind === 'addresses') this.#tell(sorted(publish.addresses))
    else if (publish.kind === 'nodes') void this.#followNodes()
    else this.#followService(publish.namespace, publish.name)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all([this.#service?.stop(), this.#replicas?.stop()])
  }

  #followService(namespace: string, name: string): void {
    const informer = new Informer<PublishedService>(this.#client, {
      resource: SERVICES,
      namespace,
      fieldSelector: `metadata.name=${name}`,
    })
    const key = `${namespace}/${name}`
    const tell = (): void => {
      if (informer.hasSynced) this.#serviceIs(informer.store.get(key))
    }
    informer.addHandler({
      onBatchEnd: tell,
      onSynced: tell,
      onProblem: (error) => this.#problem(error === null ? null : { kind: 'error', error }),
    })
    this.#service = informer
    informer.start()
  }

  #serviceIs(service: PublishedService | undefined): void {
    // A Service that is deleted and made anew has other addresses then; until then the status stays.
    if (service === undefined) {
      this.#problem({ kind: 'service-missing' })
      return
    }
    const addresses = addressesOfService(service)
    if (addresses === undefined) {
      void this.#followNodes()
      return
    }
    this.#problem(null)
    this.#forgetNodes()
    this.#tell(addresses)
  }

  async #followNodes(): Promise<void> {
    if (this.#areNodesAsked) return
    this.#areNodesAsked = true
    const pod = this.#pod
    if (pod === undefined) {
      this.#problem({ kind: 'no-pod' })
      return
    }
    const { signal } = this.#stop
    const selector = await this.#persist(() => replicaSelector(this.#client, pod, signal), signal)
    if (selector === undefined || !this.#areNodesAsked || this.#replicas !== undefined) return
    this.#replicas = new ReplicaNodes(
      this.#client,
      pod.namespace,
      selector,
      (names) => void this.#readNodes(names),
      (error) => this.#problem(error === null ? null : { kind: 'error', error }),
    )
    this.#replicas.start()
  }

  /** The Service has addresses of its own now. */
  #forgetNodes(): void {
    this.#areNodesAsked = false
    this.#round.abort()
    void this.#replicas?.stop()
    this.#replicas = undefined
  }

  /** For as long as the replicas run on these nodes. */
  async #readNodes(names: readonly string[]): Promise<void> {
    this.#round.abort()
    this.#round = new AbortController()
    const signal = AbortSignal.any([this.#stop.signal, this.#round.signal])
    do {
      const nodes = await Promise.all(
        names.map((name) => this.#persist(() => this.#readNode({ name }, signal), signal)),
      )
      if (signal.aborted) return
      this.#problem(null)
      this.#tell(sorted(nodes.flatMap((node) => (node === undefined ? [] : addressesOfNode(node)))))
    } while (await sleep(this.#client.timers, NODE_REVIEW_MS, signal))
  }

  /** A Node that is gone has no addresses. */
  async #readNode(name: ObjectName, signal: AbortSignal): Promise<NodeObject> {
    try {
      return await this.#client.get<NodeObject>(NODES, name, { signal })
    } catch (error) {
      if (asKubeError(error, 'node').isNotFound) return { metadata: name }
      throw error
    }
  }

  /** Tries until it succeeds; undefined: stopped. */
  async #persist<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    const backoff = new Backoff(BACKOFF, this.#client.timers)
    while (!signal.aborted) {
      try {
        return await ask()
      } catch (error) {
        if (signal.aborted) return undefined
        const failure = asKubeError(error, 'addresses')
        this.#problem({ kind: 'error', error: failure })
        await sleep(this.#client.timers, backoff.next(failure.retryAfterMs), signal)
      }
    }
    return undefined
  }

  #tell(addresses: readonly PublishedAddress[]): void {
    if (this.#stop.signal.aborted) return
    const text = JSON.stringify(addresses)
    if (text === this.#told) return
    this.#told = text
    this.#listener.onAddresses(addresses)
  }

  #problem(problem: AddressProblem | null): void {
    if (!this.#stop.signal.aborted) this.#listener.onProblem(problem)
  }
}
