/**
 * A worker of the data plane: made by control, told by messages (ops.ts), an event loop of its own. Builds what its
 * connections share and keeps it in step with the configuration.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { ClientHost } from '#client/pool.ts'
import { Pool } from '#client/pool.ts'
import { CertificateStore } from '#certs/store.ts'
import type { ServiceConfig } from '#config/model/dynamic.ts'
import { CoarseClock } from '#lib/clock.ts'
import { errorText } from '#lib/errors.ts'
import { TimerEntry, TimerWheel } from '#lib/timer-wheel.ts'
import { BufferPool } from '#net/buffer-pool.ts'
import { MemoryBudget } from '#net/budget.ts'
import { closeDescriptor, duplicate } from '#net/ffi.ts'
import { Resolver } from '#net/names/resolver.ts'
import { SystemNames } from '#net/names/system-names.ts'
import { HashTable } from '#net/shared/hash-table.ts'
import { KeyHasher } from '#net/shared/key-hash.ts'
import { SlotViews } from '#net/shared/slot-views.ts'
import { NetTransport } from '#net/transport/net-transport.ts'
import { PoisonTransport } from '#net/transport/poison-transport.ts'
import type { Transport, TransportHost } from '#net/transport/transport.ts'
import { Handoff } from '#net/workers/handoff.ts'
import { AccessLog } from '#observe/access-log.ts'
import { openLog } from '#observe/log.ts'
import { ACCESS_LOG_DROPPED } from '#observe/metrics/families.ts'
import { MetricsRegistry } from '#observe/metrics/registry.ts'
import { Acceptor } from '../accept/acceptor.ts'
import { Admission } from '../accept/admission.ts'
import { DescriptorWatch } from '../accept/descriptor-watch.ts'
import type { DataPlane } from '../http/data-plane.ts'
import type { EntryPoint } from '../http/entry-point.ts'
import { HeadPool } from '../http/head-pool.ts'
import { RequestIds } from '../http/request-id.ts'
import { RoutingProgram } from '../router/program.ts'
import type { Route } from '../route.ts'
import { DEFAULT_EJECTION } from '../upstream/ejection.ts'
import type { Server } from '../upstream/server.ts'
import { Service } from '../upstream/service.ts'
import type { ServiceSlots } from '../upstream/words.ts'
import { Applier } from './applier.ts'
import { entryPointOf } from './entry-point-spec.ts'
import { ExchangeLog } from './exchange-log.ts'
import { InternalDesk } from './internal-desk.ts'
import { Listeners } from './listeners.ts'
import type { ControlMessage, WorkerMessage, WorkerStart } from './ops.ts'
import { probe } from './probe.ts'
import { WorkerGauges } from './worker-gauges.ts'

const TICK_MS = 20
const SERVICE_TICK_MS = 1000
const GAUGE_MS = 2000

const start = workerData as WorkerStart
const { settings } = start
const port = parentPort!
const post = (message: WorkerMessage): void => port.postMessage(message)

const clock = new CoarseClock()
const wheel = new TimerWheel(clock.now)
// A disk that fails later must not keep a replacement from serving; control has opened the files at the start.
const { logger, sink: logSink } = openLog(settings.log, false)
const log = logger.child({ worker: start.index })
const registry =
  settings.metrics === undefined
    ? null
    : new MetricsRegistry(settings.metrics, (messages) => post({ kind: 'metrics', messages }))
const accessLog =
  settings.accessLog === undefined
    ? null
    : new AccessLog(settings.accessLog, log, {
        add: (lines) => registry?.counter(ACCESS_LOG_DROPPED).add(lines),
      })
// Known from the start: a rate needs a value before the first loss.
if (accessLog !== null) registry?.counter(ACCESS_LOG_DROPPED).add(0)
const exchangeLog = new ExchangeLog(
  registry,
  accessLog,
  {
    hasService: (name) => applier.services.has(name),
    hasRouter: (name) => program.payload(name) !== undefined,
  },
  new BigInt64Array(start.requestCount),
)

const budget = new MemoryBudget(settings.memoryBudgetBytes)
const transportHost: TransportHost = {
  buffers: new BufferPool(budget),
  budget,
  onFault: (error) => log.limited.error('a connection failed inside', { error: asError(error) }),
  after(delayMs, callback) {
    const entry = new TimerEntry({ onTimer: callback }, 0)
    wheel.arm(entry, delayMs)
    return () => wheel.disarm(entry)
  },
}
const plainTransport = new NetTransport(transportHost)
const transport: Transport =
  settings.transport === 'poison' ? new PoisonTransport(plainTransport) : plainTransport

const { upstream } = settings
const clientHost: ClientHost = {
  transport,
  clock,
  wheel,
  resolver: new Resolver(() => clock.now, new SystemNames(), {
    onFailing: (name, error, kept) =>
      log.limited.warn('a server name does not resolve', {
        name,
        error,
        effect: kept > 0 ? 'its last addresses stay in use' : 'requests for it answer 502',
      }),
    onRecovered: (name) => log.limited.info('a server name resolves again', { name }),
  }),
  headLimits: { maxHeadBytes: upstream.maxHeadBytes, maxFields: upstream.maxFields },
  idleMs: upstream.idleMs,
  maxIdlePerServer: upstream.maxIdlePerServer,
  maxIdle: Math.max(upstream.maxIdlePerServer, settings.maxConnectionsHere),
  counters: { created: 0, reused: 0, idle: 0, open: 0 },
}

const program = new RoutingProgram<Route>(
  settings.defaultEntryPoints.length === 0 ? {} : { defaultEntryPoints: settings.defaultEntryPoints },
)
const certificates = new CertificateStore()
const views = new SlotViews((ack) => post({ kind: 'retired', ack }))
const desk = new InternalDesk(post)
const plane: DataPlane = {
  clock,
  wheel,
  budget,
  program,
  heads: new HeadPool(),
  requestIds: new RequestIds(),
  observer: exchangeLog,
  internal: desk,
  isFastPath: settings.isFastPath,
}

/** Sockets given by workers that know an entrypoint which this one has not opened yet. */
let early: { readonly fd: number; readonly number: number }[] = []
const handoff = new Handoff(start.handoff, start.index, start.processName, takeSocket)

