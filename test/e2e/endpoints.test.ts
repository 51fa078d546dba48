/** Which endpoints of a Service get requests, wherever they are written, and what becomes of those that fail. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { askEach, get, namesOf, tally } from './bed/ask.ts'
import { endAll, namedServer, namedServers } from './bed/backends.ts'
import { GatewayProcess } from './bed/gateway-process.ts'
import { ingress, service } from './bed/manifests.ts'
import { metric } from './bed/metrics-text.ts'
import { RawServer } from './bed/raw-peer.ts'

/** An address of our own, so that no other test takes the port of a server that is down for a while. */
const DYING_HOST = `127.71.${(process.pid >> 8) & 255}.${process.pid & 255}`
const NAMES = ['a', 'b', 'c', 'd']

let servers: RawServer[]
before(async () => {
  servers = await namedServers(NAMES)
})
after(() => endAll(servers))

interface Conditions {
  readonly ready?: boolean
  readonly serving?: boolean
  readonly terminating?: boolean
}

/** Server n with its conditions; undefined: none are given. */
type Endpoint = readonly [index: number, conditions?: Conditions]

/** One slice for each endpoint, since ports differ. */
function slices(name: string, endpoints: readonly Endpoint[], labels: object = {}): string {
  return endpoints
    .map(([index, conditions], number) =>
      JSON.stringify({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          name: `${name}-${number}`,
          namespace: 'default',
          labels: { 'kubernetes.io/service-name': name, ...labels },
        },
        addressType: 'IPv4',
        ports: [{ name: 'http', port: servers[index]!.port }],
        endpoints: [{ addresses: ['127.0.0.1'], ...(conditions === undefined ? {} : { conditions }) }],
      }),
    )
    .join('\n---\n')
}

function serviceAlone(name: string, spec: object = {}): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { ports: [{ name: 'http', port: 80 }], ...spec },
  })
}

function endpointsObject(name: string, ready: readonly number[], notReady: readonly number[]): string {
  const subset = (index: number, key: string) => ({
    [key]: [{ ip: '127.0.0.1' }],
    ports: [{ name: 'http', port: servers[index]!.port }],
  })
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name, namespace: 'default' },
    subsets: [
      ...ready.map((index) => subset(index, 'addresses')),
      ...notReady.map((index) => subset(index, 'notReadyAddresses')),
    ],
  })
}

const READY = { ready: true, serving: true, terminating: false }
const NOT_READY = { ready: false, serving: false, terminating: false }
const LEAVING = { ready: false, serving: true, terminating: true }
const GONE = { ready: false, serving: false, terminating: true }

interface Row {
  readonly what: string
  readonly manifests: (name: string) => readonly string[]
  /** Names that answer, each as often as the others; none: 503. */
  readonly answers: string
  readonly flags?: (name: string) => readonly string[]
}

const slicesOf =
  (...endpoints: readonly Endpoint[]) =>
  (name: string) => [serviceAlone(name), slices(name, endpoints)]

