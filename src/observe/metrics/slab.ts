/**
 * Memory that the series of one thread live in and that control reads: blocks of float64 cells in a
 * SharedArrayBuffer, each with a generation at its first cell. One thread writes (plain stores), control reads.
 *
 * A block is handed out again only with a new generation, so a reader that still has the old announcement sees that
 * the block is no longer what it was told. Stale writers are kept off by the series themselves (series.ts).
 */

const SLAB_CELLS = 4096

/** A slab as both sides see it: `cells`, and behind them one generation per cell. */
export class Slab {
  readonly id: number
  readonly buffer: SharedArrayBuffer
  readonly cells: Float64Array<SharedArrayBuffer>
  readonly generations: Int32Array<SharedArrayBuffer>

  constructor(id: number, buffer: SharedArrayBuffer) {
    this.id = id
    this.buffer = buffer
    const count = buffer.byteLength / 12
    this.cells = new Float64Array(buffer, 0, count)
    this.generations = new Int32Array(buffer, count * 8, count)
  }
}

export interface Block {
  readonly slab: Slab
  readonly index: number
  readonly generation: number
}

/** The writer's side: hands out blocks and takes them back, by size. */
export class SlabAllocator {
  readonly #announce: (slab: Slab) => void
  readonly #free = new Map<number, { slab: Slab; index: number }[]>()
  #current: Slab | null = null
  #used = 0
  #slabs = 0

  constructor(announce: (slab: Slab) => void) {
    this.#announce = announce
  }

  /** Slabs made so far. */
  get slabCount(): number {
    return this.#slabs
  }

  /** A block of zeroed cells. */
  allocate(size: number): Block {
    let place = this.#free.get(size)?.pop()
    if (place === undefined) {
      if (this.#current === null || this.#used + size > this.#current.cells.length) {
        const cells = Math.max(SLAB_CELLS, size)
        this.#current = new Slab(this.#slabs++, new SharedArrayBuffer(cells * 12))
        this.#used = 0
        this.#announce(this.#current)
      }
      place = { slab: this.#current, index: this.#used }
      this.#used += size
    }
    const { slab, index } = place
    // First the generation: whoever reads a zero below already knows that it is another series'.
    const generation = Atomics.add(slab.generations, index, 1) + 1
    slab.cells.fill(0, index, index + size)
    return { slab, index, generation }
  }

  release(block: Block, size: number): void {
    Atomics.add(block.slab.generations, block.index, 1)
    const list = this.#free.get(size)
    const place = { slab: block.slab, index: block.index }
    if (list === undefined) this.#free.set(size, [place])
    else list.push(place)
  }
}
