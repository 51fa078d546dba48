import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { MAX_LEAVING, MetricsAggregate } from './aggregate.ts'
import {
  ACCESS_LOG_DROPPED,
  CERTS_NOT_AFTER,
  CONFIG_RELOADS,
  DEFAULT_METRICS_OPTIONS,
  FAMILIES,
  LOOP_DELAY,
  OPEN_CONNECTIONS,
  POOL_CONNECTIONS_CREATED,
  PROCESS_CPU,
  REQUEST_FAMILIES,
  SERVICE_RETRIES,
  SERVICE_SERVER_UP,
} from './families.ts'
import type { MetricsOptions } from './families.ts'
import { metricsReference } from './reference.ts'
import { MetricsRegistry } from './registry.ts'
import type { MetricsMessage } from './registry.ts'
import { PROTOCOL_HTTP, PROTOCOL_WEBSOCKET, RequestMetrics, requestMetrics } from './request-metrics.ts'
import { processVitals, ThreadVitals } from './vitals.ts'

/** Control and workers in one thread; messages are cloned as between threads. */
function cluster(workers: number, options: Partial<MetricsOptions> = {}, maxSeries?: number) {
  const all = { ...DEFAULT_METRICS_OPTIONS, ...options }
  const aggregate = new MetricsAggregate(all)
  const registries: MetricsRegistry[] = []
  for (let i = 0; i < workers; i++) {
    const post = (messages: MetricsMessage[]): void => aggregate.receive(`w${i}`, structuredClone(messages))
    registries.push(new MetricsRegistry(all, post, maxSeries))
  }
  const flush = (): void => {
    for (const registry of registries) registry.flush()
  }
  /** The exposition without comments. */
  const samples = (): string[] => {
    flush()
    return aggregate
      .text()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
  }
  return { aggregate, registries: registries as [MetricsRegistry, MetricsRegistry], flush, samples }
}

test('the exposition of one request in each scope', () => {
  const { aggregate, registries, flush } = cluster(1, { addRoutersLabels: true })
  const [registry] = registries
  const scopes = [
    requestMetrics(registry, 'entrypoint', ['web']),
    requestMetrics(registry, 'router', ['r@kubernetes', 's@kubernetes']),
    requestMetrics(registry, 'service', ['s@kubernetes']),
  ]
  for (const scope of scopes) scope?.record('GET', 200, PROTOCOL_HTTP, 0.25, 10, 73, null)
  scopes[0]?.record('GET', 200, PROTOCOL_HTTP, 7, 0, 1000, null)
  scopes[0]?.recordTls('TLSv1.3', 'TLS_AES_128_GCM_SHA256')
  flush()
  const text = aggregate.text()
  assert.equal(
    text.slice(0, text.indexOf('# HELP traefik_router_requests_total')),
    `# HELP traefik_entrypoint_requests_total Requests at an entrypoint.
# TYPE traefik_entrypoint_requests_total counter
traefik_entrypoint_requests_total{code="200",method="GET",protocol="http",entrypoint="web"} 2
# HELP traefik_entrypoint_request_duration_seconds How long requests at an entrypoint took.
# TYPE traefik_entrypoint_request_duration_seconds histogram
traefik_entrypoint_request_duration_seconds_bucket{code="200",method="GET",protocol="http",entrypoint="web",le="0.1"} 0
traefik_entrypoint_request_duration_seconds_bucket{code="200",method="GET",protocol="http",entrypoint="web",le="0.3"} 1
traefik_entrypoint_request_duration_seconds_bucket{code="200",method="GET",protocol="http",entrypoint="web",le="1.2"} 1
traefik_entrypoint_request_duration_seconds_bucket{code="200",method="GET",protocol="http",entrypoint="web",le="5"} 1
traefik_entrypoint_request_duration_seconds_bucket{code="200",method="GET",protocol="http",entrypoint="web",le="+Inf"} 2
traefik_entrypoint_request_duration_seconds_sum{code="200",method="GET",protocol="http",entrypoint="web"} 7.25
traefik_entrypoint_request_duration_seconds_count{code="200",method="GET",protocol="http",entrypoint="web"} 2
# HELP traefik_entrypoint_requests_bytes_total Bytes of the bodies of requests at an entrypoint.
# TYPE traefik_entrypoint_requests_bytes_total counter
traefik_entrypoint_requests_bytes_total{code="200",method="GET",protocol="http",entrypoint="web"} 10
# HELP traefik_entrypoint_responses_bytes_total Bytes of the bodies of responses to requests at an entrypoint.
# TYPE traefik_entrypoint_responses_bytes_total counter
traefik_entrypoint_responses_bytes_total{code="200",method="GET",protocol="http",entrypoint="web"} 1073
# HELP traefik_entrypoint_requests_tls_total Requests at an entrypoint that came over TLS.
# TYPE traefik_entrypoint_requests_tls_total counter
traefik_entrypoint_requests_tls_total{tls_version="1.3",tls_cipher="TLS_AES_128_GCM_SHA256",entrypoint="web"} 1
`,
  )
  const labels = 'code="200",method="GET",protocol="http",router="r@kubernetes",service="s@kubernetes"'
  assert.ok(text.includes(`\ntraefik_router_requests_total{${labels}} 1\n`))
  assert.ok(
    text.includes(
      '\ntraefik_service_requests_total{code="200",method="GET",protocol="http",service="s@kubernetes"} 1\n',
    ),
  )
})

