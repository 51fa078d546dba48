/**
 * Findings as events of the objects they are about, so that `kubectl describe` tells the user. Written by the elected
 * replica only, about findings that last for a moment (while objects come one by one, something is always missing); one
 * that stays is said again before the API server forgets its event (after an hour). About objects that are not known
 * here, and Ingresses that are not served here, nothing is said. Driven by the cluster reporter.
 */
import type { Finding } from '#config/model/finding.ts'
import type { EventRecorder, EventText } from '#kube/events.ts'
import type { KubeObject } from '#kube/objects.ts'
import type { Timers } from '#kube/timers.ts'

const REPEAT_MS = 40 * 60_000
/** What is mended sooner is not said. */
const SETTLE_MS = 1000

/** The object of a finding (`Ingress`, `shop/web`), when it is one that this gateway has to do with. */
export type ObjectLookup = (kind: string, key: string) => KubeObject | undefined

export class FindingEvents {
  readonly #recorder: Pick<EventRecorder, 'record'>
  readonly #timers: Timers
  readonly #find: ObjectLookup
  /** A finding that lasts is the same object in the next list. */
  readonly #keys = new WeakMap<Finding, string>()
  #findings: readonly Finding[] = []
  /** Timers.now when a finding came, by its key; Infinity: has been said. */
  readonly #since = new Map<string, number>()
  #isActive = false
  #cancelRepeat: (() => void) | undefined
  #cancelSettle: (() => void) | undefined

  constructor(recorder: Pick<EventRecorder, 'record'>, timers: Timers, find: ObjectLookup) {
    this.#recorder = recorder
    this.#timers = timers
    this.#find = find
  }

  /** The whole list. */
  report(findings: readonly Finding[]): void {
    this.#findings = findings
    const present = new Set(findings.map((finding) => this.#keyOf(finding)))
    // What was mended and is wrong again is said again.
    for (const key of this.#since.keys()) if (!present.has(key)) this.#since.delete(key)
    const now = this.#timers.now()
    for (const key of present) if (!this.#since.has(key)) this.#since.set(key, now)
    if (this.#isActive) this.#say()
  }

  /** Says what there is to be said now, and from now on. */
  activate(): void {
    if (this.#isActive) return
    this.#isActive = true
    this.#repeat()
  }

  deactivate(): void {
    this.#isActive = false
    this.#cancelRepeat?.()
    this.#cancelSettle?.()
    this.#cancelSettle = undefined
  }

  /** All that is there; what came just now, later. */
  #repeat(): void {
    for (const [key, at] of this.#since) if (at === Infinity) this.#since.set(key, -Infinity)
    this.#say()
    this.#cancelRepeat = this.#timers.after(REPEAT_MS, () => this.#repeat())
  }

  #say(): void {
    const before = this.#timers.now() - SETTLE_MS
    let isUnsettled = false
    for (const finding of this.#findings) {
      const key = this.#keyOf(finding)
      const at = this.#since.get(key) ?? Infinity
      if (at === Infinity) continue
      if (at > before) {
        isUnsettled = true
        continue
      }
      this.#since.set(key, Infinity)
      const object = this.#objectOf(finding)
      if (object !== undefined) this.#recorder.record(object, eventOf(finding))
    }
    if (!isUnsettled) return
    this.#cancelSettle ??= this.#timers.after(SETTLE_MS, () => {
      this.#cancelSettle = undefined
      this.#say()
    })
  }

  #keyOf(finding: Finding): string {
    let key = this.#keys.get(finding)
    if (key === undefined) {
      key = `${finding.code}\n${finding.object}\n${finding.field ?? ''}\n${finding.message}`
      this.#keys.set(finding, key)
    }
    return key
  }

  #objectOf({ object }: Finding): KubeObject | undefined {
    const match = /^([A-Za-z]+) (\S+)$/.exec(object)
    return match === null ? undefined : this.#find(match[1] ?? '', match[2] ?? '')
  }
}

/** `service-not-found` at `spec.rules[0]` is the reason `ServiceNotFound`. */
export function eventOf({ code, severity, field, message, hint }: Finding): EventText {
  const reason = code
    .split('-')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('')
  const place = field === undefined || field === '' ? '' : `${field}: `
  const wayOut = hint === undefined ? '' : ` (${hint})`
  return {
    type: severity === 'info' ? 'Normal' : 'Warning',
    reason,
    action: 'Translate',
    note: `${place}${message}${wayOut}`,
  }
}
