/**
 * The sums of all threads' series, as Prometheus scrapes them. Lives in control; reads the threads' slabs in place.
 *
 * Invariants: a counter never goes down while its object lives: what an ended thread had counted stays. The series
 * of a removed object appear in one further scrape with their last values and are gone then (as Traefik does);
 * gauges go at once; what waits for a scrape that never comes is bounded. A block that was handed to another series meanwhile is told by its generation and not read.
 */
import { bucketsOf, FAMILIES, labelNames } from './families.ts'
import type { FamilyDeclaration, MetricsOptions } from './families.ts'
import { LabelIndex } from './label-index.ts'
import type { Labelled, LabelMatch } from './label-index.ts'
import { MetricsRegistry } from './registry.ts'
import type { MetricsMessage } from './registry.ts'
import { cellCount } from './series.ts'
import { Slab } from './slab.ts'
import { familyHead, histogramLines, labelText, sampleLine } from './text.ts'

/** Series of removed objects that wait for their last scrape; the oldest go without one. */
export const MAX_LEAVING = 10_000

/** Prometheus text format 0.0.4. */
export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

interface Family {
  readonly declaration: FamilyDeclaration
  readonly labelNames: readonly string[]
  readonly cells: number
  readonly entries: Map<string, Entry>
}

/** One series as it is shown. */
interface Entry extends Labelled {
  readonly family: Family
  readonly key: string
  readonly text: string
  /** What ended threads and removed series left behind. */
  readonly base: Float64Array
  readonly parts: Set<Part>
  /** Its object is gone: leaves when no thread has a part in it any more. */
  isCondemned: boolean
}

/** One thread's share of an entry. */
interface Part {
  readonly entry: Entry
  readonly slab: Slab
  readonly index: number
  readonly generation: number
}

/** What control knows of one thread. */
class Source {
  readonly slabs = new Map<number, Slab>()
  readonly parts = new Map<number, Part>()
}

export class MetricsAggregate {
  /** Control's own series. */
  readonly own: MetricsRegistry
  readonly #options: MetricsOptions
  readonly #families = new Map<string, Family>()
  readonly #index = new LabelIndex<Entry>()
  readonly #sources = new Map<string, Source>()
  /** Gone after the next scrape; in the order in which their objects went. */
  readonly #leaving = new Set<Entry>()
  readonly #collectors: (() => void)[] = []
  readonly #sum: Float64Array