test('a value on the bound of a bucket belongs to it', () => {
  const { registries, samples } = cluster(1, { buckets: [1, 2] })
  const histogram = registries[0].histogram(REQUEST_FAMILIES.service.duration, ['200', 'GET', 'http', 's'])
  for (const value of [0, 1, 1.5, 2, 3]) histogram.observe(value)
  const counts = samples().map((line) => Number(line.slice(line.lastIndexOf(' '))))
  assert.deepEqual(counts, [2, 4, 5, 7.5, 5])
})

test('scopes that the options leave out are not made', () => {
  const { registries } = cluster(1)
  assert.equal(requestMetrics(registries[0], 'router', ['r', 's']), null)
  const off = cluster(1, { addEntryPointsLabels: false, addServicesLabels: false }).registries[0]
  assert.equal(requestMetrics(off, 'entrypoint', ['web']), null)
  assert.equal(requestMetrics(off, 'service', ['s']), null)
})

test('labels from peers are bounded', () => {
  const { registries, samples } = cluster(1)
  const scope = new RequestMetrics(registries[0], 'service', ['s'])
  for (let i = 0; i < 1000; i++) scope.record(`METHOD${i}`, 200, PROTOCOL_WEBSOCKET, 0, 0, 0, null)
  scope.record('get', 200, PROTOCOL_HTTP, 0, 0, 0, null)
  const requests = samples().filter((line) => line.startsWith('traefik_service_requests_total'))
  assert.deepEqual(requests, [
    'traefik_service_requests_total{code="200",method="EXTENSION_METHOD",protocol="websocket",service="s"} 1000',
    'traefik_service_requests_total{code="200",method="EXTENSION_METHOD",protocol="http",service="s"} 1',
  ])
})

test('every method, code and protocol is its own series', () => {
  const { registries, samples } = cluster(1)
  const scope = new RequestMetrics(registries[0], 'service', ['s'])
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'CONNECT', 'TRACE', 'PURGE']
  let expected = 0
  for (const method of methods) {
    for (const status of [100, 200, 404, 499, 503, 599, 999]) {
      for (const protocol of [0, 1, 2, 3]) {
        expected++
        scope.record(method, status, protocol, 0, 0, 0, null)
      }
    }
  }
  const requests = samples().filter((line) => line.startsWith('traefik_service_requests_total'))
  assert.equal(new Set(requests).size, expected)
  assert.ok(requests.every((line) => line.endsWith(' 1')))
})

