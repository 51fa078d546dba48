import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ratios, summarize } from './statistics.ts'

it('takes the middle of an odd number of rounds and the mean of the two middle ones of an even number', () => {
  assert.deepEqual(summarize([9, 1, 5]), { median: 5, min: 1, max: 9, rounds: 3 })
  assert.deepEqual(summarize([9, 1, 5, 7]), { median: 6, min: 1, max: 9, rounds: 4 })
})

it('leaves out rounds without a figure', () => {
  assert.deepEqual(summarize([Number.NaN, 2]), { median: 2, min: 2, max: 2, rounds: 1 })
  assert.equal(summarize([Number.NaN]), undefined)
  assert.equal(summarize([]), undefined)
})

it('compares round by round, more than one meaning better', () => {
  assert.deepEqual(ratios([10, 20], [20, 20], 'less'), [2, 1])
  assert.deepEqual(ratios([10, 20], [20, 20], 'more'), [0.5, 1])
})
