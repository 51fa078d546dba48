/**
 * The ConfigMaps that the parameters of IngressClasses name (KEP-2365), each watched by itself, so that no right to read
 * other ConfigMaps is needed. Several classes may name one. Only classes that this controller serves count. Used by the
 * cluster source.
 */
import type { IngressClassObject } from '#providers/kubernetes/objects.ts'
import type { WatchedResource } from './watched-resource.ts'

export interface ParameterChange {
  /** What the parameters of the class come from now. */
  readonly watched: WatchedResource | undefined
  /** What nobody names any more, to be stopped. */
  readonly unused: WatchedResource | undefined
}

const NO_CHANGE: ParameterChange = { watched: undefined, unused: undefined }

export class ClassParameters {
  readonly #watch: (namespace: string, name: string) => WatchedResource
  readonly #isOurs: (ingressClass: IngressClassObject) => boolean
  /** By name of the class: key of its ConfigMap. */
  readonly #keys = new Map<string, string>()
  readonly #watched = new Map<string, WatchedResource>()

  constructor(
    isOurs: (ingressClass: IngressClassObject) => boolean,
    watch: (namespace: string, name: string) => WatchedResource,
  ) {
    this.#isOurs = isOurs
    this.#watch = watch
  }

  get watched(): Iterable<WatchedResource> {
    return this.#watched.values()
  }

  set(ingressClass: IngressClassObject): ParameterChange {
    const { name } = ingressClass.metadata
    const reference = this.#isOurs(ingressClass) ? configMapOf(ingressClass) : undefined
    const before = this.#keys.get(name)
    const key = reference === undefined ? undefined : `${reference.namespace}/${reference.name}`
    if (reference === undefined || key === undefined) return this.remove(name)
    let watched = this.#watched.get(key)
    if (watched === undefined) {
      watched = this.#watch(reference.namespace, reference.name)
      this.#watched.set(key, watched)
      watched.start()
    }
    if (key === before) return { watched, unused: undefined }
    this.#keys.set(name, key)
    return { watched, unused: this.#unused(before) }
  }

  remove(name: string): ParameterChange {
    const before = this.#keys.get(name)
    if (before === undefined) return NO_CHANGE
    this.#keys.delete(name)
    return { watched: undefined, unused: this.#unused(before) }
  }

  #unused(key: string | undefined): WatchedResource | undefined {
    if (key === undefined) return undefined
    for (const other of this.#keys.values()) if (other === key) return undefined
    const watched = this.#watched.get(key)
    this.#watched.delete(key)
    return watched
  }
}

/** The ConfigMap that a class names; undefined: none, or something else. */
function configMapOf({ spec }: IngressClassObject): { namespace: string; name: string } | undefined {
  const { apiGroup = '', kind, name = '', namespace = '' } = spec?.parameters ?? {}
  if (apiGroup !== '' || kind !== 'ConfigMap' || name === '' || namespace === '') return undefined
  return { namespace, name }
}
