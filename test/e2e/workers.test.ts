/** Several workers on one port: how connections spread, and what a worker takes with it when it ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namedServer } from './bed/backends.ts'
import { GatewayProcess } from './bed/gateway-process.ts'
import { Inspector, INSPECTED } from './bed/inspector.ts'
import { Load } from './bed/load.ts'
import { ingress, service } from './bed/manifests.ts'
import { metric, seriesOf } from './bed/metrics-text.ts'
import { IS_PLAIN, scaled } from './bed/modes.ts'
import { exchangeBytes, rawClient, RawServer, type RawConnection } from './bed/raw-peer.ts'

const REQUEST = 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n'
const LAST_REQUEST = 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

function manifests(servers: readonly RawServer[], annotations: Record<string, string> = {}) {
  return {
    'web.yaml': ingress({ host: 'a.example', paths: [{ service: 'a' }], annotations }),
    'services.yaml': service(
      'a',
      servers.map((server) => server.address),
    ),
  }
}

/** A request that the server does not answer yet. */
async function heldRequest(gateway: GatewayProcess): Promise<RawConnection> {
  const client = await rawClient(gateway.web)
  client.send(REQUEST)
  return client
}

async function heldRequests(gateway: GatewayProcess, count: number): Promise<RawConnection[]> {
  return Promise.all(Array.from({ length: count }, () => heldRequest(gateway)))
}

/** Requests that have reached a server, whatever connection they came on. */
function requestsAt(server: RawServer): number {
  return server.connections.reduce((sum, { received }) => sum + received.split('\r\n\r\n').length - 1, 0)
}

function openAt(server: RawServer): RawConnection[] {
  return server.connections.filter((each) => !each.isClosed && !each.isEnded)
}

/** Requests that each worker has sent to servers. */
async function requestsByWorker(gateway: GatewayProcess): Promise<Map<string, number>> {
  const text = await gateway.metrics()
  const counts = new Map<string, number>()
  for (const name of [
    'sekisho_upstream_connections_created_total',
    'sekisho_upstream_connections_reused_total',
  ]) {
    for (const { labels, value } of seriesOf(text, name)) {
      counts.set(labels['worker']!, (counts.get(labels['worker']!) ?? 0) + value)
    }
  }
  return counts
}

test('four long connections spread over two workers, two each', async () => {
  await using server = await RawServer.start()
  await using gateway = await GatewayProcess.start({ workers: 2, manifests: manifests([server]) })
  // One after the other and all at once.
  const rounds = [
    async () => {
      for (let i = 0; i < 4; i++) {
        await heldRequest(gateway)
        await gateway.until(() => requestsAt(server) === i + 1)
      }
    },
    async () => {
      await heldRequests(gateway, 4)
      await gateway.until(() => requestsAt(server) === 8)
    },
  ]
  for (const [index, round] of rounds.entries()) {
    await round()
    await gateway.until(async () => {
      const byWorker = await requestsByWorker(gateway)
      return [...byWorker.values()].reduce((sum, count) => sum + count, 0) === 4 * (index + 1)
    })
    const each = 2 * (index + 1)
    assert.deepEqual(
      await requestsByWorker(gateway),
      new Map([
        ['0', each],
        ['1', each],
      ]),
    )
  }
})

test('1,000 short connections spread over four workers', async (t) => {
  await using server = await namedServer('ok')
  await using gateway = await GatewayProcess.start({ workers: 4, manifests: manifests([server]) })
  const total = scaled(1000)
  let left = total
  const one = async (): Promise<void> => {
    while (left-- > 0) assert.match(await exchangeBytes(gateway.web, LAST_REQUEST), /^HTTP\/1\.1 200 /)
  }
  await Promise.all(Array.from({ length: 16 }, one))
  await gateway.until(async () => {
    const counts = [...(await requestsByWorker(gateway)).values()]
    return counts.reduce((sum, count) => sum + count, 0) === total
  })
  const byWorker = await requestsByWorker(gateway)
  t.diagnostic(`${total} connections over 4 workers: ${[...byWorker.values()].join(' ')}`)
  // An idle machine lets few workers do nearly all; nobody may be left out.
  assert.equal(byWorker.size, 4)
  for (const [worker, count] of byWorker) assert.ok(count >= total / 40, `worker ${worker} had ${count}`)
})