const listeners = new Listeners(transport, ({ number, entry }, fd) => {
  if (entry.isInternal) return false
  descriptors.note(fd)
  const chosen = handoff.claim()
  if (chosen === start.index) return false
  const given = duplicate(fd)
  if (given < 0) {
    handoff.keep(chosen)
    return false
  }
  if (handoff.give(chosen, given, number)) return true
  closeDescriptor(given)
  return false
})

const hasher = new KeyHasher(start.addresses.seed)
const addresses = new HashTable(start.addresses, start.lane)
const admission = new Admission({
  maxHere: settings.maxConnectionsHere,
  maxPerAddress: settings.maxConnectionsPerClient,
  claimed: () => handoff.load,
  table: addresses,
  hasher,
  nowSeconds: () => Math.floor(clock.now / 1000),
  onFull() {
    log.warn('accepting pauses: as many connections as this worker may hold', {
      connections: admission.openHere,
      hint: 'raise --limits.maxConnections, and RLIMIT_NOFILE: each connection may need two descriptors',
    })
    listeners.pause('cap')
  },
  onRoom: () => listeners.resume('cap'),
})

const descriptors = new DescriptorWatch({
  limit: settings.maxDescriptors,
  after: (delayMs, callback) => void transportHost.after(delayMs, callback),
  onShort() {
    log.warn('accepting pauses: the process is about to run out of descriptors', {
      limit: settings.maxDescriptors,
      hint: 'raise RLIMIT_NOFILE (LimitNOFILE=, ulimit -n)',
    })
    listeners.pause('descriptors')
  },
  onRoom: () => listeners.resume('descriptors'),
})

const gauges =
  registry === null
    ? null
    : new WorkerGauges(registry, start.index, { clientHost, budget, admission, descriptors })

/** Acceptors without a listener whose connections are not over yet. */
let retired: Acceptor[] = []
/** Names of those whose end control waits for. */
const awaited = new Set<string>()

const applier = new Applier({
  program,
  certificates,
  views,
  middlewareHost: {
    now: () => clock.now,
    log: (level, message, fields) => log.limited[level](message, fields as never),
  },
  makeService(config, slots) {
    const service = new Service(config, slots, serviceHost)
    givePools(service, config)
    return service
  },
  updateService(service: Service, config: ServiceConfig, slots: ServiceSlots) {
    service.update(config, slots)
    givePools(service, config)
  },
  endService(service) {
    service.close()
    exchangeLog.forgetService(service.name)
  },
  listen(spec, fd) {
    try {
      const acceptor = new Acceptor(
        entryPointOf(spec),
        spec.number,
        plane,
        certificates,
        admission,
        acceptObserver,
      )
      listeners.open(acceptor, fd)
      post({ kind: 'listening', name: spec.name, error: null })
    } catch (error) {
      post({ kind: 'listening', name: spec.name, error: errorText(error) })
    }
  },
  unlisten(name) {
    retire(name)
    exchangeLog.forgetEntryPoint(name)
  },
  onRouterRemoved: (name) => exchangeLog.forgetRouter(name),
  onApplied(version, failures) {
    if (version >= 0) takeSockets()
    post({ kind: 'applied', version, failures })
  },
})

