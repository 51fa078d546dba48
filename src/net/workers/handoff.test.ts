import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createHandoffTable, Handoff, markAbsent } from './handoff.ts'

/** As many ends of one table, all in this thread. `taken` has, per worker, what it was given. */
function workers(count: number) {
  const table = createHandoffTable(count)
  for (let index = 0; index < count; index++) markAbsent(table, index)
  const taken: [number, number][][] = Array.from({ length: count }, () => [])
  const name = `handoff-test-${Math.random()}`
  const make = (index: number): Handoff =>
    new Handoff(table, index, name, (fd, entry) => taken[index]!.push([fd, entry]))
  const ends = taken.map((_, index) => make(index))
  return {
    table,
    taken,
    ends,
    make,
    [Symbol.dispose]() {
      for (const each of ends) each.close()
    },
  }
}

/** Accepts at worker `at` and passes on as told; the worker that has it. */
function accept(ends: readonly Handoff[], at: number, fd = 7): number {
  const chosen = ends[at]!.claim()
  if (chosen === at) return at
  return ends[at]!.give(chosen, fd, 0) ? chosen : at
}

describe('Handoff', () => {
  it('spreads what one worker accepts evenly', () => {
    using all = workers(4)
    for (const each of all.ends) each.begin()
    const counts = [0, 0, 0, 0]
    for (let i = 0; i < 16; i++) counts[accept(all.ends, 0)]!++
    assert.deepEqual(counts, [4, 4, 4, 4])
  })

  it('counts what was given and not yet taken, so that two that accept in turn agree', () => {
    using all = workers(2)
    for (const each of all.ends) each.begin()
    const counts = [0, 0]
    for (const at of [0, 0, 0, 1, 1, 0, 1, 0]) counts[accept(all.ends, at)]!++
    assert.deepEqual(counts, [4, 4])
  })

  it('keeps a new connection while loads differ by less than an eighth', () => {
    using all = workers(2)
    for (const each of all.ends) each.begin()
    const loads = [0, 0]
    for (let i = 0; i < 40; i++) loads[accept(all.ends, 0)]!++
    for (; loads[1]! > loads[0]! - (loads[0]! >> 3); loads[1]!--) all.ends[1]!.release()
    assert.equal(all.ends[0]!.claim(), 0)
    all.ends[0]!.release()
    all.ends[1]!.release()
    assert.equal(all.ends[0]!.claim(), 1)
  })

  it('gives nothing to a worker that has not begun or is gone', () => {
    using all = workers(3)
    all.ends[0]!.begin()
    assert.equal(accept(all.ends, 0), 0)
    assert.equal(accept(all.ends, 0), 0)
    all.ends[1]!.begin()
    assert.equal(accept(all.ends, 0), 1)
    markAbsent(all.table, 1)
    assert.equal(accept(all.ends, 0), 0)
  })

  it('counts what it accepted before it began', () => {
    using all = workers(2)
    assert.equal(all.ends[0]!.claim(), 0)
    assert.equal(all.ends[0]!.claim(), 0)
    all.ends[0]!.release()
    for (const each of all.ends) each.begin()
    assert.equal(all.ends[0]!.claim(), 1)
    assert.equal(all.ends[0]!.claim(), 0)
  })

  it('hands a descriptor and its entrypoint to the other end, of which the replacement takes what was left', async () => {
    using all = workers(2)
    for (const each of all.ends) each.begin()
    assert.equal(all.ends[0]!.claim(), 0)
    assert.equal(all.ends[0]!.claim(), 1)
    assert.ok(all.ends[0]!.give(1, 41, 3))
    while (all.taken[1]!.length === 0) await new Promise(setImmediate)
    assert.deepEqual(all.taken[1], [[41, 3]])

    all.ends[1]!.close()
    // Claimed before it ended, given after.
    all.ends[0]!.release()
    all.ends[1]!.release()
    assert.equal(all.ends[0]!.claim(), 0)
    assert.equal(all.ends[0]!.claim(), 1)
    markAbsent(all.table, 1)
    assert.ok(all.ends[0]!.give(1, 42, 5))
    const replacement = all.make(1)
    assert.equal(all.taken[1]?.length, 1)
    replacement.begin()
    assert.deepEqual(all.taken[1]?.at(-1), [42, 5])
    // It counts, so both have one now and a third stays where it was accepted.
    assert.equal(all.ends[0]!.claim(), 0)
    replacement.close()
  })

  it('serves here what does not fit into the ring, and the counts stay right', () => {
    using all = workers(2)
    all.ends[0]!.begin()
    all.ends[1]!.begin()
    let kept = 0
    // Nobody takes: this thread does not turn.
    for (let i = 0; i < 200; i++) if (accept(all.ends, 0) === 0) kept++
    assert.equal(kept, 136)
    for (let i = 0; i < 136; i++) all.ends[0]!.release()
    assert.equal(all.ends[1]!.claim(), 0)
  })

  it('keeps an entrypoint with a number beyond what a slot holds', () => {
    using all = workers(2)
    for (const each of all.ends) each.begin()
    assert.equal(all.ends[0]!.claim(), 0)
    assert.equal(all.ends[0]!.claim(), 1)
    assert.equal(all.ends[0]!.give(1, 7, 128), false)
    assert.equal(all.ends[1]!.claim(), 1)
  })
})
