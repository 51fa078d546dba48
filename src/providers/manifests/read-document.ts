/**
 * One document of a manifest file to objects and findings. Pure: the same text gives the same result wherever it
 * stands, so lines here count from the start of the document, and unchanged documents need not be read again. Lists
 * (`List`, `IngressList`, what `kubectl get -o yaml` prints) are taken apart; each item stands or falls alone.
 */
import { hash } from 'node:crypto'
import type { Finding } from '#config/model/finding.ts'
import { LocatedYaml, parseYaml } from '#config/yaml/parse.ts'
import { LineIndex } from '#config/yaml/spans.ts'
import type { SpanTable } from '#config/yaml/spans.ts'
import { objectKey } from '#providers/kubernetes/objects.ts'
import type { KubeObject, ObjectPath, SupportedKind } from '#providers/kubernetes/objects.ts'
import { ShapeReader, isMapping, typeName } from '#providers/kubernetes/shape-reader.ts'
import type { ShapeProblem } from '#providers/kubernetes/shape-reader.ts'
import { KIND_SHAPES, groupOf } from '#providers/kubernetes/shapes.ts'
import type { KindShapes } from '#providers/kubernetes/shapes.ts'
import type { FindingCode } from './finding-codes.ts'

/** A finding whose line counts from the document's first, 1. */
export interface DocumentFinding extends Omit<Finding, 'object' | 'place'> {
  readonly code: FindingCode
  /** Undefined: the file. */
  readonly object: string | undefined
  readonly line: number
  readonly column: number
}

export interface ReadObject {
  readonly key: string
  readonly object: KubeObject
  /** Of the content; equal digests mean equal objects. */
  readonly digest: string
  /** Where it stands in the document: empty, or `['items', 3]`. */
  readonly path: ObjectPath
  /** Line from the document's first, 1. */
  readonly line: number
  readonly column: number
  /** Why nobody may be let in by it: a part that may restrict access cannot be read. Undefined: it is whole. */
  readonly closed: string | undefined
}

export interface ReadDocument {
  readonly objects: readonly ReadObject[]
  /** Ingresses of `brokenKeys` of which all but annotations can be read: for want of a better version. */
  readonly closedObjects: readonly ReadObject[]
  /** Keys of objects that are there but wrong. */
  readonly brokenKeys: readonly string[]
  /** Nothing, or not everything, can be said about what is in it. */
  readonly isBroken: boolean
  readonly findings: readonly DocumentFinding[]
  /** `apps/v1 Deployment`, once for each object. */
  readonly unknownKinds: readonly string[]
}

/** Findings of one kind that are told for one object. */
const MAX_PROBLEMS_PER_OBJECT = 20

export function readDocument(text: string): ReadDocument {
  return new DocumentReader(text).read()
}

/** What is known about an item of a typed list, which need not repeat it. */
interface ListContext {
  readonly apiVersion: unknown
  readonly kind: string
}

class DocumentReader {
  readonly #text: string
  readonly #objects: ReadObject[] = []
  readonly #closedObjects: ReadObject[] = []
  readonly #brokenKeys: string[] = []
  readonly #findings: DocumentFinding[] = []
  readonly #unknownKinds: string[] = []
  #isBroken = false
  #start = 0
  /** Places of the root's members and of the items of a list. */
  readonly #spans: SpanTable = new Map()
  #root: unknown = null
  #lines: LineIndex | undefined
  #located: LocatedYaml | undefined

  constructor(text: string) {
    this.#text = text
  }

