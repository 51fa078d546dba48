/**
 * Taking classes over from another controller that goes on running: which Ingresses are served, and who writes their
 * status. The other controller is a gateway in its role: it controls the class `nginx`.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { KubeObject } from '#kube/objects.ts'
import type { ObjectName } from '#kube/resource.ts'
import { ask } from './ask.ts'
import { applyChart, type ChartOptions } from './chart-install.ts'
import { Cluster } from './cluster.ts'
import { echo, ECHO_PORT, echoOf } from './echo.ts'
import { GatewayReplicas } from './gateway-replicas.ts'
import { INGRESSES } from './resources.ts'

const NAMESPACE = 'shop'
const WRITTEN = 'sekisho_kube_status_writes_total{result="written"}'
/** Writes of two controllers to one status, until one of them leaves it alone. */
const MAX_QUARREL = 10

interface IngressObject extends KubeObject {
  readonly spec: { readonly ingressClassName?: string }
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] }
  }
}

const ADDRESSES = {
  rival: '198.51.100.1',
  guest: '203.0.113.1',
  traefik: '203.0.113.2',
  plain: '203.0.113.3',
} as const
type ReleaseName = keyof typeof ADDRESSES
type Values = NonNullable<ChartOptions['values']>

const RELEASES: Readonly<Record<ReleaseName, Values>> = {
  rival: { 'controller.controllerClass': 'k8s.io/ingress-nginx', 'ingressClass.name': 'nginx' },
  guest: { 'controller.ingressClass': 'nginx', 'ingressClass.create': false },
  traefik: { 'controller.ingressClass': 'traefik', 'ingressClass.create': false },
  plain: { 'controller.watchIngressWithoutClass': true },
}

