import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ClusterConfig } from '#config/static/cluster.ts'
import { FakeApiServer, sendStatus } from '#kube/fake-api-server.fixture.ts'
import { ManualTimers } from '#kube/timers.fixture.ts'
import type { Logger } from '#observe/log.ts'
import type { Locality } from '#providers/kubernetes/locality.ts'
import { followZone, ownPlace } from './own-node.ts'

const cluster = (changes: Partial<ClusterConfig> = {}): ClusterConfig => ({
  watchNamespace: [],
  controllerClass: 'x',
  watchIngressWithoutClass: false,
  publishAddress: [],
  updateStatus: false,
  electionId: 'x',
  allowExternalNameServices: false,
  ...changes,
})

const IN_POD = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' }

const places: readonly (readonly [
  string,
  Partial<ClusterConfig>,
  NodeJS.ProcessEnv,
  Locality | undefined,
])[] = [
  ['is none outside of a cluster', {}, {}, undefined],
  ['is not known in a pod that is not told', {}, IN_POD, { nodeName: undefined, zone: undefined }],
  ['comes from the environment', {}, { NODE_NAME: 'n', NODE_ZONE: 'z' }, { nodeName: 'n', zone: 'z' }],
  [
    'comes from flags first',
    { nodeName: 'n1', zone: 'z1' },
    { NODE_NAME: 'n', NODE_ZONE: 'z' },
    { nodeName: 'n1', zone: 'z1' },
  ],
  ['takes an empty text for nothing', {}, { NODE_NAME: '' }, undefined],
]

describe('the place of this replica', () => {
  for (const [name, flags, environment, expected] of places) {
    it(name, () => {
      assert.deepEqual(ownPlace(cluster(flags), environment), expected)
    })
  }

  it('gets its zone from the Node, also when the right to read it comes later', async () => {
    await using server = await new FakeApiServer().start()
    const labels = { 'topology.kubernetes.io/zone': 'zone-a' }
    server.put('api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n', labels } })
    let isForbidden = true
    server.intercept = (_seen, response) => {
      if (isForbidden) sendStatus(response, 403, 'Forbidden', 'no')
      return isForbidden
    }
    const timers = new ManualTimers()
    const lines: string[] = []
    const logger = { info: (text: string) => lines.push(text) } as unknown as Logger
    const zones: Locality[] = []
    const { signal } = new AbortController()
    const done = followZone(server.client({ timers }), { nodeName: 'n' }, logger, signal, (locality) =>
      zones.push(locality),
    )
    await timers.armed(60_000)
    isForbidden = false
    await timers.advance(60_000)
    await done
    assert.deepEqual(zones, [{ nodeName: 'n', zone: 'zone-a' }])
    assert.deepEqual(lines, ['the zone of this node is not known'])
  })

  it('does not ask where there is nothing to learn', async () => {
    await using server = await new FakeApiServer().start()
    const logger = {} as Logger
    const { signal } = new AbortController()
    for (const place of [undefined, {}, { nodeName: 'n', zone: 'z' }])
      await followZone(server.client(), place, logger, signal, () => assert.fail())
    assert.deepEqual(server.seen, [])
  })
})
