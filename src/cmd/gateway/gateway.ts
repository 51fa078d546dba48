/**
 * The gateway role: binds, starts the data plane, feeds it from the provider, answers the internal entrypoint, and ends
 * in order. Everything long-lived but the provider is made here; all of it is ended here. Called by the commands that
 * serve, each with its provider.
 */
import { closeSync } from 'node:fs'
import { CertificateStore } from '#certs/store.ts'
import { ticketKeysAt, ticketKeysDueInMs, type TicketKeyState } from '#certs/ticket-keys.ts'
import { createInternalApi } from '#api/internal.ts'
import { formatHostPort } from '#config/static/address.ts'
import type { DynamicDelta, Provider, ProviderSink, StepFacts } from '#config/model/dynamic.ts'
import type { Finding } from '#config/model/finding.ts'
import { INTERNAL_ENTRY_POINT, routableEntryPointNames, type StaticConfig } from '#config/static/static.ts'
import { openLineTarget } from '#observe/line-target.ts'
import { unblockUserSignal } from '#net/ffi.ts'
import { openLog, type Logger } from '#observe/log.ts'
import { METRICS_CONTENT_TYPE, type MetricsAggregate } from '#observe/metrics/aggregate.ts'
import { Readiness } from '#observe/readiness.ts'
import { DataPlaneControl } from '#proxy/control/data-plane-control.ts'
import { errorText } from '#lib/errors.ts'
import { UsageError } from '../command.ts'
import { BindError, bindEntryPoints, type BoundEntryPoint } from './bind.ts'
import { ControlMetrics } from './control-metrics.ts'
import { FindingLog } from './finding-log.ts'
import { addressCapacity, entryPointSpec, logLevel, workerCount, workerSettings } from './settings.ts'

export interface GatewayOptions {
  readonly static: StaticConfig
  readonly provider: Provider
  /** Called before anything starts, for what stands beside the provider: its metrics, what it writes back. */
  readonly attach?: (host: GatewayHost) => GatewayPart
}

/** What a part beside the provider is given. */
export interface GatewayHost {
  readonly logger: Logger
  /** Null: there are no metrics. */
  readonly metrics: MetricsAggregate | null
  /** What the part has to say; replaces its whole list. */
  report(findings: readonly Finding[]): void
}

export interface GatewayPart {
  /** Called at the end, when nothing is in flight any more and the provider still follows; must end within seconds. */
  leave(): Promise<void>
}

const FINDINGS_REVIEW_MS = 3_600_000
const EXIT_OK = 0
const EXIT_FAILED = 1

/** Serves until a signal; resolves with the exit code. */
export async function runGateway({ static: config, provider, attach }: GatewayOptions): Promise<number> {
  const { log } = config
  const { logger, sink } = opened('log.filePath', log.filePath, () =>
    openLog({
      level: logLevel(log.level),
      format: log.format,
      ...(log.filePath === undefined ? {} : { filePath: log.filePath }),
    }),
  )
  const accessLogPath = config.accessLog?.filePath
  if (accessLogPath !== undefined) {
    opened('accessLog.filePath', accessLogPath, () => tryLineTarget(accessLogPath))
  }
  let bound: BoundEntryPoint[]
  try {
    bound = await bindEntryPoints(Object.values(config.entryPoints), logger)
  } catch (error) {
    if (!(error instanceof BindError)) throw error
    logger.error(error.message)
    await sink.close()
    return EXIT_FAILED
  }
  const gateway = new Gateway(config, provider, attach, bound, logger)
  const onLogSignal = (): void => {
    sink.reopen()
    gateway.reopenLogs()
  }
  process.on('SIGUSR1', onLogSignal)
  unblockUserSignal()
  try {
    return await gateway.run()
  } finally {
    await sink.close()
    process.off('SIGUSR1', onLogSignal)
  }
}

