import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Finding } from '#config/model/finding.ts'
import { FakeApiServer, sendStatus, type FakeObject } from '#kube/fake-api-server.fixture.ts'
import {
  CLASS_COLLECTION,
  classIngress,
  EVENT_COLLECTION,
  INGRESS_COLLECTION,
  ingressClass,
  LEASE_COLLECTION,
  POD_COLLECTION,
  published,
  Replica,
} from './reported-provider.fixture.ts'

import { INGRESSES } from '../resources.ts'

const OURS = '192.0.2.1'

async function serverWith(...ingresses: readonly FakeObject[]): Promise<FakeApiServer> {
  const server = await new FakeApiServer().start()
  server.put(CLASS_COLLECTION, ingressClass('sekisho'))
  server.put(CLASS_COLLECTION, ingressClass('nginx', 'k8s.io/ingress-nginx'))
  for (const ingress of ingresses) server.put(INGRESS_COLLECTION, ingress)
  return server
}

/** Writes of statuses that have been asked for. */
function writes(server: FakeApiServer): number {
  return server.count('PATCH', '/status')
}

async function leading(server: FakeApiServer, replica: Replica, identity: string): Promise<void> {
  await server.until(() => replica.leader === identity, `${identity} to lead`)
}

const pod = (name: string, ready = 'True', more: object = {}): FakeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'gw', labels: { app: 'gw' }, ...more },
  spec: { nodeName: `node-of-${name}` },
  status: { conditions: [{ type: 'Ready', status: ready }] },
})

