import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { FakeApiServer, sendStatus, type FakeObject } from '#kube/fake-api-server.fixture.ts'
import { AddressSource, type AddressProblem, type Publish } from './address-source.ts'
import { NODE_COLLECTION, POD_COLLECTION, SERVICE_COLLECTION } from './reported-provider.fixture.ts'

const SERVICE: Publish = { kind: 'service', namespace: 'gw', name: 'public' }
const POD = { name: 'gw-1', namespace: 'gw' }

function service(spec: object, ingress: readonly object[] = []): FakeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'public', namespace: 'gw' },
    spec,
    status: { loadBalancer: { ingress } },
  }
}

function pod(name: string, nodeName: string, ready = true): FakeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'gw', labels: { app: 'gw' } },
    spec: { nodeName },
    status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  }
}

function node(name: string, address: string): FakeObject {
  const addresses = [{ type: 'InternalIP', address }]
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, status: { addresses } }
}

interface Told {
  readonly server: FakeApiServer
  /** Each list that was told, as text. */
  readonly lists: string[]
  problem: AddressProblem | null
  /** Waits for the last list. */
  last(expected: string): Promise<void>
}

async function follow(
  t: TestContext,
  publish: Publish,
  objects: Readonly<Record<string, readonly FakeObject[]>>,
  isInPod = true,
): Promise<Told> {
  const server = await new FakeApiServer().start()
  for (const [collection, list] of Object.entries(objects))
    for (const each of list) server.put(collection, each)
  const told: Told = {
    server,
    lists: [],
    problem: null,
    last: (expected) => server.until(() => told.lists.at(-1) === expected, expected),
  }
  const source = new AddressSource(server.client(), publish, isInPod ? POD : undefined, {
    onAddresses: (addresses) => {
      told.lists.push(addresses.map(({ ip, hostname }) => ip ?? hostname).join(' '))
      server.happened()
    },
    onProblem: (problem) => {
      told.problem = problem
      server.happened()
    },
  })
  source.start()
  t.after(async () => {
    await source.stop()
    await server[Symbol.asyncDispose]()
  })
  return told
}

describe('published addresses', () => {
  it('given by hand are known at once', async (t) => {
    const addresses = [{ hostname: 'b.example' }, { ip: '192.0.2.1' }]
    const { lists } = await follow(t, { kind: 'addresses', addresses }, {})
    assert.deepEqual(lists, ['192.0.2.1 b.example'])
  })

  it('follow the Service, and only that one is asked for', async (t) => {
    const told = await follow(t, SERVICE, { [SERVICE_COLLECTION]: [service({ type: 'LoadBalancer' })] })
    const { server } = told
    await told.last('')
    server.put(SERVICE_COLLECTION, service({ type: 'LoadBalancer' }, [{ ip: '192.0.2.1' }]))
    await told.last('192.0.2.1')
    for (const seen of server.seen) assert.equal(seen.query.get('fieldSelector'), 'metadata.name=public')
    // What does not concern the addresses is not told.
    server.put(SERVICE_COLLECTION, service({ type: 'LoadBalancer', x: 1 }, [{ ip: '192.0.2.1' }]))
    server.put(SERVICE_COLLECTION, service({ type: 'LoadBalancer' }, [{ ip: '192.0.2.2' }]))
    await told.last('192.0.2.2')
    assert.deepEqual(told.lists, ['', '192.0.2.1', '192.0.2.2'])
  })

  it('stay while the Service is not there, which is a problem', async (t) => {
    const told = await follow(t, SERVICE, {})
    const { server } = told
    await server.until(() => told.problem?.kind === 'service-missing', 'the problem')
    server.put(SERVICE_COLLECTION, service({ type: 'ClusterIP', clusterIPs: ['10.96.0.1'] }))
    await told.last('10.96.0.1')
    assert.equal(told.problem, null)
    server.remove(SERVICE_COLLECTION, 'gw', 'public')
    await server.until(() => told.problem?.kind === 'service-missing', 'the problem')
    assert.deepEqual(told.lists, ['10.96.0.1'])
  })

  it('of node ports are those of the nodes that run ready replicas', async (t) => {
    const told = await follow(t, SERVICE, {
      [SERVICE_COLLECTION]: [service({ type: 'NodePort' })],
      [POD_COLLECTION]: [pod('gw-1', 'b'), pod('gw-2', 'a'), pod('gw-3', 'b'), pod('gw-4', 'c', false)],
      [NODE_COLLECTION]: [node('a', '10.0.0.2'), node('b', '10.0.0.1'), node('c', '10.0.0.3')],
    })
    const { server } = told
    await told.last('10.0.0.1 10.0.0.2')
    server.put(POD_COLLECTION, pod('gw-4', 'c'))
    await told.last('10.0.0.1 10.0.0.2 10.0.0.3')
    server.put(POD_COLLECTION, pod('gw-2', 'a', false))
    await told.last('10.0.0.1 10.0.0.3')
    // The Service gets addresses of its own.
    server.put(SERVICE_COLLECTION, service({ type: 'LoadBalancer' }, [{ ip: '192.0.2.1' }]))
    await told.last('192.0.2.1')
    server.put(SERVICE_COLLECTION, service({ type: 'NodePort' }))
    await told.last('10.0.0.1 10.0.0.3')
  })

  it('of nodes leave out one that does not exist any more', async (t) => {
    const told = await follow(
      t,
      { kind: 'nodes' },
      {
        [POD_COLLECTION]: [pod('gw-1', 'a'), pod('gw-2', 'gone')],
        [NODE_COLLECTION]: [node('a', '10.0.0.1')],
      },
    )
    await told.last('10.0.0.1')
  })

  it('of nodes are not known outside of a pod', async (t) => {
    const told = await follow(t, { kind: 'nodes' }, {}, false)
    assert.deepEqual([told.problem, told.lists], [{ kind: 'no-pod' }, []])
  })

  it('are asked for again when nodes could not be read', async (t) => {
    const told = await follow(
      t,
      { kind: 'nodes' },
      {
        [POD_COLLECTION]: [pod('gw-1', 'a')],
        [NODE_COLLECTION]: [node('a', '10.0.0.1')],
      },
    )
    const { server } = told
    await told.last('10.0.0.1')
    let refusals = 2
    server.intercept = ({ path }, response) => {
      if (!path.endsWith('/nodes/b') || refusals-- <= 0) return false
      sendStatus(response, 403, 'Forbidden', 'nodes is forbidden')
      return true
    }
    server.put(NODE_COLLECTION, node('b', '10.0.0.2'))
    server.put(POD_COLLECTION, pod('gw-2', 'b'))
    await server.until(() => told.problem?.kind === 'error', 'the problem')
    await told.last('10.0.0.1 10.0.0.2')
    assert.equal(told.problem, null)
  })
})
