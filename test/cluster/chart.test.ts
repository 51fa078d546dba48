/** The chart with the real Helm, and what it renders with the real API server. No pods are run here. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { formatIssue } from '#lib/errors.ts'
import { decodeGateway, gatewaySchema, type ClusterConfig } from '#config/static/cluster.ts'
import { parseFlags } from '#config/static/flags.ts'
import type { StaticConfig } from '#config/static/static.ts'
import { CHART, isCurrent, MANIFESTS, runHelm } from '../../tools/gen-manifests.ts'
import { Cluster } from './cluster.ts'
import { binDirectory } from './programs.ts'

const HELM = join(binDirectory(), 'helm')

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  readonly resourceNames?: readonly string[]
}

interface Rendered {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly rules?: readonly Rule[]
  readonly spec?: {
    readonly template?: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number
        readonly containers: readonly Container[]
      }
    }
  }
}

interface Container {
  readonly args: readonly string[]
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
}

function template(...values: readonly string[]): string {
  const set = values.flatMap((value) => ['--set', value])
  return runHelm(HELM, ['template', 'sekisho', CHART, '--namespace', 'sekisho', ...set])
}

function objects(...values: readonly string[]): readonly Rendered[] {
  return parseAllDocuments(template(...values))
    .map((document) => document.toJS() as Rendered | null)
    .filter((object) => object !== null)
}

function rulesOf(rendered: readonly Rendered[], kind: string, name?: string): readonly string[] {
  return rendered
    .filter((object) => object.kind === kind && (name === undefined || object.metadata.name === name))
    .flatMap(({ rules }) => rules ?? [])
    .flatMap(({ resources, verbs, resourceNames }) =>
      resources.map(
        (each) => `${each}${resourceNames === undefined ? '' : ` ${resourceNames.join()}`}: ${verbs.join()}`,
      ),
    )
}

function containerOf(rendered: readonly Rendered[]): Container {
  const found = rendered
    .map(({ spec }) => spec?.template?.spec.containers[0])
    .find((each) => each !== undefined)
  assert.ok(found)
  return found
}

/** What the program makes of the arguments. */
function decoded(...values: readonly string[]): { config: StaticConfig; cluster: ClusterConfig } {
  const [command, ...args] = containerOf(objects(...values)).args
  assert.equal(command, 'gateway')
  const flags = parseFlags(
    args.map((arg) => arg.replace('$(POD_IP)', '10.0.0.1')),
    gatewaySchema,
  )
  assert.deepEqual(flags.issues, [])
  assert.deepEqual(flags.positionals, [])
  const result = decodeGateway(flags.tree)
  assert.ok(result.ok, result.ok ? '' : result.issues.map((issue) => formatIssue(issue, '--')).join('\n'))
  assert.deepEqual(result.warnings, [])
  return result
}

/** Sets of values that together use every branch of the templates. */
const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  'by default': [],
  'as DaemonSet on the network of the nodes': [
    'kind=DaemonSet',
    'hostNetwork=true',
    'service.type=ClusterIP',
    'status.publishService=false',
  ],
  'in some namespaces': [
    'controller.watchNamespaces={shop,blog}',
    'controller.ingressClass=sekisho',
    'rbac.clusterScoped=false',
  ],
  'beside ingress-nginx': [
    'ingressClass.create=false',
    'controller.ingressClass=nginx',
    'controller.compat=ingress-nginx',
    'status.updateForeignClass=true',
    'status.publishAddresses={192.0.2.1,lb.example}',
  ],
  'with everything': [
    'image.digest=sha256:0000000000000000000000000000000000000000000000000000000000000000',
    'imagePullSecrets[0].name=pull',
    'ingressClass.default=true',
    'ingressClass.annotations.a=b',
    'ingressClass.parameters.name=defaults',
    'rbac.classParameters[0].namespace=other',
    'rbac.classParameters[0].name=more',
    'controller.watchIngressWithoutClass=true',
    'controller.watchNamespaceSelector=team in (a\\, b)',
    'controller.ingressLabelSelector=gateway=public',
    'controller.allowExternalNameServices=true',
    'log.access=true',
    'log.accessFormat=json',
    'workers=2',
    'stickyKey.secretName=sticky',
    'extraArgs[0]=--limits.maxConnections=1000',
    'extraEnv[0].name=A',
    'extraEnv[0].value=b',
    'extraEnvFrom[0].configMapRef.name=c',
    'service.annotations.a=b',
    'service.labels.a=b',
    'service.externalTrafficPolicy=Local',
    'service.internalTrafficPolicy=Cluster',
    'service.ipFamilies={IPv4,IPv6}',
    'service.ipFamilyPolicy=RequireDualStack',
    'service.loadBalancerClass=example.com/lb',
    'service.loadBalancerSourceRanges={192.0.2.0/24}',
    'service.nodePorts.web=30080',
    'service.nodePorts.websecure=30443',
    'serviceAccount.annotations.a=b',
    'resources.limits.memory=1Gi',
    'annotations.a=b',
    'podAnnotations.a=b',
    'podLabels.a=b',
    'priorityClassName=system-cluster-critical',
    'nodeSelector.a=b',
    'tolerations[0].operator=Exists',
    'affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key=a',
    'affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator=Exists',
    'dnsPolicy=Default',
    'updateStrategy.type=Recreate',
    'terminationGracePeriodSeconds=100',
    'networkPolicy.enabled=true',
    'networkPolicy.internalFrom[0].podSelector.matchLabels.app=prometheus',
  ],
}

