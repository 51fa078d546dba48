import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FewSet } from './few-set.ts'

describe('FewSet', () => {
  it('is a set, whatever its size', () => {
    const items = Array.from({ length: 5 }, (_, i) => ({ i }))
    const few = new FewSet<{ i: number }>()
    const model = new Set<{ i: number }>()
    // Adds and deletes that pass through 0, 1, 2 and more elements and back.
    const steps = [0, 0, ~0, ~0, 1, 2, 2, ~1, 3, 4, ~3, ~2, ~4, ~4, 0, 1, ~0, ~1, 2]
    for (const step of steps) {
      const item = items[step < 0 ? ~step : step]
      assert.ok(item !== undefined)
      if (step < 0) {
        few.delete(item)
        model.delete(item)
      } else {
        few.add(item)
        model.add(item)
      }
      assert.deepEqual([...few.values()], [...model])
      assert.equal(few.size, model.size)
      assert.equal(few.first(), [...model][0])
      for (const one of items) assert.equal(few.has(one), model.has(one))
    }
  })
})