describe('status of Ingresses', () => {
  it('is written when every worker has the Ingress, not before', async () => {
    await using server = await serverWith(classIngress('a'), classIngress('b'))
    await using replica = await new Replica(server, 'one').start()
    await leading(server, replica, 'one')
    replica.provider.inForce(['shop/a'])
    await server.until(() => published(server, 'a')[0] === OURS, 'the status of a')
    assert.deepEqual(published(server, 'b'), [])
    replica.provider.inForce(['shop/b'])
    await server.until(() => published(server, 'b')[0] === OURS, 'the status of b')
    assert.equal(writes(server), 2)
  })

  it('is not written again where it is so already: a new leader over 5,000 Ingresses writes nothing', async () => {
    const names = Array.from({ length: 5000 }, (_, index) => `i-${index}`)
    await using server = await serverWith(...names.map((name) => classIngress(name, 'sekisho', OURS)))
    await using replica = await new Replica(server, 'one').start()
    replica.provider.inForce(names.map((name) => `shop/${name}`))
    await server.until(() => replica.reporter.facts.isLeading, 'the replica to lead')
    // Looked at, each of them; a last one that does need a write comes behind all.
    server.put(INGRESS_COLLECTION, classIngress('last'))
    await server.until(() => {
      replica.provider.inForce(['shop/last'])
      return published(server, 'last')[0] === OURS
    }, 'the status of the last one')
    assert.ok(replica.reporter.facts.status.suppressed >= names.length)
    assert.equal(writes(server), 1)
    assert.equal(server.count('PUT', 'ingresses') + server.count('GET', 'ingresses/'), 0)
  })

  it('is written by one of two replicas, and by the other one when the first leaves', async () => {
    await using server = await serverWith(classIngress('a'))
    for (const name of ['one', 'two']) server.put(POD_COLLECTION, pod(name))
    const pods = (name: string) => ({ pod: { name, namespace: 'gw' } })
    await using one = await new Replica(server, 'one', pods('one')).start()
    await leading(server, one, 'one')
    await using two = await new Replica(server, 'two', pods('two')).start()
    for (const replica of [one, two]) replica.provider.inForce(['shop/a'])
    await server.until(() => published(server, 'a')[0] === OURS, 'the status')
    assert.equal(writes(server), 1)
    await one.stop()
    await server.until(() => two.leader === 'two', 'two to lead')
    assert.deepEqual(published(server, 'a'), [OURS], 'another replica is ready: the status stays')
    server.put(INGRESS_COLLECTION, classIngress('b'))
    await server.until(() => two.provider.get(...ingress('b')) !== undefined, 'two to know b')
    two.provider.inForce(['shop/b'])
    await server.until(() => published(server, 'b')[0] === OURS, 'the status of b')
    assert.equal(writes(server), 2)
  })

  const others: readonly (readonly [string, readonly FakeObject[], boolean])[] = [
    ['there is no other', [], false],
    ['the other is not ready', [pod('two', 'False')], false],
    ['the other is ending', [pod('two', 'True', { deletionTimestamp: '2026-01-01T00:00:00Z' })], false],
    ['the other is another program', [pod('two', 'True', { labels: { app: 'else' } })], false],
    ['the other is ready', [pod('two')], true],
    [
      'the other is ready and of another revision',
      [pod('two', 'True', { labels: { app: 'gw', 'pod-template-hash': 'x' } })],
      true,
    ],
  ]
  for (const [name, pods, stays] of others) {
    it(`${stays ? 'stays' : 'is taken away'} when the leader leaves and ${name}`, async () => {
      await using server = await serverWith(classIngress('a'), classIngress('foreign', 'nginx', OURS))
      for (const object of [pod('one'), ...pods]) server.put(POD_COLLECTION, object)
      await using replica = await new Replica(server, 'one', {
        pod: { name: 'one', namespace: 'gw' },
      }).start()
      replica.provider.inForce(['shop/a', 'shop/foreign'])
      await server.until(() => published(server, 'a')[0] === OURS, 'the status')
      await replica.stop()
      assert.deepEqual(published(server, 'a'), stays ? [OURS] : [])
      assert.deepEqual(published(server, 'foreign'), [OURS])
      const lease = server.all(LEASE_COLLECTION)[0]?.['spec'] as { holderIdentity?: string }
      assert.equal(lease.holderIdentity, '', 'the lease is given back')
    })
  }

  it('is taken away from all, while the changes that this makes come back', async () => {
    // More than are written at a time.
    const names = Array.from({ length: 100 }, (_, index) => `i-${index}`)
    await using server = await serverWith(...names.map((name) => classIngress(name, 'sekisho', OURS)))
    await using replica = await new Replica(server, 'one').start()
    replica.provider.inForce(names.map((name) => `shop/${name}`))
    await server.until(() => replica.reporter.facts.status.suppressed >= names.length, 'all to be looked at')
    await replica.stop()
    assert.deepEqual(
      names.filter((name) => published(server, name).length > 0),
      [],
    )
    assert.equal(writes(server), names.length)
  })

  it('stays when it is not known whether there is another replica', async () => {
    await using server = await serverWith(classIngress('a'))
    await using replica = await new Replica(server, 'one', { pod: { name: 'one', namespace: 'gw' } }).start()
    replica.provider.inForce(['shop/a'])
    await server.until(() => published(server, 'a')[0] === OURS, 'the status')
    server.intercept = ({ path }, response) => {
      if (!path.includes('/pods')) return false
      sendStatus(response, 403, 'Forbidden', 'no')
      return true
    }
    await replica.stop()
    assert.deepEqual(published(server, 'a'), [OURS])
  })

  it('is taken away from an Ingress that is not served any more, if it is ours', async () => {
    await using server = await serverWith(classIngress('a'), classIngress('b'))
    await using replica = await new Replica(server, 'one').start()
    replica.provider.inForce(['shop/a', 'shop/b'])
    await server.until(() => published(server, 'a')[0] === OURS && published(server, 'b')[0] === OURS, 'both')
    // Whoever has b now has written already.
    server.put(INGRESS_COLLECTION, classIngress('b', 'nginx', '198.51.100.7'))
    server.put(INGRESS_COLLECTION, classIngress('a', 'nginx', OURS))
    const seen = () =>
      replica.provider.get(...ingress('a')) as unknown as { spec: { ingressClassName: string } }
    await server.until(() => seen().spec.ingressClassName === 'nginx', 'the new class')
    const settled = (): number => {
      const { written, suppressed } = replica.reporter.facts.status
      return written + suppressed
    }
    const before = settled()
    replica.provider.inForce([], ['shop/a', 'shop/b'])
    await server.until(() => published(server, 'a').length === 0, 'the status of a to go')
    await server.until(() => settled() >= before + 2, 'both to be looked at')
    assert.deepEqual(published(server, 'b'), ['198.51.100.7'])
  })

  it('of a class that another controller controls is left alone', async () => {
    await using server = await serverWith(
      classIngress('a', 'nginx'),
      classIngress('b'),
      classIngress('c', 'unknown'),
    )
    await using replica = await new Replica(server, 'one').start()
    replica.provider.inForce(['shop/a', 'shop/c', 'shop/b'])
    await server.until(() => published(server, 'b')[0] === OURS, 'the status of b')
    assert.deepEqual([...published(server, 'a'), ...published(server, 'c')], [])
    // The class changes hands.
    server.put(CLASS_COLLECTION, ingressClass('nginx'))
    await server.until(() => published(server, 'a')[0] === OURS, 'the status of a')
  })

  it('of a class that another controller controls is written with --update-status', async () => {
    await using server = await serverWith(classIngress('a', 'nginx'))
    await using replica = await new Replica(server, 'one', { updatesForeignStatus: true }).start()
    replica.provider.inForce(['shop/a'])
    await server.until(() => published(server, 'a')[0] === OURS, 'the status')
  })

  it('is left alone, and that is said, when somebody keeps writing another one', async () => {
    await using server = await serverWith(classIngress('a', 'nginx'))
    await using replica = await new Replica(server, 'one', { updatesForeignStatus: true }).start()
    replica.provider.inForce(['shop/a'])
    const codes = () => replica.findings.map((finding) => finding.code)
    for (let round = 0; round < 10 && !codes().includes('status-contested'); round++) {
      const before = writes(server)
      server.put(INGRESS_COLLECTION, classIngress('a', 'nginx', '198.51.100.7'))
      await server.until(
        () => writes(server) > before || codes().includes('status-contested'),
        'a write, or that it is given up',
      )
      await server.until(
        () => published(server, 'a')[0] === OURS || codes().includes('status-contested'),
        'the write',
      )
    }
    assert.deepEqual(codes(), ['status-contested'])
    assert.equal(replica.findings[0]?.object, 'Ingress shop/a')
  })

  it('that may not be written is a finding, until it is written', async () => {
    await using server = await serverWith(classIngress('a'))
    let isForbidden = true
    server.intercept = ({ path }, response) => {
      if (!isForbidden || !path.endsWith('/status')) return false
      sendStatus(response, 403, 'Forbidden', 'ingresses/status is forbidden')
      return true
    }
    await using replica = await new Replica(server, 'one').start()
    replica.provider.inForce(['shop/a'])
    await server.until(() => replica.findings.length > 0, 'a finding')
    assert.deepEqual(
      replica.findings.map(({ code, object }) => [code, object]),
      [['status-refused', 'Ingress shop/a']],
    )
    assert.match(replica.findings[0]?.hint ?? '', /verb patch for ingresses\/status/)
    isForbidden = false
    server.remove(INGRESS_COLLECTION, 'shop', 'a')
    await server.until(() => replica.findings.length === 0, 'the finding to go with its object')
  })

  it('says when the Lease may not be used', async () => {
    await using server = await serverWith(classIngress('a'))
    server.intercept = ({ path }, response) => {
      if (!path.includes('/leases')) return false
      sendStatus(response, 403, 'Forbidden', 'leases is forbidden')
      return true
    }
    await using replica = await new Replica(server, 'one').start()
    await server.until(() => replica.findings.length > 0, 'a finding')
    const [finding] = replica.findings
    assert.equal(finding?.code, 'election-failed')
    assert.equal(finding.object, 'Lease gw/leader')
    await replica.stop()
    assert.equal(writes(server), 0)
  })
})

