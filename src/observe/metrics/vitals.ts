/**
 * How the threads and the process are: event-loop delay, heap, CPU, memory, descriptors. `ThreadVitals` is sampled
 * by the owner of each event loop every few seconds; `processVitals` is read by control at each scrape.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import {
  EXTERNAL_MEMORY,
  HEAP_LIMIT,
  HEAP_TOTAL,
  HEAP_USED,
  LOOP_DELAY,
  PROCESS_CPU,
  PROCESS_MAX_FDS,
  PROCESS_OPEN_FDS,
  PROCESS_RESIDENT,
  PROCESS_START_TIME,
  PROCESS_VIRTUAL,
} from './families.ts'
import type { MetricsRegistry } from './registry.ts'
import type { Series } from './series.ts'

/**
 * The histogram counts whole intervals of its timer; what goes beyond this is delay. Each thread is woken this often: every
 * 10 ms cost nearly a percent of a core per thread that had nothing to do.
 */
const RESOLUTION_MS = 50
const NS_PER_S = 1e9

export class ThreadVitals {
  readonly #delay: ReturnType<typeof monitorEventLoopDelay>
  readonly #quantiles: readonly [quantile: number, series: Series][]
  readonly #heapUsed: Series
  readonly #heapTotal: Series
  readonly #heapLimit: Series
  readonly #external: Series

  /** `worker` is the label: a worker's number, or `control`. */
  constructor(registry: MetricsRegistry, worker: string) {
    const delay = (quantile: string): Series => registry.gauge(LOOP_DELAY, [quantile, worker])
    this.#quantiles = [
      [50, delay('0.5')],
      [99, delay('0.99')],
      [100, delay('1')],
    ]
    this.#heapUsed = registry.gauge(HEAP_USED, [worker])
    this.#heapTotal = registry.gauge(HEAP_TOTAL, [worker])
    this.#heapLimit = registry.gauge(HEAP_LIMIT, [worker])
    this.#external = registry.gauge(EXTERNAL_MEMORY, [worker])
    this.#delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    this.#delay.enable()
    this.sample()
  }

  /** Writes the gauges; the delays are those since the last sample. */
  sample(): void {
    for (const [percentile, series] of this.#quantiles) {
      const seconds = this.#delay.count === 0 ? 0 : this.#delay.percentile(percentile) / NS_PER_S
      series.set(Math.max(0, seconds - RESOLUTION_MS / 1000))
    }
    this.#delay.reset()
    const heap = getHeapStatistics()
    this.#heapUsed.set(heap.used_heap_size)
    this.#heapTotal.set(heap.total_heap_size)
    this.#heapLimit.set(heap.heap_size_limit)
    this.#external.set(heap.external_memory)
  }

  stop(): void {
    this.#delay.disable()
  }
}

/** Makes the `process_*` series; the function returned reads them anew (`MetricsAggregate.onScrape`). */
export function processVitals(registry: MetricsRegistry): () => void {
  const cpu = registry.counter(PROCESS_CPU)
  const resident = registry.gauge(PROCESS_RESIDENT)
  registry.gauge(PROCESS_START_TIME).set(Math.round(Date.now() / 1000 - process.uptime()))
  const collect = (): void => {
    const usage = process.cpuUsage()
    cpu.set((usage.user + usage.system) / 1e6)
    resident.set(process.memoryUsage.rss())
  }
  const maxFds = readMaxFds()
  if (maxFds === undefined) return collect
  // The rest needs Linux's /proc; elsewhere these series are left out.
  registry.gauge(PROCESS_MAX_FDS).set(maxFds)
  const openFds = registry.gauge(PROCESS_OPEN_FDS)
  const virtual = registry.gauge(PROCESS_VIRTUAL)
  return () => {
    collect()
    try {
      // One of them is the folder being read.
      openFds.set(readdirSync('/proc/self/fd').length - 1)
      const pages = readFileSync('/proc/self/stat', 'latin1')
      // Behind the name in parentheses, which may hold anything; field 23 is vsize in bytes (proc_pid_stat(5)).
      virtual.set(Number(pages.slice(pages.lastIndexOf(')') + 2).split(' ')[20]))
    } catch {
      // Out of descriptors: the last values stay, the scrape goes on.
    }
  }
}

function readMaxFds(): number | undefined {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1')
    const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1]
    return soft === 'unlimited' ? Infinity : Number(soft ?? NaN)
  } catch {
    return undefined
  }
}
