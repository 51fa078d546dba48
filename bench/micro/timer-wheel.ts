/** Cost of the timer wheel with 100,000 armed entries: `node bench/micro/timer-wheel.ts`. */
import { TimerEntry, TimerWheel } from '#lib/timer-wheel.ts'

const ENTRIES = 100_000
const ROUNDS = 11

let fired = 0
const owner = {
  onTimer(): void {
    fired++
  },
}
const heapBefore = process.memoryUsage().heapUsed
const wheel = new TimerWheel(0)
const entries = Array.from({ length: ENTRIES }, (_, tag) => new TimerEntry(owner, tag))
const heapAfter = process.memoryUsage().heapUsed

function measure(name: string, prepare: () => void, run: () => void): void {
  const samples: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    prepare()
    const start = process.hrtime.bigint()
    run()
    samples.push(Number(process.hrtime.bigint() - start) / ENTRIES)
  }
  samples.sort((a, b) => a - b)
  console.log(`${name}: ${samples[ROUNDS >> 1]?.toFixed(1)} ns an entry (best ${samples[0]?.toFixed(1)})`)
}

const nothing = (): void => {}
const armAll = (base: number): void => {
  for (const entry of entries) wheel.arm(entry, base + (entry.tag & 65_535))
}
console.log(`an entry: ${((heapAfter - heapBefore) / ENTRIES).toFixed(0)} bytes`)
measure('arm again', nothing, () => armAll(Math.floor(Math.random() * 100_000)))
measure(
  'disarm',
  () => armAll(1000),
  () => {
    for (const entry of entries) wheel.disarm(entry)
  },
)
measure(
  'advance a minute, all firing',
  () => armAll(0),
  () => {
    for (let i = 0; i < 660; i++) wheel.advance(wheel.now + 100)
  },
)
measure(
  'advance a minute, none firing',
  () => armAll(3_600_000),
  () => {
    for (let i = 0; i < 660; i++) wheel.advance(wheel.now + 100)
  },
)
console.log(`${fired} fired`)
