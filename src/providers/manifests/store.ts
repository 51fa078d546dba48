/**
 * All manifests that were read, as objects: knows which document of which file an object comes from, which of several
 * that claim one key counts, and what a new version of a file changes. Pure bookkeeping, no I/O. Only documents whose
 * text changed are read again. Order between files is that of their paths compared by UTF-16 unit; the first document
 * that has an object wins, later ones are told; what is kept from a broken document wins only where nobody else has it.
 */
import { hash } from 'node:crypto'
import type { Finding } from '#config/model/finding.ts'
import { splitDocuments } from '#config/yaml/documents.ts'
import type { ObjectChange, SourcedObject } from '#providers/kubernetes/objects.ts'
import { objectLabel } from '#providers/kubernetes/objects.ts'
import type { FindingCode } from './finding-codes.ts'
import { keepLastGood } from './last-good.ts'
import type { NewDocument } from './last-good.ts'
import { ManifestDocument, ManifestObject } from './manifest-object.ts'
import type { ObjectLocator } from './manifest-object.ts'
import { readDocument } from './read-document.ts'
import type { ReadObject } from './read-document.ts'

/** Identity of a document's text. */
export function documentHash(text: string): string {
  return hash('sha256', text, 'base64')
}

export class ManifestStore {
  readonly #locator: ObjectLocator
  readonly #files = new Map<string, readonly ManifestDocument[]>()
  /** Digests of the files' texts. */
  readonly #versions = new Map<string, string>()
  /** Those that claim a key; the first one counts. One object, or several in order. */
  readonly #claims = new Map<string, ManifestObject | ManifestObject[]>()
  /** Keys with several claims. */
  readonly #contested = new Set<string>()
  /** What was last handed out, by key, while a change is collected: undefined for keys that were not there. */
  #touched = new Map<string, ManifestObject | undefined>()
  readonly #filesWithFindings = new Set<string>()
  readonly #unknownKinds = new Map<string, Map<ManifestDocument, number>>()

  constructor(locator: ObjectLocator) {
    this.#locator = locator
  }

  get size(): number {
    return this.#claims.size
  }

  /** Takes in a version of a file. `text` has `\n` line ends. False: it is the version that is known. */
  update(file: string, text: string): boolean {
    const digest = documentHash(text)
    if (this.#versions.get(file) === digest) return false
    this.#versions.set(file, digest)
    const before = this.#files.get(file) ?? []
    const after = this.#readChanged(file, text, before)
    const kept = keepLastGood(before, after)
    const known = new Set(before)
    const documents = after.map((entry) => entry.document)
    const present = new Set(documents)
    for (const [document, objects] of kept) document.objects = [...document.objects, ...objects]
    for (const { document } of after) if (!known.has(document)) standIn(document)
    for (const document of before) if (!present.has(document)) this.#forget(document)
    for (const [index, document] of documents.entries()) document.index = index
    for (const document of documents) {
      if (!known.has(document)) this.#learn(document)
      else if (this.#contested.size > 0) this.#reorder(document)
    }
    if (documents.length === 0) this.#files.delete(file)
    else this.#files.set(file, documents)
    if (documents.some((document) => document.findings.length > 0)) this.#filesWithFindings.add(file)
    else this.#filesWithFindings.delete(file)
    return true
  }

  remove(file: string): void {
    this.#versions.delete(file)
    for (const document of this.#files.get(file) ?? []) this.#forget(document)
    this.#files.delete(file)
    this.#filesWithFindings.delete(file)
  }

  /** What changed since the last call. */
  takeChange(): ObjectChange {
    const set: SourcedObject[] = []
    const remove: string[] = []
    for (const [key, before] of this.#touched) {
      const now = this.#winner(key)
      if (now === undefined) {
        if (before !== undefined) remove.push(key)
      } else if (
        before === undefined ||
        before.digest !== now.digest ||
        before.document.file !== now.document.file
      ) {
        set.push(now)
      }
    }
    this.#touched = new Map()
    return { set, remove }
  }

  /** The whole list, with places as the files are now. */
  findings(): Finding[] {
    const findings: Finding[] = []
    for (const file of [...this.#filesWithFindings].sort()) {
      for (const document of this.#files.get(file) ?? []) appendFindings(findings, document)
    }
    for (const key of this.#contested) this.#appendDuplicates(findings, key)
    this.#appendUnknownKinds(findings)
    return findings
  }

  #readChanged(file: string, text: string, before: readonly ManifestDocument[]): NewDocument[] {
    const unchanged = new Map<string, ManifestDocument[]>()
    for (const document of before) push(unchanged, document.hash, document)
    const parts = splitDocuments(text).map((part) => {
      const digest = documentHash(part.text)
      return { part, digest, same: unchanged.get(digest)?.shift() }
    })
    // Objects of changed documents, to be recognised if they themselves did not change.
    const loose = new Map<string, ManifestObject[]>()
    for (const documents of unchanged.values()) {
      for (const document of documents) for (const object of document.objects) push(loose, object.key, object)
    }
    return parts.map(({ part, digest, same }) => {
      const document = same ?? this.#read(file, digest, part.text, loose)
      document.line = part.line
      return { document, text: part.text }
    })
  }

  #read(file: string, digest: string, text: string, loose: Map<string, ManifestObject[]>): ManifestDocument {
    const document = new ManifestDocument(file, digest)
    const read = readDocument(text)
    const recognise = (object: ReadObject): ManifestObject => {
      const candidates = loose.get(object.key)
      const at = candidates?.findIndex((candidate) => candidate.digest === object.digest) ?? -1
      if (candidates === undefined || at === -1) return new ManifestObject(object, document, this.#locator)
      const [known] = candidates.splice(at, 1)
      known!.moveTo(object, document)
      return known!
    }
    document.objects = read.objects.map(recognise)
    document.closedObjects = read.closedObjects.map(recognise)
    document.brokenKeys = read.brokenKeys
    document.findings = read.findings
    document.unknownKinds = read.unknownKinds
    document.isBroken = read.isBroken
    return document
  }

  #learn(document: ManifestDocument): void {
    for (const object of document.objects) this.#claim(object)
    for (const name of document.unknownKinds) {
      let counts = this.#unknownKinds.get(name)
      if (counts === undefined) this.#unknownKinds.set(name, (counts = new Map()))
      counts.set(document, (counts.get(document) ?? 0) + 1)
    }
  }

  #forget(document: ManifestDocument): void {
    for (const object of document.objects) this.#unclaim(object)
    for (const name of document.unknownKinds) {
      const counts = this.#unknownKinds.get(name)
      counts?.delete(document)
      if (counts?.size === 0) this.#unknownKinds.delete(name)
    }
  }

  /** After documents changed places. */
  #reorder(document: ManifestDocument): void {
    for (const { key } of document.objects) {
      const claims = this.#claims.get(key)
      if (!Array.isArray(claims)) continue
      this.#touch(key)
      claims.sort(compareClaims)
    }
  }

  #winner(key: string): ManifestObject | undefined {
    const claims = this.#claims.get(key)
    return Array.isArray(claims) ? claims[0] : claims
  }

  #touch(key: string): void {
    if (!this.#touched.has(key)) this.#touched.set(key, this.#winner(key))
  }

  #claim(object: ManifestObject): void {
    const { key } = object
    this.#touch(key)
    const claims = this.#claims.get(key)
    if (claims === undefined) this.#claims.set(key, object)
    else {
      const list = Array.isArray(claims) ? claims : [claims]
      list.push(object)
      list.sort(compareClaims)
      this.#claims.set(key, list)
      this.#contested.add(key)
    }
  }

