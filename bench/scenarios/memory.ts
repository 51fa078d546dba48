/** Resident memory: idle, per idle keep-alive connection, and of a second worker at 100,000 routers. */
import { setTimeout as pause } from 'node:timers/promises'
import { IdleConnections } from '../load/idle-connections.ts'
import { BASELINE } from '../peers/list.ts'
import { manyRules } from '../peers/peer.ts'
import { interleave, ONE_RULE, type Bench, type FoundPeer, type Scenario } from './bench.ts'

const SETTLE_MS = 1000
const MANY_ROUTERS = 100_000
const MEMORY_TITLE = 'resident memory, one worker, one router'
const WORKER_TITLE = 'resident memory of a further worker by number of routers'

export const memory: Scenario = {
  id: 'memory',
  title: MEMORY_TITLE,
  async run(bench) {
    const notes: string[] = []
    const contestants = bench.peers.map((found) => ({ name: found.peer.name, found }))
    const rows = await interleave(bench, 'memory', contestants, notes, ({ found }) => measure(bench, found))
    notes.push(`${bench.options.connections.toLocaleString('en-US')} connections, each after one request.`)
    return {
      id: 'memory',
      title: MEMORY_TITLE,
      columns: [
        { key: 'idleMegabytes', title: 'idle MB', digits: 1 },
        { key: 'perConnectionKilobytes', title: 'kB per idle connection', digits: 2 },
      ],
      rows,
      baseline: BASELINE,
      notes,
    }
  },
}

/** Every round on a fresh process: memory that was once used does not come back to the system. */
async function measure(bench: Bench, found: FoundPeer) {
  const contestant = await bench.startProxy(found, { rules: [ONE_RULE] })
  try {
    await pause(SETTLE_MS)
    const idle = contestant.started.use().residentBytes
    // The first connections make a proxy allocate its pools; what is asked is what a further one costs.
    const { port } = contestant.setup
    const first = await IdleConnections.open(port, ONE_RULE.host, '/app/x', bench.options.connections / 10)
    await pause(SETTLE_MS)
    const before = contestant.started.use().residentBytes
    const more = await IdleConnections.open(port, ONE_RULE.host, '/app/x', bench.options.connections)
    await pause(SETTLE_MS)
    const after = contestant.started.use().residentBytes
    const lost = first.lost + more.lost
    first.close()
    more.close()
    if (lost > 0) throw new Error(`${lost} of the idle connections were closed`)
    return {
      idleMegabytes: idle / 1e6,
      perConnectionKilobytes: (after - before) / bench.options.connections / 1e3,
    }
  } finally {
    await contestant.started.stop()
  }
}

export const workerMemory: Scenario = {
  id: 'worker-memory',
  title: WORKER_TITLE,
  async run(bench) {
    const notes: string[] = []
    const largest = Math.max(...bench.options.routers)
    const sizes = [1, Math.min(MANY_ROUTERS, largest)]
    const contestants = bench.ours.flatMap((found) =>
      sizes.map((size) => ({ name: `${found.peer.name} ${size.toLocaleString('en-US')}`, found, size })),
    )
    const rows = await interleave(bench, 'worker-memory', contestants, notes, async ({ found, size }) => {
      const rules = manyRules(size)
      const resident: number[] = []
      for (const workers of [1, 2]) {
        const contestant = await bench.startProxy(found, { rules, workers })
        await pause(SETTLE_MS)
        resident.push(contestant.started.use().residentBytes)
        await contestant.started.stop()
      }
      const [one = 0, two = 0] = resident
      return { oneMegabytes: one / 1e6, twoMegabytes: two / 1e6, furtherMegabytes: (two - one) / 1e6 }
    })
    return {
      id: 'worker-memory',
      title: WORKER_TITLE,
      columns: [
        { key: 'oneMegabytes', title: 'one worker MB', digits: 0 },
        { key: 'twoMegabytes', title: 'two workers MB', digits: 0 },
        { key: 'furtherMegabytes', title: 'further worker MB', digits: 0 },
      ],
      rows,
      notes,
    }
  },
}
