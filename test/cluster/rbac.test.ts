/**
 * Rights: what the chart gives is enough and no more, by the API server's own account. Three gateways side by side: one
 * for the whole cluster, one for some namespaces that reads classes, and one with Roles alone, of which one is missing.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { parseAllDocuments } from 'yaml'
import type { KubeObject } from '#kube/objects.ts'
import type { ObjectName } from '#kube/resource.ts'
import { ask } from './ask.ts'
import type { AuditEntry } from './audit.ts'
import { Authority } from './authority.ts'
import { renderChart, type ChartOptions } from './chart-install.ts'
import { Cluster } from './cluster.ts'
import { echo, ECHO_PORT } from './echo.ts'
import { GatewayReplicas } from './gateway-replicas.ts'
import { INGRESSES } from './resources.ts'

/** Served by all; by the whole cluster's alone; that of which a Role is missing. */
const SHOP = 'shop'
const OFFICE = 'office'
const CLOSED = 'closed'
const NAMESPACES = [SHOP, OFFICE, CLOSED]

type Values = NonNullable<ChartOptions['values']>

const RELEASES = {
  wide: { replicas: 2, 'ingressClass.parameters.name': 'defaults' },
  some: { 'controller.watchNamespaces': `{${SHOP}}`, 'status.publishService': false },
  roles: {
    'controller.watchNamespaces': `{${SHOP},${CLOSED}}`,
    'controller.ingressClass': 'roles',
    'rbac.clusterScoped': false,
    'status.publishAddresses': '{192.0.2.1}',
  },
} as const satisfies Record<string, Values>
type ReleaseName = keyof typeof RELEASES
const NAMES = Object.keys(RELEASES) as ReleaseName[]

const SERVED = [
  'get,list,watch networking.k8s.io/ingresses',
  'patch networking.k8s.io/ingresses/status',
  'get,list,watch /services',
  'list,watch discovery.k8s.io/endpointslices',
  'get,list,watch /secrets',
  'create,patch events.k8s.io/events',
]
const CLUSTER = ['get,list,watch networking.k8s.io/ingressclasses', 'get /nodes']
const OWN = [
  'create coordination.k8s.io/leases',
  'get,update coordination.k8s.io/leases sekisho-leader',
  'get,list,watch /pods',
]
const OWN_SERVICE = 'get,list,watch /services sekisho'

/** All that a service account may do in a namespace. */
const RIGHTS: readonly (readonly [ReleaseName, namespace: string, rights: readonly string[]])[] = [
  ['wide', SHOP, [...SERVED, ...CLUSTER]],
  ['wide', 'kube-system', [...SERVED, ...CLUSTER]],
  ['wide', 'wide', [...SERVED, ...CLUSTER, ...OWN, OWN_SERVICE, 'get,list,watch /configmaps defaults']],
  ['some', SHOP, [...SERVED, ...CLUSTER]],
  ['some', OFFICE, CLUSTER],
  ['some', 'some', [...CLUSTER, ...OWN]],
  ['roles', SHOP, SERVED],
  ['roles', OFFICE, []],
  ['roles', 'roles', [...OWN, OWN_SERVICE]],
]

/** What the one without a Role in `closed` and without rights on the cluster is refused. */
const REFUSED = [
  // The zone of its node, which it does without.
  'get /nodes',
  `watch /secrets in ${CLOSED}`,
  `watch /services in ${CLOSED}`,
  `watch discovery.k8s.io/endpointslices in ${CLOSED}`,
  'watch networking.k8s.io/ingressclasses',
  `watch networking.k8s.io/ingresses in ${CLOSED}`,
]

interface RulesReview extends KubeObject {
  readonly status: {
    readonly resourceRules: readonly {
      readonly verbs: readonly string[]
      readonly apiGroups: readonly string[]
      readonly resources: readonly string[]
      readonly resourceNames?: readonly string[]
    }[]
    readonly nonResourceRules: readonly {
      readonly verbs: readonly string[]
      readonly nonResourceURLs: readonly string[]
    }[]
    readonly incomplete: boolean
  }
}

interface IngressObject extends KubeObject {
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] }
  }
}

