/** Which server a request goes to: algorithms, keys, and what a change of servers moves. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { get, namesOf, tally } from './bed/ask.ts'
import { endAll, namedServer, namedServers } from './bed/backends.ts'
import { GatewayProcess } from './bed/gateway-process.ts'
import { HttpReader } from './bed/http-reader.ts'
import { ingress, service } from './bed/manifests.ts'
import { rawClient, RawServer, type RawConnection } from './bed/raw-peer.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e']
const ANNOTATIONS = 'nginx.ingress.kubernetes.io'
/** Every test host, with the annotations of its Ingress. Its Service has its name. */
const HOSTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  turns: {},
  reloaded: {},
  explicit: { [`${ANNOTATIONS}/load-balance`]: 'round_robin' },
  address: { [`${ANNOTATIONS}/load-balance`]: 'ip_hash' },
  affine: {},
  'by-address': { [`${ANNOTATIONS}/upstream-hash-by`]: '$remote_addr' },
  'by-uri': { [`${ANNOTATIONS}/upstream-hash-by`]: '$request_uri' },
  'by-header': { [`${ANNOTATIONS}/upstream-hash-by`]: '$http_x_tenant' },
  'by-cookie': { [`${ANNOTATIONS}/upstream-hash-by`]: '${cookie_user}' },
  'by-argument': { [`${ANNOTATIONS}/upstream-hash-by`]: '$host:$arg_id' },
}

let servers: RawServer[]
let gateway: GatewayProcess
/** Another replica: the same manifests, nothing shared. */
let replica: GatewayProcess

before(async () => {
  servers = await namedServers(NAMES)
  const manifests = {
    'ingresses.yaml': Object.entries(HOSTS)
      .map(([name, annotations]) =>
        ingress({ name, host: `${name}.example`, annotations, paths: [{ service: name }] }),
      )
      .join('\n---\n'),
    ...Object.fromEntries(Object.keys(HOSTS).map((name) => [`${name}.yaml`, backendsOf(name)])),
    'affine.yaml': backendsOf('affine').replace('"spec":{', '"spec":{"sessionAffinity":"ClientIP",'),
  }
  const flags = ['--entryPoints.web.forwardedHeaders.trustedIPs=127.0.0.1/32']
  ;[gateway, replica] = await Promise.all([
    GatewayProcess.start({ workers: 2, manifests, flags }),
    GatewayProcess.start({ workers: 1, manifests, flags }),
  ])
})

after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await replica?.[Symbol.asyncDispose]()
  await endAll(servers)
})

function backendsOf(name: string, used: readonly RawServer[] = servers): string {
  return service(
    name,
    used.map((server) => server.address),
  )
}

/** As a trusted proxy in front would say it. */
function from(address: string): string {
  return `X-Forwarded-For: ${address}\r\n`
}

for (const host of ['turns.example', 'explicit.example']) {
  test(`round robin at ${host}: each server gets exactly its share, over both workers and all connections`, async () => {
    const requests = Array.from({ length: 40 * NAMES.length }, () => get(host))
    assert.deepEqual(tally(await namesOf(gateway, requests, { connections: 8 })), {
      a: 40,
      b: 40,
      c: 40,
      d: 40,
      e: 40,
    })
  })
}

test('one connection goes through the servers in a fixed cycle, which a reload does not set back', async () => {
  const ask = (count: number) =>
    namesOf(
      gateway,
      Array.from({ length: count }, () => get('reloaded.example')),
    )
  const cycle = await ask(NAMES.length)
  assert.deepEqual(cycle.toSorted(), NAMES)
  assert.deepEqual(await ask(2), cycle.slice(0, 2))
  // Two changes of the service itself that leave it as it was.
  await gateway.reload('reloaded.yaml', backendsOf('reloaded', servers.slice(1)))
  await gateway.reload('reloaded.yaml', backendsOf('reloaded'))
  assert.deepEqual(await ask(3), cycle.slice(2))
  assert.deepEqual(await ask(NAMES.length), cycle)
})

