/** For hash-table.test.ts: a thread that counts in a shared table as hard as it can. */
import { parentPort, workerData } from 'node:worker_threads'
import { HashTable } from './hash-table.ts'
import type { HashTableShape } from './hash-table.ts'

interface Job {
  readonly shape: HashTableShape
  readonly lane: number
  readonly job: 'churn' | 'endless'
  readonly limit: number
  /** Work begins when its word is 1. */
  readonly go: Int32Array
  /** Per key, what all threads were granted and have not given back. */
  readonly granted: Int32Array
}

const { shape, lane, job, limit, go, granted } = workerData as Job
const table = new HashTable(shape, lane)
let seed = lane + 1
let taken = 0
let most = 0

function next(): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0
  return seed >>> 8
}

/** Keeps up to six counts of random keys, gives random ones back. */
function churn(rounds: number): void {
  const held: { handle: number; key: number }[] = []
  const giveBack = ({ handle, key }: { handle: number; key: number }, now: number): void => {
    Atomics.sub(granted, key, 1)
    table.decrement(handle, now)
  }
  for (let i = 0; i < rounds; i++) {
    const key = next() % granted.length
    const handle = table.increment(key % 7, key, i >> 10, limit)
    if (handle >= 0) {
      taken++
      held.push({ handle, key })
      most = Math.max(most, Atomics.add(granted, key, 1) + 1)
    }
    if (held.length > 6) {
      const at = next() % held.length
      giveBack(held[at]!, i >> 10)
      held[at] = held.at(-1)!
      held.pop()
    }
  }
  for (const one of held) giveBack(one, 0)
}

Atomics.wait(go, 0, 0)
if (job === 'churn') {
  churn(100_000)
  parentPort!.postMessage({ most, taken })
} else {
  parentPort!.postMessage('running')
  for (;;) churn(1000)
}
