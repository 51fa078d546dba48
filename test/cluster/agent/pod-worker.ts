/**
 * The life of one pod on this node: network, volumes, init containers one after another, the others together, until
 * it ends by itself or is deleted; then everything is taken back in order, and last the object is removed. One worker
 * per uid, made and fed by agent.ts with what the API says of the pod.
 *
 * Invariant: the object is deleted only after the pod's processes have ended and its addresses were given back, because
 * endpoints stay terminating until then, and the address may be another pod's at once.
 */
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { asKubeError } from '#kube/errors.ts'
import type { PodNetwork } from '../node-host.ts'
import { Container } from './container.ts'
import type { NodeContext } from './node-context.ts'
import { isSidecar, PODS, type Pod, type PodStatus } from './pod.ts'
import type { PodContext } from './pod-context.ts'
import { hostsFile, podHostname, resolvConf } from './pod-names.ts'
import { podStatus } from './status.ts'
import { StatusWriter } from './status-writer.ts'
import { setSysctls } from './sysctls.ts'
import { unsupportedFeature } from './unsupported.ts'
import { PodVolumes } from './volumes/pod-volumes.ts'

const RETRY_MS = 500
const DELETE_RETRY_MS = 250
const DEFAULT_GRACE_SECONDS = 30

export class PodWorker {
  /** Settles when nothing of the pod is left on this node. */
  readonly done: Promise<void>
  readonly #node: NodeContext
  #pod: Pod
  readonly #directory: string
  readonly #writer: StatusWriter
  readonly #startTime = new Date().toISOString()
  /** Aborts when the pod is to end, for whatever reason. */
  readonly #end = new AbortController()
  /** Aborts when its time to end is over. */
  readonly #kill = new AbortController()
  #killTimer: NodeJS.Timeout | undefined
  #killAt = Infinity
  #wakeDeleted: () => void = () => {}
  readonly #deleted: Promise<void>
  #containers: Container[] = []
  #initContainers: Container[] = []
  #network: PodNetwork | undefined
  #volumes: PodVolumes | undefined
  #failure: { readonly reason: string; readonly message: string } | undefined
  #last: PodStatus | undefined
  #isStatusDue = false
  #wakeChanged: () => void = () => {}
  #changed = Promise.resolve()

