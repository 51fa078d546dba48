/** Latency at a constant rate, the same for all: 70 % of what nginx reaches on small bodies. */
import { runAtRate } from '../load/rate-load.ts'
import { CONNECTIONS, loadAndMeasure, runWrk } from '../load/wrk.ts'
import { BASELINE } from '../peers/list.ts'
import { interleave, ONE_RULE, type Bench, type Scenario } from './bench.ts'

const SHARE = 0.7
const TITLE =
  'latency at a constant rate, counted from when each request was due, 64 connections, 73-byte body'
/** Below this the proxy did not keep up and its latencies say only that. */
const KEPT_UP = 0.99

export const latency: Scenario = {
  id: 'latency',
  title: TITLE,
  async run(bench) {
    const notes: string[] = []
    const rate = await fixedRate(bench)
    const contestants = await bench.startAll({ rules: [ONE_RULE] }, notes)
    for (const each of contestants)
      await runWrk(bench.lab, {
        url: each.url('/app/small'),
        host: ONE_RULE.host,
        seconds: bench.options.warmUpSeconds,
      })
    const rows = await interleave(bench, 'latency', contestants, notes, async ({ setup }) => {
      const report = await runAtRate(bench.lab, {
        port: setup.port,
        host: ONE_RULE.host,
        path: '/app/small',
        rate,
        seconds: bench.options.seconds,
        connections: CONNECTIONS,
      })
      const all = report.segments[0]!
      return {
        p50: all.p50,
        p99: all.p99,
        p999: all.p999,
        achieved: report.achievedRate / rate,
        failed: all.failed,
        ownLateness: report.ownLatenessP99,
      }
    })
    await bench.stopAll(contestants)
    for (const { name, samples } of rows)
      if (samples.some(({ achieved }) => achieved < KEPT_UP))
        notes.push(`${name} did not keep up with the rate: its latencies grow with the length of the run.`)
    notes.push(
      `Rate: ${rate.toLocaleString('en-US')} requests/s. "client late" is how late the load generator was by itself.`,
    )
    return {
      id: 'latency',
      title: TITLE,
      columns: [
        { key: 'p50', title: 'p50 µs', digits: 0 },
        { key: 'p99', title: 'p99 µs', digits: 0, compared: 'less' },
        { key: 'p999', title: 'p99.9 µs', digits: 0, compared: 'less' },
        { key: 'achieved', title: 'of the rate', digits: 2 },
        { key: 'failed', title: 'failed', digits: 0 },
        { key: 'ownLateness', title: 'client late p99 µs', digits: 0 },
      ],
      rows,
      baseline: BASELINE,
      notes,
    }
  },
}

/** Requests per second of the scenarios with a fixed rate. Loads nginx for it when no scenario did so before. */
export async function fixedRate(bench: Bench): Promise<number> {
  if (bench.options.rate !== undefined) return bench.options.rate
  if (bench.saturation === undefined) {
    const found = bench.peers.find(({ peer }) => peer.name === BASELINE)
    if (found === undefined) throw new Error('without nginx the rate is not known; give --rate=N')
    const nginx = await bench.startProxy(found, { rules: [ONE_RULE] })
    const { requestsPerSecond } = await loadAndMeasure(bench.lab, nginx.started, {
      url: nginx.url('/app/small'),
      host: ONE_RULE.host,
      seconds: bench.options.seconds,
    })
    await nginx.started.stop()
    bench.saturation = requestsPerSecond
  }
  return Math.round(bench.saturation * SHARE)
}
