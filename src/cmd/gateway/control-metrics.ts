/** Metrics that control knows: configuration, certificates, servers, workers, the process. */
import type { CertificateStore } from '#certs/store.ts'
import type { Finding } from '#config/model/finding.ts'
import { MetricsAggregate } from '#observe/metrics/aggregate.ts'
import {
  CERTS_NOT_AFTER,
  CONFIG_CHANGE_DURATION,
  CONFIG_LAST_CHANGE_DURATION,
  CONFIG_LAST_CHANGE_OBJECTS,
  CONFIG_LAST_CHANGE_TIME,
  CONFIG_LAST_RELOAD_SUCCESS,
  CONFIG_OBJECTS,
  CONFIG_RELOADS,
  FINDINGS,
  SERVER_EJECTIONS,
  SERVICE_SERVER_UP,
  WORKER_RESTARTS,
  WORKERS,
  type MetricsOptions,
} from '#observe/metrics/families.ts'
import { processVitals, ThreadVitals } from '#observe/metrics/vitals.ts'
import type { DataPlaneControl } from '#proxy/control/data-plane-control.ts'

const VITALS_MS = 5000

export class ControlMetrics {
  readonly aggregate: MetricsAggregate
  readonly #vitals: ThreadVitals
  readonly #timer: NodeJS.Timeout
  readonly #shownSerials = new Set<string>()
  #workers = 0

  constructor(options: MetricsOptions) {
    this.aggregate = new MetricsAggregate(options)
    const { own } = this.aggregate
    this.#vitals = new ThreadVitals(own, 'control')
    this.#timer = setInterval(() => this.#vitals.sample(), VITALS_MS)
    this.#timer.unref()
    this.aggregate.onScrape(processVitals(own))
    own.counter(CONFIG_RELOADS).add(0)
    own.counter(WORKER_RESTARTS).add(0)
  }

  /** Reads servers and objects anew at each scrape. */
  watch(control: DataPlaneControl, certificates: CertificateStore): void {
    const shownServers = new Map<string, Set<string>>()
    this.aggregate.onScrape(() => {
      const { own } = this.aggregate
      for (const [kind, count] of Object.entries(control.config.counts)) {
        own.gauge(CONFIG_OBJECTS, [kind]).set(count)
      }
      const seen = new Set<string>()
      for (const { config } of control.config.services()) {
        seen.add(config.name)
        const report = control.slots.report(config.name, Date.now())
        if (report === undefined) continue
        own.counter(SERVER_EJECTIONS, [config.name]).set(report.ejections)
        const urls = new Set<string>()
        for (const server of report.servers) {
          const url = `${config.scheme}://${server.id}`
          urls.add(url)
          own.gauge(SERVICE_SERVER_UP, [config.name, url]).set(server.isEjected ? 0 : 1)
        }
        for (const url of shownServers.get(config.name) ?? []) {
          if (!urls.has(url)) this.#forget({ service: config.name, url })
        }
        shownServers.set(config.name, urls)
      }
      for (const name of shownServers.keys()) if (!seen.has(name)) shownServers.delete(name)
      this.#showCertificates(certificates)
    })
  }

  workerStarted(): void {
    this.aggregate.own.gauge(WORKERS).set(++this.#workers)
  }

  workerEnded(source: string): void {
    this.aggregate.ended(source)
    this.aggregate.own.gauge(WORKERS).set(--this.#workers)
    this.aggregate.own.counter(WORKER_RESTARTS).add(1)
  }

  /** All workers have it. */
  changeApplied(durationMs: number, objects: number, kind: 'endpoints' | 'routes'): void {
    const { own } = this.aggregate
    const now = Date.now() / 1000
    own.counter(CONFIG_RELOADS).add(1)
    own.gauge(CONFIG_LAST_RELOAD_SUCCESS).set(now)
    own.gauge(CONFIG_LAST_CHANGE_TIME).set(now)
    own.gauge(CONFIG_LAST_CHANGE_DURATION).set(durationMs / 1000)
    own.histogram(CONFIG_CHANGE_DURATION, [kind]).observe(durationMs / 1000)
    own.gauge(CONFIG_LAST_CHANGE_OBJECTS).set(objects)
  }

  findings(list: readonly Finding[]): void {
    for (const severity of ['error', 'warning', 'info'] as const) {
      const count = list.filter((finding) => finding.severity === severity).length
      this.aggregate.own.gauge(FINDINGS, [severity]).set(count)
    }
  }

  serviceRemoved(name: string): void {
    this.#forget({ service: name })
  }

  routerRemoved(name: string): void {
    this.#forget({ router: name })
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#vitals.stop()
  }

  #showCertificates(certificates: CertificateStore): void {
    for (const shown of certificates.certificates()) {
      this.aggregate.own
        .gauge(CERTS_NOT_AFTER, [shown.commonName, shown.names.join(','), shown.serial])
        .set(shown.notAfter / 1000)
      this.#shownSerials.add(shown.serial)
    }
    const present = new Set([...certificates.certificates()].map((shown) => shown.serial))
    for (const serial of this.#shownSerials) {
      if (present.has(serial)) continue
      this.#shownSerials.delete(serial)
      this.#forget({ serial })
    }
  }

  #forget(match: Readonly<Record<string, string>>): void {
    this.aggregate.own.removeSeries(match)
    this.aggregate.removeSeries(match)
  }
}
