/** What a control plane can do to its clients, and our client's local copy afterwards: the same as a fresh list. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { KubeClient } from '#kube/client.ts'
import { Informer } from '#kube/informer.ts'
import type { KubeObject } from '#kube/objects.ts'
import { ApiDetour } from './api-detour.ts'
import { Cluster } from './cluster.ts'
import { CONFIG_MAPS } from './resources.ts'

const NAMESPACE = 'default'
const PAUSE_MS = 500

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>
}

describe('a client of a control plane that fails', { timeout: 240_000 }, () => {
  let cluster: Cluster
  let detour: ApiDetour
  let client: KubeClient
  let informer: Informer<ConfigMap>
  let round = 0

  before(async () => {
    // Without nodes: this is about the API alone.
    cluster = await Cluster.start({ nodes: 0 })
    detour = await ApiDetour.open(cluster)
    client = detour.client()
    informer = new Informer<ConfigMap>(client, { resource: CONFIG_MAPS, namespace: NAMESPACE })
    informer.start()
    await informer.synced
  })
  after(async () => {
    await informer?.stop()
    client?.close()
    await detour?.[Symbol.asyncDispose]()
    await cluster?.stop()
  })

  const change = (name: string): Promise<unknown> => {
    const data = { round: String(++round) }
    return cluster.objects.apply([
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: NAMESPACE }, data },
    ])
  }

  /** Waits until the copy holds the last change, and compares all of it with a list. */
  const follows = async (): Promise<void> => {
    await change('last')
    await cluster.objects.until('the copy is current', () => {
      const held = informer.store.get(`${NAMESPACE}/last`)
      return held?.data?.['round'] === String(round) && informer.problem === null
    })
    const { items } = await cluster.client.list<ConfigMap>(CONFIG_MAPS, { namespace: NAMESPACE })
    const versions = (objects: Iterable<ConfigMap>) =>
      [...objects].map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion ?? ''}`).toSorted()
    assert.deepEqual(versions(informer.store.values()), versions(items))
  }

  it('goes on where it was when its connections are cut', async () => {
    await change('a')
    await follows()
    const { lists, watches } = informer.facts
    assert.ok((await cluster.faults.cutConnections()) > 0)
    await change('b')
    await follows()
    assert.ok(informer.facts.watches > watches, 'the watch was replaced')
    assert.equal(informer.facts.lists, lists, 'and nothing was listed again')
  })

  it('follows again when the API server was killed and is back', async () => {
    const { watches } = informer.facts
    await cluster.faults.stop('kube-apiserver')
    await cluster.faults.start('kube-apiserver')
    await cluster.faults.apiReady()
    await change('c')
    await follows()
    assert.ok(informer.facts.watches > watches)
  })

  it('lists anew when what it would go on from is forgotten', async () => {
    const { lists, watches } = informer.facts
    // While the informer is away, the world goes on and the past is dropped.
    detour.close()
    await change('d')
    await cluster.faults.compact()
    // What the API server remembers by itself ends with it.
    await cluster.faults.stop('kube-apiserver')
    await cluster.faults.start('kube-apiserver')
    await cluster.faults.apiReady()
    await change('d')
    detour.open()
    await follows()
    assert.ok(informer.facts.watches > watches)
    assert.equal(informer.facts.lists, lists + 1, 'one list, and only one')
  })

  it('is current after etcd was killed', async () => {
    await cluster.faults.stop('etcd')
    await cluster.faults.start('etcd')
    await cluster.faults.apiReady()
    await change('e')
    await follows()
  })

  it('waits for an API server that stands still', async () => {
    await cluster.faults.pause('kube-apiserver')
    const isChanged = change('f')
    const first = await Promise.race([
      isChanged.then(() => 'answered'),
      new Promise((resolve) => setTimeout(() => resolve('silent'), PAUSE_MS)),
    ])
    assert.equal(first, 'silent')
    await cluster.faults.resume('kube-apiserver')
    await isChanged
    await follows()
  })
})
