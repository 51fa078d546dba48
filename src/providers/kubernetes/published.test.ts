import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Published } from './published.ts'

interface Item {
  readonly name: string
  readonly value: number
}

const item = (name: string, value: number): Item => ({ name, value })

describe('Published', () => {
  const rows: { title: string; step: (p: Published<Item>) => void; set: Item[]; remove: string[] }[] = [
    { title: 'a new name is set', step: (p) => p.set(item('b', 1)), set: [item('b', 1)], remove: [] },
    { title: 'a changed one is set', step: (p) => p.set(item('a', 2)), set: [item('a', 2)], remove: [] },
    { title: 'an equal copy is no change', step: (p) => p.set(item('a', 1)), set: [], remove: [] },
    { title: 'a removed one is removed', step: (p) => p.remove('a'), set: [], remove: ['a'] },
    { title: 'one that never was is not removed', step: (p) => p.remove('x'), set: [], remove: [] },
    {
      title: 'removed and set again is no change',
      step: (p) => {
        p.remove('a')
        p.set(item('a', 1))
      },
      set: [],
      remove: [],
    },
    {
      title: 'set and removed again is no change',
      step: (p) => {
        p.set(item('b', 1))
        p.remove('b')
      },
      set: [],
      remove: [],
    },
    {
      title: 'only the last of several values goes out',
      step: (p) => {
        p.set(item('a', 2))
        p.set(item('a', 3))
      },
      set: [item('a', 3)],
      remove: [],
    },
  ]
  for (const { title, step, set, remove } of rows) {
    it(title, () => {
      const published = new Published<Item>()
      published.set(item('a', 1))
      published.take()
      step(published)
      const changes = published.take()
      assert.deepEqual(changes ?? { set: [], remove: [] }, { set, remove })
      assert.equal(changes === undefined, set.length === 0 && remove.length === 0)
      assert.equal(published.take(), undefined)
    })
  }

  it('keeps the object that went out when an equal one comes', () => {
    const published = new Published<Item>()
    const first = item('a', 1)
    published.set(first)
    published.take()
    published.set(item('a', 1))
    published.take()
    assert.equal(published.get('a'), first)
  })
})
