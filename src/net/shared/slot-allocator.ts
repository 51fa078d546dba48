/**
 * Control's side of slots: which identity owns which slot, and when a slot may get a new owner.
 *
 * Life of a slot: free → owned → (last `release`) lingering for a grace period, in which the same identity gets it
 * back with its state → retiring: workers are told, and each answers when it refers to it no more → free, with the
 * next generation and all words zero. The same identity may also take it back while it retires.
 *
 * Order that callers keep: slabs reach a worker before references into them (`onSlab`, and `slabs` for a worker that
 * starts later); a configuration without the slot reaches it before the retire notice does.
 */
import { MappedSlab, slabBytes } from './slots.ts'
import type { RetireAck, RetireNotice, Slab, SlotKind, SlotRef, SlotView } from './slots.ts'

export interface SlotAllocatorOptions {
  /** Called with each new slab before a reference into it is returned: post it to every worker. */
  readonly onSlab: (slab: Slab) => void
  /** How long a released identity keeps its slot. Default 60 s. */
  readonly graceMs?: number
  /** Slots per slab. Default 1024. */
  readonly slotsPerSlab?: number
}

interface SlotRecord {
  readonly key: string
  readonly slab: MappedSlab
  readonly ref: SlotRef
  owners: number
  /** When it was released, ms; meaningful while `owners` is 0. */
  releasedAt: number
  /** Workers that have not answered `retireId` yet; null while not retiring. */
  waitingFor: Set<number> | null
  retireId: number
}

export class SlotAllocator {
  readonly #onSlab: (slab: Slab) => void
  readonly #graceMs: number
  readonly #slotsPerSlab: number
  readonly #slabs: MappedSlab[] = []
  /** Free slots by kind name. */
  readonly #free = new Map<string, { slab: MappedSlab; index: number }[]>()
  readonly #byKey = new Map<string, SlotRecord>()
  /** Released and not yet retired, oldest first. */
  readonly #lingering = new Set<SlotRecord>()
  readonly #retiring = new Map<string, SlotRecord>()
  readonly #workers = new Set<number>()
  #lastRetireId = 0

  constructor(options: SlotAllocatorOptions) {
    this.#onSlab = options.onSlab
    this.#graceMs = options.graceMs ?? 60_000
    this.#slotsPerSlab = options.slotsPerSlab ?? 1024
  }

  /** Every slab, for a worker that starts now. */
  get slabs(): readonly Slab[] {
    return this.#slabs.map((mapped) => mapped.slab)
  }

  /** Slots that have an owner, linger or retire. */
  get size(): number {
    return this.#byKey.size
  }

  /**
   * The slot of an identity: the one it has, or had until a moment ago, else a new one with all words zero. Each
   * call is one owner more; `release` ends it. A change of configuration allocates for the new, then releases the old.
   */
  allocate(kind: SlotKind, identity: string): SlotRef {
    const key = keyOf(kind, identity)
    const known = this.#byKey.get(key)
    if (known !== undefined) {
      known.owners += 1
      this.#lingering.delete(known)
      this.#keep(known)
      return known.ref
    }
    const { slab, index } = this.#takeFree(kind)
    const ref = { slab: slab.slab.id, index, generation: slab.generation(index) }
    this.#byKey.set(key, { key, slab, ref, owners: 1, releasedAt: 0, waitingFor: null, retireId: 0 })
    return ref
  }

  /** Ends one `allocate` of the identity. */
  release(kind: SlotKind, identity: string, nowMs: number): void {
    const record = this.#byKey.get(keyOf(kind, identity))
    if (record === undefined || record.owners === 0) {
      throw new Error(`slot of ${kind.name} ${identity} released but not owned`)
    }
    record.owners -= 1
    if (record.owners > 0) return
    record.releasedAt = nowMs
    this.#lingering.add(record)
  }

  /** Words of a slot, for control itself (metrics, explain). */
  view(ref: SlotRef): SlotView {
    const slab = this.#slabs[ref.slab]
    if (slab === undefined) throw new Error(`slab ${ref.slab} does not exist`)
    return slab.view(ref.index)
  }

