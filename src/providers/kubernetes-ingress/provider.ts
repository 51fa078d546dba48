/**
 * Provider `kubernetes-ingress`: the Ingresses of a cluster, translated as those of manifests are and under the same
 * names. Here source and translation are tied together, and whoever writes back to the cluster (status, events) learns
 * which Ingresses are served, what is wrong with them, and when every worker has them.
 */
import type { DynamicDelta, Provider, ProviderSink } from '#config/model/dynamic.ts'
import type { Finding } from '#config/model/finding.ts'
import type { KubeClient } from '#kube/client.ts'
import type { InformerHandler } from '#kube/informer.ts'
import type { Resource } from '#kube/resource.ts'
import type { Locality } from '#providers/kubernetes/locality.ts'
import type { ObjectChange } from '#providers/kubernetes/objects.ts'
import {
  KubernetesTranslator,
  type ServedChange,
  type Translation,
  type TranslatorOptions,
} from '#providers/kubernetes/translator.ts'
import type { FindingCode } from './finding-codes.ts'
import { ClusterSource, type ClusterSourceOptions } from './cluster-source.ts'
import type { HeldObject } from './held-object.ts'
import type { ResourceFacts } from './watched-resource.ts'

/** Behind the `@` of every name; the same as of manifests, so that a route keeps its name on its way to a cluster. */
export const PROVIDER_NAME = 'kubernetes'

export interface KubernetesIngressOptions {
  readonly source: ClusterSourceOptions
  readonly translator: Omit<TranslatorOptions, 'providerName' | 'secrets'>
}

/** Told in the order of registration; keys are `namespace/name` of Ingresses. */
export interface IngressListener {
  /**
   * Every worker has these Ingresses as they are now, or does not have those any more. First called behind the first
   * sync, with all. An Ingress that changed again since is told again.
   */
  onInForce?(served: readonly string[], dropped: readonly string[]): void
  /** The whole list, whenever it changed, from the first sync on. */
  onFindings?(findings: readonly Finding[]): void
}

const NO_FINDINGS: readonly Finding[] = []
const NO_CHANGE: ObjectChange = { set: [], remove: [] }

/** What was translated and is on its way to the workers. */
interface Step {
  served: ServedChange | undefined
  isInForce: boolean
}

export class KubernetesIngressProvider implements Provider {
  readonly name = PROVIDER_NAME
  readonly client: KubeClient
  readonly #source: ClusterSource
  readonly #translator: KubernetesTranslator
  readonly #listeners = new Set<IngressListener>()
  #sink: ProviderSink | undefined
  /** In order; the first is the oldest that is not in force. */
  readonly #steps: Step[] = []
  #sourceFindings: readonly Finding[] = NO_FINDINGS
  #ownFindings: readonly Finding[] = NO_FINDINGS
  /** By key of the object; another map when it changes. */
  #faults: ReadonlyMap<string, Finding> = new Map()
  #lastFaults = this.#faults
  /** Both, as they were reported. */
  #findings: readonly Finding[] = []
  #lastSource: readonly Finding[] = NO_FINDINGS
  #lastOwn: readonly Finding[] = NO_FINDINGS
  #hasSynced = false

