/**
 * Options of `sekisho gateway` that narrow, widen or place what it serves: a gateway with all of them beside one that has none,
 * in one cluster. What each makes of the same objects differs in just what its options say.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parse, stringify } from 'yaml'
import { Cluster } from './cluster.ts'
import { OutsideGateway } from './outside-gateway.ts'
import { deployment, service } from './workloads.ts'

const CONTEXT = 'chosen'
/** Requests after which every server of a Service with two has answered, as they take turns. */
const ROUNDS = 8

interface KubeconfigFile {
  'current-context': string
  contexts: { name: string; context: object }[]
  clusters: { name: string; cluster: object }[]
}

interface IngressSpec {
  readonly service?: string
  readonly port?: number
  readonly labels?: object
}

function ingress(namespace: string, name: string, spec: IngressSpec = {}): object {
  const { service: target = 'web', port = 80, labels = { tier: 'front' } } = spec
  const backend = { service: { name: target, port: { number: port } } }
  const paths = [{ path: '/', pathType: 'Prefix', backend }]
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { namespace, name, labels },
    spec: { ingressClassName: 'edge', rules: [{ host: `${name}.example`, http: { paths } }] },
  }
}

function parametersOf(data: Readonly<Record<string, string>>): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'admin', name: 'edge' }, data }
}

/** One pod on each node. */
function onEachNode(options: { readonly name: string; readonly namespace: string }): object {
  const { metadata, spec } = deployment(options) as {
    metadata: object
    spec: { selector: object; template: object }
  }
  const { selector, template } = spec
  return { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata, spec: { selector, template } }
}

