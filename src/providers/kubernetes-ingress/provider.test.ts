import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { DynamicDelta, ProviderSink, StepFacts } from '#config/model/dynamic.ts'
import type { Finding } from '#config/model/finding.ts'
import { FakeApiServer } from '#kube/fake-api-server.fixture.ts'
import { Waiter } from '#net/transport/transport.fixture.ts'
import type { ObjectChange } from '#providers/kubernetes/objects.ts'
import { KubernetesTranslator, type TranslatorOptions } from '#providers/kubernetes/translator.ts'
import {
  CLASS_COLLECTION,
  classOf,
  CONFIG_MAP_COLLECTION,
  configMapOf,
  INGRESS_COLLECTION,
  ingressOf,
  SECRET_COLLECTION,
  secretOf,
  SERVICE_COLLECTION,
  serviceOf,
  SLICE_COLLECTION,
  sliceOf,
  WATCHES,
} from './cluster.fixture.ts'
import { KubernetesIngressProvider } from './provider.ts'
import { INGRESSES } from './resources.ts'

const CONTROLLER = 'sekisho.dev/ingress-controller'

/** A data plane that has a step in force when it is told to, at once by default. */
class Plane extends Waiter implements ProviderSink {
  readonly routers = new Set<string>()
  readonly servers = new Map<string, string>()
  readonly certificates = new Map<string, string>()
  steps: DynamicDelta[] = []
  lists: (readonly Finding[])[] = []
  isSynced = false
  isSlow = false
  receivedAt: number | undefined
  readonly #waiting: StepFacts[] = []

  apply(delta: DynamicDelta, facts: StepFacts): void {
    this.steps.push(delta)
    this.receivedAt = facts.receivedAt
    for (const { name } of delta.routers?.set ?? []) this.routers.add(name)
    for (const name of delta.routers?.remove ?? []) this.routers.delete(name)
    for (const { name, servers } of delta.services?.set ?? [])
      this.servers.set(name, servers.map(({ id }) => id).join(' '))
    for (const { name, certificate } of delta.certificates?.set ?? [])
      this.certificates.set(name, certificate)
    for (const name of delta.certificates?.remove ?? []) this.certificates.delete(name)
    if (this.isSlow) this.#waiting.push(facts)
    else facts.onInForce?.()
    this.happened()
  }

  findings(list: readonly Finding[]): void {
    this.lists.push(list)
    this.happened()
  }

  synced(): void {
    this.isSynced = true
    this.happened()
  }

  /** Has one of the steps that are on their way in force. */
  catchUp(index: number): void {
    this.#waiting[index]?.onInForce?.()
  }

  /** Routers and servers, in order of their names. */
  get text(): string {
    const servers = [...this.servers].map(([name, ids]) => `${name}=${ids}`)
    return [...servers, ...this.routers].toSorted().join(' ')
  }

  get codes(): string {
    return (this.lists.at(-1) ?? []).map(({ code, object }) => `${code}: ${object}`).join('; ')
  }
}

interface Bed {
  readonly server: FakeApiServer
  readonly plane: Plane
  readonly provider: KubernetesIngressProvider
  readonly started: Promise<void>
  /** `+shop/web -shop/old`, as listeners were told. */
  readonly told: string[]
}

async function bed(
  t: TestContext,
  before: (server: FakeApiServer) => void,
  translator: Partial<TranslatorOptions> = {},
): Promise<Bed> {
  const server = await new FakeApiServer().start()
  server.put(CLASS_COLLECTION, classOf('edge'))
  before(server)
  const provider = new KubernetesIngressProvider(server.client(), {
    source: { namespaces: [], servesClass: ({ spec }) => spec?.controller === CONTROLLER },
    translator: {
      classes: { kind: 'cluster', controller: CONTROLLER, isClasslessServed: false },
      isCluster: true,
      allowsExternalNames: false,
      backends: () => [],
      ...translator,
    },
  })
  const told: string[] = []
  provider.addListener({
    onInForce: (served, dropped) => {
      told.push([...served.map((key) => `+${key}`), ...dropped.map((key) => `-${key}`)].join(' '))
      plane.happened()
    },
  })
  const plane = new Plane()
  const abort = new AbortController()
  t.after(async () => {
    abort.abort()
    await server[Symbol.asyncDispose]()
  })
  return { server, plane, provider, started: provider.start(plane, abort.signal), told }
}

function web(server: FakeApiServer): void {
  server.put(SERVICE_COLLECTION, serviceOf('web'))
  server.put(SLICE_COLLECTION, sliceOf('web', ['10.0.0.1', '10.0.0.2']))
  server.put(INGRESS_COLLECTION, ingressOf('web', { className: 'edge' }))
}

