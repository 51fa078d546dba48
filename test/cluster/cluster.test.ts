/** That the test bed is a cluster: what runs in it reaches what it should, by the ways of any cluster. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { nodeStatus } from './agent/node-object.ts'
import { Authority } from './authority.ts'
import { Cluster } from './cluster.ts'
import type { KubeObject, Lease } from '#kube/objects.ts'
import { KubeError } from '#kube/errors.ts'
import { LEASES } from '#kube/resource.ts'
import { ENDPOINT_SLICES, NODES, SERVICES } from './resources.ts'
import { run } from './run-command.ts'
import { deployment, service } from './workloads.ts'

const NODE = '/usr/local/bin/node'

interface ServiceObject extends KubeObject {
  readonly spec: { readonly clusterIPs: readonly string[]; readonly ports: readonly { nodePort?: number }[] }
}
interface Slice extends KubeObject {
  readonly addressType: string
  readonly endpoints: readonly { readonly addresses: readonly string[]; readonly zone?: string }[]
}

/** A pod that runs one script to its end, or for good. */
function scriptPod(name: string, namespace: string, spec: object): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name } },
    spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, ...spec },
  }
}

describe('the test bed', { timeout: 240_000 }, () => {
  let cluster: Cluster

  before(async () => {
    const started = performance.now()
    cluster = await Cluster.start({ nodes: 2 })
    console.log(`cluster: up in ${((performance.now() - started) / 1000).toFixed(1)} s`, cluster.steps)
  })
  after(() => cluster?.stop())

  describe('a Deployment behind a Service', () => {
    const namespace = 'shop'
    let found: ServiceObject
    let pods: readonly string[] = []

    /** Names of the pods that answered `count` requests, each on a new connection, sent from a network. */
    const answers = async (
      count: number,
      url: string,
      from: readonly string[],
    ): Promise<readonly string[]> => {
      const curl = ['curl', '--silent', '--show-error', '--globoff', '--connect-timeout', '1']
      // A server that closes makes curl take a new connection for the next.
      const urls = Array.from({ length: count }, () => url)
      const [program = '', ...args] = [...from, ...curl, '--header', 'connection: close', ...urls]
      const lines = (await run(program, args)).split('\n').filter(Boolean)
      assert.equal(lines.length, count)
      return lines.map((line) => (JSON.parse(line) as { pod: string }).pod)
    }

    /** Until every pod has answered: a service proxy chooses by chance, and learns of pods when it does. */
    const reachesAll = async (address: string, port = 80, from: readonly string[] = []): Promise<void> => {
      const url = `http://${address.includes(':') ? `[${address}]` : address}:${port}/`
      const reached = new Set<string>()
      await cluster.objects.until(`all pods answer at ${url}`, async () => {
        for (const pod of await answers(8, url, from)) reached.add(pod)
        return reached.size === pods.length
      })
      assert.deepEqual([...reached].toSorted(), pods.toSorted())
    }

    before(async () => {
      await cluster.objects.createNamespace(namespace)
      await cluster.objects.apply([
        deployment({ name: 'web', namespace, replicas: 3 }),
        service({ name: 'web', namespace, spec: { type: 'NodePort', ipFamilyPolicy: 'RequireDualStack' } }),
      ])
      await cluster.objects.waitForDeployment({ namespace, name: 'web' })
      found = await cluster.client.get<ServiceObject>(SERVICES, { namespace, name: 'web' })
      pods = (await cluster.objects.pods(namespace, 'app=web')).map(({ metadata }) => metadata.name)
    })

    it('has an address per pod and family, with the zone of its node', async () => {
      const slices = await cluster.objects.until('slices list every pod', async () => {
        const labelSelector = 'kubernetes.io/service-name=web'
        const { items } = await cluster.client.list<Slice>(ENDPOINT_SLICES, { namespace, labelSelector })
        const count = items.reduce((sum, { endpoints }) => sum + endpoints.length, 0)
        return count === 6 && items
      })
      assert.deepEqual(slices.map(({ addressType }) => addressType).toSorted(), ['IPv4', 'IPv6'])
      const zones = new Set(slices.flatMap(({ endpoints }) => endpoints.map(({ zone }) => zone ?? '')))
      assert.deepEqual([...zones].toSorted(), ['zone-1', 'zone-2'])
    })

    it('is reached at its pods from outside', async () => {
      for (const pod of await cluster.objects.pods(namespace, 'app=web'))
        for (const { ip } of pod.status?.podIPs ?? []) {
          const url = `http://${ip.includes(':') ? `[${ip}]` : ip}:8080/`
          assert.deepEqual(await answers(1, url, []), [pod.metadata.name])
        }
    })

    it('is reached at its cluster addresses from every node', async () => {
      for (const { name } of cluster.nodes)
        for (const address of found.spec.clusterIPs)
          await reachesAll(address, 80, cluster.inNetworkOf({ node: name }))
    })

    it('is reached at a port of every node from outside, on pods of other nodes too', async () => {
      const [port] = found.spec.ports
      for (const node of cluster.nodes) await reachesAll(node.addresses[0], port?.nodePort)
    })

    it('is reached at a load-balancer address from outside', async () => {
      const balanced = service({
        name: 'balanced',
        namespace,
        selector: { app: 'web' },
        spec: { type: 'LoadBalancer', ipFamilyPolicy: 'RequireDualStack' },
      })
      await cluster.objects.apply([balanced])
      const addresses = await cluster.expose({ namespace, name: 'balanced' })
      assert.equal(addresses.length, 2)
      for (const address of addresses) await reachesAll(address)
    })

    it('is reached by a pod, and by a pod that is itself behind it', async () => {
      const [address = ''] = found.spec.clusterIPs
      for (const pod of await cluster.objects.pods(namespace, 'app=web'))
        await reachesAll(address, 80, cluster.inNetworkOf({ podUid: pod.metadata.uid ?? '' }))
    })
  })

  it('lets a pod use its own credentials, and only for what it may', async () => {
    const namespace = await cluster.objects.createNamespace('credentials')
    const script = `
      const fs = require('node:fs'), https = require('node:https')
      const at = '/var/run/secrets/kubernetes.io/serviceaccount/'
      const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env
      const own = fs.readFileSync(at + 'namespace', 'utf8')
      for (const what of ['configmaps', 'secrets']) https.get({ host, port, path: '/api/v1/namespaces/' + own + '/' + what,
        ca: fs.readFileSync(at + 'ca.crt'), headers: { authorization: 'Bearer ' + fs.readFileSync(at + 'token', 'utf8') } },
        (response) => { console.log(what, response.statusCode); response.resume() })`
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' }
    await cluster.objects.apply([
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: { name: 'reader', namespace },
        rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }],
      },
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata: { name: 'reader', namespace },
        subjects: [{ kind: 'ServiceAccount', name: 'default', namespace }],
        roleRef,
      },
      scriptPod('client', namespace, {
        containers: [{ name: 'main', image: 'backend', command: [NODE, '-e', script] }],
      }),
    ])
    const log = await cluster.objects.until('the pod has said what it got', async () => {
      const text = await cluster.kubectl(['--namespace', namespace, 'logs', 'client'])
      return text.split('\n').length > 2 && text
    })
    assert.deepEqual(log.trim().split('\n').toSorted(), ['configmaps 200', 'secrets 403'])
  })

  it('asks an admission webhook that is behind a Service', async () => {
    const namespace = await cluster.objects.createNamespace('admission')
    const authority = new Authority('webhook')
    const { certificate, key } = authority.server('guard', [`guard.${namespace}.svc`])
    const script = `
      const fs = require('node:fs')
      const tls = { cert: fs.readFileSync('/tls/tls.crt'), key: fs.readFileSync('/tls/tls.key') }
      require('node:https').createServer(tls, async (request, response) => {
        const review = JSON.parse(Buffer.concat(await request.toArray()).toString())
        const allowed = review.request.object.data.mood !== 'bad'
        const status = { code: 403, message: 'only good moods' }
        response.end(JSON.stringify({ ...review, response: { uid: review.request.uid, allowed, status } }))
      }).listen(8443)`
    await cluster.objects.apply([
      {
        apiVersion: 'v1',
        kind: 'Secret',
        type: 'kubernetes.io/tls',
        metadata: { name: 'guard', namespace },
        stringData: { 'tls.crt': certificate, 'tls.key': key },
      },
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'guard', namespace },
        data: { 'guard.cjs': script },
      },
      scriptPod('guard', namespace, {
        containers: [
          {
            name: 'main',
            image: 'backend',
            command: [NODE, '/script/guard.cjs'],
            readinessProbe: { tcpSocket: { port: 8443 }, periodSeconds: 1 },
            volumeMounts: [
              { name: 'tls', mountPath: '/tls' },
              { name: 'script', mountPath: '/script' },
            ],
          },
        ],
        volumes: [
          { name: 'tls', secret: { secretName: 'guard' } },
          { name: 'script', configMap: { name: 'guard' } },
        ],
      }),
      service({ name: 'guard', namespace, ports: [{ port: 443, targetPort: 8443 }] }),
    ])
    await cluster.objects.waitForPod({ namespace, name: 'guard' })
    await cluster.objects.apply([
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingWebhookConfiguration',
        metadata: { name: 'guard' },
        webhooks: [
          {
            name: 'guard.sekisho.dev',
            clientConfig: {
              service: { name: 'guard', namespace },
              caBundle: Buffer.from(authority.certificate).toString('base64'),
            },
            rules: [
              { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] },
            ],
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
            failurePolicy: 'Fail',
            sideEffects: 'None',
            admissionReviewVersions: ['v1'],
          },
        ],
      },
    ])
    const mood = (name: string, text: string) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace },
      data: { mood: text },
    })
    // The configuration, and the address of the Service, take a moment to be known everywhere.
    await cluster.objects.until('a bad mood is refused', async () => {
      try {
        await cluster.objects.apply([mood(`bad-${Date.now()}`, 'bad')])
        return false
      } catch (error) {
        if (!(error instanceof KubeError) || error.code !== 403) throw error
        assert.match(error.message, /only good moods/)
        return true
      }
    })
    await cluster.objects.apply([mood('good', 'good')])
  })

  it('takes the status of its nodes more than once, with addresses of both families', async () => {
    const [node] = cluster.nodes
    assert.ok(node)
    const now = new Date().toISOString()
    const status = nodeStatus(node, 10_250, now, now)
    for (let beat = 0; beat < 2; beat++)
      await cluster.client.patch(NODES, node, 'strategic', { status }, { subresource: 'status' })
    const text = await cluster.kubectl(['get', 'node', node.name, '--output=jsonpath={.status.addresses}'])
    const found = (JSON.parse(text) as { address: string }[]).map(({ address }) => address)
    assert.deepEqual(found, [...node.addresses, node.name])
  })

  it('hears of its nodes by Leases that are renewed', async () => {
    const isRenewed = async (name: string): Promise<void> => {
      const lease = { namespace: 'kube-node-lease', name }
      const { spec } = await cluster.client.get<Lease>(LEASES, lease)
      assert.equal(spec?.holderIdentity, name)
      await cluster.objects.waitFor<Lease>(
        LEASES,
        lease,
        (now) => (now.spec?.renewTime ?? '') > (spec.renewTime ?? ''),
      )
    }
    await Promise.all(cluster.nodes.map(({ name }) => isRenewed(name)))
  })

  it('is talked to with kubectl and helm', async () => {
    assert.match(await cluster.kubectl(['get', 'nodes']), /node-1\s+Ready[^]*node-2\s+Ready/)
    assert.equal((await cluster.helm(['list', '--all-namespaces', '--output', 'json'])).trim(), '[]')
  })
})
