/**
 * Runs the fuzzers: npx node tools/fuzz.ts [--seconds 60] [--seed N] [--target NAME]
 *
 * Prints what it ran, the executions, and the peak of resident memory. Ends with 1 when an invariant fails (the input is printed as text and
 * as hex, with the seed that finds it again), when one execution takes longer than a second, or when memory grows beyond the bound.
 */
import { parseArgs } from 'node:util'
import { Http1Fuzz } from '../test/fuzz/http1.ts'
import { Random } from '../test/fuzz/random.ts'
import type { FuzzTarget } from '../test/fuzz/target.ts'

const TARGETS: readonly (() => FuzzTarget)[] = [() => new Http1Fuzz()]

/** What a run may add to the resident memory that it has after its first second. */
const MAX_GROWTH_MB = 128
const MAX_EXECUTION_MS = 1000

const HELP = `usage: npx node tools/fuzz.ts [--seconds 60] [--seed N] [--target NAME]

  --seconds N    time for all targets together (default 60)
  --seed N       start of the random numbers (default: the clock; it is printed)
  --target NAME  only this one`

function residentMb(): number {
  return process.memoryUsage.rss() / 1048576
}

function fuzz(target: FuzzTarget, seconds: number, seed: number): boolean {
  const random = new Random(seed)
  const startedAt = performance.now()
  let executions = 0
  let slowestMs = 0
  let baseMb = 0
  let peakMb = 0
  for (;;) {
    const before = performance.now()
    if (before - startedAt >= seconds * 1000) break
    try {
      target.run(random)
    } catch (error) {
      console.error(`${target.name}: execution ${executions} of seed ${seed} failed\n${target.describe()}`)
      console.error(error)
      return false
    }
    executions++
    slowestMs = Math.max(slowestMs, performance.now() - before)
    if (executions % 256 === 0) {
      const now = residentMb()
      if (baseMb === 0 && before - startedAt > 1000) baseMb = now
      peakMb = Math.max(peakMb, now)
    }
  }
  const grownMb = baseMb === 0 ? 0 : peakMb - baseMb
  console.log(
    `${target.name}: ${executions} executions in ${seconds} s, seed ${seed}, slowest ${slowestMs.toFixed(0)} ms,` +
      ` resident ${peakMb.toFixed(0)} MB at most, grown by ${grownMb.toFixed(0)} MB`,
  )
  if (slowestMs > MAX_EXECUTION_MS)
    console.error(`${target.name}: an execution took longer than ${MAX_EXECUTION_MS} ms`)
  if (grownMb > MAX_GROWTH_MB) console.error(`${target.name}: memory grew by more than ${MAX_GROWTH_MB} MB`)
  return slowestMs <= MAX_EXECUTION_MS && grownMb <= MAX_GROWTH_MB
}

function main(): number {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Date.now() % 0x7fffffff) },
      target: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const seconds = Number(values.seconds)
  const seed = Number(values.seed)
  if (!(seconds > 0) || !Number.isInteger(seed)) {
    console.error(`--seconds takes a positive number and --seed an integer\n\n${HELP}`)
    return 2
  }
  const targets = TARGETS.map((make) => make()).filter(
    (one) => values.target === undefined || one.name === values.target,
  )
  if (targets.length === 0) {
    console.error(`there is no target named ${values.target}\n\n${HELP}`)
    return 2
  }
  const results = targets.map((target) => fuzz(target, seconds / targets.length, seed))
  return results.every(Boolean) ? 0 : 1
}

process.exitCode = main()
