/**
 * CPU of one proxied request without the kernel: bytes of a request into the server side, bytes of the answer into the
 * client side, both writes caught. What is left is codec, routing, balancing, exchange and metrics.
 * Usage: node bench/micro/exchange.ts [rounds]
 */
import { Pool, type ClientHost } from '#client/pool.ts'
import { CoarseClock } from '#lib/clock.ts'
import { TimerWheel } from '#lib/timer-wheel.ts'
import { MemoryBudget } from '#net/budget.ts'
import type { ConnectionFacts, ConnectionHandler } from '#net/connection.ts'
import { Resolver } from '#net/names/resolver.ts'
import { SystemNames } from '#net/names/system-names.ts'
import type { ConnectHandler, Transport, TransportConnection } from '#net/transport/transport.ts'
import { DEFAULT_METRICS_OPTIONS } from '#observe/metrics/families.ts'
import { MetricsRegistry } from '#observe/metrics/registry.ts'
import type { EntryPoint } from '#proxy/http/entry-point.ts'
import { HeadPool } from '#proxy/http/head-pool.ts'
import { RequestIds } from '#proxy/http/request-id.ts'
import { ServerConnection } from '#proxy/http/server-connection.ts'
import { RoutingProgram } from '#proxy/router/program.ts'
import type { Route } from '#proxy/route.ts'
import { DEFAULT_EJECTION } from '#proxy/upstream/ejection.ts'
import { Service } from '#proxy/upstream/service.ts'
import { UpstreamSlots } from '#proxy/upstream/slots.ts'
import { SlotAllocator } from '#net/shared/slot-allocator.ts'
import { SlotViews } from '#net/shared/slot-views.ts'
import { ExchangeLog } from '#proxy/worker/exchange-log.ts'