describe('taking classes over', { timeout: 300_000 }, () => {
  let cluster: Cluster
  const workloads = {} as Record<ReleaseName, ObjectName>
  const replicas = {} as Record<ReleaseName, GatewayReplicas>
  let untouched: IngressObject

  /** Resolves when the replica of these values is the only one. */
  const install = async (name: ReleaseName, values: Values = {}): Promise<void> => {
    const workload = await applyChart(cluster, {
      namespace: name,
      values: {
        replicas: 1,
        workers: 1,
        'lifeCycle.acceptSeconds': 1,
        'status.publishAddresses': `{${ADDRESSES[name]}}`,
        ...RELEASES[name],
        ...values,
      },
    })
    workloads[name] = workload
    replicas[name] = new GatewayReplicas(cluster, workload)
    await cluster.objects.waitForDeployment(workload)
    await replicas[name].leader()
  }

  before(async () => {
    cluster = await Cluster.start({ nodes: 2 })
    await cluster.objects.createNamespace(NAMESPACE)
    await cluster.objects.apply(echo(NAMESPACE, 'web'))
    await Promise.all([
      install('rival'),
      cluster.objects.waitForDeployment({ namespace: NAMESPACE, name: 'web' }),
    ])
    await cluster.objects.apply([ingress('one', 'nginx')])
    untouched = await hasStatus('one', 'rival')
    await Promise.all([install('guest'), install('traefik'), install('plain')])
  })
  after(() => cluster?.stop())

  const get = (name: string): Promise<IngressObject> =>
    cluster.client.get<IngressObject>(INGRESSES, { namespace: NAMESPACE, name })

  const statusOf = ({ status }: IngressObject): string =>
    (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip).join()

  const hasStatus = (name: string, release: ReleaseName): Promise<IngressObject> =>
    cluster.objects.waitFor<IngressObject>(
      INGRESSES,
      { namespace: NAMESPACE, name },
      (object) => statusOf(object) === ADDRESSES[release],
    )

  /** What a release answers to a request for the host of an Ingress. */
  const answerOf = async (release: ReleaseName, host: string, path = '/'): Promise<number> => {
    const [pod] = await replicas[release].pods()
    const { status, body } = await ask({ address: pod?.status?.podIP ?? '', host: `${host}.example`, path })
    if (status === 200) assert.equal(echoOf(body).service, 'web')
    return status
  }

  const serves = (release: ReleaseName, host: string): Promise<boolean> =>
    cluster.objects.until(`${release} serves ${host}`, async () => (await answerOf(release, host)) === 200)

  const written = async (release: ReleaseName): Promise<number> =>
    replicas[release].metric(await replicas[release].leader(), WRITTEN)

  it('serves the class beside its controller, with the habits that it is known for', async () => {
    await serves('guest', 'one')
    await serves('rival', 'one')
    // Within an element, as ingress-nginx reads ImplementationSpecific.
    assert.equal(await answerOf('guest', 'one', '/partly'), 200)
  })

  it('leaves the status to its controller', async () => {
    await cluster.objects.apply([ingress('two', 'nginx')])
    await hasStatus('two', 'rival')
    await serves('guest', 'two')
    const { metadata } = await get('one')
    assert.equal(metadata.resourceVersion, untouched.metadata.resourceVersion)
    assert.equal(await written('guest'), 0)
    assert.doesNotMatch(await replicas.guest.log(), / (WRN|ERR) /)
  })

  it('serves no other class', async () => {
    await cluster.objects.apply([ingress('other', 'sekisho')])
    await serves('plain', 'other')
    assert.equal(await answerOf('guest', 'other'), 404)
    assert.equal(await answerOf('traefik', 'other'), 404)
    assert.equal(await answerOf('rival', 'other'), 404)
    await hasStatus('other', 'plain')
  })

  it('serves a class that no IngressClass describes, named by the annotation, and leaves its status alone', async () => {
    await cluster.objects.apply([
      ingress('old', undefined, { 'kubernetes.io/ingress.class': 'traefik' }),
      ingress('unknown', undefined, { 'kubernetes.io/ingress.class': 'haproxy' }),
    ])
    await serves('traefik', 'old')
    for (const release of ['rival', 'guest', 'plain'] as const)
      assert.equal(await answerOf(release, 'old'), 404)
    assert.equal(await answerOf('traefik', 'unknown'), 404)
    assert.equal(statusOf(await get('old')), '')
    assert.equal(await written('traefik'), 0)
  })

  it('writes the status of such a class where it is told to', async () => {
    await install('traefik', { 'status.updateForeignClass': true })
    await hasStatus('old', 'traefik')
    assert.equal(statusOf(await get('unknown')), '')
  })

  it('serves Ingresses without a class only where it is told to', async () => {
    await cluster.objects.apply([ingress('bare', undefined)])
    await serves('plain', 'bare')
    await hasStatus('bare', 'plain')
    for (const release of ['rival', 'guest', 'traefik'] as const)
      assert.equal(await answerOf(release, 'bare'), 404)
  })

  it('serves what the API server has given the default class', async () => {
    await cluster.kubectl([
      'annotate',
      'ingressclass/nginx',
      'ingressclass.kubernetes.io/is-default-class=true',
    ])
    // The API server follows classes as everybody does.
    await cluster.objects.until('the class is the default', async () => {
      await cluster.objects.delete([ingress('defaulted', undefined)])
      await cluster.objects.apply([ingress('defaulted', undefined)])
      return (await get('defaulted')).spec.ingressClassName === 'nginx'
    })
    await serves('rival', 'defaulted')
    await serves('guest', 'defaulted')
    await hasStatus('defaulted', 'rival')
    assert.equal(await answerOf('plain', 'defaulted'), 404)
    // One that was there before has no class.
    assert.equal((await get('bare')).spec.ingressClassName, undefined)
    assert.equal(await answerOf('guest', 'bare'), 404)
    await hasStatus('bare', 'plain')
  })

  it('quarrels with the controller for the status only for a moment, and says so', async (t) => {
    const before = await written('rival')
    await install('guest', { 'status.updateForeignClass': true })
    const contested = /finding=status-contested/
    await cluster.objects.until('one of both leaves the status alone', async () =>
      (await Promise.all([replicas.guest.log(), replicas.rival.log()])).some((log) => contested.test(log)),
    )
    // Whoever was not the first to give in writes once more at most; Ingresses made later have quarrels of their own.
    const names = ['one', 'two', 'defaulted']
    let last = ''
    const state = await cluster.objects.until('nothing is written any more', async () => {
      const now = await Promise.all([written('guest'), written('rival')])
      const versions = (await Promise.all(names.map(get))).map(({ metadata }) => metadata.resourceVersion)
      const text = JSON.stringify([now, versions])
      const isSame = text === last
      last = text
      return isSame && now
    })
    const [ours, theirs] = [state[0] ?? 0, (state[1] ?? 0) - before]
    t.diagnostic(`${names.length} Ingresses: we wrote ${ours} times, the controller ${theirs} times`)
    assert.ok(ours > 0)
    assert.ok(ours + theirs <= MAX_QUARREL * names.length, `${ours} and ${theirs} writes`)
    for (const name of names) {
      const left = statusOf(await get(name))
      assert.ok([ADDRESSES.guest, ADDRESSES.rival].includes(left as '203.0.113.1'), left)
      await serves('guest', name)
      await serves('rival', name)
    }
  })
})

function ingress(name: string, ingressClassName: string | undefined, annotations: object = {}): object {
  const backend = { service: { name: 'web', port: { number: ECHO_PORT } } }
  const paths = [
    { path: '/', pathType: 'Exact', backend },
    { path: '/part', pathType: 'ImplementationSpecific', backend },
  ]
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { namespace: NAMESPACE, name, annotations },
    spec: {
      ...(ingressClassName === undefined ? {} : { ingressClassName }),
      rules: [{ host: `${name}.example`, http: { paths } }],
    },
  }
}
