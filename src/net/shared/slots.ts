/**
 * Slots: fixed-size records in shared memory, one per thing whose state is one across workers (a server's health,
 * a service's round-robin position). This file is their layout; control allocates (slot-allocator.ts), workers
 * look (slot-views.ts).
 *
 * A slab is one SharedArrayBuffer of slots of one kind. A slot is one generation word, `ints` Int32 words, padding
 * to 8 bytes, `floats` Float64 words. The generation changes each time the slot gets a new owner, so a reference
 * that outlived its owner is noticed and never reads somebody else's record.
 */

/** Record type. Every slab holds slots of one kind; a kind is known by its name. */
export interface SlotKind {
  readonly name: string
  readonly ints: number
  readonly floats: number
}

/** Plain data; travels to workers inside configuration. */
export interface SlotRef {
  readonly slab: number
  readonly index: number
  readonly generation: number
}

/** Plain data; posted to every worker before a reference into it is. */
export interface Slab {
  readonly id: number
  readonly kind: SlotKind
  readonly slots: number
  readonly buffer: SharedArrayBuffer
}

/** Where a slot's words are. `ints[base]` is its first Int32 word, `floats[floatBase]` its first Float64 word. */
export interface SlotView {
  readonly ints: Int32Array
  readonly base: number
  readonly floats: Float64Array
  readonly floatBase: number
}

/** Control tells workers that these slots are no longer in any configuration. */
export interface RetireNotice {
  readonly id: number
  readonly refs: readonly SlotRef[]
}

/** A worker tells control that it refers to these slots of a notice no more. */
export interface RetireAck {
  readonly id: number
  readonly refs: readonly SlotRef[]
}

/** Int32 words from one slot to the next: even, so that floats are aligned. */
export function slotStride(kind: SlotKind): number {
  const ints = 1 + kind.ints
  return ints + (ints & 1) + kind.floats * 2
}

/** Bytes of a slab. */
export function slabBytes(kind: SlotKind, slots: number): number {
  return slotStride(kind) * slots * 4
}

/** A slab with its typed arrays, made once per thread. */
export class MappedSlab {
  readonly slab: Slab
  readonly ints: Int32Array
  readonly floats: Float64Array
  readonly stride: number

  constructor(slab: Slab) {
    this.slab = slab
    this.ints = new Int32Array(slab.buffer)
    this.floats = new Float64Array(slab.buffer)
    this.stride = slotStride(slab.kind)
  }

  generation(index: number): number {
    return Atomics.load(this.ints, index * this.stride)
  }

  view(index: number): SlotView {
    const start = index * this.stride
    return {
      ints: this.ints,
      base: start + 1,
      floats: this.floats,
      floatBase: (start + this.stride) / 2 - this.slab.kind.floats,
    }
  }
}

/** A record of a kind in memory of this thread alone: for what has lost its slot, and for tests. */
export function detachedView(kind: SlotKind): SlotView {
  return { ints: new Int32Array(kind.ints), base: 0, floats: new Float64Array(kind.floats), floatBase: 0 }
}
