/**
 * Annotations without effect, each named once however many Ingresses have it, with the place of the first. Called by
 * the translator.
 */
import type { IgnoredAnnotation } from './annotations/read.ts'
import { FewSet } from './few-set.ts'
import type { FindingCode } from './finding-codes.ts'
import type { FindingBook } from './findings.ts'
import type { IngressPlan } from './plan.ts'

interface Entry {
  readonly about: IgnoredAnnotation
  readonly users: FewSet<IngressPlan>
}

export class IgnoredAnnotations {
  readonly #book: FindingBook
  readonly #entries = new Map<string, Entry>()
  readonly #dirty = new Set<string>()

  constructor(book: FindingBook) {
    this.#book = book
  }

  acquire(plan: IngressPlan): void {
    for (const about of plan.ignored) {
      let entry = this.#entries.get(about.annotation)
      if (entry === undefined) {
        entry = { about, users: new FewSet() }
        this.#entries.set(about.annotation, entry)
      }
      entry.users.add(plan)
      this.#dirty.add(about.annotation)
    }
  }

  release(plan: IngressPlan): void {
    for (const { annotation } of plan.ignored) {
      this.#entries.get(annotation)?.users.delete(plan)
      this.#dirty.add(annotation)
    }
  }

  resolve(): void {
    for (const annotation of this.#dirty) {
      const entry = this.#entries.get(annotation)
      const first = entry?.users.first()
      if (entry === undefined || first === undefined) {
        this.#entries.delete(annotation)
        this.#book.remove(`annotation:${annotation}`)
        continue
      }
      const others = entry.users.size - 1
      const also = others > 0 ? ` (${others} more Ingress${others === 1 ? ' has' : 'es have'} it)` : ''
      const { code, severity, text } = describe(entry.about)
      const message = `annotation ${annotation} ${text}${also}`
      const path = ['metadata', 'annotations', annotation]
      this.#book.set(`annotation:${annotation}`, [{ code, severity, message, sourced: first.sourced, path }])
    }
    this.#dirty.clear()
  }
}

function describe(about: IgnoredAnnotation): {
  code: FindingCode
  severity: 'info' | 'warning'
  text: string
} {
  if (about.status === 'unknown') {
    return { code: 'annotation-unknown', severity: 'warning', text: 'is not known; it has no effect' }
  }
  if (about.status === 'no effect') {
    return {
      code: 'annotation-no-effect',
      severity: 'info',
      text: `has nothing to change here: ${about.summary}`,
    }
  }
  const text = `is not supported yet (${about.summary}); it has no effect`
  return { code: 'annotation-not-built', severity: 'warning', text }
}