describe('the chart', { timeout: 120_000 }, () => {
  it('is free of what Helm objects to', () => {
    runHelm(HELM, ['lint', CHART, '--strict', '--quiet'])
  })

  it('has the version of the package', () => {
    const { version } = JSON.parse(readFileSync(join(CHART, '../../package.json'), 'utf8')) as {
      version: string
    }
    const chart = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as Record<string, string>
    assert.deepEqual([chart['version'], chart['appVersion']], [version, version])
  })

  for (const { path } of MANIFESTS) {
    it(`is what ${path} was made of`, () => {
      assert.ok(
        isCurrent(
          HELM,
          MANIFESTS.find((each) => each.path === path)!,
        ),
        'run: node tools/gen-manifests.ts',
      )
    })
  }

  for (const [value, message] of [
    ['replica=3', /additional properties 'replica' not allowed/],
    ['controller.watchNamespace=a', /additional properties 'watchNamespace' not allowed/],
    ['replicas=many', /replicas.*got string, want integer/s],
    ['kind=StatefulSet', /kind.*value must be one of 'Deployment', 'DaemonSet'/s],
  ] as const) {
    it(`refuses ${value}`, () => assert.throws(() => template(value), message))
  }

  it('has a ServiceMonitor for the Service of the metrics', () => {
    const rendered = objects('metrics.serviceMonitor.enabled=true', 'metrics.serviceMonitor.interval=15s')
    assert.equal(rendered.filter(({ kind }) => kind === 'ServiceMonitor').length, 1)
    const without = ['metrics.serviceMonitor.enabled=true', 'metrics.enabled=false']
    assert.throws(() => template(...without), /needs metrics.enabled/)
  })

  it('refuses namespaces by name and by label together', () => {
    const values = ['controller.watchNamespaces={a}', 'controller.watchNamespaceSelector=b=c']
    assert.throws(() => template(...values), /exclude each other/)
  })

  it('has a schema for every value, and a use', () => {
    const values = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as Record<string, unknown>
    const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as SchemaNode
    const files = [
      '_arguments.tpl',
      '_names.tpl',
      '_pod.tpl',
      '_rules.tpl',
      'workload.yaml',
      'service.yaml',
      'rbac.yaml',
    ]
    const more = ['ingress-class.yaml', 'service-account.yaml', 'service-monitor.yaml', 'network-policy.yaml']
    const text = [...files, ...more, 'pod-disruption-budget.yaml']
      .map((file) => readFileSync(join(CHART, 'templates', file), 'utf8'))
      .join('\n')
    const passedOn = /^(resources|[a-z]+Probe)$/
    const walk = (node: Record<string, unknown>, at: SchemaNode, path: string): void => {
      const names = Object.keys(at.properties ?? {}).filter((name) => name !== 'global')
      assert.deepEqual(Object.keys(node).toSorted(), names.toSorted(), `values and schema below ${path}`)
      for (const [name, value] of Object.entries(node)) {
        const below = at.properties?.[name]
        if (below?.properties !== undefined && !passedOn.test(name))
          walk(value as Record<string, unknown>, below, `${path}${name}.`)
        else assert.match(text, new RegExp(`\\.${name}\\b`), `${path}${name} is read by nothing`)
      }
    }
    walk(values, schema, '')
  })
})

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>
}

