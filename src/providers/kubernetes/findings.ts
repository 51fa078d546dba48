/**
 * Findings of the translation, kept per owner (an Ingress, a host, a Service port, a certificate) so that a change
 * rewrites only those of what it touched. Positions inside an object cost a re-parse, so they are looked up when the
 * list is asked for, kept while the object does not move, and bounded in number per call.
 */
import type { Finding, Place } from '#config/model/finding.ts'
import type { FindingCode } from './finding-codes.ts'
import { objectLabel, type ObjectPath, type SourcedObject } from './objects.ts'
import { pathText } from './shape-reader.ts'

/** Exact positions looked up per call of `list`; beyond it a finding points at the start of its object. */
const MAX_LOOKUPS = 1000

const MAX_MESSAGE = 1000

/** A finding whose place is an object and a path in it. */
export interface FindingDraft {
  readonly code: FindingCode
  readonly severity: Finding['severity']
  readonly message: string
  readonly hint?: string
  /** Undefined: about no single object; `object` names what it is about. */
  readonly sourced?: SourcedObject
  readonly object?: string
  readonly path?: ObjectPath
}

interface Kept {
  readonly draft: FindingDraft
  finding: Finding | undefined
  /** Where the object started when `finding` was made. */
  at: Place | undefined
}

/** Collects the drafts of one translation step. */
export class Report {
  readonly drafts: FindingDraft[] = []

  add(
    code: FindingCode,
    severity: Finding['severity'],
    sourced: SourcedObject,
    path: ObjectPath,
    message: string,
    hint?: string,
  ): void {
    this.drafts.push({
      code,
      severity,
      sourced,
      path,
      message: bounded(message),
      ...(hint === undefined ? {} : { hint: bounded(hint) }),
    })
  }
}

/** Objects may hold values of any length; what is said about one goes into logs and terminals. */
export function bounded(text: string, maxLength = MAX_MESSAGE): string {
  if (text.length <= maxLength) return text
  // The end says what becomes of it.
  const tail = Math.min(200, maxLength >> 1)
  return `${text.slice(0, maxLength - tail)}…${text.slice(-tail)}`
}

/** All findings, by owner. */
export class FindingBook {
  readonly #owners = new Map<string, Kept[]>()
  #list: readonly Finding[] = []
  #isStale = false
  /** Places move without a change of the book. */
  #hasPlaces = false

  /** Replaces what `owner` had. */
  set(owner: string, drafts: readonly FindingDraft[]): void {
    if (drafts.length === 0) this.remove(owner)
    else {
      this.#owners.set(owner, drafts.map(keep))
      this.#isStale = true
    }
  }

  remove(owner: string): void {
    if (this.#owners.delete(owner)) this.#isStale = true
  }

  /** The whole list, in order of the owners' first finding; the same array while nothing in it can have changed. */
  list(): readonly Finding[] {
    if (!this.#isStale && !this.#hasPlaces) return this.#list
    const all: Finding[] = []
    let lookups = 0
    this.#isStale = false
    this.#hasPlaces = false
    for (const kept of this.#owners.values()) {
      for (const one of kept) {
        const at = one.draft.sourced?.place
        if (one.finding === undefined || !isSamePlace(one.at, at)) {
          const mayLookUp = one.draft.path !== undefined && one.draft.path.length > 0 && lookups < MAX_LOOKUPS
          if (mayLookUp) lookups++
          one.finding = resolve(one.draft, mayLookUp)
          one.at = at
        }
        if (at !== undefined) this.#hasPlaces = true
        all.push(one.finding)
      }
    }
    this.#list = all
    return all
  }
}

function keep(draft: FindingDraft): Kept {
  return { draft, finding: undefined, at: undefined }
}

function resolve(draft: FindingDraft, isExact: boolean): Finding {
  const { code, severity, message, hint, sourced, path } = draft
  const place = sourced === undefined ? undefined : isExact ? sourced.placeOf(path ?? []) : sourced.place
  const field = place === undefined && path !== undefined && path.length > 0 ? pathText(path) : undefined
  return {
    code,
    severity,
    object: draft.object ?? (sourced === undefined ? '' : objectLabel(sourced.object)),
    ...(place === undefined ? {} : { place }),
    ...(field === undefined ? {} : { field }),
    message,
    ...(hint === undefined ? {} : { hint }),
  }
}

function isSamePlace(a: Place | undefined, b: Place | undefined): boolean {
  if (a === b) return true
  return a !== undefined && b !== undefined && a.line === b.line && a.column === b.column && a.file === b.file
}