  read(): ReadDocument {
    const parsed = parseYaml(this.#text, this.#spans, 2)
    this.#start = parsed.start
    this.#root = parsed.value
    if (parsed.problem !== undefined) {
      this.#isBroken = true
      this.#report('manifest-syntax', 'error', undefined, parsed.problem.message, parsed.problem.offset)
    } else if (parsed.value !== null) this.#item(parsed.value, [], undefined)
    return {
      objects: this.#objects,
      closedObjects: this.#closedObjects,
      brokenKeys: this.#brokenKeys,
      isBroken: this.#isBroken,
      findings: this.#findings,
      unknownKinds: this.#unknownKinds,
    }
  }

  #item(value: unknown, path: ObjectPath, list: ListContext | undefined): void {
    if (!isMapping(value)) {
      const message = `not a kubernetes object but ${typeName(value)}`
      this.#incomplete(message, 'write a mapping with apiVersion, kind and metadata', path)
      return
    }
    const kind = value['kind'] ?? list?.kind
    const apiVersion = value['apiVersion'] ?? list?.apiVersion
    if (typeof kind !== 'string' || kind === '') {
      const isMissing = kind === undefined || kind === null || kind === ''
      const message = isMissing ? 'kind is missing' : `kind must be a string, is ${typeName(kind)}`
      this.#incomplete(message, undefined, isMissing ? path : [...path, 'kind'])
      return
    }
    if (kind.endsWith('List') && (value['items'] !== undefined || kind === 'List')) {
      this.#list(value, path, kind, apiVersion)
      return
    }
    if (typeof apiVersion !== 'string' || apiVersion === '') {
      this.#incomplete(`apiVersion of a ${kind} is missing or not a string`, undefined, path)
      return
    }
    const shapes = KIND_SHAPES.get(kind)
    if (shapes === undefined || !shapes.groups.includes(groupOf(apiVersion))) {
      this.#unknownKinds.push(`${apiVersion} ${kind}`)
    } else this.#object(shapes, apiVersion, value, path)
  }