test('a worker that crashes takes only the requests that it held', async () => {
  await using server = await RawServer.start()
  await using gateway = await GatewayProcess.start({
    workers: 2,
    manifests: manifests([server]),
    env: INSPECTED,
  })
  using inspector = await Inspector.attach(gateway, 2)
  const clients = await heldRequests(gateway, 8)
  await gateway.until(() => requestsAt(server) === 8)
  await inspector.crash('worker-0')
  await gateway.until(() => clients.filter((client) => client.isEnded || client.isClosed).length >= 4)
  await gateway.logged(/a worker ended and is replaced.*planted fault/)
  await gateway.until(() => openAt(server).length === 4)
  for (const connection of openAt(server)) connection.send(OK)
  const survivors = clients.filter((client) => !client.isEnded && !client.isClosed)
  assert.equal(survivors.length, 4)
  for (const client of survivors) await client.until((each) => each.received.endsWith('ok'))
  // Those go on living.
  survivors[0]!.send(REQUEST)
  await gateway.until(() => requestsAt(server) === 9)
})

test('while the only worker is replaced connections wait and none is refused', async (t) => {
  await using server = await namedServer('ok')
  await using gateway = await GatewayProcess.start({ manifests: manifests([server]), env: INSPECTED })
  using inspector = await Inspector.attach(gateway, 1)
  assert.match(await exchangeBytes(gateway.web, LAST_REQUEST), /^HTTP\/1\.1 200 /)
  await inspector.crash('worker-0')
  // Whatever connects from now on was never held by the old worker once it has ended.
  await gateway.logged(/a worker ended and is replaced/)
  const startedAt = performance.now()
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => exchangeBytes(gateway.web, LAST_REQUEST)),
  )
  const tookMs = performance.now() - startedAt
  for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 200 /)
  t.diagnostic(`the replacement answered 50 waiting connections after ${tookMs.toFixed(0)} ms`)
  if (IS_PLAIN) assert.ok(tookMs < 1000, `${tookMs} ms`)
})

test('workers crash under load: nothing fails but what they held', async (t) => {
  await using server = await namedServer('ok')
  await using gateway = await GatewayProcess.start({
    workers: 2,
    manifests: manifests([server]),
    env: INSPECTED,
  })
  using inspector = await Inspector.attach(gateway, 2)
  using kept = new Load({ port: gateway.web, connections: 16, perSecond: 800, host: () => 'a.example' })
  using fresh = new FreshConnections(gateway.web)
  let lowest = 0
  const sampler = { isOn: true }
  const sampling = (async () => {
    while (sampler.isOn) {
      // The question may be what the crashed worker held.
      const text = await gateway.metrics().catch(() => '')
      if (text === '') continue
      const now = metric(text, 'traefik_entrypoint_requests_total', { entrypoint: 'web', code: '200' })
      assert.ok(now >= lowest, `the counter went from ${lowest} to ${now}`)
      lowest = now
    }
  })()
  await kept.more(200)
  const crashes = ['worker-0', 'worker-1', 'worker-0']
  for (const [index, name] of crashes.entries()) {
    await gateway.until(() => inspector.workers.size === 2)
    await inspector.crash(name)
    await gateway.until(() => gateway.log.split('a worker ended').length - 1 === index + 1)
    await kept.more(400)
  }
  sampler.isOn = false
  await sampling
  await kept.stop()
  await fresh.stop()
  t.diagnostic(
    `3 workers crashed: ${kept.ok} answers on kept connections, ${kept.failures.length} broken; ` +
      `${fresh.ok} fresh connections, ${fresh.failures.length} broken; slowest ${kept.slowestMs.toFixed(0)} ms`,
  )
  for (const failure of [...kept.failures, ...fresh.failures]) {
    assert.doesNotMatch(failure, /connect |HTTP\/1\.1 [45]/)
  }
  // At most what one worker can have held at that moment.
  assert.ok(kept.failures.length <= 16 * crashes.length, kept.failures.join('\n'))
  assert.ok(fresh.failures.length <= FRESH * crashes.length, fresh.failures.join('\n'))
  const text = await gateway.metrics()
  assert.equal(metric(text, 'sekisho_worker_restarts_total'), 3)
  assert.equal(metric(text, 'sekisho_workers'), 2)
  assert.ok(metric(text, 'traefik_entrypoint_requests_total', { entrypoint: 'web' }) >= kept.ok + fresh.ok)
  await gateway.until(
    async () => metric(await gateway.metrics(), 'traefik_open_connections', { entrypoint: 'web' }) === 0,
  )
})