  constructor(client: KubeClient, options: KubernetesIngressOptions) {
    this.client = client
    this.#source = new ClusterSource(client, options.source)
    this.#translator = new KubernetesTranslator({
      ...options.translator,
      providerName: PROVIDER_NAME,
      secrets: this.#source.demand,
    })
  }

  /** As of the last change. */
  get findings(): readonly Finding[] {
    return this.#findings
  }

  get hasSynced(): boolean {
    return this.#hasSynced
  }

  /** An object as it is held: an Ingress with its `status.loadBalancer` and resource version. */
  get(resource: Resource, key: string): HeldObject | undefined {
    return this.#source.get(resource, key)
  }

  values(resource: Resource): Iterable<HeldObject> {
    return this.#source.values(resource)
  }

  /** Follows a resource that the provider reads, changes of status included. The returned function ends it. */
  addHandler(resource: Resource, handler: InformerHandler<HeldObject>): () => void {
    return this.#source.addHandler(resource, handler)
  }

  /** Whether the Ingress `namespace/name` is translated: its class is served here. */
  isServed(key: string): boolean {
    return this.#translator.isServed(`Ingress/${key}`)
  }

  addListener(listener: IngressListener): void {
    this.#listeners.add(listener)
  }

  /** This replica turned out to run elsewhere than was known. */
  setLocality(locality: Locality): void {
    this.#translator.setLocality(locality)
    if (this.#sink !== undefined) this.#translate(this.#sink, NO_CHANGE, undefined)
  }

  facts(): readonly ResourceFacts[] {
    return this.#source.facts()
  }

  waitsFor(): string | undefined {
    return this.#source.waitsFor()
  }

  async start(sink: ProviderSink, signal: AbortSignal): Promise<void> {
    this.#sink = sink
    signal.addEventListener('abort', () => (this.#sink = undefined), { once: true })
    await this.#source.start((change, findings, receivedAt) => {
      this.#sourceFindings = findings
      if (change.set.length > 0 || change.remove.length > 0) this.#translate(sink, change, receivedAt)
      else this.#reportFindings(sink)
    }, signal)
    if (signal.aborted) return
    this.#hasSynced = true
    this.#reportFindings(sink)
    sink.synced()
  }

  /** A fault of ours must end neither what is served nor the other changes: then each object is taken by itself. */
  #translate(sink: ProviderSink, change: ObjectChange, receivedAt: number | undefined): void {
    let translations: readonly Translation[]
    try {
      translations = [this.#apply(change)]
    } catch {
      translations = [
        ...change.remove.map((key) => this.#applyOne(key, { set: [], remove: [key] })),
        ...change.set.map((sourced) => this.#applyOne(sourced.key, { set: [sourced], remove: [] })),
      ].filter((each) => each !== undefined)
    }
    for (const translation of translations) this.#hand(sink, translation, receivedAt)
    this.#reportFindings(sink)
  }

  #applyOne(key: string, change: ObjectChange): Translation | undefined {
    try {
      return this.#apply(change)
    } catch (error) {
      this.#faults = new Map(this.#faults).set(key, faultOf(key, error))
      return undefined
    }
  }

  #apply(change: ObjectChange): Translation {
    const translation = this.#translator.apply(change)
    this.#ownFindings = translation.findings
    if (this.#faults.size > 0) {
      const mended = new Set([...change.remove, ...change.set.map(({ key }) => key)])
      this.#faults = new Map([...this.#faults].filter(([key]) => !mended.has(key)))
    }
    return translation
  }

  #hand(sink: ProviderSink, { delta, served }: Translation, receivedAt: number | undefined): void {
    const hasDelta = !isEmpty(delta)
    if (!hasDelta && served === undefined) return
    const step: Step = { served, isInForce: !hasDelta }
    this.#steps.push(step)
    if (!hasDelta) this.#tellInForce()
    else {
      const onInForce = (): void => {
        step.isInForce = true
        this.#tellInForce()
      }
      sink.apply(delta, { receivedAt, onInForce })
    }
  }

  /** A step is told when those before it are, so that nobody hears of an older state later. */
  #tellInForce(): void {
    while (this.#steps[0]?.isInForce === true) {
      const { served } = this.#steps.shift()!
      if (served === undefined) continue
      const set = served.set.map(withoutKind)
      const remove = served.remove.map(withoutKind)
      for (const listener of this.#listeners) listener.onInForce?.(set, remove)
    }
  }

  /** Those of the translation only behind the first sync: before it something is always missing. */
  #reportFindings(sink: ProviderSink): void {
    const own = this.#hasSynced ? this.#ownFindings : NO_FINDINGS
    const isSame =
      this.#lastOwn === own && this.#lastSource === this.#sourceFindings && this.#lastFaults === this.#faults
    if (isSame) return
    this.#lastOwn = own
    this.#lastSource = this.#sourceFindings
    this.#lastFaults = this.#faults
    this.#findings = [...this.#sourceFindings, ...this.#faults.values(), ...own]
    sink.findings(this.#findings)
    if (this.#hasSynced) for (const listener of this.#listeners) listener.onFindings?.(this.#findings)
  }
}

function faultOf(key: string, error: unknown): Finding {
  const [kind = '', namespace = '', name = ''] = key.split('/')
  return {
    code: 'cluster-fault' satisfies FindingCode,
    severity: 'error',
    object: namespace === '' ? `${kind} ${name}` : `${kind} ${namespace}/${name}`,
    message: `cannot be translated, and what was in force before stays in force: internal error: ${String(error)}`,
    hint: 'please report it with the object',
  }
}

/** `Ingress/shop/web` is `shop/web`. */
function withoutKind(key: string): string {
  return key.slice(key.indexOf('/') + 1)
}

function isEmpty({ services, middlewares, routers, certificates }: DynamicDelta): boolean {
  return (
    services === undefined && middlewares === undefined && routers === undefined && certificates === undefined
  )
}
