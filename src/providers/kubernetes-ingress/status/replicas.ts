/**
 * The pods of this gateway: those in its namespace that are labelled as its own pod is. Which of them are ready, and on
 * which nodes. Labels of one revision do not count, so that old and new replicas know each other during a roll-out.
 * Used by the elected replica: for the addresses of nodes, and to learn at its end whether it is the last one.
 */
import type { KubeClient } from '#kube/client.ts'
import type { KubeError } from '#kube/errors.ts'
import { Informer } from '#kube/informer.ts'
import type { KubeObject } from '#kube/objects.ts'
import type { Resource } from '#kube/resource.ts'

const PODS: Resource = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', isNamespaced: true }

/** Labels that say which program of which release a pod is, by the convention of Kubernetes. */
const IDENTIFYING = ['app.kubernetes.io/name', 'app.kubernetes.io/instance', 'app.kubernetes.io/component']
/** Labels that differ between replicas of one program: of its revision, its number, its node. */
const OF_ONE_POD = new Set([
  'app.kubernetes.io/version',
  'apps.kubernetes.io/pod-index',
  'controller-revision-hash',
  'helm.sh/chart',
  'pod-template-generation',
  'pod-template-hash',
  'statefulset.kubernetes.io/pod-name',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
])

interface Pod extends KubeObject {
  readonly spec?: { readonly nodeName?: string }
  readonly status?: { readonly conditions?: readonly { readonly type?: string; readonly status?: string }[] }
}

export interface OwnPod {
  readonly name: string
  readonly namespace: string
}

/** A label selector for all replicas. Rejects with a KubeError. */
export async function replicaSelector(client: KubeClient, pod: OwnPod, signal: AbortSignal): Promise<string> {
  const { metadata } = await client.get<Pod>(PODS, pod, { signal })
  return selectorOf(metadata.labels ?? {})
}

/** Empty where labels tell nothing. */
export function selectorOf(labels: Readonly<Record<string, string>>): string {
  const hasIdentity =
    labels['app.kubernetes.io/name'] !== undefined && labels['app.kubernetes.io/instance'] !== undefined
  const names = hasIdentity ? IDENTIFYING : Object.keys(labels).filter((name) => !OF_ONE_POD.has(name))
  return names.flatMap((name) => (labels[name] === undefined ? [] : [`${name}=${labels[name]}`])).join(',')
}

/** Whether another replica is ready and stays. Rejects with a KubeError. */
export async function hasOtherReady(client: KubeClient, pod: OwnPod, signal: AbortSignal): Promise<boolean> {
  const labelSelector = await replicaSelector(client, pod, signal)
  if (labelSelector === '') return true
  const { items } = await client.list<Pod>(PODS, { namespace: pod.namespace, labelSelector, signal })
  return items.some((each) => each.metadata.name !== pod.name && isReady(each))
}

/** Follows the ready replicas; `onNodes` is told the names of their nodes, sorted, when they change. */
export class ReplicaNodes {
  readonly #informer: Informer<Pod>
  readonly #onNodes: (names: readonly string[]) => void
  #told = ''

  constructor(
    client: KubeClient,
    namespace: string,
    labelSelector: string,
    onNodes: (names: readonly string[]) => void,
    onProblem: (problem: KubeError | null) => void,
  ) {
    this.#onNodes = onNodes
    this.#informer = new Informer<Pod>(client, {
      resource: PODS,
      namespace,
      ...(labelSelector === '' ? {} : { labelSelector }),
      prune: pruned,
    })
    const tell = (): void => this.#tell()
    this.#informer.addHandler({ onBatchEnd: tell, onSynced: tell, onProblem })
  }

  start(): void {
    this.#informer.start()
  }

  stop(): Promise<void> {
    return this.#informer.stop()
  }

  #tell(): void {
    if (!this.#informer.hasSynced) return
    const nodes = new Set<string>()
    for (const pod of this.#informer.store.values()) {
      if (isReady(pod) && pod.spec?.nodeName !== undefined) nodes.add(pod.spec.nodeName)
    }
    const names = [...nodes].toSorted()
    const text = `${names.length} ${names.join(' ')}`
    if (text === this.#told) return
    this.#told = text
    this.#onNodes(names)
  }
}

function isReady({ metadata, status }: Pod): boolean {
  if (metadata.deletionTimestamp !== undefined) return false
  return status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') === true
}

function pruned({ metadata, spec, status }: Pod): Pod {
  const { name, namespace, uid, resourceVersion, deletionTimestamp } = metadata
  const ready = status?.conditions?.filter((each) => each.type === 'Ready') ?? []
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    },
    ...(spec?.nodeName === undefined ? {} : { spec: { nodeName: spec.nodeName } }),
    status: { conditions: ready.map((each) => ({ type: 'Ready', status: each.status ?? 'Unknown' })) },
  }
}