describe('events about findings', () => {
  const finding: Finding = {
    code: 'service-not-found',
    severity: 'warning',
    object: 'Ingress shop/a',
    field: 'spec.rules[0].http.paths[0].backend',
    message: 'Service shop/cart does not exist; answers 503',
    hint: 'create it',
  }

  it('are written by the leader, about the object, once', async () => {
    await using server = await serverWith(classIngress('a'), classIngress('elsewhere', 'nginx'))
    await using one = await new Replica(server, 'one').start()
    await leading(server, one, 'one')
    await using two = await new Replica(server, 'two').start()
    const findings = [
      { ...finding, object: 'Ingress shop/elsewhere' },
      { ...finding, object: 'Ingress shop/gone' },
      { ...finding, object: 'ingresses' },
      finding,
    ]
    // The one that does not lead hears of them first, so that what it said would be there first.
    for (const { provider } of [two, one]) {
      provider.unserved.add('shop/elsewhere')
      provider.found(...findings)
      provider.found(...findings)
    }
    await server.until(() => server.all(EVENT_COLLECTION).length > 0, 'an event')
    await one.stop()
    await two.stop()
    const events = server.all(EVENT_COLLECTION)
    assert.equal(events.length, 1)
    const { reason, type, note, regarding, reportingController, reportingInstance, metadata } = events[0]!
    assert.equal(reportingInstance, 'one')
    assert.equal(server.count('PATCH', '/events'), 0)
    const uid = server.objects.get(INGRESS_COLLECTION)?.get('shop/a')?.metadata.uid
    assert.deepEqual(
      [reason, type, reportingController, metadata.namespace],
      ['ServiceNotFound', 'Warning', 'sekisho.dev/ingress-controller', 'shop'],
    )
    assert.equal(
      note,
      'spec.rules[0].http.paths[0].backend: Service shop/cart does not exist; answers 503 (create it)',
    )
    const { kind, name, namespace } = regarding as Record<string, string>
    assert.deepEqual(
      [kind, namespace, name, (regarding as { uid: string }).uid],
      ['Ingress', 'shop', 'a', uid],
    )
  })

  it('that may not be written are a finding, and nothing else suffers', async () => {
    await using server = await serverWith(classIngress('a'))
    server.intercept = ({ path }, response) => {
      if (!path.includes('/events')) return false
      sendStatus(response, 403, 'Forbidden', 'events is forbidden')
      return true
    }
    await using replica = await new Replica(server, 'one').start()
    replica.provider.found(finding)
    await server.until(() => replica.findings.some(({ code }) => code === 'events-forbidden'), 'the finding')
    replica.provider.inForce(['shop/a'])
    await server.until(() => published(server, 'a')[0] === OURS, 'the status')
  })
})

function ingress(name: string): [typeof INGRESSES, string] {
  return [INGRESSES, `shop/${name}`]
}
