/**
 * Replicas of the gateway that are replaced under load, by a rolling restart and by an upgrade, behind a TCP balancer that
 * follows the Service: nothing is lost, neither on new connections nor on those that clients keep, be they busy or so
 * seldom used that their replica ends before their next request.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { ObjectName } from '#kube/resource.ts'
import { applyChart, installChart } from './chart-install.ts'
import { Cluster } from './cluster.ts'
import { commitBefore, type CommitBefore } from './commit-before.ts'
import { sekishoImage } from './images.ts'
import { PODS } from './resources.ts'
import { TcpBalancer } from './tcp-balancer.ts'
import { Traffic } from './traffic.ts'
import { deployment, service } from './workloads.ts'

const NAMESPACE = 'shop'
const BACKEND = 'web'
const HOST = 'shop.example.com'
const REPLICAS = 3
const PER_SECOND = 500
const KEPT = 32
/** Seconds where there is nothing else to do. */
const ROLL_OUT_MS = 150_000
/** Before the first replica goes, and behind the last one. */
const CALM_MS = 2000
const PREVIOUS = 'sekisho:before'

const BACKENDS = [
  deployment({ name: BACKEND, namespace: NAMESPACE, replicas: 2 }),
  service({ name: BACKEND, namespace: NAMESPACE }),
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: BACKEND, namespace: NAMESPACE },
    spec: {
      ingressClassName: 'sekisho',
      rules: [
        {
          host: HOST,
          http: {
            paths: [
              {
                path: '/',
                pathType: 'Prefix',
                backend: { service: { name: BACKEND, port: { name: 'http' } } },
              },
            ],
          },
        },
      ],
    },
  },
]

describe('replicas of the gateway that are replaced under load', { timeout: 500_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'sekisho-before-'))
  const values = {
    replicas: REPLICAS,
    'service.type': 'ClusterIP',
    // A machine that has much else to do is no reason for a replica to be unready.
    'readinessProbe.timeoutSeconds': 10,
    'livenessProbe.timeoutSeconds': 10,
  }
  let previous: CommitBefore | string
  let cluster: Cluster
  let gateway: ObjectName
  let balancer: TcpBalancer

  before(async () => {
    previous = await commitBefore(directory)
    const images = typeof previous === 'string' ? {} : { [PREVIOUS]: sekishoImage(previous.checkout) }
    cluster = await Cluster.start({ nodes: 2, images })
    gateway = await installChart(cluster, { values })
    await cluster.kubectl(['create', 'namespace', NAMESPACE])
    const manifest = { apiVersion: 'v1', kind: 'List', items: BACKENDS }
    await cluster.kubectl(['apply', '--filename', '-'], { stdin: JSON.stringify(manifest) })
    await cluster.objects.waitForDeployment({ namespace: NAMESPACE, name: BACKEND })
    balancer = await TcpBalancer.start(cluster.client, gateway)
  })
  after(async () => {
    await balancer?.[Symbol.asyncDispose]()
    await cluster?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  /** Every replica that is there is a new one, and ready. */
  const replaced = async (old: ReadonlySet<string>): Promise<void> => {
    await cluster.objects.waitForDeployment(gateway, ROLL_OUT_MS).catch(async (error: unknown) => {
      console.log(await cluster.kubectl(['get', 'nodes,pods,events', '--all-namespaces', '--output=wide']))
      throw error
    })
    await cluster.objects.until('the old replicas are gone', async () => {
      const pods = await gatewayPods()
      return pods.length === REPLICAS && pods.every((name) => !old.has(name))
    })
  }

  const gatewayPods = async (): Promise<readonly string[]> => {
    const labelSelector = 'app.kubernetes.io/component=gateway'
    const { items } = await cluster.client.list(PODS, { namespace: gateway.namespace ?? '', labelSelector })
    return items.map(({ metadata }) => metadata.name)
  }

  const traffic = (perSecond: number, kept: number, freshEvery: number): Traffic =>
    new Traffic({ host: '127.0.0.1', port: balancer.port, name: HOST, perSecond, kept, freshEvery })

  /** Requests come before, while and after `change` replaces every replica. */
  const underLoad = async (
    what: string,
    change: () => Promise<unknown>,
  ): Promise<{ readonly busy: Traffic; readonly seldom: Traffic }> => {
    const pods = new Set(await gatewayPods())
    const before = balancer.ready
    assert.equal(before.length, REPLICAS)
    balancer.connections.clear()
    const started = performance.now()
    using busy = traffic(PER_SECOND, KEPT, 2)
    // Each connection has a request in 6 s; a replica that ends waits for 10.
    using seldom = traffic(8, 48, Infinity)
    await busy.until(CALM_MS)
    await change()
    await replaced(pods)
    const tookMs = performance.now() - started
    await busy.until(tookMs + CALM_MS)
    await Promise.all([busy.stop(), seldom.stop()])
    console.log(`${what}: ${String(busy)}`)
    console.log(`${what}: ${String(seldom)}`)
    console.log(`${what}: ${Math.round(tookMs)} ms`, Object.fromEntries(balancer.connections))
    assert.ok(busy.sent >= (PER_SECOND * tookMs) / 1000)
    assert.equal(busy.lost(), 0, String(busy))
    assert.equal(seldom.lost(), 0, String(seldom))
    assert.deepEqual(balancer.refused.splice(0), [])
    const now = balancer.ready
    assert.deepEqual(
      now.filter((address) => before.includes(address)),
      [],
      'every replica was replaced',
    )
    for (const address of [...before, ...now])
      assert.ok(balancer.connections.has(address), `${address} had no connection`)
    assert.ok(busy.facts.closedByAnswer + busy.facts.closedIdle >= KEPT, 'kept connections moved')
    return { busy, seldom }
  }

  it('lose nothing in a rolling restart, and tell kept connections to go', async () => {
    const { namespace = '', name } = gateway
    const restart = ['rollout', 'restart', `deployment/${name}`, '--namespace', namespace]
    const { busy, seldom } = await underLoad('rolling restart', () => cluster.kubectl(restart))
    for (const { facts } of [busy, seldom]) {
      assert.ok(facts.closedByAnswer >= KEPT)
      assert.equal(facts.closedIdle, 0)
    }
  })

  it('lose nothing in an upgrade from the commit before', async (t) => {
    if (typeof previous === 'string') {
      t.skip(previous)
      return
    }
    const pods = new Set(await gatewayPods())
    const chart = join(previous.checkout, 'deploy/chart')
    const [repository = '', tag = ''] = PREVIOUS.split(':')
    await applyChart(cluster, {
      chart,
      values: { ...values, 'image.repository': repository, 'image.tag': tag },
    })
    await replaced(pods)
    await underLoad(`upgrade from ${previous.commit.slice(0, 12)}`, () => applyChart(cluster, { values }))
  })
})