  #unclaim(object: ManifestObject): void {
    const { key } = object
    this.#touch(key)
    const claims = this.#claims.get(key)
    if (claims === object) this.#claims.delete(key)
    else if (Array.isArray(claims)) {
      const list = claims.filter((claim) => claim !== object)
      if (list.length > 1) this.#claims.set(key, list)
      else {
        this.#contested.delete(key)
        if (list.length === 1) this.#claims.set(key, list[0]!)
        else this.#claims.delete(key)
      }
    }
  }

  #appendDuplicates(findings: Finding[], key: string): void {
    const claims = this.#claims.get(key)
    if (!Array.isArray(claims)) return
    const winner = claims[0]!
    for (const claim of claims) {
      if (claim === winner || claim.isKept) continue
      const { file, line } = winner.place
      findings.push({
        code: 'manifest-duplicate' satisfies FindingCode,
        severity: 'warning',
        object: objectLabel(claim.object),
        place: claim.place,
        message: `is already written at ${file}:${line}, which counts; this one is ignored`,
        hint: 'remove one of the two',
      })
    }
  }

  #appendUnknownKinds(findings: Finding[]): void {
    for (const [name, counts] of [...this.#unknownKinds].sort(([a], [b]) => (a < b ? -1 : 1))) {
      let count = 0
      for (const inDocument of counts.values()) count += inDocument
      const [first] = counts.keys()
      const { file, line } = first!
      findings.push({
        code: 'manifest-unknown-kind' satisfies FindingCode,
        severity: 'info',
        object: name,
        place: { file, line, column: 1 },
        message:
          count === 1 ? 'one object of this kind is not read' : `${count} objects of this kind are not read`,
      })
    }
  }
}

/** Where no good version of an Ingress was kept its paths are closed: without it others would answer them. */
function standIn(document: ManifestDocument): void {
  for (const closed of document.closedObjects) {
    const kept = document.objects.find((object) => object.key === closed.key)
    if (kept !== undefined && kept.closed === undefined) continue
    // Whoever has a good one wins.
    closed.isKept = true
    document.objects = [...document.objects.filter((object) => object !== kept), closed]
  }
}

function push<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

function appendFindings(findings: Finding[], document: ManifestDocument): void {
  for (const { object, line, column, ...finding } of document.findings) {
    const place = { file: document.file, line: document.line + line - 1, column }
    findings.push({ ...finding, object: object ?? document.file, place })
  }
}

function compareClaims(a: ManifestObject, b: ManifestObject): number {
  if (a.isKept !== b.isKept) return a.isKept ? 1 : -1
  if (a.document.file !== b.document.file) return a.document.file < b.document.file ? -1 : 1
  if (a.document !== b.document) return a.document.index - b.document.index
  return comparePaths(a, b)
}

/** Items of one list, by index; lists may be nested. */
function comparePaths(a: ManifestObject, b: ManifestObject): number {
  for (const [depth, member] of a.path.entries()) {
    const other = b.path[depth]
    if (member !== other && typeof member === 'number' && typeof other === 'number') return member - other
  }
  return 0
}
