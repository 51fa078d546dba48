import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  addressesOfNode,
  addressesOfService,
  fromText,
  sorted,
  type NodeObject,
  type PublishedAddress,
  type PublishedService,
} from './addresses.ts'
import { selectorOf } from './replicas.ts'

const metadata = { name: 'gw', namespace: 'gw' }

const services: readonly (readonly [
  string,
  Omit<PublishedService, 'metadata'>,
  readonly string[] | undefined,
])[] = [
  [
    'a load balancer: addresses and names that it got, and external ones',
    {
      spec: { type: 'LoadBalancer', clusterIP: '10.96.0.9', externalIPs: ['192.0.2.9'] },
      status: {
        loadBalancer: { ingress: [{ hostname: 'lb.example' }, { ip: '2001:db8::1' }, { ip: '192.0.2.1' }] },
      },
    },
    ['192.0.2.1', '192.0.2.9', '2001:db8::1', 'lb.example'],
  ],
  ['a load balancer that has got none yet', { spec: { type: 'LoadBalancer', clusterIP: '10.96.0.9' } }, []],
  ['node ports: the nodes', { spec: { type: 'NodePort', clusterIP: '10.96.0.9' } }, undefined],
  [
    'node ports with external addresses: these',
    { spec: { type: 'NodePort', clusterIP: '10.96.0.9', externalIPs: ['192.0.2.9'] } },
    ['192.0.2.9'],
  ],
  [
    'inside of the cluster: its addresses of both families',
    { spec: { type: 'ClusterIP', clusterIP: '10.96.0.9', clusterIPs: ['10.96.0.9', 'fd00::9'] } },
    ['10.96.0.9', 'fd00::9'],
  ],
  ['of an API server without clusterIPs', { spec: { clusterIP: '10.96.0.9' } }, ['10.96.0.9']],
  [
    'inside of the cluster with external addresses: these',
    { spec: { type: 'ClusterIP', clusterIPs: ['10.96.0.9'], externalIPs: ['192.0.2.9'] } },
    ['192.0.2.9'],
  ],
  ['headless: none', { spec: { type: 'ClusterIP', clusterIP: 'None', clusterIPs: ['None'] } }, []],
  ['an external name', { spec: { type: 'ExternalName', externalName: 'gw.example' } }, ['gw.example']],
]

describe('the addresses of a Service', () => {
  for (const [name, service, expected] of services) {
    it(`are those of ${name}`, () =>
      assert.deepEqual(texts(addressesOfService({ metadata, ...service })), expected))
  }

  it('say nothing of ports and modes of the load balancer', () => {
    const ingress = [{ ip: '192.0.2.1', ipMode: 'VIP', ports: [{ port: 80 }] }]
    const service = { metadata, spec: { type: 'LoadBalancer' }, status: { loadBalancer: { ingress } } }
    assert.deepEqual(addressesOfService(service), [{ ip: '192.0.2.1' }])
  })
})

describe('the addresses of a node', () => {
  const node = (...addresses: readonly (readonly [string, string])[]): NodeObject => ({
    metadata,
    status: { addresses: addresses.map(([type, address]) => ({ type, address })) },
  })

  it('are the external ones', () => {
    const external = [['ExternalIP', '192.0.2.1'] as const, ['ExternalIP', '2001:db8::1'] as const]
    const all = node(['InternalIP', '10.0.0.1'], ['Hostname', 'n'], ...external)
    assert.deepEqual(texts(addressesOfNode(all)), ['192.0.2.1', '2001:db8::1'])
  })

  it('are the internal ones where there are no others', () => {
    assert.deepEqual(texts(addressesOfNode(node(['Hostname', 'n'], ['InternalIP', '10.0.0.1']))), [
      '10.0.0.1',
    ])
    assert.deepEqual(addressesOfNode({ metadata }), [])
  })
})

it('addresses come out once and in one order', () => {
  const given = ['b.example', '192.0.2.2', 'fd00::1', '192.0.2.1', 'a.example', '192.0.2.2'].map(fromText)
  assert.deepEqual(texts(sorted(given)), ['192.0.2.1', '192.0.2.2', 'fd00::1', 'a.example', 'b.example'])
})

describe('replicas', () => {
  const cases: readonly (readonly [string, Record<string, string>, string])[] = [
    [
      'are known by the labels of program and release',
      {
        'app.kubernetes.io/name': 'sekisho',
        'app.kubernetes.io/instance': 'public',
        'app.kubernetes.io/component': 'gateway',
        'app.kubernetes.io/version': '1',
        'pod-template-hash': 'x',
        team: 'a',
      },
      'app.kubernetes.io/name=sekisho,app.kubernetes.io/instance=public,app.kubernetes.io/component=gateway',
    ],
    [
      'or else by all that is not of one pod',
      {
        app: 'gw',
        'pod-template-hash': 'x',
        'topology.kubernetes.io/zone': 'a',
        'app.kubernetes.io/name': 'gw',
      },
      'app=gw,app.kubernetes.io/name=gw',
    ],
    ['or not at all', { 'controller-revision-hash': 'x' }, ''],
  ]
  for (const [name, labels, expected] of cases) it(name, () => assert.equal(selectorOf(labels), expected))
})

function texts(addresses: readonly PublishedAddress[] | undefined): readonly string[] | undefined {
  return addresses?.map(({ ip, hostname }) => ip ?? hostname ?? '')
}
