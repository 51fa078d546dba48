/** What is told about finished exchanges: request metrics and the access log of one worker. */
import { FAIL_PROTOCOL, isConnectFailure } from '#client/failure.ts'
import { H_ACCEPT } from '#wire/http1/known-names.ts'
import type { AccessLog } from '#observe/access-log.ts'
import { AccessRecord } from '#observe/access-record.ts'
import { PARSE_ERRORS, POOL_CONNECT_ERRORS, SERVICE_RETRIES } from '#observe/metrics/families.ts'
import type { MetricsRegistry } from '#observe/metrics/registry.ts'
import {
  PROTOCOL_HTTP,
  PROTOCOL_SSE,
  PROTOCOL_WEBSOCKET,
  RequestMetrics,
} from '#observe/metrics/request-metrics.ts'
import { errorOfFailure, NO_SERVER } from '../errors.ts'
import type { ExchangeObserver } from '../http/data-plane.ts'
import type { ProxyExchange } from '../http/proxy-exchange.ts'

/** What is in the configuration now: an exchange that outlives its service makes no series of it anew. */
export interface LiveObjects {
  hasService(name: string): boolean
  hasRouter(name: string): boolean
}

export class ExchangeLog implements ExchangeObserver {
  readonly wantsDuration: boolean
  readonly wantsTimings: boolean
  readonly #registry: MetricsRegistry | null
  readonly #accessLog: AccessLog | null
  readonly #record = new AccessRecord()
  /** By name: an object that is replaced goes on counting in its series. */
  readonly #byEntry = new Map<string, RequestMetrics>()
  readonly #byService = new Map<string, RequestMetrics>()
  readonly #byRouter = new Map<string, RequestMetrics>()
  readonly #live: LiveObjects
  /** One number, counted by all workers. */
  readonly #requestCount: BigInt64Array

  constructor(
    registry: MetricsRegistry | null,
    accessLog: AccessLog | null,
    live: LiveObjects,
    requestCount: BigInt64Array,
  ) {
    this.#live = live
    this.#registry = registry
    this.#accessLog = accessLog
    this.#requestCount = requestCount
    this.wantsDuration = registry !== null || accessLog !== null
    this.wantsTimings = accessLog !== null
  }

