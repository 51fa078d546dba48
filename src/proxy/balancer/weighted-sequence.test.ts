import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Server } from '../upstream/server.ts'
import { MAX_TURNS, weightedSequence } from './weighted-sequence.ts'

const servers = (weights: readonly number[]): Server[] => weights.map((weight) => ({ weight })) as Server[]

describe('weighted sequence', () => {
  const rows: readonly { weights: number[]; turns: number[] | null }[] = [
    { weights: [1], turns: null },
    { weights: [7, 7, 7], turns: null },
    { weights: [2, 4], turns: [1, 2] },
    { weights: [50, 100, 150], turns: [1, 2, 3] },
    { weights: [3, 5, 7], turns: [3, 5, 7] },
  ]
  for (const { weights, turns } of rows) {
    it(`${weights.join(':')} has turns ${turns?.join(':') ?? 'of the list itself'}`, () => {
      const sequence = weightedSequence(servers(weights))
      if (turns === null) assert.equal(sequence, null)
      else assert.deepEqual(countsOf(sequence!, weights.length), turns)
    })
  }

  it('spaces the turns of each server evenly, across the wrap too', () => {
    const weights = [5, 3, 2, 7, 1, 1]
    const sequence = [...weightedSequence(servers(weights))!]
    const total = sequence.length
    weights.forEach((weight, index) => {
      const at = sequence.flatMap((server, i) => (server === index ? [i] : []))
      at.forEach((position, k) => {
        const gap = k + 1 < at.length ? at[k + 1]! - position : at[0]! + total - position
        assert.ok(gap <= total / weight + weights.length, `server ${index}: gap ${gap}`)
        if (weight < total / 2) assert.ok(gap >= 2 || weights.length < 3, `server ${index} twice in a row`)
      })
    })
  })

  it('rounds proportions that are too fine, and leaves nobody out', () => {
    const counts = countsOf(weightedSequence(servers([1_000_000, 1, 999_999]))!, 3)
    assert.equal(counts[1], 1)
    assert.ok(Math.abs(counts[0]! - MAX_TURNS / 2) <= 1)
    assert.ok(Math.abs(counts[2]! - MAX_TURNS / 2) <= 1)
  })
})

function countsOf(sequence: Uint16Array | Uint32Array, servers: number): number[] {
  const counts = Array.from({ length: servers }, () => 0)
  for (const server of sequence) counts[server]! += 1
  return counts
}
