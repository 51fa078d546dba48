/** What a gateway writes into its cluster: status of Ingresses and events, by whom, and what it leaves alone. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { KubeObject } from '#kube/objects.ts'
import type { ObjectName } from '#kube/resource.ts'
import { Authority } from './authority.ts'
import { applyChart } from './chart-install.ts'
import { Cluster } from './cluster.ts'
import type { PodObject } from './cluster-objects.ts'
import { echo, ECHO_PORT } from './echo.ts'
import { GatewayReplicas } from './gateway-replicas.ts'
import { INGRESSES, resource, SERVICES } from './resources.ts'

const NAMESPACE = 'shop'
const EVENTS = resource('events.k8s.io/v1', 'Event')
const WRITTEN = 'sekisho_kube_status_writes_total{result="written"}'
const UNCHANGED = 'sekisho_kube_status_writes_total{result="unchanged"}'
/** Longer than a Lease lasts. */
const TAKEOVER_MS = 40_000
/** A rival that undoes every write ends the quarrel by this many. */
const MAX_ROUNDS = 20

interface Published {
  readonly ip?: string
  readonly hostname?: string
}
interface IngressObject extends KubeObject {
  readonly spec: { readonly ingressClassName?: string }
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly Published[] } }
}
interface EventObject extends KubeObject {
  readonly reason: string
  readonly note: string
  readonly reportingController: string
  readonly reportingInstance: string
  readonly regarding: { readonly kind: string; readonly name: string }
}

/** Each is a release of its own, with a class of its own. */
const RELEASES = {
  service: { replicas: 2 },
  given: { replicas: 1, 'status.publishAddresses': '{lb.example.com,203.0.113.9,2001:db8::9}' },
  nodes: { replicas: 2, 'status.publishService': false },
} as const
type ReleaseName = keyof typeof RELEASES
const NAMES = Object.keys(RELEASES) as ReleaseName[]

