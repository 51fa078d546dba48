/**
 * A change of 10,000 routes under load: every route is led to a new Service while requests at a constant rate ask some of
 * them. What the change did to latency, how many requests failed, how long until a new router answered.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { getStatus } from '../load/get-status.ts'
import { runAtRate } from '../load/rate-load.ts'
import { CONNECTIONS, runWrk } from '../load/wrk.ts'
import { rewriteManifests } from '../peers/sekisho.ts'
import { manyRules } from '../peers/peer.ts'
import { interleave, type Bench, type Contestant, type Scenario } from './bench.ts'
import { fixedRate } from './latency.ts'

const ROUTES = 10_000
const TITLE = 'all of 10,000 routes change while requests arrive at a constant rate'
const CALM_SECONDS = 2
const CHANGE_SECONDS = 6
const POLL_MS = 5

export const change: Scenario = {
  id: 'change',
  title: TITLE,
  async run(bench) {
    const notes: string[] = []
    // The control thread needs the core as well while it reads the manifests: leave it some.
    const rate = Math.round((await fixedRate(bench)) / 2)
    const rules = manyRules(ROUTES)
    const contestants: Contestant[] = []
    for (const found of bench.ours) contestants.push(await bench.startProxy(found, { rules }))
    for (const each of contestants)
      await runWrk(bench.lab, {
        url: each.url('/path-5/small'),
        host: 'host-500.example',
        seconds: bench.options.warmUpSeconds,
      })
    const rows = await interleave(bench, 'change', contestants, notes, (contestant, round) =>
      measure(bench, contestant, rate, round),
    )
    await bench.stopAll(contestants)
    notes.push(`Rate: ${rate.toLocaleString('en-US')} requests/s; proxy and control share one core.`)
    return {
      id: 'change',
      title: TITLE,
      columns: [
        { key: 'calmP99', title: 'p99 µs before', digits: 0 },
        { key: 'changeP50', title: 'p50 µs during', digits: 0 },
        { key: 'changeP99', title: 'p99 µs during', digits: 0 },
        { key: 'changeMax', title: 'longest µs', digits: 0 },
        { key: 'effectiveMs', title: 'ms until in effect', digits: 0 },
        { key: 'failed', title: 'failed requests', digits: 0 },
      ],
      rows,
      notes,
    }
  },
}

async function measure(bench: Bench, contestant: Contestant, rate: number, round: number) {
  const { setup } = contestant
  let effectiveMs = Number.NaN
  const load = {
    port: setup.port,
    host: 'host-500.example',
    path: '/path-5/small',
    rate,
    seconds: CALM_SECONDS + CHANGE_SECONDS,
    connections: CONNECTIONS,
  }
  const report = await runAtRate(bench.lab, load, async (startSegment) => {
    await pause(CALM_SECONDS * 1000)
    startSegment('change')
    const added = { host: `added-${round}.example`, path: '/new' }
    const changed = { ...setup, rules: [...manyRules(ROUTES), added] }
    const begin = performance.now()
    rewriteManifests(changed, `app-${round}`)
    const written = performance.now()
    while (performance.now() - begin < CHANGE_SECONDS * 1000) {
      if ((await getStatus(setup.port, added.host, added.path)) === 200) {
        effectiveMs = performance.now() - written
        break
      }
      await pause(POLL_MS)
    }
  })
  const [calm, during] = report.segments
  return {
    calmP99: calm?.p99 ?? Number.NaN,
    changeP50: during?.p50 ?? Number.NaN,
    changeP99: during?.p99 ?? Number.NaN,
    changeMax: during?.max ?? Number.NaN,
    effectiveMs,
    failed: (calm?.failed ?? 0) + (during?.failed ?? 0) + report.unsent,
  }
}
