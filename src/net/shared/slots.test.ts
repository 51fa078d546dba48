import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SlotAllocator } from './slot-allocator.ts'
import { SlotViews } from './slot-views.ts'
import { slotStride } from './slots.ts'
import type { RetireAck, RetireNotice, Slab, SlotKind } from './slots.ts'

const KIND: SlotKind = { name: 'thing', ints: 3, floats: 2 }
const OTHER: SlotKind = { name: 'other', ints: 2, floats: 0 }

/** Control and its workers, joined as by messages that arrive at once, unless `hold` keeps answers back. */
class Joined {
  readonly workers = new Map<number, SlotViews>()
  readonly slabs: Slab[] = []
  readonly acks: { worker: number; ack: RetireAck }[] = []
  readonly allocator = new SlotAllocator({
    graceMs: 1000,
    slotsPerSlab: 4,
    onSlab: (slab) => {
      this.slabs.push(slab)
      for (const views of this.workers.values()) views.addSlab(slab)
    },
  })

  start(worker: number): SlotViews {
    const views = new SlotViews((ack) => this.acks.push({ worker, ack }))
    for (const slab of this.allocator.slabs) views.addSlab(slab)
    this.workers.set(worker, views)
    this.allocator.workerStarted(worker)
    return views
  }

  sweep(now: number): RetireNotice | null {
    const notice = this.allocator.sweep(now)
    if (notice !== null) for (const views of this.workers.values()) views.retire(notice)
    return notice
  }

  deliver(): void {
    for (const { worker, ack } of this.acks.splice(0)) this.allocator.acknowledge(worker, ack)
  }
}

