/** How long the test bed (test/cluster) takes to start a cluster of two nodes whose programs are built. */
import { interleave, type Scenario } from './bench.ts'
import { ClusterLoadProcess } from './following-gateway.ts'

const NODES = 2
const TITLE = 'a real cluster of two nodes for a test, until pods can be made'

export const testBed: Scenario = {
  id: 'test-bed',
  title: TITLE,
  async run(bench) {
    const notes: string[] = []
    const rows = await interleave(bench, 'test-bed', [{ name: 'test bed' }], notes, async () => {
      const load = await ClusterLoadProcess.start(bench, NODES, false)
      try {
        return { startMs: (await load.call('facts')).startMs }
      } finally {
        await load.stop()
      }
    })
    return {
      id: 'test-bed',
      title: TITLE,
      columns: [{ key: 'startMs', title: 'ms', digits: 0 }],
      rows,
      notes,
    }
  },
}
