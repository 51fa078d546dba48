/**
 * What stays in force of a document that is broken: which documents of the file's previous version it stands for.
 * A document whose text did not change is itself. Between two such ones, a broken document stands for the old
 * documents whose objects' names its text mentions (so an edit that joins two documents by losing a `---` keeps both),
 * and when it mentions none, for the first that is left. When the file's last document is broken the file may be cut
 * off, so what followed stays too. Everything else that is gone was deleted on purpose.
 */
import type { ManifestDocument, ManifestObject } from './manifest-object.ts'

/** One document of the file's new version. */
export interface NewDocument {
  readonly document: ManifestDocument
  readonly text: string
}

/**
 * @param before documents of the previous version, in order
 * @param after documents of the new one, in order; unchanged ones are the same JavaScript objects
 * @returns for each broken new document the objects that stay, which are marked as kept
 */
export function keepLastGood(
  before: readonly ManifestDocument[],
  after: readonly NewDocument[],
): Map<ManifestDocument, ManifestObject[]> {
  const kept = new Map<ManifestDocument, ManifestObject[]>()
  const known = new Set(before)
  const isNewlyBad = (entry: NewDocument): boolean =>
    !known.has(entry.document) && (entry.document.isBroken || entry.document.brokenKeys.length > 0)
  if (!after.some(isNewlyBad)) return kept

  const gone = goneObjects(before, after)
  const take = (document: ManifestDocument, objects: Iterable<ManifestObject>): void => {
    const list = kept.get(document) ?? []
    for (const object of objects) {
      if (!gone.delete(object.key)) continue
      object.isKept = true
      list.push(object)
    }
    if (list.length > 0) kept.set(document, list)
  }
  const objectsOf = (document: ManifestDocument): ManifestObject[] =>
    document.objects.filter((object) => gone.has(object.key))

  // Objects that can be named but not read.
  for (const { document } of after) {
    if (known.has(document)) continue
    take(
      document,
      document.brokenKeys.flatMap((key) => gone.get(key) ?? []),
    )
  }
  for (const gap of gaps(before, after)) {
    const broken = gap.after.filter((entry) => isNewlyBad(entry) && entry.document.isBroken)
    for (const { document, text } of broken) {
      const mentioned = gap.before.flatMap(objectsOf).filter((object) => mentions(text, object))
      take(document, mentioned)
    }
    for (const { document } of broken) {
      if (kept.has(document)) continue
      const next = gap.before.find((old) => objectsOf(old).length > 0)
      if (next !== undefined) take(document, objectsOf(next))
    }
    const last = broken.at(-1)
    if (last !== undefined && last === after.at(-1)) {
      const partner = kept.get(last.document)?.[0]?.document
      const from =
        partner === undefined
          ? -1
          : gap.before.findIndex((old) => old.objects.some((object) => object.document === partner))
      take(last.document, gap.before.slice(Math.max(from, 0)).flatMap(objectsOf))
    }
  }
  return kept
}

/** Objects of the previous version that no readable object of the new one replaces, by key. */
function goneObjects(
  before: readonly ManifestDocument[],
  after: readonly NewDocument[],
): Map<string, ManifestObject> {
  const gone = new Map<string, ManifestObject>()
  for (const document of before) for (const object of document.objects) gone.set(object.key, object)
  for (const { document } of after) for (const object of document.objects) gone.delete(object.key)
  return gone
}

interface Gap {
  readonly before: ManifestDocument[]
  readonly after: NewDocument[]
}

/** What lies between documents that are unchanged and in the same order on both sides. */
function* gaps(before: readonly ManifestDocument[], after: readonly NewDocument[]): Generator<Gap> {
  const oldPositions = new Map(before.map((document, index) => [document, index]))
  let oldStart = 0
  let gap: NewDocument[] = []
  for (const entry of after) {
    const position = oldPositions.get(entry.document)
    if (position === undefined || position < oldStart) {
      gap.push(entry)
      continue
    }
    yield { before: before.slice(oldStart, position), after: gap }
    oldStart = position + 1
    gap = []
  }
  yield { before: before.slice(oldStart), after: gap }
}

/** The object's name stands in the text as a word of its own. */
function mentions(text: string, object: ManifestObject): boolean {
  const { name } = object.object.metadata
  for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + 1)) {
    if (!isNameCharacter(text.charAt(at - 1)) && !isNameCharacter(text.charAt(at + name.length))) return true
  }
  return false
}

function isNameCharacter(character: string): boolean {
  return /^[\w.-]$/.test(character)
}
