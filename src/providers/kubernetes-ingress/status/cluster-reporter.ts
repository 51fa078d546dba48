/**
 * What the gateway writes into the cluster: status of Ingresses and events. Every replica makes one of these; the one
 * that holds the Lease writes. It goes on while the process drains and ends behind the data plane: then, if no other
 * replica is ready, the status is taken away, and the Lease is given back.
 *
 * Invariants: nothing is written for an Ingress before every worker has it; nothing is written before the provider's first
 * sync (the listener hears of nothing before it); a replica that does not lead writes nothing but the Lease.
 */
import type { Finding } from '#config/model/finding.ts'
import type { KubeClient } from '#kube/client.ts'
import { Election, type ElectionOptions } from '#kube/election.ts'
import type { KubeError } from '#kube/errors.ts'
import { EventRecorder, type EventFacts } from '#kube/events.ts'
import { keyOf, type KubeObject } from '#kube/objects.ts'
import type { Resource } from '#kube/resource.ts'
import type { StatusFacts } from '#kube/status.ts'
import { namedClass } from '#providers/kubernetes/class.ts'
import type { IngressClassObject, IngressObject } from '#providers/kubernetes/objects.ts'
import type { HeldObject } from '../held-object.ts'
import type { KubernetesIngressProvider } from '../provider.ts'
import { CONFIG_MAPS, INGRESS_CLASSES, INGRESSES, SECRETS, SERVICES } from '../resources.ts'
import { AddressSource, type Publish } from './address-source.ts'
import { FindingEvents } from './finding-events.ts'
import { IngressStatus, type IngressWithStatus } from './ingress-status.ts'
import { hasOtherReady, type OwnPod } from './replicas.ts'
import {
  addressFinding,
  contestedFinding,
  electionFinding,
  eventsFinding,
  refusedFinding,
} from './reporter-findings.ts'

/** For finding out whether to take the status away at the end, and doing it. */
const CLEAR_MS = 10_000
/** What was refused is tried again: rights may have been given meanwhile. */
const RETRY_MS = 60_000
/** An election that failed for less than this is nothing to talk about; one that has not failed for this long works. */
const ELECTION_REVIEW_MS = 15_000

export interface ClusterReporterOptions {
  readonly election: ElectionOptions
  readonly publish: Publish
  /** `sekisho.dev/ingress-controller`; in events, and the controller whose classes are ours. */
  readonly controllerClass: string
  /** Status also of Ingresses whose class another controller controls. */
  readonly updatesForeignStatus: boolean
  /** Undefined: this is no pod. */
  readonly pod: OwnPod | undefined
}

/** What is reported about: the provider. */
export type ReportedProvider = Pick<
  KubernetesIngressProvider,
  'addHandler' | 'addListener' | 'client' | 'get' | 'isServed'
>

export interface ReporterListener {
  /** What is wrong with writing; the whole list. */
  onFindings(findings: readonly Finding[]): void
  /** `''`: nobody leads. */
  onLeader?(identity: string, isUs: boolean): void
}

/** For metrics. */
export interface ReporterFacts {
  readonly isLeading: boolean
  readonly status: StatusFacts
  readonly events: EventFacts
}

const BY_KIND: ReadonlyMap<string, Resource> = new Map(
  [CONFIG_MAPS, INGRESS_CLASSES, INGRESSES, SECRETS, SERVICES].map((resource) => [resource.kind, resource]),
)

export class ClusterReporter {
  readonly #client: KubeClient
  readonly #provider: ReportedProvider
  readonly #options: ClusterReporterOptions
  readonly #listener: ReporterListener
  readonly #election: Election
  readonly #status: IngressStatus
  readonly #recorder: EventRecorder
  readonly #events: FindingEvents
  #addresses: AddressSource | undefined
  /** By what is wrong; in order of appearance. */
  readonly #problems = new Map<string, Finding>()
  /** Ingresses by what keeps their status from being written. */
  readonly #unwritten = { refused: new Map<string, KubeError>(), contested: new Set<string>() }
  #cancelRetry: (() => void) | undefined
  /** Timers.now of the first failure in a row; undefined: it works. */
  #electionFailingSince: number | undefined
  #cancelReview: (() => void) | undefined
  #ends: (() => void)[] = []