/** A file named by an option; one that cannot be opened is a wrong option. */
function opened<T>(option: string, path: string | undefined, open: () => T): T {
  try {
    return open()
  } catch (error) {
    const message = `${JSON.stringify(path)} cannot be opened for appending: ${errorText(error)}`
    throw new UsageError([{ path: option.split('.'), message }])
  }
}

/** Throws what keeps a line target from being opened. A pipe whose reader is not there yet is no such thing. */
function tryLineTarget(path: string): void {
  try {
    const { fd } = openLineTarget(path)
    if (fd > 2) closeSync(fd)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error
  }
}

interface PendingChange {
  /** performance.now when what caused it came in. */
  readonly at: number
  readonly objects: number
  readonly kind: 'endpoints' | 'routes'
  readonly facts: StepFacts | undefined
}

class Gateway {
  readonly #config: StaticConfig
  readonly #bound: readonly BoundEntryPoint[]
  readonly #logger: Logger
  readonly #readiness = new Readiness()
  readonly #certificates = new CertificateStore()
  readonly #metrics: ControlMetrics | null
  readonly #control: DataPlaneControl
  readonly #provider: Provider
  readonly #part: GatewayPart | undefined
  readonly #findings: FindingLog
  readonly #abort = new AbortController()
  /** Resolves with the exit code when it cannot go on; a signal ends it otherwise. */
  readonly #failed = Promise.withResolvers<number>()
  /** Changes that not every worker has yet, by version. */
  readonly #pending = new Map<number, PendingChange>()
  #providerFindings: readonly Finding[] = []
  #partFindings: readonly Finding[] = []
  /** What workers could not build, by object, until the next change. */
  readonly #failures = new Map<string, Finding>()
  #ticketState: TicketKeyState | null = null
  /** Or nothing more is to be said about it. */
  #hasStickyKey = (process.env['SEKISHO_STICKY_KEY'] ?? '') !== ''
  #ticketTimer: NodeJS.Timeout | undefined
  #syncVersion = -1
  #areListenersOpen = false