/** From the first complete configuration with entrypoints on. */
function takeSockets(): void {
  if (listeners.isEmpty) return
  handoff.begin()
  const waiting = early
  early = []
  for (const { fd, number } of waiting) takeSocket(fd, number)
}

function takeSocket(fd: number, number: number): void {
  const acceptor = listeners.byNumber(number) ?? retired.find((each) => each.number === number)
  if (acceptor !== undefined) acceptor.accept(transport.adopt(fd))
  else if (number > listeners.highestNumber) early.push({ fd, number })
  else {
    closeDescriptor(fd)
    handoff.release()
  }
}

const serviceHost = {
  slots: views,
  lane: start.lane,
  lanes: start.lanes,
  ejection: DEFAULT_EJECTION,
  stickyKey: settings.stickyKey,
  now: () => clock.now,
  random: Math.random,
  probe: (server: Server) =>
    probe(transport, clientHost.resolver, server, DEFAULT_EJECTION.probeTimeoutMs, wheel),
  ejected: (server: Server, kind: number, forMs: number) =>
    log.limited.warn('server set aside', { server: server.id, failure: kind, forMs }),
  reinstated: (server: Server) => log.limited.info('server is back', { server: server.id }),
  serverRemoved: (server: Server) => (server.pool as Pool | null)?.close(),
}

const acceptObserver = {
  onOpen: ({ name }: EntryPoint) => gauges?.opened(name),
  onClose({ name, isInternal }: EntryPoint) {
    if (!isInternal) handoff.release()
    gauges?.closed(name)
    if (awaited.has(name)) reportDrained(name)
  },
  onRefused: (entryPoint: string, reason: string) => gauges?.refused(entryPoint, reason),
  onHandshakeFailure: (entryPoint: string, reason: string) => gauges?.handshakeFailed(entryPoint, reason),
  onHandshake() {},
  onMalformed: (entryPoint: string, code: string, status: number) =>
    exchangeLog.onMalformed(entryPoint, code, status),
}

/** Pools of servers that have none yet; timeouts and TLS of all follow the configuration. */
function givePools(service: Service, config: ServiceConfig): void {
  const { timeouts, tls, scheme } = config
  const clientTimeouts = {
    connectMs: timeouts.connectMs ?? upstream.connectMs,
    headMs: timeouts.readMs ?? upstream.headMs,
    gapMs: timeouts.readMs ?? upstream.gapMs,
    sendMs: timeouts.sendMs ?? upstream.sendMs,
    tunnelIdleMs: timeouts.readMs,
  }
  const key = scheme === 'http' ? '' : `tls ${JSON.stringify(tls ?? {})}`
  for (const server of service.servers) {
    const known = server.pool as Pool | null
    if (known !== null && known.target.key === key) {
      known.timeouts = clientTimeouts
      continue
    }
    known?.close()
    const target = {
      key,
      address: server.address,
      port: server.port,
      tls:
        scheme === 'http'
          ? undefined
          : { serverName: tls?.serverName ?? '', verify: tls?.verify ?? false, alpnProtocols: ['http/1.1'] },
    }
    server.pool = new Pool(clientHost, target, clientTimeouts)
  }
}

/** Accepts no more; what is open ends in peace. */
function retire(name: string): void {
  const acceptor = listeners.close(name)
  if (acceptor === undefined) return
  retired = retired.filter((each) => each.open > 0)
  retired.push(acceptor)
  acceptor.drain()
}

function reportDrained(name: string): void {
  if (retired.some((each) => each.entry.name === name && each.open > 0)) return
  awaited.delete(name)
  post({ kind: 'drained', name })
}

port.on('message', (message: ControlMessage) => {
  switch (message.kind) {
    case 'ops':
      applier.enqueue(message.version, message.ops)
      return
    case 'wane':
      listeners.byName(message.name)?.wane(message.isLate)
      return
    case 'drain':
      retire(message.name)
      awaited.add(message.name)
      reportDrained(message.name)
      return
    case 'cut':
      for (const acceptor of retired) if (acceptor.entry.name === message.name) acceptor.cut()
      return
    case 'flush':
      void Promise.all([accessLog?.close(message.deadlineMs), logSink.flush()]).then(() =>
        post({ kind: 'flushed' }),
      )
      return
    case 'reopen-logs':
      accessLog?.reopen()
      logSink.reopen()
      return
    case 'answer':
      desk.answered(message)
  }
})

setInterval(() => {
  clock.tick()
  wheel.advance(clock.now)
}, TICK_MS)
setInterval(() => {
  for (const service of applier.services.values()) service.tick(clock.now)
}, SERVICE_TICK_MS).unref()
setInterval(() => gauges?.sample(), GAUGE_MS).unref()

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(errorText(error))
}

post({ kind: 'ready' })