  #list(value: Record<string, unknown>, path: ObjectPath, kind: string, apiVersion: unknown): void {
    const items = value['items']
    if (items === null || items === undefined) return
    if (!Array.isArray(items)) {
      this.#incomplete(`items of a ${kind} must be a list, is ${typeName(items)}`, undefined, [
        ...path,
        'items',
      ])
      return
    }
    const context = kind === 'List' ? undefined : { kind: kind.slice(0, -4), apiVersion }
    for (const [index, item] of items.entries()) this.#item(item, [...path, 'items', index], context)
  }

  #object(shapes: KindShapes, apiVersion: string, value: Record<string, unknown>, path: ObjectPath): void {
    const { kind } = shapes
    const identity = this.#identity(shapes, value, path)
    if (identity === undefined) return
    const { key, label, namespace } = identity
    const shape = shapes.versions.get(apiVersion)
    if (shape === undefined) {
      const message = `apiVersion ${apiVersion} of ${kind} is not known; the object is not read`
      const hint = `known: ${[...shapes.versions.keys()].join(', ')}`
      this.#report('manifest-version', 'warning', label, message, this.#offset([...path, 'apiVersion']), hint)
      this.#brokenKeys.push(key)
      return
    }
    const reader = new ShapeReader((inner) => this.#locate().source([...path, ...inner]))
    const read = reader.read(shape, value) as Record<string, unknown>
    for (const problem of reader.problems.slice(0, MAX_PROBLEMS_PER_OBJECT))
      this.#shapeProblem(problem, label, path)
    const wrong = reader.problems.filter(({ kind: what }) => what === 'field' || what === 'base64')
    let closed: string | undefined
    if (wrong.length > 0) {
      this.#brokenKeys.push(key)
      if (kind !== 'Ingress' || !wrong.every(isInAnnotations)) return
      closed = wrong[0]?.message
    }
    // Items of typed lists have neither.
    read['apiVersion'] = apiVersion
    read['kind'] = kind
    const metadata = read['metadata'] as Record<string, unknown>
    if (namespace === undefined) delete metadata['namespace']
    else metadata['namespace'] = namespace
    if (kind === 'Secret') foldStringData(read)
    // The copy lets go of the file's text, which the parser's strings are slices of.
    const json = JSON.stringify(read)
    const object = JSON.parse(json) as KubeObject
    const position = this.#position(this.#offset(path))
    const digest = hash('sha256', `${closed ?? ''}${json}`, 'base64')
    const list = closed === undefined ? this.#objects : this.#closedObjects
    list.push({ key, object, digest, path, closed, ...position })
  }

  /** Undefined, and told, where the object cannot be named. */
  #identity(
    shapes: KindShapes,
    value: Record<string, unknown>,
    path: ObjectPath,
  ): { key: string; label: string; namespace: string | undefined } | undefined {
    const metadata = value['metadata']
    const { name, namespace } = isMapping(metadata) ? metadata : { name: undefined, namespace: undefined }
    if (typeof name !== 'string' || name === '' || name.includes('/')) {
      this.#nameless(shapes.kind, metadata, name, path)
      return undefined
    }
    if (!shapes.isNamespaced) {
      const key = objectKey(shapes.kind, undefined, name)
      return { key, label: `${shapes.kind} ${name}`, namespace: undefined }
    }
    if (
      namespace !== undefined &&
      namespace !== null &&
      (typeof namespace !== 'string' || namespace.includes('/'))
    ) {
      const message = `metadata.namespace of ${shapes.kind} ${name} must be a name, is ${typeName(namespace)}`
      this.#incomplete(message, undefined, [...path, 'metadata', 'namespace'])
      return undefined
    }
    const space = typeof namespace === 'string' && namespace !== '' ? namespace : 'default'
    return {
      key: objectKey(shapes.kind, space, name),
      label: `${shapes.kind} ${space}/${name}`,
      namespace: space,
    }
  }

  #nameless(kind: SupportedKind, metadata: unknown, name: unknown, path: ObjectPath): void {
    const at = [...path, 'metadata', 'name']
    if (isMapping(metadata) && metadata['generateName'] !== undefined && name === undefined) {
      const message = `${kind} has metadata.generateName, which only an API server turns into a name`
      this.#incomplete(message, 'give it a metadata.name', [...path, 'metadata', 'generateName'])
    } else if (name === undefined || name === null || name === '') {
      this.#incomplete(`metadata.name of a ${kind} is missing`, undefined, at)
    } else if (typeof name === 'string')
      this.#incomplete(`metadata.name of a ${kind} has a slash`, undefined, at)
    else {
      const message = `metadata.name of a ${kind} must be a string, is ${typeName(name)}`
      const written = typeof name === 'object' ? undefined : this.#locate().source(at)
      this.#incomplete(message, written === undefined ? undefined : `quote it: "${written}"`, at)
    }
  }

  #shapeProblem(problem: ShapeProblem, label: string, path: ObjectPath): void {
    const severity = problem.kind === 'field' || problem.kind === 'base64' ? 'error' : 'warning'
    const offset = this.#offset([...path, ...problem.path])
    this.#report(`manifest-${problem.kind}`, severity, label, problem.message, offset, problem.hint)
  }

  #incomplete(message: string, hint: string | undefined, path: ObjectPath): void {
    this.#isBroken = true
    this.#report('manifest-incomplete', 'error', undefined, message, this.#offset(path), hint)
  }

  #report(
    code: FindingCode,
    severity: Finding['severity'],
    object: string | undefined,
    message: string,
    offset: number,
    hint?: string,
  ): void {
    const position = this.#position(offset)
    this.#findings.push({
      code,
      severity,
      object,
      message,
      ...position,
      ...(hint === undefined ? {} : { hint }),
    })
  }

  /** Offset of the key or item at `path`; the table of the first parse knows the first two levels. */
  #offset(path: ObjectPath): number {
    if (path.length === 0) return this.#start
    if (path.length <= 2) {
      const parent =
        path.length === 1 ? this.#root : (this.#root as Record<number | string, unknown>)[path[0]!]
      const span = isObject(parent) ? this.#spans.get(parent)?.get(path.at(-1)!) : undefined
      if (span !== undefined) return span.key
    }
    return this.#locate().span(path).key
  }

  #position(offset: number): { line: number; column: number } {
    // Most documents hold one object that begins on the first line.
    if (offset === 0) return { line: 1, column: 1 }
    this.#lines ??= new LineIndex(this.#text)
    return this.#lines.position(offset)
  }

  #locate(): LocatedYaml {
    this.#located ??= new LocatedYaml(this.#text)
    return this.#located
  }
}

function isInAnnotations({ path }: ShapeProblem): boolean {
  return path[0] === 'metadata' && path[1] === 'annotations'
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** As the API server does on writing; `stringData` wins. */
function foldStringData(secret: Record<string, unknown>): void {
  const texts = secret['stringData'] as Record<string, string> | undefined
  if (texts === undefined) return
  const data = { ...(secret['data'] as Record<string, string> | undefined) }
  for (const [name, text] of Object.entries(texts)) data[name] = Buffer.from(text).toString('base64')
  delete secret['stringData']
  secret['data'] = data
}
