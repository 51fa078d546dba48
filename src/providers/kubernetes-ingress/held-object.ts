/**
 * Objects of the cluster as they are held: only the fields that something reads (by the shapes of the translation),
 * strings that repeat from object to object once, and parts that an update did not change shared with the version
 * before. An update that changed none of them need not be translated. Called by the informers for each object that comes.
 */
import { isDeepStrictEqual } from 'node:util'
import type { ObjectMeta as KubeMeta } from '#kube/objects.ts'
import {
  objectKey,
  type EndpointSliceObject,
  type KubeObject,
  type ObjectMeta,
  type ObjectPath,
  type SliceEndpoint,
  type SourcedObject,
  type SupportedKind,
} from '#providers/kubernetes/objects.ts'
import { ShapeReader, type ShapeProblem } from '#providers/kubernetes/shape-reader.ts'
import { KIND_SHAPES, type FieldsShape } from '#providers/kubernetes/shapes.ts'

/** What a store holds: an object of the translation with what the API adds. */
export interface HeldObject {
  readonly apiVersion: string
  readonly kind: SupportedKind
  readonly metadata: ObjectMeta & { readonly uid?: string; readonly resourceVersion?: string }
  /** Ingress only: `loadBalancer`. */
  readonly status?: unknown
}

/** An Ingress, Service… of the cluster for the translation: it is in no file. */
export class ClusterObject implements SourcedObject {
  readonly key: string
  readonly kind: SupportedKind
  readonly object: KubeObject
  readonly place = undefined

  constructor(held: HeldObject) {
    this.kind = held.kind
    this.object = held as unknown as KubeObject
    this.key = keyOfHeld(held)
  }

  placeOf(_path: ObjectPath): undefined {
    return undefined
  }
}

/** `Kind/namespace/name`. */
export function keyOfHeld({ kind, metadata }: HeldObject): string {
  return objectKey(kind, metadata.namespace, metadata.name)
}

interface GivenObject {
  readonly metadata: KubeMeta
  readonly status?: unknown
}

export type ReadResult =
  | { readonly held: HeldObject; readonly problem?: undefined }
  | { readonly held?: undefined; readonly problem: ShapeProblem }

/** Labels that are read, by kind; of other kinds none is. */
const LABELS: Partial<Record<SupportedKind, string>> = { EndpointSlice: 'kubernetes.io/service-name' }
/** Kinds whose annotations mean something. An EndpointSlice has one that changes each time. */
const ANNOTATED: ReadonlySet<SupportedKind> = new Set(['Ingress', 'IngressClass', 'Service'])

/** Bound of the table of strings; beyond it strings are held as they come. */
const MAX_STRINGS = 100_000
const MAX_HINTS = 1000

type Conditions = NonNullable<SliceEndpoint['conditions']>
type Hints = NonNullable<SliceEndpoint['hints']>

interface MutableHeld {
  apiVersion: string
  kind: SupportedKind
  metadata: Record<string, unknown>
  status?: unknown
  [field: string]: unknown
}

export class ObjectReader {
  readonly #kind: SupportedKind
  readonly #apiVersion: string
  readonly #shape: FieldsShape
  readonly #strings: Map<string, string>
  readonly #conditions = new Map<number, Conditions>()
  readonly #hints = new Map<string, Hints>()

  /** `strings`: the table of repeated ones, shared by all readers of a source. Throws for a kind that has no shape. */
  constructor(kind: SupportedKind, apiVersion: string, strings: Map<string, string>) {
    this.#kind = kind
    this.#apiVersion = apiVersion
    this.#strings = strings
    const shape = KIND_SHAPES.get(kind)?.versions.get(apiVersion)
    if (shape === undefined) throw new TypeError(`${apiVersion} ${kind} has no shape`)
    this.#shape = shape
  }