  onEnd(exchange: ProxyExchange): void {
    // Probes and scrapes are nobody's traffic (Traefik's `addInternals`, false unless set).
    if (!this.wantsDuration || exchange.entry.isInternal) return
    const now = performance.now()
    const seconds = (now - exchange.startedTick) / 1000
    if (this.#registry !== null) this.#measure(this.#registry, exchange, seconds)
    if (this.#accessLog !== null) this.#log(this.#accessLog, exchange, now)
  }

  onMalformed(_entryPoint: string, code: string, _status: number): void {
    this.#registry?.counter(PARSE_ERRORS, ['downstream', code]).add(1)
  }

  onUpstreamFailure(exchange: ProxyExchange, failure: number, detail: string): void {
    if (this.#registry === null) return
    if (failure === FAIL_PROTOCOL) this.#registry.counter(PARSE_ERRORS, ['upstream', detail]).add(1)
    if (!isConnectFailure(failure)) return
    const service = exchange.route?.service?.name ?? ''
    if (!this.#live.hasService(service)) return
    this.#registry.counter(POOL_CONNECT_ERRORS, [service, errorOfFailure(failure).code]).add(1)
  }

  onRetry(exchange: ProxyExchange): void {
    const name = exchange.route?.service?.name
    if (name === undefined || !this.#live.hasService(name)) return
    this.#registry?.counter(SERVICE_RETRIES, [name]).add(1)
  }

  forgetService(name: string): void {
    this.#byService.delete(name)
    this.#registry?.removeSeries({ service: name })
  }

  forgetRouter(name: string): void {
    if (this.#byRouter.delete(name)) this.#registry?.removeSeries({ router: name })
  }

  forgetEntryPoint(name: string): void {
    this.#byEntry.delete(name)
    this.#registry?.removeSeries({ entrypoint: name })
  }

  #measure(registry: MetricsRegistry, exchange: ProxyExchange, seconds: number): void {
    const { options } = registry
    const protocol = protocolOf(exchange)
    const service = exchange.route?.service ?? null
    if (options.addEntryPointsLabels) {
      const { name } = exchange.entry
      let metrics = this.#byEntry.get(name)
      if (metrics === undefined) {
        metrics = new RequestMetrics(registry, 'entrypoint', [name])
        this.#byEntry.set(name, metrics)
      }
      record(metrics, exchange, protocol, seconds)
    }
    if (service === null) return
    if (options.addServicesLabels && reachedService(exchange)) {
      let metrics = this.#byService.get(service.name)
      if (metrics === undefined) {
        if (!this.#live.hasService(service.name)) return
        metrics = new RequestMetrics(registry, 'service', [service.name])
        this.#byService.set(service.name, metrics)
      }
      record(metrics, exchange, protocol, seconds)
    }
    if (options.addRoutersLabels) {
      const route = exchange.route!
      let metrics = this.#byRouter.get(route.name)
      if (metrics === undefined) {
        if (!this.#live.hasRouter(route.name)) return
        metrics = new RequestMetrics(registry, 'router', [route.name, service.name])
        this.#byRouter.set(route.name, metrics)
      }
      record(metrics, exchange, protocol, seconds)
    }
  }

  /** `now`: performance.now() at its end. */
  #log(accessLog: AccessLog, exchange: ProxyExchange, now: number): void {
    const record = this.#record
    const { connection, request, route } = exchange
    record.reset()
    record.startedAt = exchange.startedAt + exchange.plane.clock.wallOffset
    record.durationMs = now - exchange.startedTick
    if (exchange.originStartedTick > 0) {
      record.originDurationMs = now - exchange.originStartedTick
      record.originBytes = exchange.responseBodyBytes
    }
    record.clientHost = exchange.clientAddress
    record.clientAddress = hostPort(connection.remoteAddress, connection.remotePort)
    record.clientPort = connection.remotePort
    record.entryPoint = exchange.entry.name
    record.method = request.method
    record.path = exchange.originalTarget
    record.protocol = exchange.protocol
    record.scheme = exchange.scheme
    record.host = request.host
    record.status = exchange.status
    record.originStatus = exchange.originStatus
    record.requestBytes = exchange.requestBodyBytes
    record.responseBytes = exchange.responseBodyBytes
    record.requestCount = Number(Atomics.add(this.#requestCount, 0, 1n)) + 1
    record.retryAttempts = Math.max(0, exchange.attempts - 1)
    record.requestId = exchange.requestId
    if (route !== null) {
      record.router = route.name
      if (reachedService(exchange)) record.service = route.service?.name ?? ''
      const { origin } = route
      record.kubernetesNamespace = origin.namespace
      record.kubernetesIngress = origin.kind === 'Ingress' ? origin.name : ''
      record.kubernetesService = origin.serviceName ?? ''
      record.kubernetesServicePort = origin.servicePort ?? ''
    }
    const server = exchange.lastServer
    if (server !== null) {
      record.serverAddress = server.id
      record.serverUrl = `${route?.service?.config.scheme ?? 'http'}://${server.id}`
    }
    const { tls } = connection
    if (tls !== undefined) {
      record.tlsVersion = tls.version
      record.tlsCipher = tls.cipher
      record.tlsClientSubject = tls.clientSubject ?? ''
    }
    record.requestHeaders = request
    record.originHeaders = exchange.originStatus > 0 ? exchange.responseFields : null
    record.downstreamHeaders = exchange.responseFields
    accessLog.write(record)
  }
}

function record(metrics: RequestMetrics, exchange: ProxyExchange, protocol: number, seconds: number): void {
  metrics.record(
    exchange.request.method,
    exchange.status,
    protocol,
    seconds,
    exchange.requestBodyBytes,
    exchange.responseBodyBytes,
    exchange.request,
  )
  const { tls } = exchange.connection
  if (tls !== undefined) metrics.recordTls(tls.version, tls.cipher)
}

/** Not so when a middleware answered, or the route is closed. */
function reachedService({ lastServer, error }: ProxyExchange): boolean {
  return lastServer !== null || error === NO_SERVER
}

function protocolOf(exchange: ProxyExchange): number {
  if (exchange.isTunnel) return PROTOCOL_WEBSOCKET
  const { request } = exchange
  if (request.indexOf(H_ACCEPT) < 0) return PROTOCOL_HTTP
  return request.get('accept') === 'text/event-stream' ? PROTOCOL_SSE : PROTOCOL_HTTP
}

function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
