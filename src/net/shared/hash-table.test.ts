import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { Worker } from 'node:worker_threads'
import { AT_LIMIT, HashTable, TABLE_FULL, createHashTable } from './hash-table.ts'
import type { HashTableShape } from './hash-table.ts'
import { KeyHasher } from './key-hash.ts'

const SEED = [1, 2] as const

function tables(capacity: number, lanes: number): HashTable[] {
  const shape = createHashTable(capacity, lanes, SEED)
  return Array.from({ length: lanes }, (_, lane) => new HashTable(shape, lane))
}

describe('hash table', () => {
  it('counts per key over all workers, up to the limit', () => {
    const [a, b] = tables(64, 2) as [HashTable, HashTable]
    const handles = [a.increment(1, 2, 0, 3), b.increment(1, 2, 0, 3), a.increment(1, 2, 0, 3)]
    assert.ok(handles.every((handle) => handle >= 0))
    assert.equal(b.increment(1, 2, 0, 3), AT_LIMIT)
    assert.equal(a.count(1, 2), 3)
    assert.ok(a.increment(1, 3, 0, 3) >= 0, 'another key is not concerned')
    b.decrement(handles[1]!, 0)
    assert.equal(a.count(1, 2), 2)
    assert.ok(b.increment(1, 2, 0, 3) >= 0)
    assert.equal(a.increment(9, 9, 0, 0), AT_LIMIT)
    assert.equal(a.count(9, 9), 0)
  })

  it('gives a key that counts nothing any more to the next, the longest unused first', () => {
    const [table] = tables(16, 1) as [HashTable]
    for (let key = 0; key < 16; key++)
      table.decrement(table.increment(0, key, key, 5), 100 + ((key * 7) % 16))
    assert.equal(table.totals().keys, 16)
    const oldest = table.increment(0, 100, 200, 5)
    assert.ok(oldest >= 0)
    assert.equal(table.count(0, 100), 1)
    assert.deepEqual(table.totals(), { keys: 16, count: 1 })
    // Key 0 was used last at 100 and is gone; only the one used last at 101 is as old as this.
    assert.equal(table.expire(161, 60), 1)
  })

  it('says so when every place of a key is in use, and counts nothing', () => {
    const [table] = tables(16, 1) as [HashTable]
    const handles = Array.from({ length: 16 }, (_, key) => table.increment(key & 1, key, 0, 5))
    assert.ok(handles.every((handle) => handle >= 0))
    assert.equal(table.increment(0, 99, 0, 5), TABLE_FULL)
    assert.equal(table.totals().count, 16)
    table.decrement(handles[3]!, 0)
    assert.ok(table.increment(0, 99, 0, 5) >= 0)
  })

  it('at a quarter of its capacity has room for every random key', () => {
    const [table] = tables(40_000, 1) as [HashTable]
    const hasher = new KeyHasher([randomInt(2 ** 32), randomInt(2 ** 32)])
    for (let i = 0; i < 10_000; i++) {
      hasher.hash(`10.0.${i >> 8}.${i & 255}`)
      assert.ok(table.increment(hasher.hi, hasher.lo, 0, 1) >= 0)
    }
    assert.deepEqual(table.totals(), { keys: 10_000, count: 10_000 })
  })

  it('expires what has been unused for long, and nothing that counts', () => {
    const [table] = tables(64, 1) as [HashTable]
    const used = table.increment(1, 1, 10, 5)
    table.decrement(table.increment(2, 2, 10, 5), 10)
    table.decrement(table.increment(3, 3, 50, 5), 50)
    assert.equal(table.expire(100, 60), 1)
    assert.equal(table.totals().keys, 2)
    table.decrement(used, 100)
    assert.equal(table.expire(160, 60), 2)
    assert.equal(table.totals().keys, 0)
  })

  it('takes back what an ended worker counted, and leaves the others their counts', () => {
    const [a, b] = tables(64, 2) as [HashTable, HashTable]
    const kept = b.increment(1, 1, 0, 5)
    a.increment(1, 1, 0, 5)
    a.increment(1, 1, 0, 5)
    a.increment(2, 2, 0, 5)
    assert.equal(b.reconcile(0), 3)
    assert.deepEqual([b.count(1, 1), b.count(2, 2)], [1, 0])
    b.decrement(kept, 0)
    assert.equal(b.totals().count, 0)
  })

  it('mends an entry that an ended worker was filling', () => {
    const shape = createHashTable(16, 2, SEED)
    const table = new HashTable(shape, 1)
    const words = new Int32Array(shape.buffer)
    const entry = table.increment(5, 6, 0, 5)
    table.decrement(entry, 0)
    // Lane 0 claimed it and ended: its first word is the state, and claims are 2 + lane.
    words[entry] = 2
    assert.equal(table.count(5, 6), 0)
    assert.equal(table.expire(100, 0), 0, 'a claimed entry is left alone')
    table.reconcile(0)
    assert.equal(table.totals().keys, 0)
    assert.ok(table.increment(5, 6, 0, 5) >= 0)
  })

  it('never lets two entries of one key count: an insertion waits for another of the same key', () => {
    const shape = createHashTable(16, 2, SEED)
    const table = new HashTable(shape, 1)
    const words = new Int32Array(shape.buffer)
    const entry = table.increment(5, 6, 0, 5)
    table.decrement(entry, 0)
    // Lane 0 is about to make this entry the key's.
    words[entry] = 2
    assert.equal(table.increment(5, 6, 0, 5), TABLE_FULL)
    words[entry] = 1
    assert.equal(table.increment(5, 6, 0, 5), entry)
  })

  it('notices that an entry was taken by another key between finding and counting', (t) => {
    const [a, b] = tables(16, 2) as [HashTable, HashTable]
    a.decrement(a.increment(0, 0, 0, 5), 0)
    for (let key = 1; key < 16; key++) a.increment(0, key, 0, 5)
    // The first store of the next increment is its count. Before it another worker takes the one unused entry.
    const store = Atomics.store.bind(Atomics) as (words: Int32Array, index: number, value: number) => number
    let taken = -1
    const mocked = t.mock.method(Atomics, 'store', (words: Int32Array, index: number, value: number) => {
      mocked.mock.restore()
      taken = b.increment(8, 78, 0, 5)
      return store(words, index, value)
    })
    assert.equal(a.increment(0, 0, 0, 5), TABLE_FULL)
    assert.ok(taken >= 0)
    assert.equal(a.count(8, 78), 1)
    assert.equal(a.totals().count, 16)
  })

  it('gives an entry back that an ended worker had claimed from under a count', () => {
    const shape = createHashTable(16, 2, SEED)
    const table = new HashTable(shape, 1)
    const entry = table.increment(5, 6, 0, 5)
    new Int32Array(shape.buffer)[entry] = 2
    table.reconcile(0)
    assert.equal(table.count(5, 6), 1)
  })
})

