/**
 * 3,000 Ingresses are created one after the other at a real API server, each as soon as the one before answers, while the
 * gateway is asked for it all the time: until when 404, from when on 200, and nothing else. The method of gateway-api-bench.
 */
import { quantile } from '../report/statistics.ts'
import { interleave, type Bench, type Scenario } from './bench.ts'
import { ClusterLoadProcess, FollowingGateway, WORKERS } from './following-gateway.ts'

const INGRESSES = 3000
const QUICK_INGRESSES = 300
const MAX_ROUNDS = 3
const TITLE = '3,000 Ingresses created one after the other, until each is served'

export const ingressPropagation: Scenario = {
  id: 'ingress-propagation',
  title: TITLE,
  async run(bench) {
    const notes: string[] = []
    const contestants = bench.ours.map(({ peer, program }) => ({ name: peer.name, program }))
    const rounds = Math.min(bench.options.rounds, MAX_ROUNDS)
    const rows = await interleave(
      bench,
      'ingress-propagation',
      contestants,
      notes,
      ({ program }) => measure(bench, program),
      rounds,
    )
    if (bench.options.isQuick) notes.push(`Quick: ${QUICK_INGRESSES} Ingresses.`)
    notes.push(
      `Gateway (control and ${WORKERS} workers) on one core; API server, etcd and who asks on the other. In force: from the bytes of the event until every worker has it.`,
      'Watched: until another client of the API server has the event. Asked about once a millisecond.',
    )
    return {
      id: 'ingress-propagation',
      title: TITLE,
      columns: [
        { key: 'inForceP50', title: 'in force p50 ms', digits: 2 },
        { key: 'inForceP99', title: 'p99', digits: 2 },
        { key: 'inForceMax', title: 'max', digits: 1 },
        { key: 'watchP50', title: 'watched p50 ms', digits: 1 },
        { key: 'watchP99', title: 'p99', digits: 1 },
        { key: 'trafficP50', title: 'served p50 ms', digits: 1 },
        { key: 'trafficP99', title: 'p99', digits: 1 },
        { key: 'trafficMax', title: 'max', digits: 1 },
        { key: 'errors', title: 'errors', digits: 0 },
        { key: 'seconds', title: 's in all', digits: 1 },
      ],
      rows,
      notes,
    }
  },
}

async function measure(bench: Bench, program: string) {
  const count = bench.options.isQuick ? QUICK_INGRESSES : INGRESSES
  const load = await ClusterLoadProcess.start(bench, 0)
  let gateway: FollowingGateway | undefined
  try {
    await load.call('prepare', count + 1)
    await load.call('fillServices', count + 1)
    const { kubeconfig } = await load.call('facts')
    gateway = await FollowingGateway.start(bench, program, kubeconfig)
    const before = gateway.changes().length
    const begin = performance.now()
    const { writeToWatch, writeToTraffic, errors } = await load.call('propagate', gateway.port, count)
    const seconds = (performance.now() - begin) / 1000
    const inForce = gateway.changes().slice(before)
    return {
      inForceP50: quantile(inForce, 0.5),
      inForceP99: quantile(inForce, 0.99),
      inForceMax: quantile(inForce, 1),
      watchP50: quantile(writeToWatch, 0.5),
      watchP99: quantile(writeToWatch, 0.99),
      trafficP50: quantile(writeToTraffic, 0.5),
      trafficP99: quantile(writeToTraffic, 0.99),
      trafficMax: quantile(writeToTraffic, 1),
      errors,
      seconds,
    }
  } finally {
    await gateway?.started.stop()
    await load.stop()
  }
}
