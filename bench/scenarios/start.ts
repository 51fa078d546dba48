/** From the start of the program to the first answer of the last of 1,000 routers. */
import { manyRules } from '../peers/peer.ts'
import { BASELINE } from '../peers/list.ts'
import { interleave, type Scenario } from './bench.ts'

const ROUTERS = 1000
const TITLE = `start to the first answer of the last of ${ROUTERS.toLocaleString('en-US')} routers`

export const start: Scenario = {
  id: 'start',
  title: TITLE,
  async run(bench) {
    const notes: string[] = []
    const rules = manyRules(ROUTERS)
    const contestants = bench.peers.map((found) => ({ name: found.peer.name, found }))
    // Once before it counts, so that files are in memory and compile caches are filled, as on a second start.
    for (const found of bench.ours) await (await bench.startProxy(found, { rules })).started.stop()
    const rows = await interleave(bench, 'start', contestants, notes, async ({ found }) => {
      const pinned = await bench.startProxy(found, { rules })
      const { cpuMicros } = pinned.started.use()
      await pinned.started.stop()
      const free = await bench.startProxy(found, { rules, isPinned: false })
      await free.started.stop()
      return { pinnedMs: pinned.readyMs, freeMs: free.readyMs, cpuMs: cpuMicros / 1000 }
    })
    return {
      id: 'start',
      title: TITLE,
      columns: [
        { key: 'pinnedMs', title: 'ms on one core', digits: 0 },
        { key: 'freeMs', title: 'ms on all cores', digits: 0 },
        { key: 'cpuMs', title: 'CPU ms', digits: 0 },
      ],
      rows,
      baseline: BASELINE,
      notes,
    }
  },
}
