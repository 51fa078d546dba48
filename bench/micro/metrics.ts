/**
 * Cost of counting one request in one scope: `node bench/micro/metrics.ts`. Goal: 100 ns.
 * Also the scrape of many series, which is control's and not the workers' time.
 */
import { MetricsAggregate } from '#observe/metrics/aggregate.ts'
import { DEFAULT_METRICS_OPTIONS } from '#observe/metrics/families.ts'
import { MetricsRegistry } from '#observe/metrics/registry.ts'
import { RequestMetrics } from '#observe/metrics/request-metrics.ts'

const CALLS = 1_000_000
const ROUNDS = 11

const aggregate = new MetricsAggregate(DEFAULT_METRICS_OPTIONS)
const worker = new MetricsRegistry(DEFAULT_METRICS_OPTIONS, (messages) => aggregate.receive('1', messages))
const scope = new RequestMetrics(worker, 'entrypoint', ['web'])

function measure(name: string, count: number, run: () => void): void {
  const samples: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint()
    run()
    samples.push(Number(process.hrtime.bigint() - start) / count)
  }
  samples.sort((a, b) => a - b)
  console.log(`${name}: ${samples[ROUNDS >> 1]?.toFixed(1)} ns (best ${samples[0]?.toFixed(1)})`)
}

measure('a request, always the same labels', CALLS, () => {
  for (let i = 0; i < CALLS; i++) scope.record('GET', 200, 0, (i & 1023) / 1000, 0, 73, null)
})

// Methods as a parser makes them: slices of a larger string, not the literals of this file.
const wire = 'GET POST DELETE PURGE'
const methods = wire.split(' ')
const statuses = [200, 204, 304, 404, 502]
measure('a request, mixed labels', CALLS, () => {
  for (let i = 0; i < CALLS; i++) {
    scope.record(methods[i & 3] as string, statuses[i % 5] as number, 0, (i & 1023) / 1000, i & 255, 73, null)
  }
})

for (let i = 0; i < 5000; i++) {
  const service = new RequestMetrics(worker, 'service', [`shop-${i}@kubernetes`])
  service.record('GET', 200, 0, 0.01, 0, 73, null)
  service.record('GET', 404, 0, 0.01, 0, 73, null)
}
worker.flush()
const lines = aggregate.text().split('\n').length
measure(`scrape of ${lines} lines, per line`, lines, () => {
  aggregate.text()
})
