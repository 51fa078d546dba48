import assert from 'node:assert/strict'
import { it } from 'node:test'
import { MAX_LANES, WorkerLanes } from './lanes.ts'

it('lanes are given out once, lowest first, and again after their release', () => {
  const lanes = new WorkerLanes(3)
  assert.deepEqual([lanes.acquire(), lanes.acquire(), lanes.acquire(), lanes.acquire()], [0, 1, 2, -1])
  lanes.release(1)
  assert.deepEqual([lanes.acquire(), lanes.acquire()], [1, -1])
})

it('lanes are bounded', () => {
  for (const count of [0, MAX_LANES + 1, 1.5, NaN]) assert.throws(() => new WorkerLanes(count), RangeError)
})
