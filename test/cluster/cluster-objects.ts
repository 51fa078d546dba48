/** What tests do with the objects of a cluster: apply, delete, and wait until they are as expected. */
import { parseAllDocuments } from 'yaml'
import type { KubeClient } from '#kube/client.ts'
import { KubeError } from '#kube/errors.ts'
import type { KubeObject, ObjectMeta } from '#kube/objects.ts'
import type { ObjectName, Resource } from '#kube/resource.ts'
import { DEPLOYMENTS, PODS, resourceOf } from './resources.ts'
import { retryUntil } from './retry-until.ts'

const FIELD_MANAGER = 'sekisho-test'
const WAIT_MS = 60_000

export interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
}

export interface PodObject extends KubeObject {
  readonly spec: { readonly nodeName?: string }
  readonly status?: {
    readonly phase?: string
    readonly podIP?: string
    readonly podIPs?: readonly { readonly ip: string }[]
    readonly conditions?: readonly Condition[]
    readonly containerStatuses?: readonly {
      readonly name: string
      readonly ready: boolean
      readonly restartCount: number
      readonly state?: Readonly<Record<string, { readonly reason?: string; readonly message?: string }>>
    }[]
  }
}

interface DeploymentObject extends KubeObject {
  readonly spec: { readonly replicas?: number }
  readonly status?: {
    readonly observedGeneration?: number
    readonly replicas?: number
    readonly updatedReplicas?: number
    readonly availableReplicas?: number
  }
}

export class ClusterObjects {
  readonly #client: KubeClient
  readonly #signal: AbortSignal

  /** `signal`: aborted when the cluster fails; ends every waiting. */
  constructor(client: KubeClient, signal: AbortSignal) {
    this.#client = client
    this.#signal = signal
  }

  /** Server-side apply, one after another: YAML of any number of documents, or objects. The objects as they are then. */
  async apply(manifest: string | readonly object[]): Promise<readonly KubeObject[]> {
    const applied: KubeObject[] = []
    for (const object of readManifest(manifest))
      applied.push(
        await this.#client.apply(resourceOf(object), object, { fieldManager: FIELD_MANAGER, force: true }),
      )
    return applied
  }

  /** Deletes what is there of them, and waits until all are gone. */
  async delete(manifest: string | readonly object[]): Promise<void> {
    const objects = readManifest(manifest)
    for (const object of objects)
      await this.#client
        .delete(resourceOf(object), nameOf(object), { propagationPolicy: 'Foreground' })
        .catch(ignoreMissing)
    for (const object of objects) await this.waitUntilGone(resourceOf(object), nameOf(object))
  }

  /** A new namespace whose pods are admitted (its service account is there). */
  async createNamespace(name: string, labels: Readonly<Record<string, string>> = {}): Promise<string> {
    await this.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }])
    const account = { apiVersion: 'v1', kind: 'ServiceAccount' }
    await this.waitFor(resourceOf(account), { namespace: name, name: 'default' }, () => true)
    return name
  }

  /** Until the object is there and `isReady` says yes (undefined and false: no). */
  waitFor<T extends KubeObject>(
    resource: Resource,
    name: ObjectName,
    isReady: (object: T) => boolean | undefined,
    timeoutMs = WAIT_MS,
  ): Promise<T> {
    return this.until(
      `${resource.kind} ${name.namespace ?? ''}/${name.name} is as expected`,
      async () => {
        const object = await this.#client.get<T>(resource, name)
        if (isReady(object) === true) return object
        throw new Error(`it is ${JSON.stringify(withoutBookkeeping(object))}`)
      },
      timeoutMs,
    )
  }

  waitUntilGone(resource: Resource, name: ObjectName, timeoutMs = WAIT_MS): Promise<true> {
    return this.until(
      `${resource.kind} ${name.namespace ?? ''}/${name.name} is gone`,
      () =>
        this.#client.get(resource, name).then(
          () => false as const,
          (error: KubeError) => error.code === 404,
        ),
      timeoutMs,
    )
  }

  /** All pods of the newest template are available, and there are no others. */
  async waitForDeployment(name: ObjectName, timeoutMs = WAIT_MS): Promise<void> {
    await this.waitFor<DeploymentObject>(
      DEPLOYMENTS,
      name,
      ({ metadata, spec, status }) => {
        const wanted = spec.replicas ?? 1
        return (
          (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0) &&
          (status?.replicas ?? 0) === wanted &&
          (status?.updatedReplicas ?? 0) === wanted &&
          (status?.availableReplicas ?? 0) === wanted
        )
      },
      timeoutMs,
    )
  }

  /** By label selector, those being deleted left out. */
  async pods(namespace: string, labelSelector: string): Promise<readonly PodObject[]> {
    const { items } = await this.#client.list<PodObject>(PODS, { namespace, labelSelector })
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  }

  waitForPod(name: ObjectName, timeoutMs = WAIT_MS): Promise<PodObject> {
    return this.waitFor<PodObject>(PODS, name, isPodReady, timeoutMs)
  }

  /** Asks until the answer is neither undefined nor false; ends early when the cluster fails. */
  until<T>(
    what: string,
    probe: () => Promise<T | undefined | false> | T | undefined | false,
    timeoutMs = WAIT_MS,
  ): Promise<T> {
    return retryUntil(what, probe, timeoutMs, this.#signal)
  }
}

export function isPodReady({ status }: PodObject): boolean {
  return (
    status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ??
    false
  )
}

function readManifest(manifest: string | readonly object[]): readonly KubeObject[] {
  if (typeof manifest !== 'string') return manifest as readonly KubeObject[]
  return parseAllDocuments(manifest)
    .map((document) => {
      const [error] = document.errors
      if (error !== undefined) throw error
      return document.toJS() as KubeObject | null
    })
    .filter((object) => object !== null)
}

function nameOf({ metadata }: { readonly metadata: ObjectMeta }): ObjectName {
  const { name, namespace } = metadata
  return namespace === undefined ? { name } : { name, namespace }
}

function withoutBookkeeping(object: KubeObject): unknown {
  return { ...object, metadata: { ...object.metadata, managedFields: undefined } }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof KubeError && error.code === 404)) throw error
}
