/**
 * The scenarios of the Ingress conformance suite (kubernetes-sigs/ingress-controller-conformance), by feature, against a
 * real control plane: objects by kubectl, requests to the address that the status of the Ingress names. Each of them
 * twice: as the API says, and with the habits of ingress-nginx (`controller.compat` of the chart); where the two
 * disagree the scenario says both.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { applyChart } from './chart-install.ts'
import { ask, type Answer, type Ask } from './ask.ts'
import { Authority } from './authority.ts'
import { Cluster } from './cluster.ts'
import { echo, ECHO_PORT, echoOf } from './echo.ts'
import { retryUntil } from './retry-until.ts'

const NAMESPACE = 'conformance'
const TLS_HOST = 'foo.bar.com'
const USER_AGENT = 'Go-http-client/1.1'
const SERVICES = [
  'echo-service',
  'wildcard-foo-com',
  'foo-bar-com',
  'foo-exact',
  'foo-prefix',
  'aaa-slash-bbb-prefix',
  'aaa-prefix',
  'aaa-slash-bbb-slash-prefix',
  'foo-slash-exact',
]
const PODS = 10
const STATUS_WAIT = '30s'

/** What is expected: the Service that answers, or a status without one. */
type Expected = string | { readonly status: number; readonly location?: string }

interface Scenario {
  readonly title: string
  readonly host: string
  readonly path?: string
  readonly method?: string
  readonly isTls?: boolean
  readonly expects: Expected
  /** With the habits of ingress-nginx, where that is something else. */
  readonly nginx?: Expected
}

const NOT_FOUND = { status: 404 }

const HOST_SCENARIOS: readonly Scenario[] = [
  { title: 'a host over TLS', host: TLS_HOST, isTls: true, expects: 'foo-bar-com' },
  {
    title: 'a host without TLS',
    host: TLS_HOST,
    expects: 'foo-bar-com',
    nginx: { status: 308, location: `https://${TLS_HOST}/` },
  },
  { title: 'another host', host: 'subdomain.bar.com', expects: NOT_FOUND },
  { title: 'a wildcard and one label', host: 'bar.foo.com', expects: 'wildcard-foo-com' },
  { title: 'a wildcard and two labels', host: 'baz.bar.foo.com', expects: NOT_FOUND },
  { title: 'a wildcard and no label', host: 'foo.com', expects: NOT_FOUND },
]

const EXACT = 'exact-path-rules'
const PREFIX = 'prefix-path-rules'
const MIXED = 'mixed-path-rules'
const SLASH = 'trailing-slash-path-rules'
const PATH_SCENARIOS: readonly Scenario[] = [
  { title: 'Exact', host: EXACT, path: '/foo', expects: 'foo-exact' },
  { title: 'Exact, and a slash behind', host: EXACT, path: '/foo/', expects: NOT_FOUND },
  { title: 'Exact, in other case', host: EXACT, path: '/FOO', expects: NOT_FOUND },
  { title: 'Exact, another path', host: EXACT, path: '/bar', expects: NOT_FOUND },
  { title: 'Prefix', host: PREFIX, path: '/foo', expects: 'foo-prefix' },
  { title: 'Prefix, and a slash behind', host: PREFIX, path: '/foo/', expects: 'foo-prefix' },
  { title: 'Prefix, in other case', host: PREFIX, path: '/FOO', expects: NOT_FOUND },
  { title: 'the longest Prefix', host: PREFIX, path: '/aaa/bbb', expects: 'aaa-slash-bbb-prefix' },
  { title: 'below the longest', host: PREFIX, path: '/aaa/bbb/ccc', expects: 'aaa-slash-bbb-prefix' },
  { title: 'below the shorter Prefix', host: PREFIX, path: '/aaa/ccc', expects: 'aaa-prefix' },
  { title: 'Prefix within an element', host: PREFIX, path: '/aaaccc', expects: NOT_FOUND },
  { title: 'Prefix, and a slash behind, again', host: PREFIX, path: '/foo/', expects: 'foo-prefix' },
  { title: 'Exact before Prefix', host: MIXED, path: '/foo', expects: 'foo-exact' },
  {
    title: 'Prefix with a slash',
    host: SLASH,
    path: '/aaa/bbb',
    expects: 'aaa-slash-bbb-slash-prefix',
    nginx: { status: 301, location: `http://${SLASH}/aaa/bbb/` },
  },
  { title: 'Prefix, slash in both', host: SLASH, path: '/aaa/bbb/', expects: 'aaa-slash-bbb-slash-prefix' },
  {
    title: 'Exact with a slash, path without',
    host: SLASH,
    path: '/foo',
    expects: NOT_FOUND,
    nginx: { status: 301, location: `http://${SLASH}/foo/` },
  },
]