test('header labels are added to the requests only, bounded in number and length', () => {
  const { registries, samples } = cluster(1, { headerLabels: { tenant: 'X-Tenant' } })
  const scope = new RequestMetrics(registries[0], 'entrypoint', ['web'])
  const tenant = (value: string | undefined) => ({
    get: (name: string) => (name === 'X-Tenant' ? value : 'no'),
  })
  for (let i = 0; i < 150; i++) scope.record('GET', 200, 0, 0, 0, 0, tenant(`t${i}`))
  scope.record('GET', 200, 0, 0, 0, 0, tenant('t0'))
  const lines = samples()
  const requests = lines.filter((line) => line.startsWith('traefik_entrypoint_requests_total'))
  assert.equal(requests.length, 101)
  const labels = 'code="200",method="GET",protocol="http",entrypoint="web"'
  assert.equal(requests[0], `traefik_entrypoint_requests_total{${labels},tenant="t0"} 2`)
  assert.equal(requests[100], `traefik_entrypoint_requests_total{${labels},tenant="other"} 50`)
  assert.ok(lines.includes(`traefik_entrypoint_request_duration_seconds_count{${labels}} 151`))

  const second = cluster(1, { headerLabels: { tenant: 'X-Tenant' } })
  const other = new RequestMetrics(second.registries[0], 'entrypoint', ['web'])
  other.record('GET', 200, 0, 0, 0, 0, tenant('x'.repeat(5000)))
  other.record('GET', 404, 0, 0, 0, 0, tenant(undefined))
  const shown = second.samples().filter((line) => line.startsWith('traefik_entrypoint_requests_total'))
  assert.ok(shown[0]?.includes(`tenant="${'x'.repeat(128)}"`))
  assert.ok(shown[1]?.includes('tenant=""'))
})

test('series beyond the bound of a family share one', () => {
  const { registries, samples } = cluster(1, {}, 3)
  for (let i = 0; i < 10; i++) registries[0].counter(SERVICE_RETRIES, [`s${i}`]).add(1)
  registries[0].counter(SERVICE_RETRIES, ['s0']).add(1)
  assert.deepEqual(samples(), [
    'traefik_service_retries_total{service="s0"} 2',
    'traefik_service_retries_total{service="s1"} 1',
    'traefik_service_retries_total{service="s2"} 1',
    'traefik_service_retries_total{service="other"} 7',
  ])
})

test('label values are escaped, special numbers written as Prometheus reads them', () => {
  const { aggregate, samples } = cluster(0)
  aggregate.own.gauge(CERTS_NOT_AFTER, ['a"b\\c\nd', 'é', '01']).set(Infinity)
  aggregate.own.gauge(CERTS_NOT_AFTER, ['', '', '02']).set(NaN)
  assert.deepEqual(samples(), [
    'traefik_tls_certs_not_after{cn="a\\"b\\\\c\\nd",sans="é",serial="01"} +Inf',
    'traefik_tls_certs_not_after{cn="",sans="",serial="02"} NaN',
  ])
})

test('workers and control are summed', () => {
  const { aggregate, registries, samples } = cluster(2)
  for (const [i, registry] of registries.entries()) {
    registry.counter(ACCESS_LOG_DROPPED).add(i + 1)
    registry.gauge(OPEN_CONNECTIONS, ['web', 'TCP']).set(10 * (i + 1))
  }
  aggregate.own.counter(ACCESS_LOG_DROPPED).add(100)
  assert.deepEqual(samples(), [
    'traefik_open_connections{entrypoint="web",protocol="TCP"} 30',
    'sekisho_access_log_dropped_lines_total 103',
  ])
})

test('counters keep what an ended worker had counted, gauges do not', () => {
  const { aggregate, registries, samples, flush } = cluster(2)
  for (const registry of registries) {
    registry.counter(ACCESS_LOG_DROPPED).add(5)
    registry.gauge(OPEN_CONNECTIONS, ['web', 'TCP']).add(1)
    registry.histogram(REQUEST_FAMILIES.service.duration, ['200', 'GET', 'http', 's']).observe(0.2)
  }
  registries[1].gauge(OPEN_CONNECTIONS, ['other', 'TCP']).add(1)
  flush()
  registries[1].counter(ACCESS_LOG_DROPPED).add(2)
  aggregate.ended('w1')
  const lines = samples()
  assert.ok(lines.includes('sekisho_access_log_dropped_lines_total 12'))
  assert.ok(lines.includes('traefik_open_connections{entrypoint="web",protocol="TCP"} 1'))
  assert.ok(!lines.some((line) => line.includes('entrypoint="other"')))
  assert.ok(lines.some((line) => /^traefik_service_request_duration_seconds_count.* 2$/.test(line)))
  const replacement = new MetricsRegistry(DEFAULT_METRICS_OPTIONS, (m) => aggregate.receive('w2', m))
  replacement.counter(ACCESS_LOG_DROPPED).add(1)
  replacement.flush()
  assert.ok(samples().includes('sekisho_access_log_dropped_lines_total 13'))
})