/** What is asked, and what must not matter. */
const KEYED: readonly [host: string, request: (key: number, other: number) => string][] = [
  ['address', (key, other) => get('address.example', `/${other}`, from(`198.51.100.${key}`))],
  ['affine', (key, other) => get('affine.example', `/${other}`, from(`2001:db8::${key}:1`))],
  ['by-address', (key, other) => get('by-address.example', `/${other}`, from(`198.51.100.${key}`))],
  ['by-uri', (key, other) => get('by-uri.example', `/${key}?x=${key}`, from(`198.51.100.${other}`))],
  ['by-header', (key, other) => get('by-header.example', `/${other}`, `X-Tenant: tenant-${key}\r\n`)],
  [
    'by-cookie',
    (key, other) => get('by-cookie.example', `/${other}`, `Cookie: other=${other}; user=u${key}\r\n`),
  ],
  ['by-argument', (key, other) => get('by-argument.example', `/${other}?a=${other}&id=${key}`)],
]

for (const [name, request] of KEYED) {
  test(`${name}: one key has one server, over workers, connections and replicas`, async () => {
    const keys = Array.from({ length: 60 }, (_, key) => key + 1)
    const first = await namesOf(
      gateway,
      keys.map((key) => request(key, 1)),
      { connections: 4 },
    )
    const again = await namesOf(
      gateway,
      keys.map((key) => request(key, 2)),
      { connections: 7 },
    )
    const elsewhere = await namesOf(
      replica,
      keys.map((key) => request(key, 3)),
      { connections: 2 },
    )
    assert.deepEqual(again, first)
    assert.deepEqual(elsewhere, first)
    assertSpread(first)
  })
}

test('clients that connect themselves are told apart by their own address', async () => {
  const addresses = Array.from({ length: 40 }, (_, index) => `127.0.1.${index + 1}`)
  const ask = async (address: string): Promise<string> => {
    const reader = new HttpReader(await rawClient(gateway.web, '127.0.0.1', address))
    // What an untrusted client says about itself does not count.
    reader.connection.send(get('address.example', '/', from('192.0.2.1')))
    const { body } = await reader.response()
    reader.connection.socket.destroy()
    return body
  }
  const first = await Promise.all(addresses.map(ask))
  assert.deepEqual(await Promise.all(addresses.map(ask)), first)
  assertSpread(first)
})

test('an IPv4 address is the same client however it is written', async () => {
  const lines = ['203.0.113.9', '::ffff:203.0.113.9', '203.0.113.9:4711', '[::ffff:cb00:7109]:80'].map(from)
  const names = await namesOf(
    gateway,
    lines.flatMap((line) => [get('address.example', '/', line), get('address.example', '/', line)]),
  )
  assert.equal(Object.keys(tally(names)).length, 1)
})

test('requests without the key are spread evenly instead of all going to one', async () => {
  const requests = Array.from({ length: 200 }, (_, index) => get('by-header.example', `/${index}`))
  const counts = tally(await namesOf(gateway, requests, { connections: 4 }))
  assert.deepEqual(Object.keys(counts), NAMES)
  for (const [name, count] of Object.entries(counts)) assert.ok(count >= 10, `${name}: ${count} of 200`)
})

test('a server that goes moves its own keys and no other, and gets them back', async (t) => {
  const requests = Array.from({ length: 300 }, (_, key) => get('by-uri.example', `/key/${key}`))
  const ask = () => namesOf(gateway, requests, { connections: 4 })
  const whole = await ask()
  await gateway.reload('by-uri.yaml', backendsOf('by-uri', servers.toSpliced(2, 1)))
  const without = await ask()
  const orphans = whole.flatMap((name, key) => (name === 'c' ? [key] : []))
  t.diagnostic(`${orphans.length} of ${requests.length} keys moved with one of five servers`)
  assert.ok(orphans.length > 20 && orphans.length < 110, `${orphans.length} keys of one in five`)
  whole.forEach((name, key) => {
    if (name !== 'c') assert.equal(without[key], name, `key ${key}`)
  })
  // The others share them: none takes all.
  assert.deepEqual(Object.keys(tally(orphans.map((key) => without[key]!))), ['a', 'b', 'd', 'e'])
  await gateway.reload('by-uri.yaml', backendsOf('by-uri'))
  assert.deepEqual(await ask(), whole)
})

