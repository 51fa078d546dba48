/**
 * Backends that are rolled out under load: the chart's objects and the user's own are applied by kubectl, requests come from
 * outside through a port of a node. Pods that serve on for a while after SIGTERM lose nothing; those that exit at once
 * break what they were working on, which the gateway repeats where repeating is safe.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { ObjectName } from '#kube/resource.ts'
import { installChart, nodePort } from './chart-install.ts'
import { Cluster } from './cluster.ts'
import { outcomeOf } from './run-command.ts'
import { Traffic } from './traffic.ts'
import { deployment, service } from './workloads.ts'

const NAMESPACE = 'shop'
const REPLICAS = 4
const ROLL_OUTS = 3
const PER_SECOND = 500
const LOAD_MS = 60_000
/** The first one after this; the others as long after one another. */
const APART_MS = LOAD_MS / (ROLL_OUTS + 1)
const PATIENT = 'patient'
const HASTY = 'hasty'

function ingress(name: string): object {
  const backend = { service: { name, port: { name: 'http' } } }
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      ingressClassName: 'sekisho',
      rules: [{ host: hostOf(name), http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
    },
  }
}

function hostOf(name: string): string {
  return `${name}.example.com`
}

describe('backends that are rolled out under load', { timeout: 240_000 }, () => {
  let cluster: Cluster
  let gateway: ObjectName

  before(async () => {
    cluster = await Cluster.start({ nodes: 2 })
    gateway = await installChart(cluster, {
      values: {
        'service.type': 'NodePort',
        // A machine that has much else to do is no reason for a replica to be unready.
        'readinessProbe.timeoutSeconds': 10,
      },
    })
    await cluster.kubectl(['create', 'namespace', NAMESPACE])
    const objects = [
      deployment({ name: PATIENT, namespace: NAMESPACE, replicas: REPLICAS, env: { SHUTDOWN_MS: '2000' } }),
      deployment({ name: HASTY, namespace: NAMESPACE, replicas: REPLICAS }),
      ...[PATIENT, HASTY].flatMap((name) => [service({ name, namespace: NAMESPACE }), ingress(name)]),
    ]
    const manifest = { apiVersion: 'v1', kind: 'List', items: objects }
    await cluster.kubectl(['apply', '--filename', '-'], { stdin: JSON.stringify(manifest) })
    for (const name of [PATIENT, HASTY])
      await cluster.objects.waitForDeployment({ namespace: NAMESPACE, name })
  })
  after(() => cluster?.stop())

  const rollOut = async (name: string): Promise<void> => {
    await cluster.kubectl(['rollout', 'restart', `deployment/${name}`, '--namespace', NAMESPACE])
    await cluster.objects.waitForDeployment({ namespace: NAMESPACE, name })
  }

  const reach = async (name: string): Promise<Traffic> => {
    const [address = ''] = cluster.nodes[0]?.addresses ?? []
    const port = await nodePort(cluster, gateway)
    await cluster.objects.until(`requests for ${name} are answered`, async () => {
      const command = ['--silent', '--fail', '--max-time', '2', '-H', `Host: ${hostOf(name)}`]
      return (await outcomeOf('curl', [...command, `http://${address}:${port}/`])).code === 0
    })
    return new Traffic({
      host: address,
      port,
      name: hostOf(name),
      perSecond: PER_SECOND,
      kept: 32,
      freshEvery: 10,
    })
  }

  it('lose nothing when they serve on after SIGTERM, and no GET when they exit at once', async () => {
    using patient = await reach(PATIENT)
    using hasty = await reach(HASTY)
    for (let round = 1; round <= ROLL_OUTS; round++) {
      await patient.until(round * APART_MS)
      await Promise.all([rollOut(PATIENT), rollOut(HASTY)])
    }
    const both = [patient, hasty]
    await Promise.all(both.map((traffic) => traffic.until(LOAD_MS).then(() => traffic.stop())))
    for (const traffic of both) {
      console.log(`roll-outs: ${String(traffic)}; ${traffic.pods.size} pods answered`)
      assert.ok(traffic.sent >= (PER_SECOND * LOAD_MS) / 1000)
      assert.equal(traffic.pods.size, REPLICAS * (ROLL_OUTS + 1), 'every pod of every roll-out answered')
    }
    assert.equal(patient.lost(), 0, String(patient))
    assert.equal(hasty.lost('GET'), 0, String(hasty))
  })
})