describe('slots', () => {
  it('are laid out so that floats are aligned and slots do not overlap', () => {
    for (const kind of [KIND, OTHER, { name: 'x', ints: 4, floats: 1 }]) {
      const joined = new Joined()
      const views = joined.start(0)
      const refs = ['a', 'b', 'c', 'd', 'e'].map((name) => joined.allocator.allocate(kind, name))
      const held = refs.map((ref) => views.hold(ref))
      held.forEach((view, slot) => {
        for (let i = 0; i < kind.ints; i++) view.ints[view.base + i] = slot * 100 + i
        for (let i = 0; i < kind.floats; i++) view.floats[view.floatBase + i] = slot + i / 10
      })
      held.forEach((view, slot) => {
        for (let i = 0; i < kind.ints; i++) assert.equal(view.ints[view.base + i], slot * 100 + i)
        for (let i = 0; i < kind.floats; i++) assert.equal(view.floats[view.floatBase + i], slot + i / 10)
      })
      for (const ref of refs) assert.doesNotThrow(() => views.hold(ref), 'generations are untouched')
      assert.equal(slotStride(kind) % 2, 0)
    }
  })

  it('are one per identity and kind, and seen alike by all workers and control', () => {
    const joined = new Joined()
    const [first, second] = [joined.start(0), joined.start(1)]
    const ref = joined.allocator.allocate(KIND, 'a')
    assert.deepEqual(joined.allocator.allocate(KIND, 'a'), ref)
    assert.notDeepEqual(joined.allocator.allocate(KIND, 'b'), ref)
    assert.notDeepEqual(joined.allocator.allocate(OTHER, 'a'), ref)
    const a = first.hold(ref)
    const b = second.hold(ref)
    Atomics.add(a.ints, a.base, 7)
    assert.equal(Atomics.load(b.ints, b.base), 7)
    const own = joined.allocator.view(ref)
    assert.equal(own.ints[own.base], 7)
  })

  it('stay with their identity for the grace period after the last release', () => {
    const joined = new Joined()
    const ref = joined.allocator.allocate(KIND, 'a')
    joined.allocator.allocate(KIND, 'a')
    joined.allocator.release(KIND, 'a', 0)
    assert.equal(joined.allocator.sweep(5000), null, 'still owned once')
    joined.allocator.release(KIND, 'a', 5000)
    assert.equal(joined.allocator.sweep(5999), null)
    assert.deepEqual(joined.allocator.allocate(KIND, 'a'), ref)
    joined.allocator.release(KIND, 'a', 6000)
    assert.deepEqual(joined.allocator.sweep(7000)?.refs, [ref])
    assert.equal(joined.allocator.size, 0)
  })

  it('get a new owner only when every worker let go, with all words zero and a new generation', () => {
    const joined = new Joined()
    const [first, second] = [joined.start(0), joined.start(1)]
    const ref = joined.allocator.allocate(KIND, 'a')
    const view = first.hold(ref)
    second.hold(ref)
    view.ints[view.base + 1] = 42
    view.floats[view.floatBase + 1] = 4.2
    joined.allocator.release(KIND, 'a', 0)
    joined.sweep(1000)
    second.drop(ref)
    joined.deliver()
    assert.equal(joined.allocator.size, 1, 'the first worker still holds it')
    assert.equal(view.ints[view.base + 1], 42)
    first.drop(ref)
    joined.deliver()
    assert.equal(joined.allocator.size, 0)
    const next = joined.allocator.allocate(KIND, 'b')
    assert.deepEqual(next, { ...ref, generation: ref.generation + 1 })
    assert.equal(view.ints[view.base + 1], 0)
    assert.equal(view.floats[view.floatBase + 1], 0)
    assert.throws(() => first.hold(ref), /generation 1, the reference 0/)
  })

  it('go back to the same identity even while they retire, and a late answer then changes nothing', () => {
    const joined = new Joined()
    const worker = joined.start(0)
    const ref = joined.allocator.allocate(KIND, 'a')
    const view = worker.hold(ref)
    view.ints[view.base] = 9
    joined.allocator.release(KIND, 'a', 0)
    joined.sweep(1000)
    worker.drop(ref)
    assert.equal(joined.acks.length, 1)
    assert.deepEqual(joined.allocator.allocate(KIND, 'a'), ref)
    joined.deliver()
    assert.equal(joined.allocator.size, 1)
    assert.equal(view.ints[view.base], 9)
    joined.allocator.release(KIND, 'a', 2000)
    joined.sweep(3000)
    joined.deliver()
    assert.equal(joined.allocator.size, 0)
  })

  it('are not freed by a late answer to an earlier notice', () => {
    const joined = new Joined()
    const worker = joined.start(0)
    const ref = joined.allocator.allocate(KIND, 'a')
    joined.allocator.release(KIND, 'a', 0)
    joined.sweep(1000)
    // The answer is under way while the identity comes back, is held, and goes again.
    joined.allocator.allocate(KIND, 'a')
    worker.hold(ref)
    joined.allocator.release(KIND, 'a', 2000)
    joined.sweep(3000)
    joined.deliver()
    assert.equal(joined.allocator.size, 1)
    worker.drop(ref)
    joined.deliver()
    assert.equal(joined.allocator.size, 0)
  })

  it('are freed once, though a worker answers and then ends', () => {
    const joined = new Joined()
    joined.start(0)
    joined.allocator.allocate(KIND, 'a')
    joined.allocator.release(KIND, 'a', 0)
    joined.sweep(1000)
    joined.deliver()
    const b = joined.allocator.allocate(KIND, 'b')
    joined.allocator.workerEnded(0)
    assert.deepEqual(joined.allocator.allocate(KIND, 'b'), b)
    assert.notDeepEqual(joined.allocator.allocate(KIND, 'c'), b)
    assert.notEqual(joined.allocator.allocate(KIND, 'd').index, b.index)
  })

  it('are freed when the worker that held them ends', () => {
    const joined = new Joined()
    joined.start(0).hold(joined.allocator.allocate(KIND, 'a'))
    joined.allocator.release(KIND, 'a', 0)
    joined.sweep(1000)
    joined.deliver()
    assert.equal(joined.allocator.size, 1)
    joined.allocator.workerEnded(0)
    assert.equal(joined.allocator.size, 0)
  })

  it('need no answer of a worker that started after they were retired', () => {
    const joined = new Joined()
    const old = joined.start(0)
    const ref = joined.allocator.allocate(KIND, 'a')
    old.hold(ref)
    joined.allocator.release(KIND, 'a', 0)
    joined.sweep(1000)
    joined.start(1)
    old.drop(ref)
    joined.deliver()
    assert.equal(joined.allocator.size, 0)
  })

  it('are used again instead of growing: 1,000 changes of three things fit into one slab', () => {
    const joined = new Joined()
    const worker = joined.start(0)
    let refs = [0, 1, 2].map((n) => joined.allocator.allocate(KIND, `0/${n}`))
    refs.forEach((ref) => worker.hold(ref))
    for (let round = 1; round <= 1000; round++) {
      const now = round * 10_000
      refs.forEach((ref) => worker.drop(ref))
      for (let n = 0; n < 3; n++) joined.allocator.release(KIND, `${round - 1}/${n}`, now)
      joined.sweep(now + 1000)
      joined.deliver()
      refs = [0, 1, 2].map((n) => joined.allocator.allocate(KIND, `${round}/${n}`))
      refs.forEach((ref) => worker.hold(ref))
    }
    assert.equal(joined.slabs.length, 1)
  })

  it('whose slab never reached a worker are not held there', () => {
    const acks: RetireAck[] = []
    new SlotViews((ack) => acks.push(ack)).retire({ id: 1, refs: [{ slab: 5, index: 0, generation: 0 }] })
    assert.deepEqual(acks, [{ id: 1, refs: [{ slab: 5, index: 0, generation: 0 }] }])
  })

  it('report misuse', () => {
    const joined = new Joined()
    const worker = joined.start(0)
    const ref = joined.allocator.allocate(KIND, 'a')
    assert.throws(() => worker.drop(ref), /dropped but not held/)
    assert.throws(() => worker.hold({ ...ref, slab: 9 }), /slab 9 is not known/)
    assert.throws(() => joined.allocator.release(KIND, 'b', 0), /released but not owned/)
    joined.allocator.release(KIND, 'a', 0)
    assert.throws(() => joined.allocator.release(KIND, 'a', 0), /released but not owned/)
  })
})
