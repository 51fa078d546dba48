/** The gateway outside of a cluster, following it with a kubeconfig: what it serves, may read, and survives. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { after, before, describe, it } from 'node:test'
import { parse, stringify } from 'yaml'
import { createSelfSigned } from '#certs/self-signed.ts'
import { Cluster } from './cluster.ts'
import { OutsideGateway } from './outside-gateway.ts'

/** Interval of the probe, in milliseconds. */
const PROBE_MS = 5

const APP = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 10
      containers:
        - name: web
          image: backend
          env:
            - { name: SHUTDOWN_MS, value: '2000' }
            - { name: POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
          readinessProbe: { httpGet: { path: /healthz, port: 8080 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: edge }
spec: { controller: sekisho.dev/ingress-controller }
`

function ingress(
  name: string,
  options: { namespace?: string; secret?: string; service?: string } = {},
): object {
  const { namespace = 'shop', secret, service = 'web' } = options
  const host = `${name}.example`
  const path = {
    path: '/',
    pathType: 'Prefix',
    backend: { service: { name: service, port: { number: 80 } } },
  }
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace },
    spec: {
      ingressClassName: 'edge',
      ...(secret === undefined ? {} : { tls: [{ hosts: [host], secretName: secret }] }),
      rules: [{ host, http: { paths: [path] } }],
    },
  }
}

function tlsSecret(name: string, host: string): object {
  const { certificate, key } = createSelfSigned({ now: Date.now(), dnsNames: [host] })
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'shop' },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': certificate, 'tls.key': key },
  }
}

/** Serial number of the certificate that a client of this name is shown. */
function serialShown(port: number, servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

describe('a gateway that follows a cluster', { timeout: 300_000 }, () => {
  let cluster: Cluster
  let gateway: OutsideGateway
  let directory: string

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sekisho-provider-'))
    cluster = await Cluster.start({ nodes: 1 })
    await cluster.objects.createNamespace('shop')
    await cluster.objects.apply(APP)
    await cluster.objects.apply([ingress('web')])
    gateway = await OutsideGateway.start({ kubeconfig: cluster.kubeconfig })
    await cluster.objects.waitForDeployment({ namespace: 'shop', name: 'web' })
  })
  after(async () => {
    await gateway?.stop()
    await cluster?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  it('serves Ingresses of its class from pods', async () => {
    await gateway.until('a pod answers', async () => (await gateway.get('web.example')).status === 200)
    const pods = new Set<string>()
    await gateway.until('both pods answer', async () => {
      pods.add((JSON.parse((await gateway.get('web.example')).body) as { pod: string }).pod)
      return pods.size === 2
    })
    assert.equal((await gateway.get('other.example')).status, 404)
  })

  it('follows pods as they come and go', async () => {
    const pods = await cluster.objects.pods('shop', 'app=web')
    await cluster.kubectl(['-n', 'shop', 'scale', 'deployment', 'web', '--replicas=1'])
    await gateway.until('one pod is left', async () => {
      const seen = new Set<string>()
      for (let i = 0; i < 8; i++)
        seen.add((JSON.parse((await gateway.get('web.example')).body) as { pod: string }).pod)
      return seen.size === 1
    })
    await cluster.kubectl(['-n', 'shop', 'scale', 'deployment', 'web', '--replicas=2'])
    await cluster.objects.waitForDeployment({ namespace: 'shop', name: 'web' })
    assert.equal(pods.length, 2)
  })

  it('shows the certificate that a Secret holds, the renewed one too', async () => {
    await cluster.objects.apply([tlsSecret('tls', 'tls.example'), ingress('tls', { secret: 'tls' })])
    const own = await serialShown(gateway.websecure, 'other.example')
    let first = own
    await gateway.until('the certificate is shown', async () => {
      first = await serialShown(gateway.websecure, 'tls.example')
      return first !== own
    })
    await cluster.objects.apply([tlsSecret('tls', 'tls.example')])
    await gateway.until(
      'the renewed one is shown',
      async () => (await serialShown(gateway.websecure, 'tls.example')) !== first,
    )
  })

  it('says what is missing, and what its metrics are', async () => {
    await cluster.objects.apply([ingress('broken', { service: 'nowhere', secret: 'none' })])
    await gateway.until(
      'the findings',
      () => /service-not-found/.test(gateway.log) && /tls-secret-not-found/.test(gateway.log),
    )
    assert.equal((await gateway.get('broken.example')).status, 503)
    assert.equal(await gateway.metric('sekisho_kube_objects{resource="ingresses"}'), 3)
    assert.equal(await gateway.metric('sekisho_kube_problems{resource="ingresses"}'), 0)
    assert.ok(
      (await gateway.metric('sekisho_kube_last_event_timestamp_seconds{resource="ingresses"}')) > 1.7e9,
    )
  })

  it('loses no request while the control plane fails, and has a fresh configuration afterwards', async () => {
    const probe = new Probe(gateway, 'web.example')
    assert.ok((await cluster.faults.cutConnections()) > 0)
    await cluster.objects.apply([ingress('after-cut')])
    await gateway.until('the change', async () => (await gateway.get('after-cut.example')).status === 200)
    await cluster.faults.stop('kube-apiserver')
    await cluster.faults.compact()
    await cluster.faults.start('kube-apiserver')
    await cluster.faults.apiReady()
    await cluster.objects.apply([ingress('after-restart')])
    await gateway.until('the change', async () => (await gateway.get('after-restart.example')).status === 200)
    await cluster.faults.pause('kube-apiserver')
    const enough = probe.count + 100
    await gateway.until('some requests', () => probe.count > enough)
    await cluster.faults.resume('kube-apiserver')
    await cluster.kubectl(['-n', 'shop', 'delete', 'ingress', 'after-cut', 'broken', '--wait'])
    await gateway.until('the change', async () => (await gateway.get('after-cut.example')).status === 404)
    const failures = await probe.end()
    assert.deepEqual(failures, [])
    await using fresh = await OutsideGateway.start({ kubeconfig: cluster.kubeconfig })
    await gateway.until(
      'both have the same configuration',
      async () => (await gateway.configHash()) === (await fresh.configHash()),
      10_000,
    )
  })

  it('works with rights in one namespace, says what it may not see, and heals', async () => {
    await cluster.objects.createNamespace('blog')
    await cluster.objects.apply([
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'narrow', namespace: 'shop' } },
      role('shop'),
      binding('shop'),
      ingress('blog', { namespace: 'blog' }),
    ])
    const kubeconfig = await narrowKubeconfig(cluster, directory)
    const flags = ['--watch-namespace=shop,blog', '--ingress-class=edge']
    await using narrow = await OutsideGateway.start({ kubeconfig, flags })
    assert.equal((await narrow.get('web.example')).status, 200)
    assert.equal((await narrow.get('blog.example')).status, 404)
    for (const resource of ['ingresses', 'services', 'endpointslices', 'secrets'])
      await narrow.until(resource, () =>
        narrow.log.includes(`may not list and watch ${resource} in namespace blog`),
      )
    assert.match(narrow.log, /may not list and watch ingressclasses in the cluster/)
    assert.doesNotMatch(narrow.log, /in namespace shop/)
    await cluster.objects.apply([role('blog'), binding('blog')])
    await narrow.until(
      'the Ingress there is served',
      async () => (await narrow.get('blog.example')).status === 503,
      60_000,
    )
  })

  it('is not ready before it could read, and says why', async () => {
    await cluster.faults.stop('kube-apiserver')
    await using early = await OutsideGateway.start({ kubeconfig: cluster.kubeconfig, isReadyAwaited: false })
    await early.until('it says why', () => /cannot be followed since .*ECONNREFUSED/.test(early.log))
    const answer = await early.ask('/ready')
    assert.equal(answer.status, 503)
    assert.match(answer.body, /waits for the first list of \w+: .*ECONNREFUSED/)
    await using leaving = await OutsideGateway.start({
      kubeconfig: cluster.kubeconfig,
      isReadyAwaited: false,
    })
    leaving.child.kill('SIGTERM')
    assert.deepEqual(await leaving.exited, [0, null])
    await cluster.faults.start('kube-apiserver')
    await cluster.faults.apiReady()
    await early.until('it is ready', async () => (await early.ask('/ready')).status === 200)
    assert.equal((await early.get('web.example')).status, 200)
  })
})

/** Asks at a constant rate until it is ended; an answer that is late does not delay the next. */
class Probe {
  count = 0
  readonly #failures: string[] = []
  readonly #timer: NodeJS.Timeout
  #open = 0
  #whenIdle: () => void = () => {}

  constructor(gateway: OutsideGateway, host: string) {
    this.#timer = setInterval(() => {
      this.count++
      this.#open++
      gateway
        .get(host)
        .then(
          ({ status }) => (status === 200 ? undefined : this.#failures.push(String(status))),
          (error: Error) => this.#failures.push(error.message),
        )
        .finally(() => {
          if (--this.#open === 0) this.#whenIdle()
        })
    }, PROBE_MS)
  }

  /** What was not answered with 200. */
  async end(): Promise<readonly string[]> {
    clearInterval(this.#timer)
    if (this.#open > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve))
    return this.#failures
  }
}

function role(namespace: string): object {
  const rule = (apiGroup: string, resources: readonly string[], verbs: readonly string[]): object => ({
    apiGroups: [apiGroup],
    resources,
    verbs,
  })
  const read = ['get', 'list', 'watch']
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: 'gateway', namespace },
    rules: [
      rule('networking.k8s.io', ['ingresses'], read),
      rule('discovery.k8s.io', ['endpointslices'], ['list', 'watch']),
      rule('', ['services', 'secrets'], read),
    ],
  }
}

function binding(namespace: string): object {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'gateway', namespace },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'gateway' },
    subjects: [{ kind: 'ServiceAccount', name: 'narrow', namespace: 'shop' }],
  }
}

/** A kubeconfig with a token of the service account `shop/narrow` in place of the administrator's certificate. */
async function narrowKubeconfig(cluster: Cluster, directory: string): Promise<string> {
  const config = parse(await readFile(cluster.kubeconfig, 'utf8')) as { users: { user: object }[] }
  const token = (await cluster.kubectl(['-n', 'shop', 'create', 'token', 'narrow'])).trim()
  for (const each of config.users) each.user = { token }
  const file = join(directory, 'narrow.yaml')
  await writeFile(file, stringify(config), { mode: 0o600 })
  return file
}
