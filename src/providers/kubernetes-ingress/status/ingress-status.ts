/**
 * `status.loadBalancer` of Ingresses: written for those that every worker serves, taken away from those that are not
 * served any more and from all when the last replica goes, and only where it is ours: what stands there are the addresses
 * that we publish. Driven by the cluster reporter; what is written and when not is up to the status writer.
 */
import { isDeepStrictEqual } from 'node:util'
import type { KubeClient } from '#kube/client.ts'
import type { KubeError } from '#kube/errors.ts'
import type { KubeObject } from '#kube/objects.ts'
import type { ObjectName } from '#kube/resource.ts'
import { StatusWriter, type StatusFacts } from '#kube/status.ts'
import { INGRESSES } from '../resources.ts'
import type { PublishedAddress } from './addresses.ts'

export interface IngressWithStatus extends KubeObject {
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly PublishedAddress[] } }
}

export interface IngressStatusOptions {
  /** The informer's copy, by `namespace/name`. */
  current(key: string): IngressWithStatus | undefined
  /** Whether the status of this Ingress is ours to write. */
  isOurs(key: string): boolean
  onError(key: string, error: KubeError): void
  /** Somebody else keeps writing another one. */
  onContested(key: string): void
}

export class IngressStatus {
  readonly #options: IngressStatusOptions
  readonly #writer: StatusWriter<IngressWithStatus>
  /** Keys of Ingresses that workers serve. */
  readonly #served = new Set<string>()
  /** Were served; the status may still say so. */
  readonly #left = new Set<string>()
  #addresses: readonly PublishedAddress[] | undefined
  /** What was published before, by this replica. */
  #earlier: readonly PublishedAddress[] | undefined
  /** Ours is taken away from all; what that changes is no reason to write it again. */
  #isLeaving = false

  constructor(client: KubeClient, options: IngressStatusOptions) {
    this.#options = options
    this.#writer = new StatusWriter<IngressWithStatus>(client, {
      resource: INGRESSES,
      current: (key) => options.current(key),
      onError: (name, error) => options.onError(keyOfName(name), error),
      onContested: (name) => options.onContested(keyOfName(name)),
    })
  }

  get facts(): StatusFacts {
    return this.#writer.facts
  }

  /** Of all Ingresses that are served. Nothing is written before they are known. */
  setAddresses(addresses: readonly PublishedAddress[]): void {
    if (!isDeepStrictEqual(this.#addresses, addresses)) this.#earlier = this.#addresses
    this.#addresses = addresses
    for (const key of this.#served) this.#want(key)
  }

  served(key: string): void {
    // Deleted while workers were told of it.
    if (this.#options.current(key) === undefined) return
    this.#left.delete(key)
    this.#served.add(key)
    this.#want(key)
  }

  /** Not any more, for another reason than that it is gone: its class is another one, or its namespace. */
  dropped(key: string): void {
    if (!this.#served.delete(key)) return
    this.#left.add(key)
    this.#writer.set(nameOfKey(key), this.#withoutOurs)
  }

  /** The object does not exist any more. */
  gone(key: string): void {
    this.#served.delete(key)
    this.#left.delete(key)
    this.#writer.forget(nameOfKey(key))
  }

  /** Its status or its class may be another one: somebody may have undone ours. */
  changed(key: string): void {
    if (this.#served.has(key)) this.#want(key)
    else if (this.#left.has(key)) {
      const object = this.#options.current(key)
      if (object === undefined || this.#withoutOurs(object) === undefined) this.gone(key)
    }
  }

  /** What is ours may be another matter now, or what was refused may be permitted. */
  review(keys: Iterable<string> = this.#served): void {
    for (const key of keys) if (this.#served.has(key)) this.#want(key)
  }

  /** Resolves when nothing waits to be written. */
  idle(): Promise<void> {
    return this.#writer.idle()
  }

  activate(): void {
    this.#writer.activate()
  }

  deactivate(): void {
    this.#writer.deactivate()
  }

  /** Takes ours away from all. Resolves when that is written, or the time is over. */
  async clear(deadline: AbortSignal): Promise<void> {
    this.#isLeaving = true
    for (const key of this.#served) {
      if (this.#options.isOurs(key)) this.#writer.set(nameOfKey(key), this.#withoutOurs)
    }
    const aborted = new Promise<void>((resolve) => {
      if (deadline.aborted) resolve()
      else deadline.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race([this.#writer.idle(), aborted])
  }

  async stop(): Promise<void> {
    await this.#writer.stop()
  }

  #want(key: string): void {
    if (this.#addresses === undefined || this.#isLeaving) return
    if (this.#options.isOurs(key)) this.#writer.set(nameOfKey(key), this.#withOurs)
    else this.#writer.forget(nameOfKey(key))
  }

  readonly #withOurs = (object: IngressWithStatus): unknown => {
    if (this.#addresses === undefined) return undefined
    return { ...object.status, loadBalancer: loadBalancer(this.#addresses) }
  }

  /** Undefined: what is there is not ours. */
  readonly #withoutOurs = (object: IngressWithStatus): unknown => {
    const present = object.status?.loadBalancer?.ingress ?? []
    if (present.length === 0) return undefined
    const isOurs = [this.#addresses, this.#earlier].some((ours) => isDeepStrictEqual(ours, present))
    return isOurs ? { ...object.status, loadBalancer: {} } : undefined
  }
}

function loadBalancer(addresses: readonly PublishedAddress[]): { ingress?: readonly PublishedAddress[] } {
  return addresses.length === 0 ? {} : { ingress: addresses }
}

function keyOfName({ namespace = '', name }: ObjectName): string {
  return `${namespace}/${name}`
}

function nameOfKey(key: string): ObjectName {
  const slash = key.indexOf('/')
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}