  constructor(node: NodeContext, pod: Pod) {
    this.#node = node
    this.#pod = pod
    this.#directory = join(node.podsDirectory, pod.metadata.uid)
    this.#writer = new StatusWriter(node.client, pod)
    this.#deleted = new Promise((resolve) => {
      this.#wakeDeleted = resolve
    })
    this.#armChanged()
    this.done = this.#live()
    this.update(pod)
  }

  get pod(): Pod {
    return this.#pod
  }

  /** What was told last. */
  get status(): PodStatus | undefined {
    return this.#last
  }

  container(name: string): Container | undefined {
    return [...this.#containers, ...this.#initContainers].find(({ spec }) => spec.name === name)
  }

  /** The object changed. */
  update(pod: Pod): void {
    this.#pod = pod
    // The node controller takes readiness away from the pods of a node that it has not heard of for long.
    if (this.#last !== undefined && isReady(pod.status) !== isReady(this.#last)) this.#writer.forget()
    const { deletionTimestamp, deletionGracePeriodSeconds = DEFAULT_GRACE_SECONDS } = pod.metadata
    if (deletionTimestamp !== undefined) this.#delete(deletionGracePeriodSeconds)
    this.#volumes?.update()
    this.#onChange()
  }

  /** The object is gone. Its processes have their time all the same, as on a real node. */
  onGone(): void {
    const { metadata, spec } = this.#pod
    const seconds = metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds
    this.#delete(Math.max(1, seconds ?? DEFAULT_GRACE_SECONDS))
  }

  #delete(graceSeconds: number): void {
    this.#wakeDeleted()
    this.#endWithin(graceSeconds)
  }

  #endWithin(graceSeconds: number): void {
    this.#end.abort()
    this.#onChange()
    const at = performance.now() + graceSeconds * 1000
    if (at >= this.#killAt) return
    this.#killAt = at
    clearTimeout(this.#killTimer)
    if (graceSeconds <= 0) this.#kill.abort()
    else this.#killTimer = setTimeout(() => this.#kill.abort(), graceSeconds * 1000)
  }

  async #live(): Promise<void> {
    // What the constructor has still to do comes first.
    await Promise.resolve()
    const deadline = this.#armDeadline()
    try {
      await this.#run()
    } catch (error) {
      const { message } = error as Error
      this.#fail('UnexpectedError', message)
      this.#event('Warning', 'FailedSync', message)
    }
    clearTimeout(deadline)
    await this.#stopContainers()
    clearTimeout(this.#killTimer)
    this.#volumes?.stop()
    await this.#detach()
    this.#onChange()
    await this.#deleted
    clearTimeout(this.#killTimer)
    await this.#writer.settled()
    rmSync(this.#directory, { recursive: true, force: true })
    await this.#deleteObject()
  }

  /** Until all containers have ended for good, or the pod is to end. */
  async #run(): Promise<void> {
    const { signal } = this.#end
    if (signal.aborted) return
    const obstacle = unsupportedFeature(this.#pod)
    if (obstacle !== undefined) {
      this.#fail('UnsupportedPod', obstacle)
      this.#event('Warning', 'UnsupportedPod', obstacle)
      return
    }
    const context = await this.#setUp()
    if (context === undefined) return
    for (const container of this.#initContainers) {
      container.start()
      if (container.kind === 'sidecar') await this.#untilStarted(container)
      else await this.#untilEnded([container])
      if (signal.aborted || (container.kind === 'init' && container.exitCode !== 0)) return
    }
    for (const container of this.#containers) container.start()
    await this.#untilEnded(this.#containers)
  }

  /** Network and volumes; undefined when the pod is to end before they are there. */
  async #setUp(): Promise<PodContext | undefined> {
    const { host, dns, allocatable } = this.#node
    const { hostNetwork, initContainers = [], containers, securityContext } = this.#pod.spec
    const { uid } = this.#pod.metadata
    const network = await this.#insist('FailedCreatePodSandBox', async () => {
      try {
        const network =
          hostNetwork === true ? { netns: host.netns, addresses: host.addresses } : await host.attach(uid)
        await setSysctls(network.netns, securityContext?.sysctls ?? [])
        return network
      } catch (error) {
        await this.#detach()
        throw error
      }
    })
    if (network === undefined) return undefined
    this.#network = network
    const where = {
      podAddresses: network.addresses,
      nodeAddresses: host.addresses,
      nodeName: host.name,
      allocatable,
    }
    const pod = (): Pod => this.#pod
    const volumes = new PodVolumes(this.#node, pod, join(this.#directory, 'volumes'), where, (problem) =>
      this.#event('Warning', 'FailedMount', problem),
    )
    this.#volumes = volumes
    const hostname = podHostname(this.#pod, host.name)
    const context: PodContext = {
      node: this.#node,
      pod,
      directory: this.#directory,
      network,
      where,
      volumes,
      hostname,
      hosts: hostsFile(this.#pod, hostname, network.addresses, dns),
      resolvConf: resolvConf(this.#pod, dns, readFileSync('/etc/resolv.conf', 'utf8')),
      onChange: () => this.#onChange(),
      event: (type, reason, note) => this.#event(type, reason, note),
    }
    this.#initContainers = initContainers.map(
      (spec) => new Container(context, spec, isSidecar(spec) ? 'sidecar' : 'init'),
    )
    this.#containers = containers.map((spec) => new Container(context, spec, 'app'))
    this.#onChange()
    const isMounted = await this.#insist('FailedMount', async () => {
      await volumes.mount()
      return true
    })
    return isMounted === true ? context : undefined
  }

  /** Each has ended for good, or the pod is to end. */
  async #untilEnded(containers: readonly Container[]): Promise<void> {
    const { signal } = this.#end
    if (signal.aborted) return
    const isToEnd = once(signal, 'abort')
    await Promise.race([Promise.all(containers.map(async ({ ended }) => ended)), isToEnd])
  }

  async #untilStarted(container: Container): Promise<void> {
    while (!this.#end.signal.aborted && !container.status.started) await this.#changed
  }

  /** Again until it works; undefined when the pod is to end first. */
  async #insist<T>(reason: string, work: () => Promise<T>): Promise<T | undefined> {
    const { signal } = this.#end
    for (;;) {
      if (signal.aborted) return undefined
      try {
        return await work()
      } catch (error) {
        this.#event('Warning', reason, (error as Error).message)
      }
      const change = new AbortController()
      const { namespace } = this.#pod.metadata
      const unsubscribe = this.#node.objects.onChange((changed) => {
        if (changed === namespace) change.abort()
      })
      await delay(RETRY_MS, undefined, { signal: AbortSignal.any([signal, change.signal]) }).catch(() => {})
      unsubscribe()
    }
  }

  /** App containers first, then sidecars, the last first. */
  async #stopContainers(): Promise<void> {
    const { signal } = this.#kill
    if (!this.#end.signal.aborted)
      this.#endWithin(this.#pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS)
    const isRunning = this.#containers.some(({ run }) => run !== undefined)
    if (isRunning) this.#event('Normal', 'Killing', 'Stopping the containers of the pod')
    await Promise.all(this.#containers.map(async (container) => container.stop(signal)))
    for (const container of this.#initContainers.toReversed()) await container.stop(signal)
  }

  async #detach(): Promise<void> {
    if (this.#pod.spec.hostNetwork === true) return
    try {
      await this.#node.host.detach(this.#pod.metadata.uid)
    } catch (error) {
      this.#event('Warning', 'FailedKillPod', (error as Error).message)
    }
  }

  /** With the very uid: the name may be another pod's by now. */
  async #deleteObject(): Promise<void> {
    const { name, namespace, uid } = this.#pod.metadata
    for (;;) {
      try {
        await this.#node.client.delete(PODS, { name, namespace }, { uid, gracePeriodSeconds: 0 })
        return
      } catch (error) {
        const failure = asKubeError(error, 'delete')
        if (failure.isNotFound || failure.isConflict) return
        await delay(failure.retryAfterMs ?? DELETE_RETRY_MS)
      }
    }
  }

  #armDeadline(): NodeJS.Timeout | undefined {
    const seconds = this.#pod.spec.activeDeadlineSeconds
    if (seconds === undefined) return undefined
    return setTimeout(() => {
      this.#fail('DeadlineExceeded', 'Pod was active on the node longer than the specified deadline')
      this.#endWithin(this.#pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS)
    }, seconds * 1000)
  }

  #fail(reason: string, message: string): void {
    this.#failure = { reason, message }
    this.#onChange()
  }

  #event(type: 'Normal' | 'Warning', reason: string, note: string): void {
    this.#node.events.record(this.#pod, { type, reason, action: reason, note })
  }

  #onChange(): void {
    this.#wakeChanged()
    this.#armChanged()
    // Several changes of one turn are one status.
    if (this.#isStatusDue) return
    this.#isStatusDue = true
    setImmediate(() => {
      this.#isStatusDue = false
      this.#writeStatus()
    })
  }

  #armChanged(): void {
    this.#changed = new Promise((resolve) => {
      this.#wakeChanged = resolve
    })
  }

  #writeStatus(): void {
    const status = podStatus({
      pod: this.#pod,
      initContainers: this.#initContainers.map(({ status }) => status),
      containers: this.#containers.map(({ status }) => status),
      podAddresses: this.#network?.addresses ?? [],
      nodeAddresses: this.#node.host.addresses,
      startTime: this.#startTime,
      failure: this.#failure,
      before: this.#last?.conditions ?? this.#pod.status?.conditions ?? [],
      now: new Date().toISOString().replace(/\.[0-9]+Z$/, 'Z'),
    })
    this.#last = status
    this.#writer.write(status)
  }
}

function isReady(status: PodStatus | undefined): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false
}