test('a removed object is in one further scrape with its last values, and its gauges are not', () => {
  const { aggregate, registries, samples } = cluster(2)
  for (const registry of registries) {
    registry.counter(SERVICE_RETRIES, ['gone']).add(3)
    registry.counter(SERVICE_RETRIES, ['stays']).add(1)
  }
  aggregate.own.gauge(SERVICE_SERVER_UP, ['gone', 'http://10.0.0.1:80']).set(1)
  assert.equal(samples().length, 3)
  for (const registry of registries) registry.removeSeries({ service: 'gone' })
  aggregate.removeSeries({ service: 'gone' })
  assert.deepEqual(samples(), [
    'traefik_service_retries_total{service="gone"} 6',
    'traefik_service_retries_total{service="stays"} 2',
  ])
  assert.deepEqual(samples(), ['traefik_service_retries_total{service="stays"} 2'])
})

test('removed objects that nobody scrapes are bounded, the oldest go', () => {
  const { aggregate, registries, samples, flush } = cluster(1)
  const [registry] = registries
  for (let index = 0; index < MAX_LEAVING + 5; index++) {
    registry.counter(SERVICE_RETRIES, [`s${index}`]).add(1)
    registry.removeSeries({ service: `s${index}` })
    flush()
    aggregate.removeSeries({ service: `s${index}` })
  }
  const lines = samples()
  assert.equal(lines.length, MAX_LEAVING)
  assert.ok(!lines.includes('traefik_service_retries_total{service="s4"} 1'))
  assert.ok(lines.includes('traefik_service_retries_total{service="s5"} 1'))
  assert.equal(samples().length, 0)
})

test('a removed object goes even when only an ended worker had counted for it', () => {
  for (const order of ['ended first', 'removed first']) {
    const { aggregate, registries, samples, flush } = cluster(2)
    registries[0].counter(SERVICE_RETRIES, ['gone']).add(3)
    flush()
    if (order === 'ended first') aggregate.ended('w0')
    aggregate.removeSeries({ service: 'gone' })
    if (order === 'removed first') aggregate.ended('w0')
    assert.equal(samples().length, 1, order)
    assert.equal(samples().length, 0, order)
  }
})

test('an object that comes back before the next scrape goes on counting', () => {
  const { aggregate, registries, samples } = cluster(1)
  const [registry] = registries
  registry.counter(SERVICE_RETRIES, ['s']).add(3)
  registry.removeSeries({ service: 's' })
  aggregate.removeSeries({ service: 's' })
  registry.counter(SERVICE_RETRIES, ['s']).add(1)
  assert.deepEqual(samples(), ['traefik_service_retries_total{service="s"} 4'])
  assert.deepEqual(samples(), ['traefik_service_retries_total{service="s"} 4'])
})

test('series are removed by all of the labels given', () => {
  const { registries, samples } = cluster(1)
  const [registry] = registries
  for (const service of ['a', 'b']) {
    for (const url of ['u1', 'u2']) registry.gauge(SERVICE_SERVER_UP, [service, url]).set(1)
  }
  registry.removeSeries({ service: 'a', url: 'u2' })
  registry.removeSeries({ service: 'nobody' })
  assert.deepEqual(samples(), [
    'traefik_service_server_up{service="a",url="u1"} 1',
    'traefik_service_server_up{service="b",url="u1"} 1',
    'traefik_service_server_up{service="b",url="u2"} 1',
  ])
  assert.throws(() => registry.removeSeries({ code: '200' }), /removed by one of entrypoint/)
})