const ROWS: readonly Row[] = [
  {
    what: 'ready endpoints answer, others do not',
    manifests: slicesOf([0, READY], [1, NOT_READY], [2, READY], [3, GONE]),
    answers: 'ac',
  },
  { what: 'without conditions an endpoint is ready', manifests: slicesOf([0], [1, {}]), answers: 'ab' },
  {
    what: 'terminating ones that still serve are left alone while others are ready',
    manifests: slicesOf([0, LEAVING], [1, READY], [2, LEAVING]),
    answers: 'b',
  },
  {
    what: 'terminating ones that still serve are the last resort',
    manifests: slicesOf([0, LEAVING], [1, NOT_READY], [2, LEAVING], [3, GONE]),
    answers: 'ac',
  },
  { what: 'nobody ready or serving', manifests: slicesOf([0, NOT_READY], [1, GONE]), answers: '' },
  {
    what: 'an endpoint in two slices gets one share',
    manifests: (name) => [
      serviceAlone(name),
      slices(name, [
        [0, READY],
        [1, READY],
      ]),
      slices(`${name}-more`, [[0, READY]], { 'kubernetes.io/service-name': name }),
    ],
    answers: 'ab',
  },
  {
    what: 'ready in one of two slices is ready',
    manifests: (name) => [
      serviceAlone(name),
      slices(name, [
        [0, LEAVING],
        [1, READY],
      ]),
      slices(`${name}-more`, [[0, READY]], { 'kubernetes.io/service-name': name }),
    ],
    answers: 'ab',
  },
  {
    what: 'a headless Service has its endpoints like any other',
    manifests: (name) => [
      serviceAlone(name, { clusterIP: 'None' }),
      slices(name, [
        [2, READY],
        [3, READY],
      ]),
    ],
    answers: 'cd',
  },
  {
    what: 'old Endpoints objects',
    manifests: (name) => [serviceAlone(name), endpointsObject(name, [0, 3], [1])],
    answers: 'ad',
  },
  {
    what: 'EndpointSlices win over the Endpoints object that Kubernetes mirrors',
    manifests: (name) => [serviceAlone(name), endpointsObject(name, [0, 1], []), slices(name, [[2, READY]])],
    answers: 'c',
  },
  {
    what: 'endpoints given by a flag, for a port by number',
    manifests: (name) => [serviceAlone(name)],
    answers: 'ab',
    flags: (name) => [`--backend=default/${name}:80=${servers[0]!.address},${servers[1]!.address}`],
  },
  {
    what: 'endpoints given by a flag, for a port by name, twice',
    manifests: (name) => [serviceAlone(name)],
    answers: 'bd',
    flags: (name) => [
      `--backend=default/${name}:http=${servers[1]!.address}`,
      `--backend=default/${name}:http=${servers[3]!.address}`,
    ],
  },
  {
    what: 'endpoints given by a flag, by name of a host',
    manifests: (name) => [serviceAlone(name)],
    answers: 'c',
    flags: (name) => [`--backend=default/${name}=localhost:${servers[2]!.port}`],
  },
  {
    what: 'endpoints of the manifests win over those of a flag',
    manifests: slicesOf([0, READY]),
    answers: 'a',
    flags: (name) => [`--backend=default/${name}=${servers[1]!.address}`],
  },
  {
    what: 'a flag stands in when nobody is ready',
    manifests: slicesOf([0, NOT_READY]),
    answers: 'b',
    flags: (name) => [`--backend=default/${name}=${servers[1]!.address}`],
  },
]

test('endpoints', async (t) => {
  const rows = ROWS.map((row, index) => ({ ...row, name: `row-${index}` }))
  const externalPort = servers[1]!.port
  await using gateway = await GatewayProcess.start({
    workers: 2,
    flags: rows.flatMap(({ flags, name }) => flags?.(name) ?? []),
    manifests: {
      ...Object.fromEntries(
        rows.map(({ name, manifests }) => [
          `${name}.yaml`,
          [ingress({ name, host: `${name}.example`, paths: [{ service: name }] }), ...manifests(name)].join(
            '\n---\n',
          ),
        ]),
      ),
      'external.yaml': ['127.0.0.1', 'localhost']
        .flatMap((externalName, index) => [
          ingress({
            name: `external-${index}`,
            host: `external-${index}.example`,
            paths: [{ service: `external-${index}`, port: externalPort }],
          }),
          serviceAlone(`external-${index}`, { type: 'ExternalName', externalName, ports: undefined }),
        ])
        .join('\n---\n'),
    },
  })
  for (const { what, name, answers } of rows) {
    await t.test(what, async () => {
      const each = 6
      const count = each * Math.max(1, answers.length)
      const requests = Array.from({ length: count }, () => get(`${name}.example`))
      const all = await askEach(gateway, requests, { connections: 3 })
      if (answers === '') {
        for (const { head } of all) assert.equal(head.status, 503)
        return
      }
      assert.deepEqual(
        tally(all.map(({ head, body }) => `${head.status} ${body}`)),
        Object.fromEntries(answers.split('').map((one) => [`200 ${one}`, each])),
      )
    })
  }
  for (const index of [0, 1]) {
    await t.test(`ExternalName, ${index === 0 ? 'an address' : 'a name'}`, async () => {
      assert.deepEqual(await namesOf(gateway, [get(`external-${index}.example`)]), ['b'])
    })
  }
})

function web(endpoints: readonly string[]): Record<string, string> {
  return {
    'web.yaml': ingress({ host: 'web.example', paths: [{ service: 'web' }] }),
    'service.yaml': service('web', endpoints),
  }
}

/** `POST` with a body, which may be sent to another server as long as nothing of it was lost. */
function post(body: string): string {
  return `POST / HTTP/1.1\r\nHost: web.example\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

async function isUp(gateway: GatewayProcess, address: string): Promise<boolean> {
  return metric(await gateway.metrics(), 'traefik_service_server_up', { url: `http://${address}` }) === 1
}