  constructor(
    config: StaticConfig,
    provider: Provider,
    attach: GatewayOptions['attach'],
    bound: readonly BoundEntryPoint[],
    logger: Logger,
  ) {
    this.#config = config
    this.#provider = provider
    this.#bound = bound
    this.#logger = logger
    const { prometheus } = config.metrics
    this.#metrics = prometheus === undefined ? null : new ControlMetrics(prometheus)
    this.#findings = new FindingLog(logger)
    const metrics = this.#metrics
    const answer = createInternalApi({
      readiness: this.#readiness,
      ...(config.ping === undefined ? {} : { ping: config.ping }),
      configHash: () => ({
        hash: this.#control.config.digest(),
        inForce: this.#control.isInForce,
        counts: this.#control.config.counts,
      }),
      ...(metrics === null
        ? {}
        : { metrics: { contentType: METRICS_CONTENT_TYPE, text: () => metrics.aggregate.text() } }),
    })
    this.#control = new DataPlaneControl({
      workers: workerCount(config),
      settings: workerSettings(config, process.env),
      addressCapacity: addressCapacity(config),
      entryPoints: routableEntryPointNames(config),
      answer: async (method, path) => answer(method, path),
      onMetrics: (source, messages) => metrics?.aggregate.receive(source, messages),
      onWorkerStart: () => metrics?.workerStarted(),
      onWorkerEnd: (index, generation, error) => {
        metrics?.workerEnded(`worker-${index}-${generation}`)
        logger.error('a worker ended and is replaced', { worker: index, error })
      },
      onUnable: (reason) => void this.#giveUp(reason),
      onFailures: (failures) => {
        for (const { object, message } of failures) {
          this.#failures.set(object, {
            code: 'router-invalid',
            severity: 'error',
            object,
            message: `not in force in a worker: ${message}`,
            hint: 'a router in this state answers 503; please report it, the checks before should have found it',
          })
        }
        this.#reportFindings()
      },
      onApplied: (version) => this.#onApplied(version),
      onListening: (name) => this.#readiness.listenerBound(name),
      onListenFailed: (name, reason) => {
        this.#readiness.listenerFailed(name, reason)
        logger.error('cannot accept', { entryPoint: name, reason })
      },
    })
    metrics?.watch(this.#control, this.#certificates)
    this.#part = attach?.({
      logger,
      metrics: metrics?.aggregate ?? null,
      report: (findings) => {
        this.#partFindings = findings
        this.#reportFindings()
      },
    })
  }

  reopenLogs(): void {
    this.#control.reopenLogs()
  }

  async run(): Promise<number> {
    this.#readiness.expectProvider(this.#provider.name, () => this.#provider.waitsFor?.())
    for (const { entry } of this.#bound) this.#readiness.expectListener(entry.name)
    const ended = this.#endOnSignal()
    this.#control.start()
    // Probes are answered from the start; a provider may have to wait for its source.
    this.#openListeners((name) => name === INTERNAL_ENTRY_POINT)
    this.#rotateTicketKeys()
    // Certificates expire without any change of the files.
    const review = setInterval(() => this.#reportFindings(), FINDINGS_REVIEW_MS)
    review.unref()
    await this.#provider.start(this.#sink(), this.#abort.signal)
    const code = await Promise.race([ended, this.#failed.promise])
    clearTimeout(this.#ticketTimer)
    clearInterval(review)
    this.#metrics?.stop()
    return code
  }

  #sink(): ProviderSink {
    return {
      apply: (delta, facts) => this.#apply(delta, facts),
      findings: (list) => {
        this.#providerFindings = list
        this.#reportFindings()
      },
      synced: () => {
        this.#syncVersion = this.#control.version
        this.#readiness.providerSynced(this.#provider.name)
        this.#openForClients()
      },
    }
  }

  #apply(delta: DynamicDelta, facts: StepFacts | undefined): void {
    const at = facts?.receivedAt ?? performance.now()
    this.#failures.clear()
    this.#warnOfStickyKey(delta)
    for (const config of delta.certificates?.set ?? []) this.#certificates.set(config.name, config)
    for (const name of delta.certificates?.remove ?? []) this.#certificates.remove(name)
    const version = this.#control.apply(delta)
    this.#pending.set(version, { at, objects: objectCount(delta), kind: kindOf(delta), facts })
    for (const name of delta.services?.remove ?? []) this.#metrics?.serviceRemoved(name)
    for (const name of delta.routers?.remove ?? []) this.#metrics?.routerRemoved(name)
  }

  /** Once: without a key cookies are the same in every replica, but who guesses a server's address can test it. */
  #warnOfStickyKey(delta: DynamicDelta): void {
    if (this.#hasStickyKey || delta.services?.set.some(({ sticky }) => sticky !== undefined) !== true) return
    this.#hasStickyKey = true
    this.#logger.warn('sticky cookies are hashed without a key', {
      hint: 'set SEKISHO_STICKY_KEY to a secret that all replicas share',
    })
  }

  #onApplied(version: number): void {
    for (const [made, { at, objects, kind, facts }] of this.#pending) {
      if (made > version) break
      this.#pending.delete(made)
      const durationMs = performance.now() - at
      this.#metrics?.changeApplied(durationMs, objects, kind)
      this.#logger.debug('configuration in force', {
        objects,
        durationMs: Math.round(durationMs * 100) / 100,
      })
      facts?.onInForce?.()
    }
    if (this.#syncVersion >= 0 && version >= this.#syncVersion) this.#announce()
  }

  #openListeners(isWanted: (name: string) => boolean): void {
    for (const { entry, socket } of this.#bound) {
      if (isWanted(entry.name)) this.#control.open(entryPointSpec(entry, this.#config, socket.port), socket)
    }
  }

  /** The sockets queue from the start; workers accept when they have every route. */
  #openForClients(): void {
    if (this.#areListenersOpen) return
    this.#areListenersOpen = true
    this.#openListeners((name) => name !== INTERNAL_ENTRY_POINT)
    // One more version behind the listeners, so that the announcement waits for them.
    this.#syncVersion = this.#control.apply({})
  }

  #announce(): void {
    this.#syncVersion = -1
    const { routers, services } = this.#control.config.counts
    this.#logger.info('serving', {
      routers,
      services,
      workers: workerCount(this.#config),
      ...Object.fromEntries(
        this.#bound.map(({ entry, socket }) => [
          entry.name,
          formatHostPort({ host: socket.host, port: socket.port }),
        ]),
      ),
    })
  }

  /** Whoever started the process can do more about it than a process that serves nothing. */
  async #giveUp(reason: Error | undefined): Promise<void> {
    if (this.#abort.signal.aborted) return
    this.#logger.error('no worker can start', {
      error: reason,
      hint: 'the first error of a worker says why; memory, descriptors and threads may be limited too tightly',
    })
    this.#abort.abort()
    await this.#control.stop(0)
    this.#failed.resolve(EXIT_FAILED)
  }

  #reportFindings(): void {
    const list = [
      ...this.#providerFindings,
      ...this.#partFindings,
      ...this.#control.findings(),
      ...this.#failures.values(),
      ...this.#certificates.findings(Date.now()),
    ]
    this.#findings.report(list)
    this.#metrics?.findings(list)
  }

  #rotateTicketKeys(): void {
    const now = Date.now()
    const state = ticketKeysAt(this.#ticketState, now)
    if (state !== this.#ticketState) this.#control.setTicketKeys(state.keys)
    this.#ticketState = state
    this.#ticketTimer = setTimeout(() => this.#rotateTicketKeys(), ticketKeysDueInMs(state, now) + 1000)
    this.#ticketTimer.unref()
  }

  /** First signal: in order. Second: now. */
  #endOnSignal(): Promise<number> {
    return new Promise((resolve) => {
      let isEnding = false
      const onSignal = (signal: NodeJS.Signals): void => {
        if (isEnding) {
          this.#logger.warn('ending at once', { signal })
          process.exit(EXIT_FAILED)
        }
        isEnding = true
        this.#end(signal).then(
          () => {
            process.off('SIGTERM', onSignal)
            process.off('SIGINT', onSignal)
            resolve(EXIT_OK)
          },
          (error: unknown) => {
            this.#logger.error('could not end in order', { error: error as Error })
            resolve(EXIT_FAILED)
          },
        )
      }
      process.on('SIGTERM', onSignal)
      process.on('SIGINT', onSignal)
    })
  }

  async #end(signal: string): Promise<void> {
    this.#logger.info('ending', { signal })
    this.#readiness.drain()
    const { entryPoints } = this.#config
    await this.#control.finish((name) => {
      const { requestAcceptGraceTimeout, graceTimeOut } = entryPoints[name]!.transport.lifeCycle
      return { acceptMs: requestAcceptGraceTimeout, graceMs: graceTimeOut }
    })
    await this.#part?.leave()
    this.#abort.abort()
    await this.#control.stop()
    this.#logger.info('ended')
  }
}

/** Servers alone change all the time, and take the short way. */
function kindOf({ services, routers, middlewares, certificates }: DynamicDelta): PendingChange['kind'] {
  const isMore = routers !== undefined || middlewares !== undefined || certificates !== undefined
  return !isMore && services?.remove.length === 0 ? 'endpoints' : 'routes'
}

function objectCount(delta: DynamicDelta): number {
  let count = 0
  for (const changes of [delta.routers, delta.services, delta.middlewares, delta.certificates]) {
    count += (changes?.set.length ?? 0) + (changes?.remove.length ?? 0)
  }
  return count
}