describe('hash table with threads', () => {
  const granted = new SharedArrayBuffer(60 * 4)

  const start = (shape: HashTableShape, lane: number, job: string, limit: number, go: Int32Array): Worker =>
    new Worker(new URL('hash-table.fixture.ts', import.meta.url), {
      workerData: { shape, lane, job, limit, go, granted: new Int32Array(granted) },
    })

  it(
    'never passes the limit and ends at zero, with more keys than entries',
    { timeout: 60_000 },
    async () => {
      const shape = createHashTable(32, 3, SEED)
      const go = new Int32Array(new SharedArrayBuffer(4))
      const workers = [0, 1, 2].map((lane) => start(shape, lane, 'churn', 4, go))
      const reports = workers.map((worker) => once(worker, 'message'))
      Atomics.store(go, 0, 1)
      Atomics.notify(go, 0)
      const results = (await Promise.all(reports)).map(
        ([report]) => report as { most: number; taken: number },
      )
      for (const result of results) {
        assert.ok(result.taken > 1000, `${result.taken} taken`)
        assert.equal(result.most, 4, 'most granted at one time for one key')
      }
      assert.equal(new HashTable(shape, 0).totals().count, 0)
      assert.ok(new Int32Array(granted).every((count) => count === 0))
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  )

  it('is whole again after a worker is killed in the middle of its work', { timeout: 60_000 }, async () => {
    const shape = createHashTable(32, 2, SEED)
    const go = new Int32Array(new SharedArrayBuffer(4))
    Atomics.store(go, 0, 1)
    const own = new HashTable(shape, 1)
    for (let round = 0; round < 5; round++) {
      const worker = start(shape, 0, 'endless', 1000, go)
      await once(worker, 'message')
      // Meanwhile another worker works on the same keys.
      for (let i = 0; i < 2000; i++) {
        const handle = own.increment(i % 5, i % 40, round, 1000)
        if (handle >= 0) own.decrement(handle, round)
      }
      await worker.terminate()
      own.reconcile(0)
      assert.equal(own.totals().count, 0)
      for (let key = 0; key < 16; key++) {
        const handle = own.increment(0, key, round, 1000)
        assert.ok(handle >= 0, `key ${key} after round ${round}`)
        own.decrement(handle, round)
      }
    }
  })
})