  constructor(provider: ReportedProvider, options: ClusterReporterOptions, listener: ReporterListener) {
    const { client } = provider
    this.#client = client
    this.#provider = provider
    this.#options = options
    this.#listener = listener
    this.#status = new IngressStatus(client, {
      current: (key) => provider.get(INGRESSES, key) as IngressWithStatus | undefined,
      isOurs: (key) => this.#isOurs(key),
      onError: (key, error) => {
        this.#unwritten.refused.set(key, error)
        this.#reportUnwritten()
        this.#cancelRetry ??= client.timers.after(RETRY_MS, () => void this.#retryRefused())
      },
      onContested: (key) => {
        this.#unwritten.contested.add(key)
        this.#reportUnwritten()
      },
    })
    const source = {
      controller: options.controllerClass,
      instance: options.pod?.name ?? options.election.identity,
    }
    this.#recorder = new EventRecorder(client, source, (error) => {
      // Events are a courtesy; only that they are not permitted is worth a word.
      if (error.code === 403) this.#problem('events', eventsFinding())
    })
    this.#events = new FindingEvents(this.#recorder, client.timers, (kind, key) => this.#find(kind, key))
    this.#election = new Election(client, options.election, {
      onStartedLeading: () => this.#lead(),
      onStoppedLeading: () => this.#follow(),
      onLeader: (identity) => {
        listener.onLeader?.(identity, identity === options.election.identity)
      },
      onError: (error) => this.#electionFailed(error),
    })
  }

  get facts(): ReporterFacts {
    return { isLeading: this.#election.isLeading, status: this.#status.facts, events: this.#recorder.facts }
  }

  /** Before the provider is started. */
  start(): void {
    this.#provider.addListener({
      onInForce: (served, dropped) => {
        for (const key of dropped) this.#dropped(key)
        for (const key of served) this.#status.served(key)
      },
      onFindings: (findings) => this.#events.report(findings),
    })
    this.#ends = [
      this.#provider.addHandler(INGRESSES, {
        onUpdate: (object) => this.#status.changed(keyOf(object)),
        onDelete: (object) => this.#gone(keyOf(object)),
      }),
      this.#provider.addHandler(INGRESS_CLASSES, { onBatchEnd: () => this.#status.review() }),
    ]
    this.#election.start()
  }

  /** Behind the end of the data plane, before the client is closed. Does not reject. */
  async stop(): Promise<void> {
    if (this.#election.isLeading) {
      const deadline = AbortSignal.timeout(CLEAR_MS)
      if (await this.#isLast(deadline)) await this.#status.clear(deadline)
    }
    for (const end of this.#ends) end()
    this.#cancelRetry?.()
    this.#cancelReview?.()
    await this.#election.stop()
    await Promise.all([this.#status.stop(), this.#recorder.stop(), this.#addresses?.stop()])
  }

  #lead(): void {
    const { publish, pod } = this.#options
    this.#addresses = new AddressSource(this.#client, publish, pod, {
      onAddresses: (addresses) => {
        this.#status.setAddresses(addresses)
        this.#status.activate()
      },
      onProblem: (problem) =>
        this.#problem('addresses', problem === null ? undefined : addressFinding(problem, publish)),
    })
    this.#addresses.start()
    this.#events.activate()
  }

  #follow(): void {
    this.#events.deactivate()
    this.#status.deactivate()
    void this.#addresses?.stop()
    this.#addresses = undefined
    this.#problem('addresses', undefined)
  }

  async #retryRefused(): Promise<void> {
    this.#cancelRetry = undefined
    const { refused } = this.#unwritten
    const keys = [...refused.keys()]
    refused.clear()
    this.#status.review(keys)
    await this.#status.idle()
    this.#reportUnwritten()
  }

  #electionFailed(error: KubeError): void {
    const { timers } = this.#client
    this.#electionFailingSince ??= timers.now()
    this.#cancelReview?.()
    this.#cancelReview = timers.after(ELECTION_REVIEW_MS, () => {
      this.#electionFailingSince = undefined
      this.#problem('election', undefined)
    })
    // Rights do not come back by themselves.
    if (error.code !== 403 && timers.now() - this.#electionFailingSince < ELECTION_REVIEW_MS) return
    const { namespace, name } = this.#options.election
    this.#problem('election', electionFinding(error, namespace, name))
  }

  #gone(key: string): void {
    this.#status.gone(key)
    this.#noLongerUnwritten(key)
  }

  #dropped(key: string): void {
    this.#status.dropped(key)
    this.#noLongerUnwritten(key)
  }

  #noLongerUnwritten(key: string): void {
    const isKnown = this.#unwritten.refused.delete(key) || this.#unwritten.contested.delete(key)
    if (isKnown) this.#reportUnwritten()
  }

  /** Not certain counts as no: a status that stays is better than one that is taken away from those who serve. */
  async #isLast(deadline: AbortSignal): Promise<boolean> {
    const { pod } = this.#options
    if (pod === undefined) return true
    try {
      return !(await hasOtherReady(this.#client, pod, deadline))
    } catch {
      return false
    }
  }

  /** A class that another controller controls, or that is not known, is not ours unless told so. */
  #isOurs(key: string): boolean {
    if (this.#options.updatesForeignStatus) return true
    const ingress = this.#provider.get(INGRESSES, key) as IngressObject | undefined
    if (ingress === undefined) return false
    const name = namedClass(ingress)
    if (name === '') return true
    const found = this.#provider.get(INGRESS_CLASSES, name) as IngressClassObject | undefined
    return found?.spec?.controller === this.#options.controllerClass
  }

  #find(kind: string, key: string): KubeObject | undefined {
    const resource = BY_KIND.get(kind)
    if (resource === undefined) return undefined
    const held: HeldObject | undefined = this.#provider.get(resource, key)
    if (held === undefined || (kind === 'Ingress' && !this.#provider.isServed(key))) return undefined
    return held
  }

  #reportUnwritten(): void {
    this.#problem('refused', refusedFinding(this.#unwritten.refused))
    this.#problem('contested', contestedFinding(this.#unwritten.contested))
  }

  #problem(key: string, problem: Finding | undefined): void {
    const before = this.#problems.get(key)
    if (before?.message === problem?.message && before?.object === problem?.object) return
    if (problem === undefined) this.#problems.delete(key)
    else this.#problems.set(key, problem)
    this.#listener.onFindings([...this.#problems.values()])
  }
}