/** Method, host and path; without a host the address stands there. */
const DEFAULT_BACKEND_REQUESTS: readonly (readonly [string, string, string])[] = [
  ['GET', 'my-host', '/'],
  ['GET', 'my-host', '/sub-path'],
  ['POST', 'some-host', '/'],
  ['PUT', '', '/resource'],
  ['DELETE', 'some-host', '/resource'],
  ['PATCH', 'my-host', '/resource'],
]

const VARIANTS = [
  { name: 'plain', title: 'as the API says', compat: '' },
  { name: 'nginx', title: 'with the habits of ingress-nginx', compat: 'ingress-nginx' },
] as const

async function accepts(host: string, port: number): Promise<true> {
  const socket = connect({ host, port })
  await once(socket, 'connect')
  socket.destroy()
  return true
}

describe('Ingress conformance', { timeout: 300_000 }, () => {
  let cluster: Cluster
  const issuer = new Authority('conformance')
  const authority = issuer.certificate
  const certificate = issuer.server(TLS_HOST, [TLS_HOST])

  before(async () => {
    cluster = await Cluster.start({ nodes: 2 })
    const releases = []
    const addresses: string[] = []
    for (const { name, compat } of VARIANTS) {
      const values = {
        'ingressClass.name': name,
        'controller.controllerClass': `example.com/${name}`,
        'controller.compat': compat,
        workers: 1,
      }
      const workload = await applyChart(cluster, { namespace: name, values })
      addresses.push(...(await cluster.expose(workload)))
      releases.push(cluster.objects.waitForDeployment(workload))
    }
    await cluster.objects.createNamespace(NAMESPACE)
    await apply(SERVICES.flatMap((name) => echo(NAMESPACE, name)))
    const pair = { 'tls.crt': certificate.certificate, 'tls.key': certificate.key }
    await apply([
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { namespace: NAMESPACE, name: 'conformance-tls' },
        type: 'kubernetes.io/tls',
        stringData: pair,
      },
    ])
    await Promise.all([
      ...releases,
      ...SERVICES.map((name) => cluster.objects.waitForDeployment({ namespace: NAMESPACE, name })),
    ])
    // kube-proxy leads to the pods a moment after they are ready.
    for (const host of addresses) {
      for (const port of [80, 443]) {
        await retryUntil(`${host}:${port} accepts`, () => accepts(host, port), 20_000)
      }
    }
  })
  after(() => cluster?.stop())

  const apply = async (objects: readonly object[]): Promise<void> => {
    const stdin = objects.map((object) => JSON.stringify(object)).join('\n---\n')
    await cluster.kubectl(['apply', '--filename', '-'], { stdin })
  }

  const applyIngress = (name: string, spec: object, annotations: object = {}): Promise<void> =>
    apply([
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata: { namespace: NAMESPACE, name, annotations },
        spec,
      },
    ])

  const ingressStatus = (name: string): Promise<string> =>
    cluster.kubectl([
      ...['--namespace', NAMESPACE, 'get', 'ingress', name],
      '--output=jsonpath={.status.loadBalancer.ingress[0].ip}',
    ])

  /** Address that the status of the Ingress shows, once it does. */
  const statusAddress = async (name: string): Promise<string> => {
    const path = '{.status.loadBalancer.ingress[0].ip}'
    const flags = ['--namespace', NAMESPACE, `--timeout=${STATUS_WAIT}`, `--for=jsonpath=${path}`]
    await cluster.kubectl(['wait', ...flags, `ingress/${name}`])
    return ingressStatus(name)
  }

  const meets = (answer: Answer, expected: Expected): void => {
    if (typeof expected === 'string') {
      assert.equal(answer.status, 200, answer.body)
      const { service, namespace } = echoOf(answer.body)
      assert.deepEqual({ service, namespace }, { service: expected, namespace: NAMESPACE })
      return
    }
    assert.equal(answer.status, expected.status, answer.body)
    assert.equal(answer.headers.location, expected.location)
  }

  const feature = (title: string, scenarios: readonly Scenario[], spec: object): void => {
    for (const variant of VARIANTS) {
      describe(`${title}, ${variant.title}`, () => {
        let address = ''

        before(async () => {
          const name = `${title.replaceAll(' ', '-')}-${variant.name}`
          await applyIngress(name, { ...spec, ingressClassName: variant.name })
          address = await statusAddress(name)
        })

        for (const { title: what, host, path = '/', isTls = false, expects, nginx } of scenarios) {
          const expected = variant.name === 'nginx' ? (nginx ?? expects) : expects
          it(`${what}: ${isTls ? 'https' : 'http'}://${host}${path} is ${textOf(expected)}`, async () => {
            const answer = await ask({ address, host, path, ...(isTls ? { authority } : {}) })
            meets(answer, expected)
            if (typeof expected === 'string') assert.equal(echoOf(answer.body).host, host)
          })
        }
      })
    }
  }

  feature('host rules', HOST_SCENARIOS, {
    tls: [{ hosts: [TLS_HOST], secretName: 'conformance-tls' }],
    rules: [
      rule('*.foo.com', path('/', 'Prefix', 'wildcard-foo-com')),
      rule(TLS_HOST, path('/', 'Prefix', 'foo-bar-com', { name: 'http' })),
    ],
  })

  feature('path rules', PATH_SCENARIOS, {
    rules: [
      rule(EXACT, path('/foo', 'Exact', 'foo-exact')),
      rule(
        PREFIX,
        path('/foo', 'Prefix', 'foo-prefix'),
        path('/aaa/bbb', 'Prefix', 'aaa-slash-bbb-prefix'),
        path('/aaa', 'Prefix', 'aaa-prefix'),
      ),
      rule(MIXED, path('/foo', 'Prefix', 'foo-prefix'), path('/foo', 'Exact', 'foo-exact')),
      rule(
        SLASH,
        path('/aaa/bbb/', 'Prefix', 'aaa-slash-bbb-slash-prefix'),
        path('/foo/', 'Exact', 'foo-slash-exact'),
      ),
    ],
  })

  describe('ingress class', () => {
    it('an Ingress of a class that nobody knows gets no address and no traffic', async () => {
      const host = 'ingress-class'
      const rules = [rule(host, path('/', 'Prefix', 'echo-service'))]
      await applyIngress('unknown-class', { ingressClassName: 'some-invalid-class-name', rules })
      // Those that were made later have theirs: this one was seen, and passed over.
      for (const { name } of VARIANTS) {
        const later = [rule(`later-${name}`, path('/', 'Prefix', 'echo-service'))]
        await applyIngress(`later-${name}`, { ingressClassName: name, rules: later })
        const address = await statusAddress(`later-${name}`)
        meets(await ask({ address, host: `later-${name}` }), 'echo-service')
        meets(await ask({ address, host }), NOT_FOUND)
      }
      assert.equal(await ingressStatus('unknown-class'), '')
    })
  })

  for (const { name: variant, title } of VARIANTS) {
    describe(`default backend, ${title}`, () => {
      let address = ''

      before(async () => {
        const name = `default-backend-${variant}`
        await applyIngress(name, { ingressClassName: variant, defaultBackend: backend('echo-service') })
        address = await statusAddress(name)
      })

      for (const [method, host, where] of DEFAULT_BACKEND_REQUESTS) {
        it(`${method} ${host === '' ? 'without a host' : `of ${host}`} ${where}`, async () => {
          const headers = { 'user-agent': USER_AGENT }
          const sent: Ask = { address, method, path: where, headers, ...(host === '' ? {} : { host }) }
          const answer = await ask(sent)
          meets(answer, 'echo-service')
          assert.equal(answer.httpVersion, '1.1')
          for (const header of ['content-length', 'content-type', 'date', 'server'])
            assert.notEqual(answer.headers[header] ?? '', '', header)
          const { method: seenMethod, path: seenPath, proto, headers: seen } = echoOf(answer.body)
          assert.deepEqual(
            { method: seenMethod, path: seenPath, proto, agent: seen['User-Agent'] },
            { method, path: where, proto: 'HTTP/1.1', agent: [USER_AGENT] },
          )
        })
      }
    })

    describe(`load balancing, ${title}`, () => {
      it(`100 requests reach all ${PODS} pods, over new connections and over one that is kept`, async (t) => {
        const name = `load-balancing-${variant}`
        const deployment = { namespace: NAMESPACE, name: 'echo-service' }
        const host = 'load-balancing'
        await applyIngress(name, {
          ingressClassName: variant,
          rules: [rule(host, path('/', 'Prefix', 'echo-service'))],
        })
        const address = await statusAddress(name)
        const flags = ['--namespace', NAMESPACE, `--replicas=${PODS}`]
        await cluster.kubectl(['scale', ...flags, `deployment/${deployment.name}`])
        await cluster.objects.waitForDeployment(deployment)
        const round = async (agent?: Agent): Promise<ReadonlyMap<string, number>> => {
          const counts = new Map<string, number>()
          for (let request = 0; request < 100; request++) {
            const answer = await ask({ address, host, ...(agent === undefined ? {} : { agent }) })
            meets(answer, 'echo-service')
            const { pod } = echoOf(answer.body)
            counts.set(pod, (counts.get(pod) ?? 0) + 1)
          }
          return counts
        }
        // Replicas learn of the last pods at different times.
        await cluster.objects.until('both replicas know all pods', async () => (await round()).size === PODS)
        const fresh = await round()
        assert.equal(fresh.size, PODS)
        const agent = new Agent({ keepAlive: true, maxSockets: 1 })
        const kept = await round(agent)
        agent.destroy()
        assert.equal(kept.size, PODS)
        const text = (counts: ReadonlyMap<string, number>) =>
          [...counts.values()].toSorted((a, b) => a - b).join(' ')
        t.diagnostic(`requests by pod: ${text(fresh)}; over one connection: ${text(kept)}`)
      })
    })
  }

  describe('where ingress-nginx disagrees with the API', () => {
    const host = 'disagree'
    const addresses: Record<string, string> = {}

    before(async () => {
      for (const { name } of VARIANTS) {
        const ingressClassName = name
        await applyIngress(`disagree-${name}`, {
          ingressClassName,
          tls: [{ hosts: [TLS_HOST], secretName: 'conformance-tls' }],
          rules: [
            rule(host, path('/part', 'ImplementationSpecific', 'foo-prefix')),
            rule('regex', path('/foo', 'Exact', 'foo-exact')),
          ],
        })
        await applyIngress(
          `disagree-regex-${name}`,
          {
            ingressClassName,
            rules: [rule('regex', path('/id/[0-9]+', 'ImplementationSpecific', 'aaa-prefix'))],
          },
          { 'nginx.ingress.kubernetes.io/use-regex': 'true' },
        )
        addresses[name] = await statusAddress(`disagree-${name}`)
        await statusAddress(`disagree-regex-${name}`)
      }
    })

    const differs = (title: string, asked: Omit<Ask, 'address'>, plain: Expected, nginx: Expected): void => {
      it(`${title}: ${textOf(plain)}, and ${textOf(nginx)} with its habits`, async () => {
        meets(await ask({ ...asked, address: addresses['plain'] ?? '' }), plain)
        meets(await ask({ ...asked, address: addresses['nginx'] ?? '' }), nginx)
      })
    }

    differs(
      'ImplementationSpecific within an element',
      { host, path: '/partly' },
      // The default backend of another Ingress.
      'echo-service',
      'foo-prefix',
    )
    differs('a host that has rules, none of which matches', { host, path: '/no' }, 'echo-service', NOT_FOUND)
    differs(
      'an Exact path in other case, on a host with a regular expression',
      { host: 'regex', path: '/FOO/bar' },
      'echo-service',
      'foo-exact',
    )
    differs(
      'a body of more than 1 MiB',
      { host, path: '/part', method: 'POST', body: Buffer.alloc(1_048_577) },
      'foo-prefix',
      { status: 413 },
    )

    it('answers over TLS: only ingress-nginx wants the next ones over TLS, too', async () => {
      const strictTransport = async (address = '') =>
        (await ask({ address, host: TLS_HOST, authority })).headers['strict-transport-security']
      assert.equal(await strictTransport(addresses['plain']), undefined)
      assert.match((await strictTransport(addresses['nginx'])) ?? '', /^max-age=\d+/)
    })
  })
})

function backend(name: string, port: object = { number: ECHO_PORT }): object {
  return { service: { name, port } }
}

function path(value: string, pathType: string, service: string, port?: object): object {
  return { path: value, pathType, backend: backend(service, port) }
}

function rule(host: string, ...paths: readonly object[]): object {
  return { host, http: { paths } }
}

function textOf(expected: Expected): string {
  if (typeof expected === 'string') return expected
  const { status, location } = expected
  return location === undefined ? String(status) : `${status} to ${location}`
}
