/**
 * Counts finished requests for one entrypoint, router or service: made when the configuration changes, called once
 * per request, a handful of array stores. Every label a peer has a hand in is bounded: the method by a list, the
 * code by its three digits, the protocol by this file, values of `headerLabels` by MAX_HEADER_VALUES.
 */
import { REQUEST_FAMILIES } from './families.ts'
import type { RequestFamilies, RequestScope } from './families.ts'
import type { MetricsRegistry, SeriesHolder } from './registry.ts'
import type { HistogramSeries, Series } from './series.ts'

/** Values of the `protocol` label, by index. */
export const PROTOCOL_HTTP = 0
export const PROTOCOL_WEBSOCKET = 1
export const PROTOCOL_SSE = 2
export const PROTOCOL_GRPC = 3
const PROTOCOLS = ['http', 'websocket', 'sse', 'grpc']

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'CONNECT',
  'TRACE',
  'EXTENSION_METHOD',
]
const METHOD_INDEX: ReadonlyMap<string, number> = new Map(METHODS.map((name, index) => [name, index]))
const EXTENSION_METHOD = METHODS.length - 1

/** Different combinations of header values that one scope tells apart; further ones are `other`. */
const MAX_HEADER_VALUES = 100
const MAX_HEADER_CHARS = 128

/** Where `headerLabels` get their values: the request's fields. */
export interface HeaderValues {
  get(name: string): string | undefined
}

interface RequestSeries {
  /** Null with `headerLabels`: the count then has further labels, see countByHeaders. */
  readonly requests: Series | null
  readonly duration: HistogramSeries
  readonly requestBytes: Series
  readonly responseBytes: Series
}

export class RequestMetrics implements SeriesHolder {
  readonly labelNames: readonly string[]
  readonly labels: readonly string[]
  readonly #registry: MetricsRegistry
  readonly #families: RequestFamilies
  /** Headers of `headerLabels`; null when there are none. */
  readonly #headers: readonly string[] | null
  readonly #byKey = new Map<number, RequestSeries>()
  readonly #byHeaders = new Map<string, Series>()
  readonly #tls = new Map<string, Series>()
  readonly #headerValues = new Set<string>()
  #lastKey = -1
  #last: RequestSeries | null = null
  #isClosed = false

  /** `labels` are the object's own: `[entrypoint]`, `[router, service]` or `[service]`. */
  constructor(registry: MetricsRegistry, scope: RequestScope, labels: readonly string[]) {
    this.#registry = registry
    this.#families = REQUEST_FAMILIES[scope]
    const headers = Object.values(registry.options.headerLabels)
    this.#headers = headers.length === 0 ? null : headers
    this.labelNames = scope === 'router' ? ['router', 'service'] : [scope]
    this.labels = labels
    registry.hold(this)
  }

  /**
   * One finished exchange: status sent, one of the PROTOCOL constants, seconds, bytes of both bodies. `headers` is
   * asked only when `headerLabels` are configured.
   */
  record(
    method: string,
    status: number,
    protocol: number,
    durationSeconds: number,
    requestBytes: number,
    responseBytes: number,
    headers: HeaderValues | null,
  ): void {
    if (this.#isClosed) return
    const key = (status << 6) | ((METHOD_INDEX.get(method) ?? EXTENSION_METHOD) << 2) | protocol
    const series = key === this.#lastKey ? (this.#last as RequestSeries) : this.#seriesOf(key)
    if (series.requests !== null) series.requests.add(1)
    else this.#countByHeaders(key, headers)
    series.duration.observe(durationSeconds)
    series.requestBytes.add(requestBytes)
    series.responseBytes.add(responseBytes)
  }

  /** The request came over TLS: `TLSv1.3`, name of the cipher. */
  recordTls(version: string, cipher: string): void {
    if (this.#isClosed) return
    const key = `${version} ${cipher}`
    let series = this.#tls.get(key)
    if (series === undefined) {
      const number = version.startsWith('TLSv') ? version.slice(4) : version
      series = this.#registry.counter(this.#families.tls, [number, cipher, ...this.labels])
      this.#tls.set(key, series)
    }
    series.add(1)
  }

  /** The registry's: the object is gone, exchanges that outlive it are not counted any more. */
  close(): void {
    this.#isClosed = true
    this.#byKey.clear()
    this.#byHeaders.clear()
    this.#tls.clear()
    this.#last = null
    this.#lastKey = -1
  }

  #seriesOf(key: number): RequestSeries {
    let series = this.#byKey.get(key)
    if (series === undefined) {
      const labels = this.#labelsOf(key)
      const registry = this.#registry
      const families = this.#families
      series = {
        requests: this.#headers === null ? registry.counter(families.requests, labels) : null,
        duration: registry.histogram(families.duration, labels),
        requestBytes: registry.counter(families.requestBytes, labels),
        responseBytes: registry.counter(families.responseBytes, labels),
      }
      this.#byKey.set(key, series)
    }
    this.#lastKey = key
    this.#last = series
    return series
  }

  #labelsOf(key: number): string[] {
    const method = METHODS[(key >> 2) & 15] as string
    return [String(key >> 6), method, PROTOCOLS[key & 3] as string, ...this.labels]
  }

  #countByHeaders(key: number, headers: HeaderValues | null): void {
    let values = (this.#headers as readonly string[]).map((name) => bounded(headers?.get(name) ?? ''))
    let joined = values.join('\0')
    if (!this.#headerValues.has(joined)) {
      if (this.#headerValues.size < MAX_HEADER_VALUES) {
        this.#headerValues.add(joined)
      } else {
        values = values.map(() => 'other')
        joined = values.join('\0')
      }
    }
    const headerKey = `${key}\0${joined}`
    let series = this.#byHeaders.get(headerKey)
    if (series === undefined) {
      series = this.#registry.counter(this.#families.requests, [...this.#labelsOf(key), ...values])
      this.#byHeaders.set(headerKey, series)
    }
    series.add(1)
  }
}

/** Null when the options leave this kind of series out. */
export function requestMetrics(
  registry: MetricsRegistry,
  scope: RequestScope,
  labels: readonly string[],
): RequestMetrics | null {
  const { addEntryPointsLabels, addRoutersLabels, addServicesLabels } = registry.options
  const isWanted = { entrypoint: addEntryPointsLabels, router: addRoutersLabels, service: addServicesLabels }[
    scope
  ]
  return isWanted ? new RequestMetrics(registry, scope, labels) : null
}

function bounded(value: string): string {
  // Latin1 text, usually UTF-8 inside; what is not becomes replacement characters, as label values must be UTF-8.
  return Buffer.from(value.slice(0, MAX_HEADER_CHARS), 'latin1').toString('utf8')
}