describe('what a gateway writes into its cluster', { timeout: 300_000 }, () => {
  let cluster: Cluster
  let serviceAddresses: readonly string[] = []
  const workloads = {} as Record<ReleaseName, ObjectName>
  const replicas = {} as Record<ReleaseName, GatewayReplicas>

  before(async () => {
    cluster = await Cluster.start({ nodes: 2 })
    await cluster.objects.createNamespace(NAMESPACE)
    await cluster.objects.apply(echo(NAMESPACE, 'web'))
    for (const name of NAMES) {
      const workload = await applyChart(cluster, {
        namespace: name,
        values: {
          'ingressClass.name': name,
          'controller.controllerClass': `example.com/${name}`,
          'lifeCycle.acceptSeconds': 1,
          workers: 1,
          ...RELEASES[name],
        },
      })
      workloads[name] = workload
      replicas[name] = new GatewayReplicas(cluster, workload)
    }
    serviceAddresses = await cluster.expose(workloads.service)
    await Promise.all(NAMES.map((name) => cluster.objects.waitForDeployment(workloads[name])))
    for (const name of NAMES) await cluster.objects.apply([ingress(name, name)])
  })
  after(() => cluster?.stop())

  const published = async (name: string): Promise<readonly Published[]> => {
    const object = await cluster.client.get<IngressObject>(INGRESSES, { namespace: NAMESPACE, name })
    return object.status?.loadBalancer?.ingress ?? []
  }

  const isPublished = (
    name: string,
    expected: readonly Published[],
    timeoutMs?: number,
  ): Promise<IngressObject> =>
    cluster.objects.waitFor<IngressObject>(
      INGRESSES,
      { namespace: NAMESPACE, name },
      ({ status }) => JSON.stringify(status?.loadBalancer?.ingress ?? []) === JSON.stringify(expected),
      timeoutMs,
    )

  const scale = (name: ReleaseName, count: number): Promise<unknown> => {
    const { namespace = '' } = workloads[name]
    const flags = ['--namespace', namespace, `--replicas=${count}`]
    return cluster.kubectl(['scale', ...flags, `deployment/${workloads[name].name}`])
  }

  const events = async (name: string): Promise<readonly EventObject[]> => {
    const { items } = await cluster.client.list<EventObject>(EVENTS, { namespace: NAMESPACE })
    return items.filter(({ regarding }) => regarding.kind === 'Ingress' && regarding.name === name)
  }

  it('publishes the addresses of its Service, of both families, and follows them', async () => {
    assert.equal(serviceAddresses.length, 2)
    await isPublished(
      'service',
      serviceAddresses.map((ip) => ({ ip })),
    )
    const changed = [{ hostname: 'balancer.example.com' }]
    const status = (list: readonly Published[]) => ({ status: { loadBalancer: { ingress: list } } })
    const write = (list: readonly Published[]) =>
      cluster.client.patch(SERVICES, workloads.service, 'merge', status(list), { subresource: 'status' })
    await write(changed)
    await isPublished('service', changed)
    await write(serviceAddresses.map((ip) => ({ ip })))
    await isPublished(
      'service',
      serviceAddresses.map((ip) => ({ ip })),
    )
    const text = await cluster.kubectl(['--namespace', NAMESPACE, 'get', 'ingress', 'service'])
    assert.ok(text.includes(serviceAddresses.join(',')), text)
  })

  it('publishes the addresses that it is given', async () => {
    await isPublished('given', [{ ip: '203.0.113.9' }, { ip: '2001:db8::9' }, { hostname: 'lb.example.com' }])
  })

  it('publishes the addresses of the nodes that run ready replicas, as these come and go', async () => {
    const addressesOf = (pods: readonly PodObject[]) => {
      const nodes = cluster.nodes.filter(({ name }) => pods.some(({ spec }) => spec.nodeName === name))
      const all = nodes.flatMap(({ addresses }) => addresses)
      const sorted = [...all.filter((ip) => !ip.includes(':')), ...all.filter((ip) => ip.includes(':'))]
      return sorted.map((ip) => ({ ip }))
    }
    const both = await replicas.nodes.pods()
    assert.equal(addressesOf(both).length, 4, 'the replicas are on two nodes')
    await isPublished('nodes', addressesOf(both))
    await scale('nodes', 1)
    await cluster.objects.waitForDeployment(workloads.nodes)
    const one = await replicas.nodes.pods()
    assert.equal(addressesOf(one).length, 2)
    await isPublished('nodes', addressesOf(one))
  })

  it('is written by the replica that leads, and by no other', async () => {
    const leader = await replicas.service.leader()
    const others = (await replicas.service.pods()).filter(
      ({ metadata }) => metadata.name !== leader.metadata.name,
    )
    assert.equal(others.length, 1)
    for (const other of others) {
      assert.equal(await replicas.service.metric(other, WRITTEN), 0)
      assert.equal(await replicas.service.metric(other, 'sekisho_kube_events_total{result="written"}'), 0)
    }
    assert.ok((await replicas.service.metric(leader, WRITTEN)) >= 3)
  })

  describe('about objects that are wrong', () => {
    const issuer = new Authority('events')
    const [mine, other] = [issuer.server('a', ['tls.example']), issuer.server('b', ['tls.example'])]
    const garbage = 'VERY-SECRET-GARBAGE'
    const tls = (secretName: string) => ({ tls: [{ hosts: ['tls.example'], secretName }] })
    const wrong: readonly (readonly [name: string, spec: object, reason: string, note: RegExp])[] = [
      ['missing-service', rules('a', 'nobody'), 'ServiceNotFound', /nobody/],
      ['missing-port', rules('b', 'web', 4711), 'ServicePortNotFound', /4711/],
      ['missing-secret', { ...rules('c'), ...tls('nothing') }, 'TlsSecretNotFound', /nothing/],
      ['garbage-secret', { ...rules('d'), ...tls('garbage') }, 'TlsSecret', /garbage/],
      ['mixed-secret', { ...rules('e'), ...tls('mixed') }, 'TlsSecret', /mixed/],
      ['opaque-secret', { ...rules('f'), ...tls('opaque') }, 'TlsSecret', /opaque/],
      ['younger', rules('older'), 'IngressConflict', /older/],
      ['resource-backend', resourceRule('g'), 'IngressBackend', /StorageBucket|resource/],
    ]
    let described: Record<string, string> = {}

    before(async () => {
      const secret = (name: string, type: string, certificate: string, key: string) => ({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { namespace: NAMESPACE, name },
        type,
        stringData: { 'tls.crt': certificate, 'tls.key': key },
      })
      await cluster.objects.apply([
        secret('garbage', 'kubernetes.io/tls', garbage, garbage),
        secret('mixed', 'kubernetes.io/tls', mine.certificate, other.key),
        secret('opaque', 'Opaque', mine.certificate, garbage),
        ingress('older', 'service', rules('older')),
      ])
      await isPublished(
        'older',
        serviceAddresses.map((ip) => ({ ip })),
      )
      await cluster.objects.apply(wrong.map(([name, spec]) => ingress(name, 'service', spec)))
      described = Object.fromEntries(
        await Promise.all(
          wrong.map(async ([name, , reason]) => {
            await cluster.objects.until(`${name} has an event ${reason}`, async () => {
              const found = await events(name)
              if (found.some((event) => event.reason === reason)) return true
              throw new Error(`it has ${JSON.stringify(found.map((event) => [event.reason, event.note]))}`)
            })
            return [
              name,
              await cluster.kubectl(['--namespace', NAMESPACE, 'describe', 'ingress', name]),
            ] as const
          }),
        ),
      )
    })

    for (const [name, , reason, note] of wrong) {
      it(`kubectl describe says ${reason} of ${name}`, () => {
        const text = described[name] ?? ''
        const line = text.split('\n').find((each) => each.includes(` ${reason} `)) ?? ''
        assert.match(line, /Warning/, text)
        assert.match(line, note)
      })
    }

    it('has no event about what is as it should be', async () => {
      for (const name of ['service', 'older']) assert.deepEqual(await events(name), [])
    })

    it('was said by the leader, in the name of the controller', async () => {
      const { metadata } = await replicas.service.leader()
      for (const [name] of wrong)
        for (const { reportingController, reportingInstance } of await events(name))
          assert.deepEqual([reportingController, reportingInstance], ['example.com/service', metadata.name])
    })

    it('tells nobody anything of what a Secret holds', async () => {
      const said = [
        JSON.stringify((await cluster.client.list<EventObject>(EVENTS)).items),
        ...(await Promise.all(NAMES.map((name) => replicas[name].log()))),
        ...(await Promise.all((await replicas.service.pods()).map((pod) => replicas.service.metrics(pod)))),
        ...(await Promise.all(
          (await replicas.service.pods()).flatMap((pod) =>
            ['/ready', '/debug/config-hash'].map((path) => replicas.service.internal(pod, path)),
          ),
        )),
      ].join('\n')
      assert.match(said, /garbage-secret/)
      for (const text of [garbage, mine.key, other.key, mine.certificate])
        for (const form of [...pemLines(text), Buffer.from(text).toString('base64').slice(0, 60)])
          assert.ok(!said.includes(form), form)
    })
  })

  it('leaves a status alone that somebody else keeps rewriting, and reports that', async (t) => {
    const name = 'contested'
    await cluster.objects.apply([ingress(name, 'service', rules(name))])
    const ours = JSON.stringify(serviceAddresses.map((ip) => ({ ip })))
    const theirs = [{ hostname: 'rival.example.com' }]
    const body = { status: { loadBalancer: { ingress: theirs } } }
    let rounds = 0
    const isReported = replicas.service.logged(/finding=status-contested.*shop\/contested/)
    const over = new AbortController()
    const end = () => over.abort()
    isReported.then(end, end)
    const rival = () =>
      cluster.client.patch(INGRESSES, { namespace: NAMESPACE, name }, 'merge', body, {
        subresource: 'status',
      })
    // The rival: whenever the status is ours it writes its own.
    while (rounds < MAX_ROUNDS) {
      await cluster.objects.until(
        'the status is ours, or left alone',
        async () => over.signal.aborted || JSON.stringify(await published(name)) === ours,
      )
      if (over.signal.aborted) break
      rounds++
      await rival()
    }
    const line = await isReported
    await rival()
    assert.match(line, / WRN /)
    assert.match(line, /left alone/)
    t.diagnostic(`the rival wrote ${rounds} times`)
    assert.ok(rounds < MAX_ROUNDS)
    // A change of the Ingress is no reason to begin again; what comes after it has been written, so this one was passed over.
    await cluster.objects.apply([ingress(name, 'service', rules('contested-now'))])
    await cluster.objects.apply([ingress('after', 'service', rules('after'))])
    await isPublished('after', JSON.parse(ours) as readonly Published[])
    assert.deepEqual(await published(name), theirs)
  })

  it('is written by the next leader only where something is to be written', async (t) => {
    const before = await replicas.service.leader()
    const holder = await replicas.service.holder()
    const served = async () => {
      const { items } = await cluster.client.list<IngressObject>(INGRESSES, { namespace: NAMESPACE })
      return items.filter(({ spec }) => spec.ingressClassName === 'service')
    }
    const versions = (objects: readonly KubeObject[]) =>
      Object.fromEntries(objects.map(({ metadata }) => [metadata.name, metadata.resourceVersion]))
    const { contested: _before, ...past } = versions(await served())
    const started = performance.now()
    await cluster.faults.signalContainer(before, 'gateway', 'SIGKILL')
    await cluster.objects.until(
      'somebody else holds the Lease',
      async () => (await replicas.service.holder()) !== holder,
      TAKEOVER_MS,
    )
    const next = await replicas.service.leader()
    t.diagnostic(`the next leader came after ${((performance.now() - started) / 1000).toFixed(1)} s`)
    await cluster.objects.apply([ingress('under-the-next', 'service', rules('next'))])
    await isPublished(
      'under-the-next',
      serviceAddresses.map((ip) => ({ ip })),
    )
    const { 'under-the-next': _new, contested: _left, ...present } = versions(await served())
    assert.deepEqual(present, past)
    const unchanged = await replicas.service.metric(next, UNCHANGED)
    t.diagnostic(`looked at and not written: ${unchanged}`)
    assert.ok(unchanged >= Object.keys(past).length, `${unchanged}`)
  })

  it('takes the status away with the last replica, and not before', async () => {
    const expected = serviceAddresses.map((ip) => ({ ip }))
    await scale('service', 1)
    await cluster.objects.waitForDeployment(workloads.service)
    await replicas.service.leader()
    assert.deepEqual(await published('service'), expected)
    await scale('service', 0)
    await isPublished('service', [])
    await isPublished('older', [])
    // Not ours.
    assert.notDeepEqual(await published('given'), [])
  })
})

function rules(host: string, service = 'web', port = ECHO_PORT): object {
  const backend = { service: { name: service, port: { number: port } } }
  return {
    rules: [{ host: `${host}.example`, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
  }
}

function resourceRule(host: string): object {
  const backend = { resource: { apiGroup: 'k8s.example.com', kind: 'StorageBucket', name: 'static' } }
  return {
    rules: [{ host: `${host}.example`, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
  }
}

function ingress(name: string, ingressClassName: string, spec: object = rules(name)): object {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { namespace: NAMESPACE, name },
    spec: { ingressClassName, ...spec },
  }
}

/** Lines of a PEM text that say something of it. */
function pemLines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line.length > 10 && !line.startsWith('-----'))
}
