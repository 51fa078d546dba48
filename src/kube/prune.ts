/**
 * Drops what nobody reads from an object that was just parsed, before it is held: with server-side apply the managed
 * fields are often larger than the object, and kubectl keeps a copy of the whole object in an annotation.
 */
import type { KubeObject } from './objects.ts'

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

interface MutableMeta {
  managedFields?: unknown
  selfLink?: unknown
  annotations?: Record<string, string>
}

/** Changes `object` in place. */
export function dropBookkeeping(object: KubeObject): void {
  const metadata = object.metadata as MutableMeta
  delete metadata.managedFields
  delete metadata.selfLink
  const { annotations } = metadata
  if (annotations === undefined || !Object.hasOwn(annotations, LAST_APPLIED)) return
  delete annotations[LAST_APPLIED]
  if (Object.keys(annotations).length === 0) delete metadata.annotations
}
