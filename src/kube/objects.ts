/**
 * Kubernetes objects as the client knows them: metadata, and the few kinds it writes itself (Lease, Event). What a
 * provider reads is typed where it is read. A resource version is opaque: compared for equality at most.
 */

export interface ObjectMeta {
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly generation?: number
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

export interface KubeObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: ObjectMeta
}

/** An object with the sub-resource `status`. */
export interface ObjectWithStatus extends KubeObject {
  readonly status?: unknown
}

export interface KubeList<T> {
  readonly items: readonly T[]
  /** Of the list as a whole: where a watch goes on from. */
  readonly resourceVersion: string
  /** Token of the next page; `''`: this was the last. */
  readonly continueToken: string
}

/** `namespace/name`, or `name` of a cluster-scoped object. */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`
}

/** coordination.k8s.io/v1. Times are RFC 3339 with microseconds. */
export interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string
    readonly leaseDurationSeconds?: number
    readonly acquireTime?: string
    readonly renewTime?: string
    readonly leaseTransitions?: number
  }
}

/** What an event or an error is about. */
export interface ObjectReference {
  readonly apiVersion?: string
  readonly kind?: string
  readonly namespace?: string
  readonly name?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly fieldPath?: string
}

/** events.k8s.io/v1, as far as the client writes it. */
export interface EventObject extends KubeObject {
  readonly eventTime: string
  readonly reportingController: string
  readonly reportingInstance: string
  readonly action: string
  readonly reason: string
  readonly type: 'Normal' | 'Warning'
  readonly regarding: ObjectReference
  readonly note: string
  readonly series?: { readonly count: number; readonly lastObservedTime: string }
}

/** MicroTime of meta/v1: RFC 3339 with six digits behind the second. */
export function microTime(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, -1)}000Z`
}
