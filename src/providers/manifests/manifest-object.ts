/**
 * What the store keeps: files, their documents, and the objects in them. A document is shared by all versions of its
 * file that contain it unchanged; only its line moves. Nothing here holds text: places inside an object are found by
 * reading the file again.
 */
import type { Place } from '#config/model/finding.ts'
import type { KubeObject, ObjectPath, SourcedObject, SupportedKind } from '#providers/kubernetes/objects.ts'
import type { DocumentFinding, ReadObject } from './read-document.ts'

/** Finds places again; see `place-finder.ts`. */
export interface ObjectLocator {
  /** Undefined when the document is not in the file any more. */
  locate(document: ManifestDocument, path: ObjectPath): { line: number; column: number } | undefined
}

export class ManifestDocument {
  readonly file: string
  /** Of its text. */
  readonly hash: string
  /** Position among the file's documents, and the line its text begins on, from 1: as the file is now. */
  index = 0
  line = 1
  /** In order; those kept from an earlier version of a broken document come last. */
  objects: readonly ManifestObject[] = []
  /** What stands in for objects of which no good version is known; in `objects` where it does. */
  closedObjects: readonly ManifestObject[] = []
  brokenKeys: readonly string[] = []
  findings: readonly DocumentFinding[] = []
  unknownKinds: readonly string[] = []
  isBroken = false

  constructor(file: string, hash: string) {
    this.file = file
    this.hash = hash
  }
}

/** Stays the same JavaScript object as long as its content does, through edits around it: consumers hold on to it. */
export class ManifestObject implements SourcedObject {
  readonly key: string
  readonly object: KubeObject
  readonly digest: string
  readonly closed: string | undefined
  /** The document in its place is broken: this is the last good version. */
  isKept = false
  /** The document that the object was read from, where in it (of a list's item `['items', 3]`), and its position. */
  #document: ManifestDocument
  #path: ObjectPath
  #line: number
  #column: number
  readonly #locator: ObjectLocator

  constructor(read: ReadObject, document: ManifestDocument, locator: ObjectLocator) {
    this.key = read.key
    this.object = read.object
    this.digest = read.digest
    this.closed = read.closed
    this.#document = document
    this.#path = read.path
    this.#line = read.line
    this.#column = read.column
    this.#locator = locator
  }

  get kind(): SupportedKind {
    return this.object.kind
  }

  get document(): ManifestDocument {
    return this.#document
  }

  get path(): ObjectPath {
    return this.#path
  }

  get place(): Place {
    return { file: this.#document.file, line: this.#document.line + this.#line - 1, column: this.#column }
  }

  placeOf(path: ObjectPath): Place {
    const found = this.#locator.locate(this.#document, [...this.#path, ...path])
    return found === undefined ? this.place : { file: this.#document.file, ...found }
  }

  /** Was read again, with the same content, from a new version of its document. */
  moveTo(read: ReadObject, document: ManifestDocument): void {
    this.isKept = false
    this.#document = document
    this.#path = read.path
    this.#line = read.line
    this.#column = read.column
  }
}