  /** Visits every slot of a kind, owned or not. */
  forEachSlot(kind: SlotKind, visit: (ints: Int32Array, base: number) => void): void {
    for (const mapped of this.#slabs) {
      if (mapped.slab.kind.name !== kind.name) continue
      for (let index = 0; index < mapped.slab.slots; index++) visit(mapped.ints, index * mapped.stride + 1)
    }
  }

  /** A worker that may be given references from now on. */
  workerStarted(worker: number): void {
    this.#workers.add(worker)
  }

  /** A worker that ended refers to nothing. */
  workerEnded(worker: number): void {
    this.#workers.delete(worker)
    for (const record of this.#retiring.values()) this.#answered(record, worker)
  }

  /**
   * Retires what has lingered for the grace period. The notice goes to every worker, behind the configuration it
   * was given so far; null when there is nothing to do. Call about once a second.
   */
  sweep(nowMs: number): RetireNotice | null {
    const refs: SlotRef[] = []
    const id = this.#lastRetireId + 1
    for (const record of this.#lingering) {
      if (nowMs - record.releasedAt < this.#graceMs) break
      this.#lingering.delete(record)
      refs.push(record.ref)
      record.waitingFor = new Set(this.#workers)
      record.retireId = id
      this.#retiring.set(refKey(record.ref), record)
      if (record.waitingFor.size === 0) this.#freeUp(record)
    }
    if (refs.length === 0) return null
    this.#lastRetireId = id
    return { id, refs }
  }

  /** A worker's answer to a notice. Late answers to a notice that was overtaken by a new owner change nothing. */
  acknowledge(worker: number, ack: RetireAck): void {
    for (const ref of ack.refs) {
      const record = this.#retiring.get(refKey(ref))
      if (record !== undefined && record.retireId === ack.id) this.#answered(record, worker)
    }
  }

  #answered(record: SlotRecord, worker: number): void {
    if (record.waitingFor === null) return
    record.waitingFor.delete(worker)
    if (record.waitingFor.size === 0) this.#freeUp(record)
  }

  #keep(record: SlotRecord): void {
    if (record.waitingFor === null) return
    record.waitingFor = null
    this.#retiring.delete(refKey(record.ref))
  }

  #freeUp(record: SlotRecord): void {
    this.#keep(record)
    this.#byKey.delete(record.key)
    const { slab, ref } = record
    const start = ref.index * slab.stride
    // The generation first: a reference that should not exist any more fails before it could see zeroed words.
    Atomics.store(slab.ints, start, (ref.generation + 1) | 0)
    slab.ints.fill(0, start + 1, start + slab.stride)
    this.#freeList(slab.slab.kind).push({ slab, index: ref.index })
  }

  #takeFree(kind: SlotKind): { slab: MappedSlab; index: number } {
    const list = this.#freeList(kind)
    const free = list.pop()
    if (free !== undefined) return free
    const slab = this.#addSlab(kind)
    // Backwards, so that slots are handed out from the front.
    for (let index = slab.slab.slots - 1; index > 0; index--) list.push({ slab, index })
    return { slab, index: 0 }
  }

  #freeList(kind: SlotKind): { slab: MappedSlab; index: number }[] {
    let list = this.#free.get(kind.name)
    if (list === undefined) {
      list = []
      this.#free.set(kind.name, list)
    }
    return list
  }

  #addSlab(kind: SlotKind): MappedSlab {
    const slab: Slab = {
      id: this.#slabs.length,
      kind,
      slots: this.#slotsPerSlab,
      buffer: new SharedArrayBuffer(slabBytes(kind, this.#slotsPerSlab)),
    }
    const mapped = new MappedSlab(slab)
    this.#slabs.push(mapped)
    this.#onSlab(slab)
    return mapped
  }
}

function keyOf(kind: SlotKind, identity: string): string {
  return `${kind.name}\0${identity}`
}

function refKey(ref: SlotRef): string {
  return `${ref.slab}/${ref.index}`
}