test('who still holds a removed series cannot count for the one that got its cells', () => {
  const { registries, samples } = cluster(1)
  const [registry] = registries
  const old = registry.counter(SERVICE_RETRIES, ['old'])
  const oldDuration = registry.histogram(REQUEST_FAMILIES.service.duration, ['200', 'GET', 'http', 'old'])
  old.add(5)
  registry.removeSeries({ service: 'old' })
  const next = registry.counter(SERVICE_RETRIES, ['next'])
  const nextDuration = registry.histogram(REQUEST_FAMILIES.service.duration, ['200', 'GET', 'http', 'next'])
  assert.ok(old.isRemoved)
  assert.equal(next.index, 0, 'the cells were reused')
  old.add(100)
  oldDuration.observe(100)
  next.add(1)
  nextDuration.observe(1)
  assert.equal(next.value, 1)
  samples()
  const lines = samples()
  assert.deepEqual(
    lines.filter((line) => line.includes('retries')),
    ['traefik_service_retries_total{service="next"} 1'],
  )
  assert.ok(lines.some((line) => line.includes('_sum') && line.endsWith(' 1')))
})

test('a scrape between reuse of cells and its announcement shows neither value under the wrong name', () => {
  const { aggregate, registries, flush } = cluster(1)
  const [registry] = registries
  registry.counter(SERVICE_RETRIES, ['old']).add(5)
  flush()
  registry.removeSeries({ service: 'old' })
  registry.counter(SERVICE_RETRIES, ['next']).add(7)
  assert.equal(aggregate.text(), '')
  flush()
  assert.match(aggregate.text(), /service="old"} 5\n.*service="next"} 7\n/)
})

test('an exchange that outlives its service makes no series of it again', () => {
  const { registries, samples } = cluster(1)
  const [registry] = registries
  const scope = new RequestMetrics(registry, 'service', ['s'])
  scope.record('GET', 200, 0, 0, 0, 0, null)
  registry.removeSeries({ service: 's' })
  scope.record('GET', 502, 0, 0, 0, 0, null)
  scope.record('GET', 200, 0, 0, 0, 0, null)
  scope.recordTls('TLSv1.3', 'x')
  const requests = samples().filter((line) => line.includes('requests_total'))
  assert.deepEqual(requests, [
    'traefik_service_requests_total{code="200",method="GET",protocol="http",service="s"} 1',
  ])
  assert.deepEqual(samples(), [])
})

test('a router goes with its service, another router stays', () => {
  const { registries, samples } = cluster(1, { addRoutersLabels: true })
  const [registry] = registries
  for (const [router, service] of [
    ['r1', 's1'],
    ['r2', 's2'],
  ] as const) {
    new RequestMetrics(registry, 'router', [router, service]).record('GET', 200, 0, 0, 0, 0, null)
  }
  registry.removeSeries({ router: 'r1' })
  samples()
  const requests = samples().filter((line) => line.includes('requests_total'))
  assert.equal(requests.length, 1)
  assert.match(requests[0] ?? '', /router="r2"/)
})

test('cells of removed objects are used again', () => {
  let slabs = 0
  const registry = new MetricsRegistry(DEFAULT_METRICS_OPTIONS, (messages) => {
    for (const message of messages) if (message.kind === 'slab') slabs++
  })
  for (let i = 0; i < 20_000; i++) {
    new RequestMetrics(registry, 'service', [`s${i}`]).record('GET', 200, 0, 0, 0, 0, null)
    registry.removeSeries({ service: `s${i}` })
  }
  registry.flush()
  assert.equal(slabs, 1)
})

test('the wrong number of labels is refused', () => {
  const { registries } = cluster(1)
  assert.throws(() => registries[0].counter(SERVICE_RETRIES, []), /has labels \[service\], got 0 values/)
})

test('messages of a turn are posted together', async () => {
  const posts: number[] = []
  const registry = new MetricsRegistry(DEFAULT_METRICS_OPTIONS, (messages) => posts.push(messages.length))
  registry.counter(SERVICE_RETRIES, ['a'])
  registry.counter(SERVICE_RETRIES, ['b'])
  registry.counter(SERVICE_RETRIES, ['a'])
  assert.deepEqual(posts, [])
  await Promise.resolve()
  assert.deepEqual(posts, [3])
})

