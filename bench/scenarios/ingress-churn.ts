/** What a gateway takes that follows a real API server with 5,000 Ingresses: started, while nothing happens, and in a churn. */
import { setTimeout as pause } from 'node:timers/promises'
import { useOfThreads, type ThreadUse } from '../lab/thread-use.ts'
import { quantile } from '../report/statistics.ts'
import { interleave, type Bench, type Scenario } from './bench.ts'
import { ClusterLoadProcess, FollowingGateway, WORKERS } from './following-gateway.ts'

const INGRESSES = 5000
const QUICK_INGRESSES = 500
const CHURN_SECONDS = 30
const QUICK_CHURN_SECONDS = 5
const CALM_SECONDS = 5
const MAX_ROUNDS = 3
const TITLE = '5,000 Ingresses with a Service each: what the gateway takes at rest and in a churn'

export const ingressChurn: Scenario = {
  id: 'ingress-churn',
  title: TITLE,
  async run(bench) {
    const notes: string[] = []
    const contestants = bench.ours.map(({ peer, program }) => ({ name: peer.name, program }))
    const rounds = Math.min(bench.options.rounds, MAX_ROUNDS)
    const rows = await interleave(
      bench,
      'ingress-churn',
      contestants,
      notes,
      ({ program }) => measure(bench, program),
      rounds,
    )
    if (bench.options.isQuick) notes.push(`Quick: ${QUICK_INGRESSES} Ingresses.`)
    notes.push(
      `Gateway (control and ${WORKERS} workers) on one core. A churn: 50 endpoints move and 5 Ingresses are deleted and made again each second, and one route that nobody touches is asked for all the time.`,
      'Shares are of one core; those beside control and workers are garbage collection and compilation in the background.',
    )
    return {
      id: 'ingress-churn',
      title: TITLE,
      columns: [
        { key: 'readyMs', title: 'ms until ready', digits: 0 },
        { key: 'residentMegabytes', title: 'resident MB', digits: 0 },
        { key: 'churnedMegabytes', title: 'after the churn', digits: 0 },
        { key: 'controlMegabytes', title: 'heap of control MB', digits: 0 },
        { key: 'workerMegabytes', title: 'of a worker', digits: 0 },
        { key: 'calmPercent', title: '% CPU at rest', digits: 1 },
        { key: 'controlPercent', title: 'churn: control', digits: 1 },
        { key: 'workersPercent', title: 'workers', digits: 1 },
        { key: 'othersPercent', title: 'others', digits: 1 },
        { key: 'changesPerSecond', title: 'changes/s', digits: 0 },
        { key: 'inForceP99', title: 'in force p99 ms', digits: 2 },
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
    const { started } = gateway
    const use = (): ThreadUse => useOfThreads(started.child.pid ?? -1)
    const calmFrom = use()
    await pause(CALM_SECONDS * 1000)
    const churnFrom = use()
    const { residentBytes } = started.use()
    const metrics = await gateway.metrics()
    const before = gateway.changes().length
    const seconds = isQuick ? QUICK_CHURN_SECONDS : CHURN_SECONDS
    const churn = await load.call('churn', gateway.port, ingresses, seconds)
    const churnTo = use()
    const percent = (kind: keyof ThreadUse): number =>
      (churnTo[kind] - churnFrom[kind]) / (10 * churn.seconds)
    const heap = (worker: string): number =>
      (metrics.get(`sekisho_worker_heap_used_bytes{worker="${worker}"}`) ?? Number.NaN) / 1e6
    return {
      readyMs: gateway.readyMs,
      residentMegabytes: residentBytes / 1e6,
      churnedMegabytes: started.use().residentBytes / 1e6,
      controlMegabytes: heap('control'),
      workerMegabytes: heap('0'),
      calmPercent: (sum(churnFrom) - sum(calmFrom)) / (10 * CALM_SECONDS),
      controlPercent: percent('control'),
      workersPercent: percent('workers'),
      othersPercent: percent('others'),
      changesPerSecond: churn.changes / churn.seconds,
      inForceP99: quantile(gateway.changes().slice(before), 0.99),
      errors: churn.errors,
    }
  } finally {
    await gateway?.started.stop()
    await load.stop()
  }
}

function sum({ control, workers, others }: ThreadUse): number {
  return control + workers + others
}