  /** `before`: the version held now. */
  read(object: GivenObject, before: HeldObject | undefined): ReadResult {
    const reader = new ShapeReader(() => undefined)
    const held = reader.read(this.#shape, object) as MutableHeld
    const problem = reader.problems.find(({ kind }) => kind === 'field' || kind === 'base64')
    if (problem !== undefined) return { problem }
    held.apiVersion = this.#apiVersion
    held.kind = this.#kind
    this.#trimMetadata(held.metadata, object.metadata)
    if (this.#kind === 'EndpointSlice') this.#shareInSlice(held as unknown as EndpointSliceObject)
    if (this.#kind === 'Ingress') keepStatus(held, object)
    if (before !== undefined) shareWith(before as unknown as MutableHeld, held)
    return { held: held as unknown as HeldObject }
  }

  #trimMetadata(metadata: Record<string, unknown>, given: KubeMeta): void {
    metadata['resourceVersion'] = given.resourceVersion
    if (given.namespace !== undefined) metadata['namespace'] = this.#once(given.namespace)
    const label = LABELS[this.#kind]
    const value = label === undefined ? undefined : given.labels?.[label]
    if (label === undefined || value === undefined) delete metadata['labels']
    else metadata['labels'] = { [label]: value }
    if (!ANNOTATED.has(this.#kind)) delete metadata['annotations']
  }

  #shareInSlice(slice: EndpointSliceObject): void {
    for (const endpoint of slice.endpoints ?? []) {
      const mutable = endpoint as { -readonly [Field in keyof SliceEndpoint]: SliceEndpoint[Field] }
      if (mutable.nodeName !== undefined) mutable.nodeName = this.#once(mutable.nodeName)
      if (mutable.zone !== undefined) mutable.zone = this.#once(mutable.zone)
      if (mutable.conditions !== undefined) mutable.conditions = this.#oneOf(mutable.conditions)
      if (mutable.hints !== undefined) mutable.hints = this.#hintsLike(mutable.hints)
    }
  }

  /** There are few different sets of conditions, and one is held per endpoint. */
  #oneOf(conditions: Conditions): Conditions {
    const { ready, serving, terminating } = conditions
    const key = state(ready) * 9 + state(serving) * 3 + state(terminating)
    const known = this.#conditions.get(key)
    if (known !== undefined) return known
    this.#conditions.set(key, conditions)
    return conditions
  }

  /** The same zone is hinted for many endpoints. */
  #hintsLike(hints: Hints): Hints {
    const key = JSON.stringify(hints)
    const known = this.#hints.get(key)
    if (known !== undefined) return known
    if (this.#hints.size < MAX_HINTS) this.#hints.set(key, hints)
    return hints
  }

  #once(text: string): string {
    const known = this.#strings.get(text)
    if (known !== undefined) return known
    if (this.#strings.size < MAX_STRINGS) this.#strings.set(text, text)
    return text
  }
}

function state(condition: boolean | undefined): number {
  return condition === undefined ? 0 : condition ? 1 : 2
}

/** What whoever writes the status compares with. */
function keepStatus(held: MutableHeld, { status }: GivenObject): void {
  if (typeof status !== 'object' || status === null || !('loadBalancer' in status)) return
  held.status = { loadBalancer: status.loadBalancer }
}

/** Equal parts become those of the version before. */
function shareWith(before: MutableHeld, after: MutableHeld): void {
  for (const field of Object.keys(after)) {
    if (field === 'metadata') continue
    if (after[field] !== before[field] && isDeepStrictEqual(after[field], before[field]))
      after[field] = before[field]
  }
  for (const field of ['annotations', 'labels']) {
    if (isDeepStrictEqual(after.metadata[field], before.metadata[field]) && field in after.metadata)
      after.metadata[field] = before.metadata[field]
  }
}

/** Whether the translation reads the same from both: `after` was read with `before` at hand. */
export function meansTheSame(before: HeldObject, after: HeldObject): boolean {
  const one = before as unknown as MutableHeld
  const other = after as unknown as MutableHeld
  for (const field of Object.keys(other)) {
    if (field !== 'metadata' && field !== 'status' && other[field] !== one[field]) return false
  }
  for (const field of Object.keys(one)) {
    if (field !== 'status' && !(field in other)) return false
  }
  return ['annotations', 'labels', 'creationTimestamp', 'uid'].every(
    (field) => other.metadata[field] === one.metadata[field],
  )
}