describe('the arguments that the chart gives', () => {
  for (const [name, values] of Object.entries(VARIANTS))
    it(`are ones that the program takes, ${name}`, () => {
      decoded(...values)
    })

  it('are what the values say', () => {
    const { config, cluster } = decoded(...VARIANTS['with everything']!)
    assert.equal(cluster.watchNamespaceSelector, 'team in (a, b)')
    assert.equal(cluster.ingressLabelSelector, 'gateway=public')
    assert.equal(cluster.watchIngressWithoutClass, true)
    assert.equal(cluster.allowExternalNameServices, true)
    assert.deepEqual(cluster.publishService, { namespace: 'sekisho', name: 'sekisho' })
    assert.equal(config.accessLog?.format, 'json')
    assert.equal(config.workers, 2)
    assert.equal(config.limits.maxConnections, 1000)
  })

  it('leave time to drain before the pod is killed', () => {
    for (const name of ['web', 'websecure']) {
      const { lifeCycle } = decoded('lifeCycle.acceptSeconds=7').config.entryPoints[name]!.transport
      assert.deepEqual(lifeCycle, { requestAcceptGraceTimeout: 7000, graceTimeOut: 30_000 })
    }
    const pod = objects('lifeCycle.acceptSeconds=7').find(({ kind }) => kind === 'Deployment')?.spec?.template
      ?.spec
    assert.equal(pod?.terminationGracePeriodSeconds, 7 + 30 + 20)
  })

  it('write status where rights say no word about classes, but only for the own class', () => {
    const restricted = ['controller.watchNamespaces={shop}', 'rbac.clusterScoped=false']
    assert.equal(decoded(...restricted, 'controller.ingressClass=sekisho').cluster.updateStatus, true)
    assert.equal(decoded(...restricted, 'controller.ingressClass=nginx').cluster.updateStatus, false)
    assert.equal(decoded('controller.ingressClass=sekisho').cluster.updateStatus, false)
  })

  it('put probes and metrics at the address of the pod, of either family', () => {
    const { config } = decoded()
    assert.equal(config.entryPoints['traefik']?.address.host, '10.0.0.1')
    const arg = containerOf(objects()).args.find((each) => each.includes('POD_IP')) ?? ''
    const flags = parseFlags([arg.replace('$(POD_IP)', 'fd00::1')], gatewaySchema)
    const result = decodeGateway(flags.tree)
    assert.ok(result.ok)
    assert.equal(result.config.entryPoints['traefik']?.address.host, 'fd00::1')
  })
})

describe('the rights that the chart gives', () => {
  it('have no wildcard', () => {
    for (const values of Object.values(VARIANTS))
      assert.doesNotMatch(rulesOf(objects(...values), 'ClusterRole').join(), /\*/)
  })

  it('write nothing but status, events and the own Lease', () => {
    const all = objects(...VARIANTS['with everything']!)
    const writes = [...rulesOf(all, 'ClusterRole'), ...rulesOf(all, 'Role')].filter((rule) =>
      /create|update|patch|delete/.test(rule),
    )
    assert.deepEqual(writes, [
      'ingresses/status: patch',
      'events: create,patch',
      'leases: create',
      'leases sekisho-leader: get,update',
    ])
  })

  it('are Roles alone in some namespaces, without cluster scope', () => {
    const all = objects(...VARIANTS['in some namespaces']!)
    assert.deepEqual(
      all.filter(({ kind }) => kind.startsWith('ClusterRole')),
      [],
    )
    const served = all.filter(({ kind, metadata }) => kind === 'Role' && metadata.name === 'sekisho-served')
    assert.deepEqual(
      served.map(({ metadata }) => metadata.namespace),
      ['shop', 'blog'],
    )
  })

  it('of the cluster are classes and the own node in some namespaces', () => {
    const all = objects('controller.watchNamespaces={shop}')
    assert.deepEqual(rulesOf(all, 'ClusterRole'), ['ingressclasses: get,list,watch', 'nodes: get'])
  })

  it('to ConfigMaps are for those that classes name', () => {
    const all = objects(...VARIANTS['with everything']!)
    assert.deepEqual(rulesOf(all, 'Role', 'sekisho-parameters'), [
      'configmaps more: get,list,watch',
      'configmaps defaults: get,list,watch',
    ])
    assert.doesNotMatch(rulesOf(all, 'ClusterRole').join(), /configmaps/)
  })
})

describe('what the chart renders', { timeout: 120_000 }, () => {
  let cluster: Cluster
  before(async () => {
    cluster = await Cluster.start({ nodes: 0 })
    for (const name of ['sekisho', 'shop', 'blog', 'other'])
      await cluster.kubectl(['create', 'namespace', name])
  })
  after(() => cluster?.stop())

  for (const [name, values] of Object.entries(VARIANTS)) {
    it(`is taken by the API server, ${name}`, async () => {
      const args = ['apply', '--dry-run=server', '--validate=strict', '--filename=-']
      const { stderr } = await cluster.kubectlOutcome(args, { stdin: template(...values) })
      assert.equal(stderr, '')
    })
  }

  it('fits the strictest of the standards for pods', async () => {
    const enforce = 'pod-security.kubernetes.io/enforce=restricted'
    await cluster.kubectl([
      'label',
      'namespace',
      'sekisho',
      enforce,
      'pod-security.kubernetes.io/warn=restricted',
    ])
    const args = ['apply', '--dry-run=server', '--filename=-']
    const { stderr } = await cluster.kubectlOutcome(args, { stdin: template() })
    assert.equal(stderr, '', 'a warning names what it does not fit')
  })
})
