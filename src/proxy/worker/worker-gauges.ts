/** Metrics of one worker that are not about requests: connections, pools, memory, its event loop. */
import type { ClientHost } from '#client/pool.ts'
import type { MemoryBudget } from '#net/budget.ts'
import {
  ACCEPT_PAUSES,
  CONNECTIONS_REFUSED,
  MEMORY_BUDGET_LIMIT,
  MEMORY_BUDGET_REFUSED,
  MEMORY_BUDGET_USED,
  NAME_LOOKUPS,
  NAMES_FAILING,
  OPEN_CONNECTIONS,
  POOL_CONNECTIONS_CREATED,
  POOL_CONNECTIONS_IDLE,
  POOL_CONNECTIONS_OPEN,
  POOL_CONNECTIONS_REUSED,
  TLS_HANDSHAKE_FAILURES,
} from '#observe/metrics/families.ts'
import type { MetricsRegistry } from '#observe/metrics/registry.ts'
import { ThreadVitals } from '#observe/metrics/vitals.ts'
import type { Admission } from '../accept/admission.ts'
import type { DescriptorWatch } from '../accept/descriptor-watch.ts'

export interface GaugeSources {
  readonly clientHost: ClientHost
  readonly budget: MemoryBudget
  readonly admission: Admission
  readonly descriptors: DescriptorWatch
}

export class WorkerGauges {
  readonly #registry: MetricsRegistry
  readonly #worker: string
  readonly #sources: GaugeSources
  readonly #vitals: ThreadVitals

  constructor(registry: MetricsRegistry, index: number, sources: GaugeSources) {
    this.#registry = registry
    this.#worker = String(index)
    this.#sources = sources
    this.#vitals = new ThreadVitals(registry, this.#worker)
    this.sample()
  }

  opened(entryPoint: string): void {
    this.#registry.gauge(OPEN_CONNECTIONS, [entryPoint, 'TCP']).add(1)
  }

  closed(entryPoint: string): void {
    this.#registry.gauge(OPEN_CONNECTIONS, [entryPoint, 'TCP']).add(-1)
  }

  refused(entryPoint: string, reason: string): void {
    this.#registry.counter(CONNECTIONS_REFUSED, [entryPoint, reason]).add(1)
  }

  handshakeFailed(entryPoint: string, reason: string): void {
    this.#registry.counter(TLS_HANDSHAKE_FAILURES, [entryPoint, reason]).add(1)
  }

  sample(): void {
    this.#vitals.sample()
    const registry = this.#registry
    const { counters, resolver } = this.#sources.clientHost
    registry.gauge(POOL_CONNECTIONS_OPEN, [this.#worker]).set(counters.open)
    registry.gauge(POOL_CONNECTIONS_IDLE, [this.#worker]).set(counters.idle)
    registry.counter(POOL_CONNECTIONS_CREATED, [this.#worker]).set(counters.created)
    registry.counter(POOL_CONNECTIONS_REUSED, [this.#worker]).set(counters.reused)
    registry.counter(NAME_LOOKUPS, [this.#worker, 'resolved']).set(resolver.counters.resolved)
    registry.counter(NAME_LOOKUPS, [this.#worker, 'failed']).set(resolver.counters.failed)
    registry.gauge(NAMES_FAILING, [this.#worker]).set(resolver.counters.failing)
    const { budget, admission, descriptors } = this.#sources
    registry.gauge(MEMORY_BUDGET_USED, [this.#worker]).set(budget.usedBytes)
    registry.gauge(MEMORY_BUDGET_LIMIT, [this.#worker]).set(budget.limitBytes)
    registry.counter(MEMORY_BUDGET_REFUSED, [this.#worker]).set(budget.refused)
    registry.counter(ACCEPT_PAUSES, ['cap']).set(admission.pauses)
    registry.counter(ACCEPT_PAUSES, ['descriptors']).set(descriptors.pauses)
  }
}
