/** What the gateway uses over time, read from its metrics and, after a collection, from its heaps. */
import type { GatewayProcess } from '../e2e/bed/gateway-process.ts'
import type { Inspector } from '../e2e/bed/inspector.ts'
import { metric } from '../e2e/bed/metrics-text.ts'

export interface Sample {
  readonly seconds: number
  readonly residentBytes: number
  /** Of all threads after a collection. */
  readonly heapBytes: number
  readonly descriptors: number
  /** Of clients. */
  readonly connections: number
  readonly upstreamConnections: number
  /** Lines of `/metrics`. */
  readonly series: number
}

const MB = 1024 * 1024

export async function takeSample(
  gateway: GatewayProcess,
  inspector: Inspector,
  seconds: number,
): Promise<Sample> {
  const heapBytes = await inspector.heapAfterCollection()
  const text = await gateway.metrics()
  return {
    seconds,
    heapBytes,
    residentBytes: metric(text, 'process_resident_memory_bytes'),
    descriptors: metric(text, 'process_open_fds'),
    connections: metric(text, 'traefik_open_connections', { entrypoint: 'web' }),
    upstreamConnections: metric(text, 'sekisho_upstream_connections_open'),
    series: text.split('\n').length,
  }
}

export function sampleText(sample: Sample): string {
  const { seconds, residentBytes, heapBytes, descriptors, connections, upstreamConnections, series } = sample
  return (
    `${seconds.toFixed(0).padStart(5)} s  RSS ${mb(residentBytes)} MB  heap ${mb(heapBytes)} MB  descriptors ${descriptors}  ` +
    `clients ${connections}  servers ${upstreamConnections}  metric lines ${series}`
  )
}

/** Bounds of growth from the first sample behind the warm-up to the last one. */
const MAX_HEAP_GROWTH = 8 * MB
/** Threads that came and went leave memory with the allocator, bounded by its arenas. */
const MAX_RESIDENT_GROWTH = 64 * MB
const MAX_SERIES_GROWTH = 50
const MAX_DESCRIPTOR_GROWTH = 40

/** What has grown, in words; the medians of the first and last third are compared. */
export function growth(samples: readonly Sample[]): string[] {
  const third = Math.max(1, Math.floor(samples.length / 3))
  const first = samples.slice(0, third)
  const last = samples.slice(-third)
  const problems: string[] = []
  const compare = (name: string, key: keyof Sample, limit: number): void => {
    const before = median(first.map((sample) => sample[key]))
    const after = median(last.map((sample) => sample[key]))
    if (after - before > limit) problems.push(`${name} grew from ${before} to ${after}, more than ${limit}`)
  }
  compare('heap after collection', 'heapBytes', MAX_HEAP_GROWTH)
  compare('resident memory', 'residentBytes', MAX_RESIDENT_GROWTH)
  compare('lines of metrics', 'series', MAX_SERIES_GROWTH)
  compare('descriptors', 'descriptors', MAX_DESCRIPTOR_GROWTH)
  return problems
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

function mb(bytes: number): string {
  return (bytes / MB).toFixed(1)
}
