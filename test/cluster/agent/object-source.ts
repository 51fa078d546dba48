/**
 * ConfigMaps and Secrets of the whole cluster, held by two informers: what volumes and environment variables are made of, and
 * a word when it changes. A kubelet watches only what its pods name; on a test bed with few of them this is less work
 * and never behind.
 */
import type { KubeClient } from '#kube/client.ts'
import { Informer } from '#kube/informer.ts'
import type { KubeObject } from '#kube/objects.ts'
import type { Resource } from '#kube/resource.ts'
import type { ObjectData } from './env.ts'

const CONFIG_MAPS: Resource = {
  group: '',
  version: 'v1',
  plural: 'configmaps',
  kind: 'ConfigMap',
  isNamespaced: true,
}
const SECRETS: Resource = { group: '', version: 'v1', plural: 'secrets', kind: 'Secret', isNamespaced: true }

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>
  readonly binaryData?: Readonly<Record<string, string>>
}

interface Secret extends KubeObject {
  readonly data?: Readonly<Record<string, string>>
}

export class ObjectSource {
  readonly #configMaps: Informer<ConfigMap>
  readonly #secrets: Informer<Secret>
  readonly #listeners = new Set<(namespace: string) => void>()

  constructor(client: KubeClient) {
    this.#configMaps = new Informer(client, { resource: CONFIG_MAPS })
    this.#secrets = new Informer(client, { resource: SECRETS })
    for (const informer of [this.#configMaps, this.#secrets] as Informer<KubeObject>[]) {
      const tell = ({ metadata }: KubeObject): void => this.#tell(metadata.namespace ?? '')
      informer.addHandler({ onAdd: tell, onUpdate: tell, onDelete: tell })
    }
  }

  /** Resolves when everything is known. */
  async start(): Promise<void> {
    this.#configMaps.start()
    this.#secrets.start()
    await Promise.all([this.#configMaps.synced, this.#secrets.synced])
  }

  of(namespace: string): ObjectData {
    return {
      configMap: (name) => {
        const found = this.#configMaps.store.get(`${namespace}/${name}`)
        if (found === undefined) return undefined
        return new Map([...entries(found.data, 'utf8'), ...entries(found.binaryData, 'base64')])
      },
      secret: (name) => {
        const found = this.#secrets.store.get(`${namespace}/${name}`)
        return found === undefined ? undefined : new Map(entries(found.data, 'base64'))
      },
    }
  }

  /** Something in that namespace changed. The returned function ends it. */
  onChange(listener: (namespace: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #tell(namespace: string): void {
    for (const listener of this.#listeners) listener(namespace)
  }
}

function entries(
  data: Readonly<Record<string, string>> | undefined,
  encoding: BufferEncoding,
): readonly (readonly [string, Buffer])[] {
  return Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, encoding)])
}