describe('the provider', () => {
  it('serves the Ingresses of its classes under the names that manifests have', async (t) => {
    const { plane, provider, started, told } = await bed(t, (server) => {
      web(server)
      server.put(CLASS_COLLECTION, classOf('nginx', { controller: 'k8s.io/ingress-nginx' }))
      server.put(INGRESS_COLLECTION, ingressOf('foreign', { className: 'nginx' }))
      server.put(INGRESS_COLLECTION, ingressOf('classless'))
    })
    await started
    assert.equal(plane.isSynced, true)
    assert.equal([...plane.servers.keys()].join(), 'shop-web-80@kubernetes')
    assert.equal(plane.servers.get('shop-web-80@kubernetes'), '10.0.0.1:8080 10.0.0.2:8080')
    assert.equal(plane.routers.size, 1)
    assert.deepEqual(told, ['+shop/web'])
    assert.deepEqual(
      ['web', 'foreign', 'classless', 'none'].map((name) => provider.isServed(`shop/${name}`)),
      [true, false, false, false],
    )
  })

  it('has certificates before it is synced, and says nothing is missing before it knows', async (t) => {
    const { server, plane, started } = await bed(t, (server) => {
      web(server)
      server.put(INGRESS_COLLECTION, ingressOf('tls', { className: 'edge', service: 'web', secret: 'cert' }))
      server.put(SECRET_COLLECTION, secretOf('cert', 'PEM'))
    })
    await started
    assert.deepEqual([...plane.certificates.values()], ['PEM'])
    await server.watching(WATCHES)
    server.put(SECRET_COLLECTION, secretOf('late', 'LATE'))
    server.put(INGRESS_COLLECTION, ingressOf('late', { className: 'edge', service: 'web', secret: 'late' }))
    await plane.until(() => plane.certificates.size === 2, 'the second certificate')
    assert.ok(plane.lists.every((list) => list.every(({ code }) => code !== 'tls-secret-not-found')))
    server.put(INGRESS_COLLECTION, ingressOf('bare', { className: 'edge', service: 'web', secret: 'none' }))
    await plane.until(() => plane.codes.includes('tls-secret-not-found'), 'the finding')
    const found = plane.lists.at(-1)?.find(({ code }) => code === 'tls-secret-not-found')
    assert.deepEqual(
      [found?.object, found?.field, found?.place],
      ['Ingress shop/bare', 'spec.tls[0].secretName', undefined],
    )
    server.put(SECRET_COLLECTION, secretOf('none', 'NONE'))
    await plane.until(() => !plane.codes.includes('tls-secret-not-found'), 'the end of the finding')
    server.remove(INGRESS_COLLECTION, 'shop', 'bare')
    await plane.until(
      () => !plane.routers.has('shop-bare-bare-example@kubernetes') && plane.certificates.size === 2,
      'its end',
    )
  })

  it('hands on a change of endpoints as nothing but a service, with when it came', async (t) => {
    const { server, plane, started } = await bed(t, web)
    await started
    await server.watching(WATCHES)
    plane.steps = []
    const before = performance.now()
    server.put(SLICE_COLLECTION, sliceOf('web', ['10.0.0.3']))
    await plane.until(() => plane.steps.length > 0, 'the change')
    assert.deepEqual(Object.keys(plane.steps[0]!), ['services'])
    assert.equal(plane.servers.get('shop-web-80@kubernetes'), '10.0.0.3:8080')
    assert.ok(
      plane.receivedAt !== undefined && plane.receivedAt > before && plane.receivedAt < performance.now(),
    )
  })

  it('tells when every worker has an Ingress, older steps first', async (t) => {
    const { server, plane, provider, started, told } = await bed(t, web)
    await started
    await server.watching(WATCHES)
    plane.isSlow = true
    plane.steps = []
    told.length = 0
    server.put(INGRESS_COLLECTION, ingressOf('a', { className: 'edge', service: 'web' }))
    await plane.until(() => plane.steps.length === 1, 'the first step')
    server.remove(INGRESS_COLLECTION, 'shop', 'web')
    await plane.until(() => plane.steps.length === 2, 'the second step')
    // Changes nothing in the data plane, and yet it must not overtake.
    server.put(
      INGRESS_COLLECTION,
      ingressOf('a', { className: 'edge', service: 'web', annotations: { x: 'y' } }),
    )
    server.put(SERVICE_COLLECTION, { ...serviceOf('web'), spec: { type: 'ClusterIP', ports: [] } })
    await plane.until(
      () => provider.get(INGRESSES, 'shop/a')?.metadata.annotations !== undefined && plane.steps.length === 3,
      'the third step',
    )
    plane.catchUp(1)
    assert.deepEqual(told, [])
    plane.catchUp(0)
    assert.deepEqual(told, ['+shop/a', '-shop/web', '+shop/a'])
  })

  it('tells an Ingress that ceases to be ours', async (t) => {
    const { server, plane, started, told, provider } = await bed(t, (server) => {
      web(server)
      server.put(INGRESS_COLLECTION, ingressOf('a', { className: 'edge', service: 'web' }))
    })
    await started
    await server.watching(WATCHES)
    told.length = 0
    server.put(INGRESS_COLLECTION, ingressOf('a', { className: 'other', service: 'web' }))
    await plane.until(() => told.length === 1, 'that it is dropped')
    server.remove(CLASS_COLLECTION, '', 'edge')
    await plane.until(() => told.length === 2, 'that the other is dropped')
    assert.deepEqual(told, ['-shop/a', '-shop/web'])
    assert.equal(provider.isServed('shop/web'), false)
    assert.equal(plane.routers.size, 0)
  })

  it('says at once what is wrong although nothing else changes, and when it is mended', async (t) => {
    const { server, plane, started } = await bed(t, web)
    await started
    await server.watching(WATCHES)
    const broken = ingressOf('web', { className: 'edge' })
    server.put(INGRESS_COLLECTION, { ...broken, spec: { ingressClassName: 'edge', rules: 'none' } })
    await plane.until(() => plane.codes === 'cluster-object: Ingress shop/web', 'the finding')
    assert.equal(plane.routers.size, 1, 'the last good version is served')
    server.put(INGRESS_COLLECTION, broken)
    await plane.until(() => plane.codes === '', 'the end of the finding')
  })

  it('goes on when an object leads to a fault, and says which', async (t) => {
    const { server, plane, started } = await bed(t, web)
    await started
    await server.watching(WATCHES)
    const real: KubernetesTranslator['apply'] = Reflect.get(KubernetesTranslator.prototype, 'apply')
    const mock = t.mock.method(
      KubernetesTranslator.prototype,
      'apply',
      function (this: KubernetesTranslator, change: ObjectChange) {
        if (change.set.some(({ key }) => key === 'Ingress/shop/poison')) throw new Error('a fault')
        return real.call(this, change)
      },
    )
    server.put(INGRESS_COLLECTION, ingressOf('poison', { className: 'edge', service: 'web' }))
    server.put(INGRESS_COLLECTION, ingressOf('good', { className: 'edge', service: 'web' }))
    await plane.until(() => plane.routers.has('shop-good-good-example@kubernetes'), 'the other one')
    assert.equal(plane.codes, 'cluster-fault: Ingress shop/poison')
    mock.mock.restore()
    server.remove(INGRESS_COLLECTION, 'shop', 'poison')
    await plane.until(() => plane.codes === '', 'the end of the finding')
  })

  it('follows where it runs', async (t) => {
    const { plane, started, provider } = await bed(
      t,
      (server) => {
        web(server)
        const slice = sliceOf('web', ['10.0.0.1', '10.0.0.2'])
        const [one, two] = slice['endpoints'] as { hints?: unknown }[]
        one!.hints = { forZones: [{ name: 'zone-a' }] }
        two!.hints = { forZones: [{ name: 'zone-b' }] }
        server.put(SLICE_COLLECTION, slice)
      },
      { locality: { nodeName: 'node-1' } },
    )
    await started
    assert.equal(plane.servers.get('shop-web-80@kubernetes'), '10.0.0.1:8080 10.0.0.2:8080')
    provider.setLocality({ nodeName: 'node-1', zone: 'zone-b' })
    assert.equal(plane.servers.get('shop-web-80@kubernetes'), '10.0.0.2:8080')
  })

  it('takes the parameters of a class', async (t) => {
    const { plane, started } = await bed(t, (server) => {
      web(server)
      const parameters = { kind: 'ConfigMap', name: 'edge', namespace: 'gateway', scope: 'Namespace' }
      server.put(CLASS_COLLECTION, classOf('edge', { parameters }))
      server.put(CONFIG_MAP_COLLECTION, configMapOf('edge', 'gateway', { 'proxy-read-timeout': '7' }))
    })
    await started
    assert.equal(plane.codes, '')
    const service = plane.steps.flatMap((delta) => delta.services?.set ?? []).at(-1)
    assert.equal(service?.timeouts.readMs, 7000)
  })

  it('has the same configuration as a fresh one, whatever happened before', async (t) => {
    const { server, plane, started } = await bed(t, web)
    await started
    await server.watching(WATCHES)
    server.put(INGRESS_COLLECTION, ingressOf('x', { className: 'edge', service: 'web' }))
    server.compact()
    server.cutWatches()
    server.put(SLICE_COLLECTION, sliceOf('web', ['10.0.0.9']))
    server.remove(INGRESS_COLLECTION, 'shop', 'x')
    server.put(INGRESS_COLLECTION, ingressOf('y', { className: 'edge', service: 'web' }))
    const fresh = await bed(t, (other) => {
      for (const collection of [SERVICE_COLLECTION, SLICE_COLLECTION, INGRESS_COLLECTION])
        for (const object of server.all(collection)) other.put(collection, object)
    })
    await fresh.started
    assert.equal(
      fresh.plane.text,
      'shop-web-80@kubernetes=10.0.0.9:8080 shop-web-web-example@kubernetes shop-y-y-example@kubernetes',
    )
    await plane.until(() => plane.text === fresh.plane.text, 'the same configuration')
  })
})