test('counts per client address are right after a crash', async () => {
  await using server = await RawServer.start()
  await using gateway = await GatewayProcess.start({
    workers: 2,
    flags: ['--limits.maxConnectionsPerClient=8'],
    manifests: manifests([server]),
    env: INSPECTED,
  })
  using inspector = await Inspector.attach(gateway, 2)
  const clients = await heldRequests(gateway, 8)
  await gateway.until(() => requestsAt(server) === 8)
  const isRefused = async (): Promise<boolean> => {
    const before = requestsAt(server)
    const client = await heldRequest(gateway).catch((error: NodeJS.ErrnoException) => error)
    // A reset can be faster than the news that the connection stands.
    if (client instanceof Error) return client.code === 'ECONNRESET'
    await gateway.until(() => client.isClosed || requestsAt(server) > before)
    return client.isClosed
  }
  assert.equal(await isRefused(), true)
  await inspector.crash('worker-1')
  await gateway.until(() => clients.filter((client) => client.isEnded || client.isClosed).length === 4)
  await gateway.logged(/a worker ended and is replaced/)
  for (let i = 0; i < 4; i++) assert.equal(await isRefused(), false)
  assert.equal(await isRefused(), true)
})

test('requests in flight of a crashed worker do not weigh on servers any more', async () => {
  await using first = await RawServer.start()
  await using second = await RawServer.start()
  await using gateway = await GatewayProcess.start({
    workers: 2,
    manifests: manifests([first, second], { 'nginx.ingress.kubernetes.io/load-balance': 'least_conn' }),
    env: INSPECTED,
  })
  using inspector = await Inspector.attach(gateway, 2)
  await heldRequests(gateway, 4)
  await gateway.until(() => requestsAt(first) === 2 && requestsAt(second) === 2)
  // Two in flight at the first, none at the second.
  for (const connection of openAt(second)) connection.send(OK)
  for (const name of ['worker-0', 'worker-1']) {
    await gateway.until(() => inspector.workers.has(name))
    await inspector.crash(name)
  }
  await gateway.until(() => gateway.log.split('a worker ended').length - 1 === 2)
  await gateway.until(() => openAt(first).length === 0 && openAt(second).length === 0)
  await heldRequests(gateway, 4)
  await gateway.until(() => requestsAt(first) + requestsAt(second) === 8)
  assert.deepEqual([requestsAt(first), requestsAt(second)], [4, 4])
})

test('a worker that runs into its heap limit is replaced', async () => {
  await using server = await namedServer('ok')
  await using gateway = await GatewayProcess.start({
    manifests: manifests([server]),
    env: { NODE_OPTIONS: `${INSPECTED.NODE_OPTIONS} --max-old-space-size=64` },
  })
  using inspector = await Inspector.attach(gateway, 1)
  await inspector.exhaustHeap('worker-0')
  await gateway.logged(/a worker ended and is replaced.*memory/)
  assert.match(await exchangeBytes(gateway.web, LAST_REQUEST), /^HTTP\/1\.1 200 /)
})

const FRESH = 4

/** One request per connection, again and again, a few at a time. */
class FreshConnections implements Disposable {
  ok = 0
  readonly failures: string[] = []
  readonly #port: number
  #isStopped = false
  readonly #runs: Promise<void>[]

  constructor(port: number) {
    this.#port = port
    this.#runs = Array.from({ length: FRESH }, () => this.#run())
  }

  [Symbol.dispose](): void {
    this.#isStopped = true
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#runs)
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        const client = await rawClient(this.#port)
        client.send(LAST_REQUEST)
        await client.until((each) => each.isEnded || each.isClosed)
        client.socket.destroy()
        if (client.received.startsWith('HTTP/1.1 200 ')) this.ok++
        else this.failures.push(`${client.errorCode} after ${JSON.stringify(client.received)}`)
      } catch (error) {
        this.failures.push((error as Error).message)
      }
    }
  }
}