  constructor(options: MetricsOptions) {
    this.#options = options
    for (const declaration of FAMILIES) {
      this.#families.set(declaration.name, {
        declaration,
        labelNames: labelNames(declaration, options),
        cells: cellCount(declaration.type === 'histogram', bucketsOf(declaration, options)),
        entries: new Map(),
      })
    }
    this.#sum = new Float64Array(Math.max(...[...this.#families.values()].map(({ cells }) => cells)))
    this.own = new MetricsRegistry(options, (messages) => this.receive('control', messages))
  }

  /** Messages of the thread named `source`; a name is never used again for another thread. */
  receive(source: string, messages: readonly MetricsMessage[]): void {
    let state = this.#sources.get(source)
    if (state === undefined) {
      state = new Source()
      this.#sources.set(source, state)
    }
    for (const message of messages) {
      if (message.kind === 'slab') state.slabs.set(message.slab, new Slab(message.slab, message.buffer))
      else if (message.kind === 'series') this.#announced(state, message)
      else this.#removed(state, message.id, message.values)
    }
  }

  /** The thread is gone: its counters stay in the sums, its gauges do not. */
  ended(source: string): void {
    const state = this.#sources.get(source)
    if (state === undefined) return
    this.#sources.delete(source)
    for (const part of state.parts.values()) {
      const { entry } = part
      entry.parts.delete(part)
      const isGauge = entry.family.declaration.type === 'gauge'
      if (!isGauge) readPart(part, entry.family.cells, entry.base)
      if (entry.parts.size === 0 && (isGauge || entry.isCondemned)) this.#leave(entry)
    }
  }

  /**
   * The object with these labels is gone. Threads remove their own series when the change reaches them; this is for
   * control's own and for what ended threads left behind, so it must be called as well.
   */
  removeSeries(match: LabelMatch): void {
    this.own.removeSeries(match)
    this.own.flush()
    for (const entry of this.#index.find(match)) {
      entry.isCondemned = true
      if (entry.parts.size === 0) this.#leave(entry)
    }
  }

  /** `collect` is called before each scrape, to set gauges that are measured only then. */
  onScrape(collect: () => void): void {
    this.#collectors.push(collect)
  }

  /** The exposition. */
  text(): string {
    for (const collect of this.#collectors) collect()
    this.own.flush()
    const out: string[] = []
    for (const family of this.#families.values()) {
      if (family.entries.size > 0) this.#familyText(family, out)
    }
    return out.join('')
  }

  #familyText(family: Family, out: string[]): void {
    const { name, type } = family.declaration
    const headAt = out.length
    for (const entry of family.entries.values()) {
      const isReadable = this.#read(entry)
      if (isReadable && type === 'histogram') {
        const buckets = bucketsOf(family.declaration, this.#options)
        histogramLines(name, entry.text, buckets, this.#sum, out)
      } else if (isReadable) {
        out.push(sampleLine(name, entry.text, this.#sum[0] as number))
      }
      if (this.#leaving.has(entry)) this.#delete(entry)
    }
    if (out.length > headAt) out.splice(headAt, 0, familyHead(family.declaration))
  }

  /** Sums an entry up; false when a share was just removed and its last values are still on their way. */
  #read(entry: Entry): boolean {
    const cells = entry.family.cells
    this.#sum.set(entry.base)
    for (const part of entry.parts) if (!readPart(part, cells, this.#sum)) return false
    return true
  }

  #announced(source: Source, message: Extract<MetricsMessage, { kind: 'series' }>): void {
    const family = this.#families.get(message.family)
    const slab = source.slabs.get(message.slab)
    if (family === undefined || slab === undefined) {
      throw new Error(`series of unknown metric or slab: ${message.family} ${message.slab}`)
    }
    const key = message.labels.join('\0')
    let entry = family.entries.get(key)
    if (entry === undefined) {
      entry = {
        family,
        key,
        labelNames: family.labelNames,
        labels: message.labels,
        text: labelText(family.labelNames, message.labels),
        base: new Float64Array(family.cells),
        parts: new Set(),
        isCondemned: false,
      }
      family.entries.set(key, entry)
      this.#index.add(entry)
    }
    entry.isCondemned = false
    this.#leaving.delete(entry)
    const part: Part = { entry, slab, index: message.index, generation: message.generation }
    entry.parts.add(part)
    source.parts.set(message.id, part)
  }

  #removed(source: Source, id: number, values: readonly number[]): void {
    const part = source.parts.get(id)
    if (part === undefined) return
    source.parts.delete(id)
    const { entry } = part
    entry.parts.delete(part)
    if (entry.family.declaration.type !== 'gauge') {
      for (const [i, value] of values.entries()) entry.base[i] = (entry.base[i] as number) + value
    }
    if (entry.parts.size === 0) this.#leave(entry)
  }

  #leave(entry: Entry): void {
    if (entry.family.declaration.type === 'gauge') {
      this.#delete(entry)
      return
    }
    this.#leaving.add(entry)
    if (this.#leaving.size <= MAX_LEAVING) return
    for (const oldest of this.#leaving) {
      this.#delete(oldest)
      return
    }
  }

  #delete(entry: Entry): void {
    this.#leaving.delete(entry)
    entry.family.entries.delete(entry.key)
    this.#index.delete(entry)
  }
}

/** Adds a share to `sum`; false, and nothing added, when the block is another series' now. */
function readPart(part: Part, cells: number, sum: Float64Array): boolean {
  const { slab, index, generation } = part
  if (Atomics.load(slab.generations, index) !== generation) return false
  const values = slab.cells.slice(index, index + cells)
  if (Atomics.load(slab.generations, index) !== generation) return false
  for (let i = 0; i < cells; i++) sum[i] = (sum[i] as number) + (values[i] as number)
  return true
}
