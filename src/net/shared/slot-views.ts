/**
 * The worker's side of slots: turns references into views, counts who holds which slot, and tells control when a
 * retired slot is held no more. Used by whatever owns an object with shared state (src/proxy/upstream).
 *
 * Invariant: between `hold` and the matching `drop` the slot keeps its owner; outside of it a view must not be used.
 */
import { MappedSlab } from './slots.ts'
import type { RetireAck, RetireNotice, Slab, SlotRef, SlotView } from './slots.ts'

class HeldSlab extends MappedSlab {
  /** Per slot: how many holders in this worker. */
  readonly holds: Uint16Array

  constructor(slab: Slab) {
    super(slab)
    this.holds = new Uint16Array(slab.slots)
  }
}

interface PendingRetire {
  readonly id: number
  readonly ref: SlotRef
}

export class SlotViews {
  readonly #slabs = new Map<number, HeldSlab>()
  /** Retired by control, still held here; key is slab and index. */
  readonly #pending = new Map<string, PendingRetire>()
  readonly #acknowledge: (ack: RetireAck) => void

  /** `acknowledge` is called with what control's `SlotAllocator.acknowledge` takes. */
  constructor(acknowledge: (ack: RetireAck) => void) {
    this.#acknowledge = acknowledge
  }

  addSlab(slab: Slab): void {
    if (!this.#slabs.has(slab.id)) this.#slabs.set(slab.id, new HeldSlab(slab))
  }

  /** The slot's words, kept until `drop`. Throws for an unknown slab or a reference that outlived its owner. */
  hold(ref: SlotRef): SlotView {
    const slab = this.#slabOf(ref)
    if (slab.generation(ref.index) !== ref.generation) {
      throw new Error(
        `slot ${ref.slab}/${ref.index} has generation ${slab.generation(ref.index)}, the reference ${ref.generation}`,
      )
    }
    slab.holds[ref.index]! += 1
    return slab.view(ref.index)
  }

  /** Ends one `hold`. */
  drop(ref: SlotRef): void {
    const slab = this.#slabOf(ref)
    const holds = slab.holds[ref.index]!
    if (holds === 0) throw new Error(`slot ${ref.slab}/${ref.index} dropped but not held`)
    slab.holds[ref.index] = holds - 1
    if (holds > 1 || this.#pending.size === 0) return
    const key = `${ref.slab}/${ref.index}`
    const pending = this.#pending.get(key)
    if (pending === undefined) return
    this.#pending.delete(key)
    this.#acknowledge({ id: pending.id, refs: [pending.ref] })
  }

  /** Answers at once for what is not held here, and for the rest when its last holder drops it. */
  retire(notice: RetireNotice): void {
    const free: SlotRef[] = []
    for (const ref of notice.refs) {
      // A slab that never came here is held by nobody here.
      const holds = this.#slabs.get(ref.slab)?.holds[ref.index] ?? 0
      if (holds === 0) free.push(ref)
      else this.#pending.set(`${ref.slab}/${ref.index}`, { id: notice.id, ref })
    }
    if (free.length > 0) this.#acknowledge({ id: notice.id, refs: free })
  }

  #slabOf(ref: SlotRef): HeldSlab {
    const slab = this.#slabs.get(ref.slab)
    if (slab === undefined) throw new Error(`slab ${ref.slab} is not known in this worker`)
    return slab
  }
}