test('a real worker counts, and control reads it while it runs and after it was terminated', async () => {
  const aggregate = new MetricsAggregate(DEFAULT_METRICS_OPTIONS)
  const source = `
    import { parentPort } from 'node:worker_threads'
    import { MetricsRegistry } from ${JSON.stringify(new URL('registry.ts', import.meta.url).href)}
    import { DEFAULT_METRICS_OPTIONS, SERVICE_RETRIES } from ${JSON.stringify(new URL('families.ts', import.meta.url).href)}
    const registry = new MetricsRegistry(DEFAULT_METRICS_OPTIONS, (messages) => parentPort.postMessage(messages))
    const series = registry.counter(SERVICE_RETRIES, ['s'])
    series.add(41)
    registry.flush()
    parentPort.on('message', () => { series.add(1); parentPort.postMessage([]) })`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`))
  let got = Promise.withResolvers<void>()
  worker.on('message', (messages: MetricsMessage[]) => {
    aggregate.receive('real', messages)
    got.resolve()
  })
  worker.on('error', (error) => got.reject(error))
  await got.promise
  assert.match(aggregate.text(), /^traefik_service_retries_total\{service="s"\} 41$/m)
  got = Promise.withResolvers<void>()
  worker.postMessage('count')
  await got.promise
  assert.match(aggregate.text(), /^traefik_service_retries_total\{service="s"\} 42$/m)
  await worker.terminate()
  aggregate.ended('real')
  assert.match(aggregate.text(), /^traefik_service_retries_total\{service="s"\} 42$/m)
})

test('vitals of a thread: a blocked loop shows as delay, and heap figures are there', async () => {
  const aggregate = new MetricsAggregate(DEFAULT_METRICS_OPTIONS)
  const vitals = new ThreadVitals(aggregate.own, 'control')
  const longest = aggregate.own.gauge(LOOP_DELAY, ['1', 'control'])
  const turn = async (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 0))
  // An interval is measured from the timer before, and the first one after a reset is not: block several times.
  for (let tries = 0; longest.value < 0.02; tries++) {
    assert.ok(tries < 50, 'no delay was seen')
    for (let block = 0; block < 3; block++) {
      const until = performance.now() + 80
      while (performance.now() < until);
      await turn()
    }
    vitals.sample()
  }
  vitals.stop()
  assert.ok(longest.value < 30)
  const heap = /^sekisho_worker_heap_used_bytes\{worker="control"\} (\d+)$/m.exec(aggregate.text())?.[1]
  assert.ok(Number(heap) > 1_000_000)
})

test('vitals of the process are read at each scrape', () => {
  const aggregate = new MetricsAggregate(DEFAULT_METRICS_OPTIONS)
  aggregate.onScrape(processVitals(aggregate.own))
  const text = aggregate.text()
  const value = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
  assert.ok(value('process_resident_memory_bytes') > 10_000_000)
  assert.ok(value('process_virtual_memory_bytes') > value('process_resident_memory_bytes'))
  assert.ok(value('process_open_fds') >= 3)
  assert.ok(value('process_max_fds') > value('process_open_fds'))
  assert.ok(Math.abs(value('process_start_time_seconds') - (Date.now() / 1000 - process.uptime())) < 2)
  const before = value('process_cpu_seconds_total')
  while (process.cpuUsage().user / 1e6 < before + 0.01);
  aggregate.text()
  assert.ok(aggregate.own.counter(PROCESS_CPU).value > before)
})

test('names, labels and types follow the conventions, and no name is declared twice', () => {
  const names = FAMILIES.map((family) => family.name)
  assert.equal(new Set(names).size, names.length)
  for (const family of FAMILIES) {
    assert.match(family.name, /^(traefik|sekisho|process)_[a-z0-9_]+$/)
    assert.equal(family.name.endsWith('_total'), family.type === 'counter', family.name)
    assert.match(family.help, /^[A-Z].*\.$/)
    for (const label of family.labels) assert.match(label, /^[a-z_]+$/)
  }
  assert.ok(names.includes(CONFIG_RELOADS.name))
  assert.ok(names.includes(POOL_CONNECTIONS_CREATED.name))
})

test('the reference page is what the table of families says', () => {
  const page = readFileSync(new URL('../../../docs/reference/metrics.md', import.meta.url), 'utf8')
  assert.equal(page, metricsReference(), 'generate docs/reference/metrics.md again from metricsReference()')
})