describe('options of a gateway in a cluster', { timeout: 240_000 }, () => {
  let cluster: Cluster
  let narrow: OutsideGateway
  let plain: OutsideGateway
  let outside: Server
  let directory: string

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sekisho-options-'))
    outside = createServer((_request, response) => response.end('outside'))
    await once(outside.listen(0, '127.0.0.1'), 'listening')
    cluster = await Cluster.start({ nodes: 2 })
    await cluster.objects.createNamespace('public', { gateway: 'public' })
    await cluster.objects.createNamespace('private')
    await cluster.objects.createNamespace('admin')
    const namespace = 'public'
    const placed = (name: string, spec: object) =>
      service({ name, namespace, selector: { app: 'web' }, spec })
    const parameters = { kind: 'ConfigMap', name: 'edge', scope: 'Namespace', namespace: 'admin' }
    await cluster.objects.apply([
      parametersOf({ 'app-root': '/begin' }),
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'IngressClass',
        metadata: { name: 'edge' },
        spec: { controller: 'sekisho.dev/ingress-controller', parameters },
      },
      onEachNode({ name: 'web', namespace }),
      service({ name: 'web', namespace }),
      placed('near', { trafficDistribution: 'PreferSameZone' }),
      placed('here', { internalTrafficPolicy: 'Local' }),
      placed('headless', { clusterIP: 'None' }),
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'outside', namespace },
        spec: { type: 'ExternalName', externalName: 'localhost' },
      },
      ingress(namespace, 'web'),
      ingress(namespace, 'unlabelled', { labels: {} }),
      ...['near', 'here', 'headless'].map((name) => ingress(namespace, name, { service: name })),
      ingress(namespace, 'outside', { service: 'outside', port: (outside.address() as AddressInfo).port }),
      ingress('private', 'private'),
    ])
    const flags = [
      `--context=${CONTEXT}`,
      '--watch-namespace-selector=gateway=public',
      '--ingress-label-selector=tier=front',
      '--allow-external-name-services',
      `--node-name=${cluster.nodes[0]!.name}`,
    ]
    const kubeconfig = await otherKubeconfig(cluster, directory)
    ;[narrow, plain] = await Promise.all([
      OutsideGateway.start({ kubeconfig, flags }),
      OutsideGateway.start({ kubeconfig: cluster.kubeconfig }),
    ])
    for (const gateway of [narrow, plain])
      await gateway.until('both pods answer', async () => (await nodesOf(gateway, 'web')).length === 2)
  })
  after(async () => {
    await Promise.all([narrow?.stop(), plain?.stop()])
    await cluster?.stop()
    outside?.close()
    await rm(directory, { recursive: true, force: true })
  })

  const statusOf = async (gateway: OutsideGateway, name: string): Promise<number> =>
    (await gateway.get(`${name}.example`, '/page')).status

  /** The nodes whose pods answer, in their order. */
  const nodesOf = async (gateway: OutsideGateway, name: string): Promise<readonly string[]> => {
    const pods = await cluster.objects.pods('public', 'app=web')
    const found = new Set<string>()
    for (let round = 0; round < ROUNDS; round++) {
      const { status, body } = await gateway.get(`${name}.example`, '/page')
      if (status !== 200) return []
      const { pod } = JSON.parse(body) as { pod: string }
      found.add(pods.find(({ metadata }) => metadata.name === pod)?.spec.nodeName ?? '')
    }
    return [...found].toSorted()
  }

  const label = (namespace: string, text: string): Promise<unknown> =>
    cluster.kubectl(['label', '--overwrite', 'namespace', namespace, text])

  it('--watch-namespace-selector serves the namespaces that have the labels, as long as they have them', async () => {
    assert.equal(await statusOf(narrow, 'private'), 404)
    assert.equal(await statusOf(plain, 'private'), 503, 'it has no such Service')
    await label('private', 'gateway=public')
    await narrow.until('it is served', async () => (await statusOf(narrow, 'private')) === 503)
    await label('private', 'gateway-')
    await narrow.until('it is not served any more', async () => (await statusOf(narrow, 'private')) === 404)
  })

  it('--ingress-label-selector serves the Ingresses that have the labels', async () => {
    assert.equal(await statusOf(narrow, 'unlabelled'), 404)
    assert.equal(await statusOf(plain, 'unlabelled'), 200)
  })

  it('--allow-external-name-services serves them, which nobody does unasked', async () => {
    assert.deepEqual(await narrow.get('outside.example', '/page'), { status: 200, body: 'outside' })
    assert.equal(await statusOf(plain, 'outside'), 503)
    await plain.until('it is told', () => /finding=service-external-name-off/.test(plain.log))
  })

  it('--node-name keeps traffic in the zone of the node where the Service prefers that', async () => {
    const [first, second] = cluster.nodes.map(({ name }) => name)
    // The zone is read from the node, and hints come a moment behind the endpoints.
    await narrow.until('the near pod alone answers', async () => {
      const nodes = await nodesOf(narrow, 'near')
      return nodes.length === 1 && nodes[0] === first
    })
    assert.deepEqual(await nodesOf(plain, 'near'), [first, second])
  })

  it('--node-name keeps traffic on the node where the Service wants that', async () => {
    const [first, second] = cluster.nodes.map(({ name }) => name)
    assert.deepEqual(await nodesOf(narrow, 'here'), [first])
    assert.deepEqual(await nodesOf(plain, 'here'), [first, second])
  })

  it('a headless Service is served from its pods', async () => {
    for (const gateway of [narrow, plain]) assert.equal((await nodesOf(gateway, 'headless')).length, 2)
  })

  it('parameters of the class count wherever their ConfigMap is, and close the class when it goes', async () => {
    for (const gateway of [narrow, plain]) assert.equal((await gateway.get('web.example')).status, 302)
    await cluster.objects.apply([parametersOf({})])
    for (const gateway of [narrow, plain])
      await gateway.until('they are changed', async () => (await gateway.get('web.example')).status === 200)
    await cluster.objects.delete([parametersOf({})])
    for (const gateway of [narrow, plain]) {
      await gateway.until('the class is closed', async () => (await statusOf(gateway, 'web')) === 503)
      await gateway.until('it is told', () => /finding=ingress-class-parameters/.test(gateway.log))
    }
    await cluster.objects.apply([parametersOf({})])
    for (const gateway of [narrow, plain])
      await gateway.until('it is open again', async () => (await statusOf(gateway, 'web')) === 200)
  })
})

/** A kubeconfig whose current context leads nowhere, and another one to the cluster. */
async function otherKubeconfig(cluster: Cluster, directory: string): Promise<string> {
  const config = parse(await readFile(cluster.kubeconfig, 'utf8')) as KubeconfigFile
  const [given] = config.contexts
  assert.ok(given)
  config.contexts = [
    { name: 'nowhere', context: { ...given.context, cluster: 'nowhere' } },
    { ...given, name: CONTEXT },
  ]
  config.clusters.push({ name: 'nowhere', cluster: { server: 'https://127.0.0.1:1' } })
  config['current-context'] = 'nowhere'
  const file = join(directory, 'kubeconfig.yaml')
  await writeFile(file, stringify(config), { mode: 0o600 })
  return file
}
