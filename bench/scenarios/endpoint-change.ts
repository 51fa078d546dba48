/**
 * Endpoints of Services in a real API server become others, one after the other, beside 3,000 Ingresses: from the change until
 * a request goes to the new endpoint, and how much of that another client of the API server waits too.
 */
import { quantile } from '../report/statistics.ts'
import { interleave, type Bench, type Scenario } from './bench.ts'
import { ClusterLoadProcess, FollowingGateway, WORKERS } from './following-gateway.ts'

const INGRESSES = 3000
const CHANGES = 2000
const QUICK_INGRESSES = 300
const QUICK_CHANGES = 200
const MAX_ROUNDS = 3
const TITLE = 'an endpoint becomes another one, beside 3,000 Ingresses with a Service each'

export const endpointChange: Scenario = {
  id: 'endpoint-change',
  title: TITLE,
  async run(bench) {
    const notes: string[] = []
    const contestants = bench.ours.map(({ peer, program }) => ({ name: peer.name, program }))
    const rounds = Math.min(bench.options.rounds, MAX_ROUNDS)
    const rows = await interleave(
      bench,
      'endpoint-change',
      contestants,
      notes,
      ({ program }) => measure(bench, program),
      rounds,
    )
    if (bench.options.isQuick) notes.push(`Quick: ${QUICK_INGRESSES} Ingresses.`)
    notes.push(
      `Gateway (control and ${WORKERS} workers) on one core; API server, etcd and who asks on the other. In force: from the bytes of the event until every worker has it.`,
      'Behind the watch: from when another client of the API server has the event until a request went to the new endpoint. Asked about once a millisecond.',
    )
    return {
      id: 'endpoint-change',
      title: TITLE,
      columns: [
        { key: 'inForceP50', title: 'in force p50 ms', digits: 2 },
        { key: 'inForceP99', title: 'p99', digits: 2 },
        { key: 'inForceMax', title: 'max', digits: 1 },
        { key: 'behindP50', title: 'behind the watch p50 ms', digits: 1 },
        { key: 'behindP99', title: 'p99', digits: 1 },
        { key: 'watchP50', title: 'watched p50 ms', digits: 1 },
        { key: 'watchP99', title: 'p99', digits: 1 },
        { key: 'trafficP50', title: 'asked p50 ms', digits: 1 },
        { key: 'trafficP99', title: 'p99', digits: 1 },
        { key: 'errors', title: 'errors', digits: 0 },
      ],
      rows,
      notes,
    }
  },
}

async function measure(bench: Bench, program: string) {
  const { isQuick } = bench.options
  const ingresses = isQuick ? QUICK_INGRESSES : INGRESSES
  const load = await ClusterLoadProcess.start(bench, 0)
  let gateway: FollowingGateway | undefined
  try {
    await load.call('prepare', ingresses)
    await load.call('fill', ingresses)
    const { kubeconfig } = await load.call('facts')
    gateway = await FollowingGateway.start(bench, program, kubeconfig)
    await gateway.untilCalm()
    const before = gateway.changes().length
    const times = await load.call('move', gateway.port, ingresses, isQuick ? QUICK_CHANGES : CHANGES)
    const inForce = gateway.changes().slice(before)
    const behind = times.writeToTraffic.map((ms, index) => ms - (times.writeToWatch[index] ?? Number.NaN))
    return {
      inForceP50: quantile(inForce, 0.5),
      inForceP99: quantile(inForce, 0.99),
      inForceMax: quantile(inForce, 1),
      behindP50: quantile(behind, 0.5),
      behindP99: quantile(behind, 0.99),
      watchP50: quantile(times.writeToWatch, 0.5),
      watchP99: quantile(times.writeToWatch, 0.99),
      trafficP50: quantile(times.writeToTraffic, 0.5),
      trafficP99: quantile(times.writeToTraffic, 0.99),
      errors: times.errors,
    }
  } finally {
    await gateway?.started.stop()
    await load.stop()
  }
}
