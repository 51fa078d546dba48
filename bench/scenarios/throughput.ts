/** CPU per request at full load: small, 10 kB and 1 MB bodies, plain and TLS. */
import { runWrk, loadAndMeasure } from '../load/wrk.ts'
import { BASELINE } from '../peers/list.ts'
import type { Column, Result } from '../report/result.ts'
import { interleave, ONE_RULE, TLS_RULE, type Bench, type Scenario } from './bench.ts'

const PER_REQUEST: readonly Column[] = [
  { key: 'cpuMicros', title: 'CPU µs/request', digits: 1, compared: 'less' },
  { key: 'requestsPerSecond', title: 'requests/s', digits: 0 },
  { key: 'p99Ms', title: 'p99 ms', digits: 2 },
  { key: 'residentMegabytes', title: 'resident MB', digits: 0 },
]
const PER_BYTE: readonly Column[] = [
  { key: 'megabytesPerCpuSecond', title: 'MB per CPU second', digits: 0, compared: 'more' },
  ...PER_REQUEST.slice(1),
]

interface Load {
  readonly id: string
  readonly title: string
  readonly path: string
  readonly isTls: boolean
  readonly connections: number
  readonly columns: readonly Column[]
}

const LOADS: readonly Load[] = [
  {
    id: 'small',
    title: 'HTTP/1.1, 64 keep-alive connections, 73-byte body',
    path: '/app/small',
    isTls: false,
    connections: 64,
    columns: PER_REQUEST,
  },
  {
    id: '10k',
    title: 'HTTP/1.1, 64 keep-alive connections, 10 kB body',
    path: '/app/10k',
    isTls: false,
    connections: 64,
    columns: PER_REQUEST,
  },
  {
    id: '1m',
    title: 'HTTP/1.1, 16 keep-alive connections, 1 MB body',
    path: '/app/1m',
    isTls: false,
    connections: 16,
    columns: PER_BYTE,
  },
  {
    id: 'tls',
    title: 'HTTPS (HTTP/1.1), 64 keep-alive connections, 73-byte body, ECDSA P-256',
    path: '/app/small',
    isTls: true,
    connections: 64,
    columns: PER_REQUEST,
  },
]

export const throughputScenarios: readonly Scenario[] = LOADS.map((load) => ({
  id: load.id,
  title: load.title,
  run: (bench) => run(bench, load),
}))

async function run(bench: Bench, load: Load): Promise<Result> {
  const notes: string[] = []
  const { host } = load.isTls ? TLS_RULE : ONE_RULE
  const { seconds, warmUpSeconds } = bench.options
  const contestants = await bench.startAll(
    { rules: [load.isTls ? TLS_RULE : ONE_RULE], isTls: load.isTls },
    notes,
  )
  const options = { host, connections: load.connections }
  for (const each of contestants)
    await runWrk(bench.lab, { ...options, url: each.url(load.path), seconds: warmUpSeconds })
  const rows = await interleave(bench, load.id, contestants, notes, async ({ started, url }) => {
    const sample = await loadAndMeasure(bench.lab, started, { ...options, url: url(load.path), seconds })
    return { ...sample, p99Ms: sample.p99 / 1000 }
  })
  await bench.stopAll(contestants)
  if (load.id === 'small') {
    const reached = rows
      .find(({ name }) => name === BASELINE)
      ?.samples.map((sample) => sample.requestsPerSecond)
    if (reached !== undefined) bench.saturation = Math.max(...reached)
  }
  return { id: load.id, title: load.title, columns: load.columns, rows, baseline: BASELINE, notes }
}
