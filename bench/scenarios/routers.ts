/** What the number of routers costs a request: Sekisho at each size, first, middle and last router; peers at 10,000. */
import { loadAndMeasure, runWrk } from '../load/wrk.ts'
import { manyRules, type Rule } from '../peers/peer.ts'
import { interleave, type Bench, type Contestant, type Scenario } from './bench.ts'

const PEER_ROUTERS = 10_000
/** The differences looked for are smaller than what a machine does from one second to the next. */
const MORE_ROUNDS = 3
const TITLE =
  'CPU per request by number of routers (ten paths to a host), 64 keep-alive connections, 73-byte body'

interface Asked {
  readonly name: string
  readonly contestant: Contestant
  readonly rule: Rule
}

export const routers: Scenario = {
  id: 'routers',
  title: TITLE,
  async run(bench) {
    const notes: string[] = []
    const running: Contestant[] = []
    const asked: Asked[] = []
    for (const count of bench.options.routers) await addOurs(bench, count, running, asked, notes)
    await addPeers(bench, running, asked, notes)
    const load = (each: Asked) => ({
      url: each.contestant.url(`${each.rule.path}/small`),
      host: each.rule.host,
    })
    for (const each of asked) await runWrk(bench.lab, { ...load(each), seconds: bench.options.warmUpSeconds })
    const { rounds, seconds } = bench.options
    const measure = async (each: Asked) => ({
      ...(await loadAndMeasure(bench.lab, each.contestant.started, {
        ...load(each),
        seconds: Math.max(1, Math.round(seconds / 2)),
      })),
    })
    const rows = await interleave(bench, 'routers', asked, notes, measure, rounds * MORE_ROUNDS)
    await bench.stopAll(running)
    return {
      id: 'routers',
      title: TITLE,
      columns: [
        { key: 'cpuMicros', title: 'CPU µs/request', digits: 1, compared: 'less' },
        { key: 'requestsPerSecond', title: 'requests/s', digits: 0 },
        { key: 'residentMegabytes', title: 'resident MB', digits: 0 },
      ],
      rows,
      ...(asked[0] === undefined ? {} : { baseline: asked[0].name }),
      notes,
    }
  },
}

async function addOurs(
  bench: Bench,
  count: number,
  running: Contestant[],
  asked: Asked[],
  notes: string[],
): Promise<void> {
  const rules = manyRules(count)
  for (const found of bench.ours) {
    bench.log(`routers: starting ${found.peer.name} with ${count}`)
    const label = `${found.peer.name} ${count.toLocaleString('en-US')}`
    try {
      const contestant = await bench.startProxy(found, { rules, label })
      running.push(contestant)
      notes.push(
        `${label}: ${(contestant.readyMs / 1000).toFixed(2)} s from start to the last router's answer`,
      )
      for (const [place, rule] of places(rules))
        asked.push({ name: count === 1 ? label : `${label}, ${place}`, contestant, rule })
    } catch (error) {
      notes.push(`left out: ${label}: ${(error as Error).message.slice(0, 300)}`)
    }
  }
}

async function addPeers(bench: Bench, running: Contestant[], asked: Asked[], notes: string[]): Promise<void> {
  if (!bench.options.routers.includes(PEER_ROUTERS)) return
  for (const found of bench.peers) {
    if (bench.ours.includes(found)) continue
    for (const count of [1, PEER_ROUTERS]) {
      const rules = manyRules(count)
      const label = `${found.peer.name} ${count.toLocaleString('en-US')}`
      bench.log(`routers: starting ${label}`)
      try {
        const contestant = await bench.startProxy(found, { rules, label })
        running.push(contestant)
        const rule = rules.at(-1)!
        asked.push({ name: count === 1 ? label : `${label}, last`, contestant, rule })
      } catch (error) {
        notes.push(`left out: ${label}: ${(error as Error).message.slice(0, 300)}`)
      }
    }
  }
}

function places(rules: readonly Rule[]): readonly (readonly [string, Rule])[] {
  if (rules.length === 1) return [['', rules[0]!]]
  return [
    ['first', rules[0]!],
    ['middle', rules[rules.length >> 1]!],
    ['last', rules.at(-1)!],
  ]
}
