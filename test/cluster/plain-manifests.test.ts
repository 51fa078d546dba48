/** deploy/manifests/daemonset.yaml as it stands: a gateway at the ports of every node, without Helm and without a Service. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { KubeObject } from '#kube/objects.ts'
import { Cluster } from './cluster.ts'
import { INGRESSES } from './resources.ts'

const MANIFEST = join(fileURLToPath(new URL('../..', import.meta.url)), 'deploy/manifests/daemonset.yaml')
const ACCOUNT = 'system:serviceaccount:sekisho:sekisho'

interface IngressObject extends KubeObject {
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } }
}

const addressesOf = ({ status }: IngressObject): readonly string[] =>
  (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip ?? '')

describe('the DaemonSet of the plain manifests', { timeout: 240_000 }, () => {
  let cluster: Cluster
  before(async () => {
    cluster = await Cluster.start()
    await cluster.kubectl(['apply', '--filename=-'], { stdin: readFileSync(MANIFEST, 'utf8') })
    await cluster.kubectl(['create', 'deployment', 'hello', '--image=backend', '--port=8080'])
    await cluster.kubectl(['expose', 'deployment', 'hello'])
    await cluster.kubectl([
      'create',
      'ingress',
      'hello',
      '--class=sekisho',
      '--rule=hello.example/*=hello:8080',
    ])
    await cluster.kubectl(['--namespace=sekisho', 'rollout', 'status', 'daemonset/sekisho', '--timeout=90s'])
    await cluster.objects.waitForDeployment({ namespace: 'default', name: 'hello' })
  })
  after(() => cluster?.stop())

  it('publishes the addresses of all nodes, of both families', async () => {
    const expected = cluster.nodes.flatMap(({ addresses }) => addresses).toSorted()
    await cluster.objects.waitFor<IngressObject>(
      INGRESSES,
      { namespace: 'default', name: 'hello' },
      (ingress) => addressesOf(ingress).toSorted().join() === expected.join(),
    )
  })

  it('serves at port 80 of every node, with its one capability', async () => {
    for (const { addresses } of cluster.nodes)
      for (const host of addresses)
        await cluster.objects.until(
          `${host} answers`,
          async () => (await statusAt(host, 'hello.example')) === 200,
        )
  })

  it('has no complaint about its rights', async () => {
    const log = await cluster.kubectl([
      '--namespace=sekisho',
      'logs',
      '--selector=app.kubernetes.io/name=sekisho',
      '--tail=-1',
    ])
    assert.match(log, /INF serving .*web=\[::\]:80/)
    assert.doesNotMatch(log, /forbidden|status-|election-failed/)
  })

  const rights: readonly (readonly [boolean, string, string, ...string[]])[] = [
    [true, 'patch', 'ingresses', '--subresource=status', '--all-namespaces'],
    [true, 'create', 'events.events.k8s.io', '--all-namespaces'],
    [true, 'update', 'leases/sekisho-leader', '--namespace=sekisho'],
    [false, 'update', 'leases/other', '--namespace=sekisho'],
    [false, 'update', 'ingresses', '--all-namespaces'],
    [false, 'create', 'secrets', '--all-namespaces'],
    [false, 'get', 'configmaps', '--all-namespaces'],
    [false, 'list', 'nodes'],
    [false, 'get', 'pods', '--namespace=default'],
    [false, 'create', 'pods', '--namespace=sekisho'],
    [false, '*', '*'],
  ]
  for (const [may, verb, what, ...where] of rights) {
    it(`${may ? 'may' : 'may not'} ${verb} ${what} ${where.join(' ')}`, async () => {
      const { stdout } = await cluster.kubectlOutcome([
        'auth',
        'can-i',
        verb,
        what,
        ...where,
        `--as=${ACCOUNT}`,
      ])
      assert.equal(stdout.trim(), may ? 'yes' : 'no')
    })
  }
})

function statusAt(host: string, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const ask = request(
      { host, port: 80, headers: { host: name }, agent: false, timeout: 2000 },
      (answer) => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      },
    )
    ask.on('error', reject)
    ask.on('timeout', () => ask.destroy(new Error('no answer in time')))
    ask.end()
  })
}