for (const [value, name] of [
  ['least_conn', 'least connections'],
  ['ewma', 'the better of two'],
] as const) {
  test(`${name}: requests go where fewer are in flight, counted over both workers`, async () => {
    await using slow = await RawServer.start()
    await using other = await RawServer.start()
    await using gateway = await GatewayProcess.start({
      workers: 2,
      manifests: {
        'web.yaml': ingress({
          host: 'busy.example',
          annotations: { [`${ANNOTATIONS}/load-balance`]: value },
          paths: [{ service: 'busy' }],
        }),
        'busy.yaml': service('busy', [slow.address, other.address]),
      },
    })
    const clients: RawConnection[] = []
    const hold = async (): Promise<void> => {
      const client = await rawClient(gateway.web)
      client.send(get('busy.example'))
      clients.push(client)
      await gateway.until(() => requestsAt(slow) + requestsAt(other) === clients.length)
    }
    for (let i = 0; i < 6; i++) await hold()
    assert.deepEqual([requestsAt(slow), requestsAt(other)], [3, 3])
    // One answers everything at once from here on; the other one nothing.
    for (const connection of other.connections) answerAll(connection)
    await gateway.until(() => clients.filter((each) => each.received.endsWith('ok')).length === 3)
    for (let i = 0; i < 3; i++) await hold()
    assert.deepEqual([requestsAt(slow), requestsAt(other)], [3, 6])
    await hold()
    await hold()
    assert.deepEqual([requestsAt(slow), requestsAt(other)], [4, 7])
    for (const client of clients) client.socket.destroy()
  })
}

test('a server that does not answer holds up nobody but its own requests with least connections', async () => {
  await using dead = await RawServer.start()
  await using first = await namedServer('x')
  await using second = await namedServer('y')
  await using gateway = await GatewayProcess.start({
    workers: 2,
    manifests: {
      'web.yaml': ingress({
        host: 'busy.example',
        annotations: { [`${ANNOTATIONS}/load-balance`]: 'least_conn' },
        paths: [{ service: 'busy' }],
      }),
      'busy.yaml': backendsOf('busy', [dead, first, second]),
    },
  })
  // Whoever comes to it when all are free is stuck there.
  const stuck = await rawClient(gateway.web)
  while (requestsAt(dead) === 0) {
    const before = stuck.received.length
    stuck.send(get('busy.example'))
    await gateway.until(() => requestsAt(dead) === 1 || stuck.received.length > before)
  }
  // One after the other: an answer may be here before it is no longer counted, and then one server is still free.
  const requests = Array.from({ length: 50 }, () => get('busy.example'))
  assert.deepEqual(Object.keys(tally(await namesOf(gateway, requests, { connections: 1 }))), ['x', 'y'])
  assert.equal(requestsAt(dead), 1)
  stuck.socket.destroy()
})

/** At least 40 keys: by chance one of five servers may have none of them, never two. */
function assertSpread(names: readonly string[]): void {
  const counts = tally(names)
  assert.ok(Object.keys(counts).length >= NAMES.length - 1, JSON.stringify(counts))
}

function requestsAt(server: RawServer): number {
  return server.connections.reduce((sum, { received }) => sum + received.split('\r\n\r\n').length - 1, 0)
}

function answerAll(connection: RawConnection): void {
  const waiting = connection.received.split('\r\n\r\n').length - 1
  for (let i = 0; i < waiting; i++) connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
}
