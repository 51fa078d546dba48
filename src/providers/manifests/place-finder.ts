/**
 * Finds line and column of a value in an object long after it was read, by reading and parsing its document again.
 * Keeps the last few files and documents for the rest of the loop's turn: findings come in crowds.
 */
import { splitDocuments } from '#config/yaml/documents.ts'
import type { DocumentText } from '#config/yaml/documents.ts'
import { LocatedYaml } from '#config/yaml/parse.ts'
import { LineIndex } from '#config/yaml/spans.ts'
import type { ObjectPath } from '#providers/kubernetes/objects.ts'
import { readFileText } from './file-text.ts'
import type { ManifestDocument, ObjectLocator } from './manifest-object.ts'
import { documentHash } from './store.ts'

interface LocatedDocument {
  readonly yaml: LocatedYaml
  readonly lines: LineIndex
  readonly line: number
}

export class PlaceFinder implements ObjectLocator {
  #file: { readonly path: string; readonly documents: readonly DocumentText[] } | undefined
  #located: { readonly document: ManifestDocument; readonly found: LocatedDocument | undefined } | undefined
  #isClearing = false

  locate(document: ManifestDocument, path: ObjectPath): { line: number; column: number } | undefined {
    this.#clearLater()
    if (this.#located?.document !== document) {
      this.#located = { document, found: this.#open(document) }
    }
    const { found } = this.#located
    if (found === undefined) return undefined
    const { line, column } = found.lines.position(found.yaml.span(path).key)
    return { line: found.line + line - 1, column }
  }

  #open(document: ManifestDocument): LocatedDocument | undefined {
    if (this.#file?.path !== document.file) {
      const read = readFileText(document.file)
      if (read.kind !== 'text') return undefined
      this.#file = { path: document.file, documents: splitDocuments(read.text) }
    }
    const { documents } = this.#file
    // Where it was when last read, else anywhere: other documents may have come or gone since.
    const expected = documents[document.index]
    const part =
      expected !== undefined && documentHash(expected.text) === document.hash
        ? expected
        : documents.find((candidate) => documentHash(candidate.text) === document.hash)
    if (part === undefined) return undefined
    return { yaml: new LocatedYaml(part.text), lines: new LineIndex(part.text), line: part.line }
  }

  #clearLater(): void {
    if (this.#isClearing) return
    this.#isClearing = true
    setImmediate(() => {
      this.#isClearing = false
      this.#file = undefined
      this.#located = undefined
    })
  }
}
