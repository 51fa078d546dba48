/** For tests: a provider in small over a fake API server, whose translation and data plane are what the test says. */
import type { Finding } from '#config/model/finding.ts'
import type { KubeClient } from '#kube/client.ts'
import type { FakeApiServer, FakeObject } from '#kube/fake-api-server.fixture.ts'
import { Informer, type InformerHandler } from '#kube/informer.ts'
import type { Resource } from '#kube/resource.ts'
import type { HeldObject } from '../held-object.ts'
import type { IngressListener } from '../provider.ts'
import { INGRESS_CLASSES, INGRESSES, SERVICES } from '../resources.ts'
import { ClusterReporter, type ClusterReporterOptions, type ReportedProvider } from './cluster-reporter.ts'

export const INGRESS_COLLECTION = 'apis/networking.k8s.io/v1/ingresses'
export const CLASS_COLLECTION = 'apis/networking.k8s.io/v1/ingressclasses'
export const EVENT_COLLECTION = 'apis/events.k8s.io/v1/events'
export const LEASE_COLLECTION = 'apis/coordination.k8s.io/v1/leases'
export const SERVICE_COLLECTION = 'api/v1/services'
export const POD_COLLECTION = 'api/v1/pods'
export const NODE_COLLECTION = 'api/v1/nodes'
export const CONTROLLER = 'sekisho.dev/ingress-controller'

export class ProviderDouble implements ReportedProvider {
  readonly client: KubeClient
  /** Keys that `isServed` says no to. */
  readonly unserved = new Set<string>()
  readonly #informers = new Map<Resource, Informer<HeldObject>>()
  readonly #listeners: IngressListener[] = []

  constructor(client: KubeClient) {
    this.client = client
    for (const resource of [INGRESSES, INGRESS_CLASSES, SERVICES])
      this.#informers.set(resource, new Informer<HeldObject>(client, { resource }))
  }

  async start(): Promise<void> {
    for (const informer of this.#informers.values()) informer.start()
    await Promise.all([...this.#informers.values()].map((informer) => informer.synced))
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#informers.values()].map((informer) => informer.stop()))
  }

  get(resource: Resource, key: string): HeldObject | undefined {
    return this.#informers.get(resource)?.store.get(key)
  }

  isServed(key: string): boolean {
    return !this.unserved.has(key)
  }

  addHandler(resource: Resource, handler: InformerHandler<HeldObject>): () => void {
    return this.#informers.get(resource)!.addHandler(handler)
  }

  addListener(listener: IngressListener): void {
    this.#listeners.push(listener)
  }

  /** Every worker has these, and those not any more. */
  inForce(served: readonly string[], dropped: readonly string[] = []): void {
    for (const listener of this.#listeners) listener.onInForce?.(served, dropped)
  }

  found(...findings: readonly Finding[]): void {
    for (const listener of this.#listeners) listener.onFindings?.(findings)
  }
}

/** One replica. */
export class Replica implements AsyncDisposable {
  readonly provider: ProviderDouble
  readonly reporter: ClusterReporter
  findings: readonly Finding[] = []
  leader = ''

  constructor(server: FakeApiServer, name: string, options: Partial<ClusterReporterOptions> = {}) {
    this.provider = new ProviderDouble(server.client())
    this.reporter = new ClusterReporter(
      this.provider,
      {
        election: {
          namespace: 'gw',
          name: 'leader',
          identity: name,
          leaseDurationMs: 1500,
          renewDeadlineMs: 1000,
          retryPeriodMs: 100,
        },
        publish: { kind: 'addresses', addresses: [{ ip: '192.0.2.1' }] },
        controllerClass: CONTROLLER,
        updatesForeignStatus: false,
        pod: undefined,
        ...options,
      },
      {
        onFindings: (findings) => {
          this.findings = findings
          server.happened()
        },
        onLeader: (identity) => {
          this.leader = identity
          server.happened()
        },
      },
    )
  }

  async start(): Promise<this> {
    this.reporter.start()
    await this.provider.start()
    return this
  }

  async stop(): Promise<void> {
    await this.reporter.stop()
    await this.provider.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

export function ingressClass(name: string, controller = CONTROLLER): FakeObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name },
    spec: { controller },
  }
}

export function classIngress(name: string, className = 'sekisho', ...ips: readonly string[]): FakeObject {
  const loadBalancer = ips.length === 0 ? {} : { ingress: ips.map((ip) => ({ ip })) }
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace: 'shop' },
    spec: { ingressClassName: className },
    status: { loadBalancer },
  }
}

/** What the status of an Ingress says: `['192.0.2.1']`. */
export function published(server: FakeApiServer, name: string): readonly string[] {
  const object = server.objects.get(INGRESS_COLLECTION)?.get(`shop/${name}`)
  const status = object?.['status'] as
    | { loadBalancer?: { ingress?: readonly { ip?: string; hostname?: string }[] } }
    | undefined
  return (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? '')
}