describe('rights', { timeout: 300_000 }, () => {
  let cluster: Cluster
  const replicas = {} as Record<ReleaseName, GatewayReplicas>
  /** Of the release `roles`, applied at the end. */
  let missing: readonly KubeObject[] = []

  before(async () => {
    cluster = await Cluster.start({ nodes: 2, isAudited: true })
    const pair = new Authority('rights').server('tls.example', ['tls.example'])
    for (const namespace of [...NAMESPACES, ...NAMES]) await cluster.objects.createNamespace(namespace)
    for (const namespace of NAMESPACES) {
      await cluster.objects.apply([
        ...echo(namespace, 'web'),
        {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { namespace, name: 'tls' },
          type: 'kubernetes.io/tls',
          stringData: { 'tls.crt': pair.certificate, 'tls.key': pair.key },
        },
      ])
    }
    await cluster.objects.apply([
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { namespace: 'wide', name: 'defaults' },
        data: { 'ssl-redirect': 'false' },
      },
    ])
    const workloads: ObjectName[] = []
    for (const name of NAMES) {
      const values: Values = {
        replicas: 1,
        workers: 1,
        'lifeCycle.acceptSeconds': 1,
        'ingressClass.name': name,
        'controller.controllerClass': `example.com/${name}`,
        ...RELEASES[name],
      }
      const rendered = parseAllDocuments(await renderChart(cluster, { namespace: name, values }))
      const objects = rendered.map((document) => document.toJS() as KubeObject).filter(Boolean)
      const isMissing = ({ metadata }: KubeObject) => metadata.namespace === CLOSED
      missing = [...missing, ...objects.filter(isMissing)]
      await cluster.objects.apply(objects.filter((object) => !isMissing(object)))
      const workload = { namespace: name, name: 'sekisho' }
      workloads.push(workload)
      replicas[name] = new GatewayReplicas(cluster, workload)
    }
    await cluster.expose({ namespace: 'wide', name: 'sekisho' })
    for (const name of NAMES)
      await cluster.objects.apply(NAMESPACES.map((namespace) => ingress(name, namespace)))
    await Promise.all([
      ...workloads.map((workload) => cluster.objects.waitForDeployment(workload)),
      ...NAMESPACES.map((namespace) => cluster.objects.waitForDeployment({ namespace, name: 'web' })),
    ])
  })
  after(() => cluster?.stop())

  const answerOf = async (release: ReleaseName, namespace: string): Promise<number> => {
    const [pod] = await replicas[release].pods()
    const host = `${release}.${namespace}.example`
    return (await ask({ address: pod?.status?.podIP ?? '', host })).status
  }

  const hasStatus = (release: ReleaseName, namespace: string): Promise<IngressObject> =>
    cluster.objects.waitFor<IngressObject>(
      INGRESSES,
      { namespace, name: release },
      ({ status }) => (status?.loadBalancer?.ingress ?? []).length > 0,
    )

  /** What the API server let the gateway do, and what not: `list networking.k8s.io/ingresses in shop`. */
  const asked = (release: ReleaseName, isWanted: (code: number) => boolean): ReadonlySet<string> => {
    const user = `system:serviceaccount:${release}:sekisho`
    const entries = cluster
      .audit()
      .filter(
        ({ user: { username }, responseStatus }) => username === user && isWanted(responseStatus?.code ?? 0),
      )
    return new Set(entries.map(textOf))
  }

  it('are enough for the whole cluster, for some namespaces, and for Roles alone', async () => {
    for (const [release, namespaces] of [
      ['wide', NAMESPACES],
      ['some', [SHOP]],
      ['roles', [SHOP]],
    ] as const) {
      for (const namespace of namespaces) {
        await hasStatus(release, namespace)
        assert.equal(await answerOf(release, namespace), 200, `${release} ${namespace}`)
      }
      const others = NAMESPACES.filter((namespace) => !(namespaces as readonly string[]).includes(namespace))
      for (const namespace of others)
        assert.equal(await answerOf(release, namespace), 404, `${release} ${namespace}`)
      await cluster.objects.until(`${release} has written an event`, async () =>
        (await cluster.kubectl(['--namespace', SHOP, 'describe', 'ingress', release])).includes(
          'ServiceNotFound',
        ),
      )
    }
  })

  /** `get,list /pods`, `get /services NAME`: of a service account, in a namespace. */
  const rightsOf = async (account: string, namespace: string): Promise<ReadonlySet<string>> => {
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectRulesReview',
      spec: { namespace },
    }
    const text = await cluster.kubectl(
      [
        ...['create', '--filename', '-', '--output', 'json', '--validate=false'],
        `--as=system:serviceaccount:${account}`,
        ...['--as-group=system:serviceaccounts', '--as-group=system:authenticated'],
      ],
      { stdin: JSON.stringify(review) },
    )
    const { resourceRules, nonResourceRules, incomplete } = (JSON.parse(text) as RulesReview).status
    assert.equal(incomplete, false)
    const rights = resourceRules.flatMap(({ verbs, apiGroups, resources, resourceNames = [] }) =>
      apiGroups.flatMap((group) =>
        resources.map((name) =>
          [`${verbs.toSorted().join()} ${group}/${name}`, ...resourceNames.toSorted()].join(' '),
        ),
      ),
    )
    const paths = nonResourceRules.flatMap(({ verbs, nonResourceURLs }) =>
      nonResourceURLs.map((url) => `${verbs.join()} ${url}`),
    )
    return new Set([...rights, ...paths])
  }

  for (const [release, namespace, expected] of RIGHTS) {
    it(`are these and no others: ${release} in ${namespace}`, async () => {
      const rights = await rightsOf(`${release}:sekisho`, namespace)
      // What every service account may do.
      const common = await rightsOf('default:default', namespace)
      assert.deepEqual([...rights.difference(common)].toSorted(), [...new Set(expected)].toSorted())
    })
  }

  it('that are missing are told, each once', async () => {
    for (const what of [
      `may not list and watch ingresses in namespace ${CLOSED}`,
      `may not list and watch services in namespace ${CLOSED}`,
      `may not list and watch endpointslices in namespace ${CLOSED}`,
      `may not list and watch secrets in namespace ${CLOSED}`,
      'may not list and watch ingressclasses in the cluster',
    ])
      await replicas.roles.logged(new RegExp(` WRN .*${what}.*finding=cluster-forbidden.*hint=`))
    const log = await replicas.roles.log()
    assert.equal(log.split('finding=cluster-forbidden').length - 1, 5, log)
    assert.match(log, / INF .*the zone of this node is not known.*hint=/)
    for (const name of ['wide', 'some'] as const)
      assert.doesNotMatch(await replicas[name].log(), /cluster-forbidden|Forbidden|403/)
  })

  it('that come later are used', async () => {
    assert.equal(missing.length, 2)
    await cluster.objects.apply(missing)
    await hasStatus('roles', CLOSED)
    await cluster.objects.until('it is served', async () => (await answerOf('roles', CLOSED)) === 200)
    await replicas.roles.logged(/findings mended/)
  })

  it('suffice to the end: the last replica takes its status away', async () => {
    for (const name of NAMES) {
      await cluster.kubectl(['--namespace', name, 'scale', '--replicas=0', 'deployment/sekisho'])
      await cluster.objects.waitFor<IngressObject>(
        INGRESSES,
        { namespace: SHOP, name },
        ({ status }) => (status?.loadBalancer?.ingress ?? []).length === 0,
      )
    }
  })

  it('are never asked for beyond that: what the API server refused', (t) => {
    const isRefused = (code: number) => code === 403 || code === 401
    assert.deepEqual([...asked('wide', isRefused)], [])
    assert.deepEqual([...asked('some', isRefused)], [])
    assert.deepEqual([...asked('roles', isRefused)].toSorted(), REFUSED)
    for (const name of NAMES) {
      const done = asked(name, (code) => code < 400)
      assert.ok(done.has(`patch networking.k8s.io/ingresses/status in ${SHOP}`), 'the audit log has entries')
      t.diagnostic(`${name}: ${[...done].toSorted().join('; ')}`)
    }
  })
})

function textOf({ verb, objectRef }: AuditEntry): string {
  const { apiGroup = '', resource = '', subresource, namespace } = objectRef ?? {}
  const what = `${apiGroup}/${resource}${subresource === undefined ? '' : `/${subresource}`}`
  return `${verb} ${what}${namespace === undefined ? '' : ` in ${namespace}`}`
}

function ingress(name: string, namespace: string): object {
  const path = (service: string, value: string) => ({
    path: value,
    pathType: 'Prefix',
    backend: { service: { name: service, port: { number: ECHO_PORT } } },
  })
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { namespace, name },
    spec: {
      ingressClassName: name,
      tls: [{ hosts: ['tls.example'], secretName: 'tls' }],
      rules: [
        {
          host: `${name}.${namespace}.example`,
          http: { paths: [path('web', '/'), path('nobody', '/nobody')] },
        },
      ],
    },
  }
}