test('a server that refuses connections costs no request, is set aside, and comes back when it accepts again', async (t) => {
  let dying = await namedServer('dying', 0, DYING_HOST)
  const { address, port } = dying
  await dying[Symbol.asyncDispose]()
  await using live = await namedServer('live')
  await using gateway = await GatewayProcess.start({ workers: 2, manifests: web([address, live.address]) })
  const requests = Array.from({ length: 60 }, (_, index) =>
    index % 2 === 0 ? get('web.example') : post('x'.repeat(1000)),
  )
  const names = await namesOf(gateway, requests, { connections: 4 })
  assert.deepEqual(tally(names), { live: requests.length })
  await gateway.logged(/WRN server set aside/)
  assert.equal(await isUp(gateway, address), false)
  assert.equal(await isUp(gateway, live.address), true)
  const retries = metric(await gateway.metrics(), 'traefik_service_retries_total')
  // Once it is out nobody tries it any more; what was under way at that moment may have.
  assert.ok(retries <= 3 + 4, `${retries} retries`)
  const ejections = async (): Promise<number> =>
    metric(await gateway.metrics(), 'sekisho_server_ejections_total')
  assert.equal(await ejections(), 1)

  // A reload, also one that takes it away for a moment, does not bring it back.
  await gateway.reload('service.yaml', service('web', [live.address]))
  await gateway.reload('service.yaml', service('web', [address, live.address]))
  await namesOf(gateway, requests.slice(0, 20))
  assert.equal(await isUp(gateway, address), false)
  assert.equal(await ejections(), 1)

  dying = await namedServer('dying', port, DYING_HOST)
  try {
    const startedAt = performance.now()
    await gateway.logged(/INF server is back/)
    t.diagnostic(`back after ${((performance.now() - startedAt) / 1000).toFixed(1)} s of 4 to 6`)
    await gateway.until(() => isUp(gateway, address))
    assert.deepEqual(tally(await namesOf(gateway, requests, { connections: 4 })), { dying: 30, live: 30 })
  } finally {
    await dying[Symbol.asyncDispose]()
  }
})

test('never all servers are set aside: half of them at most, and one that is back serves at once', async () => {
  const dying = await Promise.all(['w', 'x', 'y', 'z'].map((name) => namedServer(name, 0, DYING_HOST)))
  const addresses = dying.map((server) => server.address)
  const { port } = dying[3]!
  await endAll(dying)
  await using gateway = await GatewayProcess.start({ workers: 2, manifests: web(addresses) })
  const ask = (count: number) =>
    askEach(
      gateway,
      Array.from({ length: count }, () => get('web.example')),
      { connections: 2 },
    )
  for (const { head } of await ask(40)) assert.equal(head.status, 502)
  await gateway.logged(/WRN server set aside[^]*WRN server set aside/)
  const text = await gateway.metrics()
  assert.equal(metric(text, 'traefik_service_server_up'), 2)
  assert.equal(metric(text, 'sekisho_server_ejections_total'), 2)
  await using _back = await namedServer('z', port, DYING_HOST)
  // Set aside or not: when all others fail, it is tried.
  for (const { head, body } of await ask(10)) assert.equal(`${head.status} ${body}`, '200 z')
})

test('the only server of a service is never set aside', async () => {
  const dying = await namedServer('alone', 0, DYING_HOST)
  const { address, port } = dying
  await dying[Symbol.asyncDispose]()
  await using gateway = await GatewayProcess.start({ manifests: web([address]) })
  const requests = Array.from({ length: 12 }, () => get('web.example'))
  for (const { head } of await askEach(gateway, requests)) assert.equal(head.status, 502)
  assert.equal(await isUp(gateway, address), true)
  await using _back = await namedServer('alone', port, DYING_HOST)
  assert.deepEqual(tally(await namesOf(gateway, requests)), { alone: requests.length })
})

test('a request that may have had an effect is not sent twice', async () => {
  let seen = 0
  await using closing = await RawServer.start(0, (connection) => {
    connection.socket.once('data', () => {
      seen++
      connection.socket.resetAndDestroy()
    })
  })
  await using live = await namedServer('live')
  await using gateway = await GatewayProcess.start({ manifests: web([closing.address, live.address]) })
  const answers = await askEach(
    gateway,
    Array.from({ length: 10 }, () => post('order')),
  )
  const failed = answers.filter(({ head }) => head.status === 502).length
  assert.equal(failed, seen)
  // Three in a row set it aside.
  assert.equal(seen, 3)
  assert.equal(answers.filter(({ body }) => body === 'live').length, answers.length - failed)
})
