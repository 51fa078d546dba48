/**
 * The series of one thread. Series are made on first use and announced to control by message; from then on control
 * reads their cells (aggregate.ts). Messages are gathered per turn of the loop.
 *
 * Bound: a family has at most `maxSeries` series per thread; beyond that all further ones are one series whose
 * labels say `other`, so that no label a client can choose makes memory grow.
 */
import { bucketsOf, labelNames } from './families.ts'
import type { FamilyDeclaration, MetricsOptions } from './families.ts'
import { LabelIndex } from './label-index.ts'
import type { Labelled, LabelMatch } from './label-index.ts'
import { cellCount, HistogramSeries, MAX_BUCKETS, Series } from './series.ts'
import { SlabAllocator } from './slab.ts'

/** What a thread tells control, in order. */
export type MetricsMessage =
  | { readonly kind: 'slab'; readonly slab: number; readonly buffer: SharedArrayBuffer }
  | {
      readonly kind: 'series'
      readonly id: number
      readonly family: string
      readonly labels: readonly string[]
      readonly slab: number
      readonly index: number
      readonly generation: number
    }
  /** The cells may be another series' by now: `values` are the last ones. */
  | { readonly kind: 'remove'; readonly id: number; readonly values: readonly number[] }

/** Something that caches series and must stop making new ones when its object goes. */
export interface SeriesHolder extends Labelled {
  close(): void
}

interface Owned extends Labelled {
  readonly series: Series | HistogramSeries
  readonly key: string
  readonly cells: number
  readonly family: FamilyState
}

interface FamilyState {
  readonly declaration: FamilyDeclaration
  readonly labelNames: readonly string[]
  readonly byKey: Map<string, Owned>
}

const MAX_SERIES = 200_000

/** Value of every label of what no longer gets a series of its own. */
const OVERFLOW = 'other'

export class MetricsRegistry {
  readonly options: MetricsOptions
  readonly #maxSeries: number
  readonly #post: (messages: MetricsMessage[]) => void
  readonly #allocator: SlabAllocator
  readonly #families = new Map<string, FamilyState>()
  readonly #owned = new LabelIndex<Owned>()
  readonly #holders = new LabelIndex<SeriesHolder>()
  #outbox: MetricsMessage[] = []
  #nextId = 1

  /** `post` is called at most once per turn with the messages since the last time. */
  constructor(options: MetricsOptions, post: (messages: MetricsMessage[]) => void, maxSeries = MAX_SERIES) {
    if (options.buckets.length > MAX_BUCKETS) throw new RangeError(`at most ${MAX_BUCKETS} buckets`)
    this.options = options
    this.#maxSeries = maxSeries
    this.#post = post
    this.#allocator = new SlabAllocator((slab) => {
      this.#send({ kind: 'slab', slab: slab.id, buffer: slab.buffer })
    })
  }

  /** The series of these label values (in the order of the family's labels); the same one each time. */
  counter(family: FamilyDeclaration, labels: readonly string[] = []): Series {
    return this.#series(family, labels)
  }

  gauge(family: FamilyDeclaration, labels: readonly string[] = []): Series {
    return this.#series(family, labels)
  }

  histogram(family: FamilyDeclaration, labels: readonly string[] = []): HistogramSeries {
    return this.#series(family, labels) as HistogramSeries
  }

  /** Will close `holder` when an object that it has the labels of is removed. */
  hold(holder: SeriesHolder): void {
    this.#holders.add(holder)
  }

  /** Ends every series that has all these labels: `{ service: 'web@kubernetes' }` when that service went. */
  removeSeries(match: LabelMatch): void {
    for (const holder of this.#holders.find(match)) {
      this.#holders.delete(holder)
      holder.close()
    }
    for (const owned of this.#owned.find(match)) {
      this.#owned.delete(owned)
      owned.family.byKey.delete(owned.key)
      const { series, cells } = owned
      const values = [...series.cells.subarray(series.index, series.index + cells)]
      const block = series.block
      series.detach()
      if (block !== null) this.#allocator.release(block, cells)
      this.#send({ kind: 'remove', id: series.id, values })
    }
  }

  /** Sends what waits now instead of at the end of the turn. */
  flush(): void {
    if (this.#outbox.length === 0) return
    const messages = this.#outbox
    this.#outbox = []
    this.#post(messages)
  }

  #series(declaration: FamilyDeclaration, labels: readonly string[]): Series | HistogramSeries {
    const family = this.#family(declaration)
    const key = labels.join('\0')
    const found = family.byKey.get(key)
    if (found !== undefined) return found.series
    if (family.byKey.size < this.#maxSeries) return this.#create(family, labels, key)
    const shared = labels.map(() => OVERFLOW)
    const sharedKey = shared.join('\0')
    return family.byKey.get(sharedKey)?.series ?? this.#create(family, shared, sharedKey)
  }

  #family(declaration: FamilyDeclaration): FamilyState {
    let family = this.#families.get(declaration.name)
    if (family === undefined) {
      family = { declaration, labelNames: labelNames(declaration, this.options), byKey: new Map() }
      this.#families.set(declaration.name, family)
    }
    return family
  }

  #create(family: FamilyState, labels: readonly string[], key: string): Series | HistogramSeries {
    const { name, type } = family.declaration
    if (labels.length !== family.labelNames.length) {
      throw new Error(
        `metric ${name} has labels [${family.labelNames.join(', ')}], got ${labels.length} values`,
      )
    }
    const isHistogram = type === 'histogram'
    const buckets = bucketsOf(family.declaration, this.options)
    const cells = cellCount(isHistogram, buckets)
    const block = this.#allocator.allocate(cells)
    const id = this.#nextId++
    const series = isHistogram ? new HistogramSeries(id, block, buckets) : new Series(id, block)
    const owned: Owned = { series, key, cells, family, labels, labelNames: family.labelNames }
    family.byKey.set(key, owned)
    this.#owned.add(owned)
    const { slab, index, generation } = block
    this.#send({ kind: 'series', id, family: name, labels, slab: slab.id, index, generation })
    return series
  }

  #send(message: MetricsMessage): void {
    if (this.#outbox.push(message) === 1) queueMicrotask(() => this.flush())
  }
}
