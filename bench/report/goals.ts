/** The figures that the project promises, compared with what was measured. */
import { summaryOf, type Result, type Row } from './result.ts'
import { ratios, summarize } from './statistics.ts'

const OURS = 'Sekisho'

interface Goal {
  readonly scenario: string
  readonly key: string
  readonly row: string
  /** Row to divide by; without it the figure itself is meant. */
  readonly against?: string
  readonly atMost: number
  readonly text: string
}

const GOALS: readonly Goal[] = [
  {
    scenario: 'small',
    key: 'cpuMicros',
    row: OURS,
    against: 'nginx',
    atMost: 1.25,
    text: 'CPU per request ÷ nginx',
  },
  {
    scenario: 'small',
    key: 'cpuMicros',
    row: OURS,
    against: 'Traefik',
    atMost: 0.4,
    text: 'CPU per request ÷ Traefik',
  },
  {
    scenario: 'small',
    key: 'cpuMicros',
    row: OURS,
    against: 'Caddy',
    atMost: 0.4,
    text: 'CPU per request ÷ Caddy',
  },
  {
    scenario: 'small',
    key: 'cpuMicros',
    row: OURS,
    against: 'Envoy',
    atMost: 0.5,
    text: 'CPU per request ÷ Envoy',
  },
  ...['first', 'middle', 'last'].map((place) => ({
    scenario: 'routers',
    key: 'cpuMicros',
    row: `${OURS} 10,000, ${place}`,
    against: `${OURS} 1`,
    atMost: 1.05,
    text: `CPU per request, 10,000 routers (${place}) ÷ one`,
  })),
  { scenario: 'memory', key: 'idleMegabytes', row: OURS, atMost: 90, text: 'MB resident, idle, one worker' },
  {
    scenario: 'memory',
    key: 'perConnectionKilobytes',
    row: OURS,
    atMost: 10,
    text: 'kB per idle connection',
  },
  {
    scenario: 'worker-memory',
    key: 'furtherMegabytes',
    row: `${OURS} 100,000`,
    atMost: 100,
    text: 'MB of a further worker at 100,000 routers',
  },
  {
    scenario: 'start',
    key: 'pinnedMs',
    row: OURS,
    atMost: 500,
    text: 'ms from start to serving 1,000 routers',
  },
  {
    scenario: 'change',
    key: 'failed',
    row: OURS,
    atMost: 0,
    text: 'failed requests in a change of 10,000 routes',
  },
  {
    scenario: 'ingress-propagation',
    key: 'inForceP99',
    row: OURS,
    atMost: 10,
    text: 'ms from the event of a new Ingress until every worker has it, p99',
  },
  {
    scenario: 'ingress-propagation',
    key: 'errors',
    row: OURS,
    atMost: 0,
    text: 'answers other than 404 and 200 while 3,000 Ingresses come',
  },
  {
    scenario: 'endpoint-change',
    key: 'behindP99',
    row: OURS,
    atMost: 20,
    text: 'ms from the event of an endpoint until it is asked, p99 at 3,000 Ingresses',
  },
  {
    scenario: 'endpoint-change',
    key: 'errors',
    row: OURS,
    atMost: 0,
    text: 'failed requests while endpoints change',
  },
  {
    scenario: 'ingress-churn',
    key: 'errors',
    row: OURS,
    atMost: 0,
    text: 'failed requests in a churn of 5,000 Ingresses',
  },
  {
    scenario: 'test-bed',
    key: 'startMs',
    row: 'test bed',
    atMost: 8000,
    text: 'ms until a cluster of two nodes is there',
  },
]

/** A line per goal whose figures were measured in this run. */
export function goalLines(results: readonly Result[]): readonly string[] {
  const lines: string[] = []
  for (const goal of GOALS) {
    const rows = results.find(({ id }) => id === goal.scenario)?.rows
    const median = rows === undefined ? undefined : medianOf(rows, goal)
    if (median === undefined) continue
    const isMet = median <= goal.atMost
    lines.push(`${isMet ? 'met ' : 'MISS'}  ${goal.text}: ${median.toFixed(2)} (at most ${goal.atMost})`)
  }
  return lines
}

function medianOf(rows: readonly Row[], goal: Goal): number | undefined {
  const row = rows.find(({ name }) => name === goal.row)
  if (row === undefined) return undefined
  if (goal.against === undefined) return summaryOf(row, goal.key)?.median
  const other = rows.find(({ name }) => name === goal.against)
  if (other === undefined) return undefined
  const values = (each: Row): readonly number[] =>
    each.samples.map((sample) => sample[goal.key] ?? Number.NaN)
  return summarize(ratios(values(row), values(other), 'more'))?.median
}