const REQUESTS_PER_ROUND = 200_000
const REQUEST = Buffer.from('GET /app/x HTTP/1.1\r\nHost: a.example\r\n\r\n', 'latin1')
const BROWSER = Buffer.from(
  'GET /app/x HTTP/1.1\r\nHost: a.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n' +
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n' +
    'Accept-Encoding: gzip, deflate, br, zstd\r\nReferer: https://a.example/app/\r\nCookie: session=0123456789abcdef; theme=dark\r\n' +
    'Connection: keep-alive\r\nCache-Control: max-age=0\r\n\r\n',
  'latin1',
)
const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 11:45:44 GMT\r\nContent-Type: text/plain\r\nContent-Length: 73\r\nConnection: keep-alive\r\n\r\n${'0'.repeat(73)}`,
  'latin1',
)

class NullConnection implements TransportConnection {
  handler: ConnectionHandler = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} }
  facts: ConnectionFacts = { remoteAddress: '127.0.0.1', remotePort: 1, localAddress: '', localPort: 0 }
  queuedBytes = 0
  untakenBytes = 0
  isClosed = false
  bytesRead = 0
  bytesWritten = 0
  /** Flattened as a real write does. */
  written = 0
  writeLatin1(text: string): boolean {
    this.written += text.charCodeAt(text.length - 1)
    return true
  }
  writeOwned(): boolean {
    return true
  }
  writeParts(): boolean {
    return true
  }
  writeBorrowed(): boolean {
    return true
  }
  pause(): void {}
  resume(): void {}
  halfClose(): void {}
  end(): void {}
  reset(): void {}
  destroy(): void {}
  bulk(): void {}
  startTls(): void {}
}

const clock = new CoarseClock()
const wheel = new TimerWheel(clock.now)
const upstreamConnections: NullConnection[] = []
const transport: Transport = {
  listen: () => ({ close() {} }),
  adopt: () => new NullConnection(),
  connect(_address: string, _port: number, _tls: unknown, handler: ConnectHandler) {
    const connection = new NullConnection()
    connection.handler = handler
    upstreamConnections.push(connection)
    queueMicrotask(() => handler.onConnect())
    return connection
  },
}
const clientHost: ClientHost = {
  transport,
  clock,
  wheel,
  resolver: new Resolver(() => clock.now, new SystemNames()),
  headLimits: { maxHeadBytes: 65_536, maxFields: 100 },
  idleMs: 60_000,
  maxIdlePerServer: 200,
  maxIdle: 1000,
  counters: { created: 0, reused: 0, idle: 0, open: 0 },
}
const slabs = new SlotViews(() => {})
const allocator = new SlotAllocator({ onSlab: (slab) => slabs.addSlab(slab) })
const slots = new UpstreamSlots(allocator, 1)
const origin = { provider: 'kubernetes', kind: 'Ingress', namespace: 'default', name: 'a' }
const config = {
  name: 'a@kubernetes',
  balancer: 'wrr',
  scheme: 'http',
  timeouts: {},
  servers: [{ id: '127.0.0.1:9001', address: '127.0.0.1', port: 9001, weight: 1 }],
  origin,
} as const
const service = new Service(config, slots.assign(config, 0), {
  slots: slabs,
  lane: 0,
  lanes: 1,
  ejection: DEFAULT_EJECTION,
  stickyKey: '',
  now: () => clock.now,
  random: Math.random,
  probe: async () => true,
  serverRemoved() {},
})
for (const server of service.servers) {
  server.pool = new Pool(
    clientHost,
    { key: '', address: '127.0.0.1', port: 9001, tls: undefined },
    { connectMs: 5000, headMs: 60_000, gapMs: 60_000, sendMs: 60_000 },
  )
}
const program = new RoutingProgram<Route>()
program.set(
  {
    name: 'a@kubernetes',
    host: { kind: 'exact', name: 'a.example' },
    path: { kind: 'prefix', value: '/app' },
    order: { rank: 0, priority: 0n, created: 0 },
    scheme: 'both',
    middlewares: [],
    service: 'a@kubernetes',
    origin,
  },
  { name: 'a@kubernetes', chain: null, service, closed: undefined, headerSet: 'default', origin },
)
const entry: EntryPoint = {
  name: 'web',
  port: 80,
  isTls: false,
  isInternal: false,
  limits: {
    maxHeadBytes: 65_536,
    maxFields: 100,
    headMs: 60_000,
    idleMs: 180_000,
    bodyProgressMs: 60_000,
    sendProgressMs: 60_000,
    tunnelIdleMs: 3_600_000,
    keepAliveMaxRequests: 0,
    keepAliveMaxMs: 0,
    maxRequestBodyBytes: 0,
  },
  trustedPeers: null,
  isInsecure: false,
  keptConnectionFields: [],
  appendsForwardedFor: true,
  proxyProtocolPeers: null,
  isProxyProtocolInsecure: false,
  upgradeTokens: ['websocket'],
}

function makeServer(registry: MetricsRegistry | null): { client: NullConnection } {
  const client = new NullConnection()
  void new ServerConnection(
    {
      clock,
      wheel,
      budget: new MemoryBudget(1e9),
      program,
      heads: new HeadPool(),
      requestIds: new RequestIds(),
      observer: new ExchangeLog(
        registry,
        null,
        { hasService: () => true, hasRouter: () => true },
        new BigInt64Array(1),
      ),
      internal: { ask() {} },
      isFastPath: true,
    },
    entry,
    client,
    () => {},
  )
  return { client }
}

async function measure(name: string, request: Buffer, registry: MetricsRegistry | null): Promise<void> {
  const { client } = makeServer(registry)
  client.handler.onData(request, 0, request.length)
  await Promise.resolve()
  const upstream = upstreamConnections.at(-1)!
  upstream.handler.onData(ANSWER, 0, ANSWER.length)
  const rounds = Number(process.argv[2] ?? 7)
  const results: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = process.cpuUsage()
    for (let i = 0; i < REQUESTS_PER_ROUND; i++) {
      client.handler.onData(request, 0, request.length)
      upstream.handler.onData(ANSWER, 0, ANSWER.length)
    }
    const { user, system } = process.cpuUsage(start)
    results.push(((user + system) * 1000) / REQUESTS_PER_ROUND)
  }
  results.sort((a, b) => a - b)
  const served = client.written > 0 ? 'ok' : 'nothing written'
  console.log(
    `${name}: ${Math.round(results[results.length >> 1]!)} ns a request (min ${Math.round(results[0]!)}), ${served}`,
  )
}

await measure('small head', REQUEST, null)
await measure('browser head', BROWSER, null)
await measure('small head, metrics', REQUEST, new MetricsRegistry(DEFAULT_METRICS_OPTIONS, () => {}))
