/**
 * Two replicas of a gateway while their control plane fails in every way that the bed knows, and while the one that leads is
 * killed: clients lose nothing, what was changed meanwhile arrives, and what is in force then is what a gateway has that is
 * started afterwards.
 */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { after, before, describe, it } from 'node:test'
import type { KubeObject } from '#kube/objects.ts'
import type { ObjectName } from '#kube/resource.ts'
import { ApiDetour } from './api-detour.ts'
import { installChart } from './chart-install.ts'
import { ChangingWorld, NAMESPACE } from './changing-world.ts'
import { Cluster } from './cluster.ts'
import type { PodObject } from './cluster-objects.ts'
import { GatewayReplicas } from './gateway-replicas.ts'
import { OutsideGateway } from './outside-gateway.ts'
import { INGRESSES } from './resources.ts'
import { retryUntil } from './retry-until.ts'
import { TcpBalancer } from './tcp-balancer.ts'
import { Traffic } from './traffic.ts'
import { deployment, service } from './workloads.ts'

const HOST = 'web.example'
const PER_SECOND = 200
/** From the end of a failure until everything that was changed meanwhile is in force. */
const CURRENT_MS = 10_000
/** Longer than a Lease lasts. */
const TAKEOVER_MS = 40_000
const WAIT_MS = 60_000
const POLL_MS = 50
/** Between two failures that follow each other. */
const STEP_MS = 400
const WEB_PORT = 80
const PUBLISHED = '203.0.113.7'
const LISTS = 'sekisho_kube_lists_total{resource="ingresses"}'

interface IngressObject extends KubeObject {
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } }
}

describe('replicas of a gateway whose control plane fails', { timeout: 300_000 }, () => {
  let cluster: Cluster
  let detour: ApiDetour
  let gateway: ObjectName
  let replicas: GatewayReplicas
  let balancer: TcpBalancer
  let world: ChangingWorld
  let lastHash = ''

  before(async () => {
    cluster = await Cluster.start({ nodes: 2 })
    detour = await ApiDetour.open(cluster)
    gateway = await installChart(cluster, {
      values: {
        replicas: 2,
        workers: 2,
        'service.type': 'ClusterIP',
        'status.publishAddresses': `{${PUBLISHED}}`,
        'extraEnv[0].name': 'KUBERNETES_SERVICE_HOST',
        'extraEnv[0].value': detour.host,
        'extraEnv[1].name': 'KUBERNETES_SERVICE_PORT',
        'extraEnv[1].value': String(detour.port),
      },
    })
    replicas = new GatewayReplicas(cluster, gateway)
    await cluster.objects.createNamespace(NAMESPACE)
    const name = { namespace: NAMESPACE, name: 'web' }
    await cluster.objects.apply([deployment({ ...name, replicas: 2 }), service(name)])
    await cluster.objects.waitForDeployment(name)
    world = new ChangingWorld(cluster, await cluster.objects.pods(NAMESPACE, 'app=web'))
    await world.create()
    balancer = await TcpBalancer.start(cluster.client, gateway, { triesNext: true })
    assert.ok(detour.connections > 0, 'the replicas use the detour')
    for (const pod of await replicas.pods()) await world.isServedBy(pod)
  })
  after(async () => {
    await balancer?.[Symbol.asyncDispose]()
    await detour?.[Symbol.asyncDispose]()
    await cluster?.stop()
  })

  const probe = (host: string, port: number, name = HOST, perSecond = PER_SECOND): Traffic =>
    new Traffic({ host, port, name, perSecond, kept: 16, freshEvery: 2 })

  /** The failure is over: everything arrives, and is what a gateway has that starts now. */
  const recovers = async (what: string, pods: readonly PodObject[]): Promise<void> => {
    const over = performance.now()
    const watched = pods.map((pod) => new HashWatch(replicas, pod, over))
    try {
      await using fresh = await OutsideGateway.start({
        kubeconfig: cluster.kubeconfig,
        workers: 1,
        flags: [
          // What it writes is what they would write.
          `--publish-address=${PUBLISHED}`,
          `--election-namespace=${gateway.namespace}`,
          `--election-id=${gateway.name}-leader`,
        ],
      })
      const hash = await fresh.configHash()
      assert.notEqual(hash, lastHash, 'something was changed')
      lastHash = hash
      await Promise.all(watched.map((each) => each.until(hash)))
    } finally {
      for (const each of watched) each.end()
    }
    for (const { changedAtMs } of watched)
      assert.ok(changedAtMs <= CURRENT_MS, `${what}: current after ${changedAtMs} ms`)
    for (const pod of pods) await world.isServedBy(pod)
    const times = watched.map(({ changedAtMs }) => `${Math.max(0, Math.round(changedAtMs))} ms`)
    console.log(`${what}: replicas current ${times.join(' and ')} after its end`)
  }

  /** Under load; `fail` changes the world while something is wrong, and mends what is wrong. */
  const survives = async (
    what: string,
    fail: (goOn: (ms: number) => Promise<void>) => Promise<void>,
  ): Promise<void> => {
    const pods = await replicas.pods()
    assert.equal(pods.length, 2)
    using steady = probe('127.0.0.1', balancer.port)
    // Its servers change all the time.
    using moving = probe('127.0.0.1', balancer.port, 'moving.example', PER_SECOND / 4)
    const started = performance.now()
    await fail((ms) => steady.until(performance.now() - started + ms))
    await recovers(what, pods)
    // However quickly it was over.
    await steady.until(1500)
    await Promise.all([steady.stop(), moving.stop()])
    console.log(`${what}: ${String(steady)}`)
    assert.equal(steady.lost(), 0, String(steady))
    assert.equal(moving.lost(), 0, String(moving))
    assert.deepEqual(balancer.refused, [])
    assert.ok(steady.sent >= PER_SECOND)
  }

  const restartApi = async (): Promise<void> => {
    await cluster.faults.stop('kube-apiserver')
    await cluster.faults.start('kube-apiserver')
    await cluster.faults.apiReady()
  }

  /** The replicas are cut off while `meanwhile` goes on and the world changes. */
  const cutOff = async (meanwhile: () => Promise<unknown>): Promise<void> => {
    detour.close()
    await meanwhile()
    await world.change()
    detour.open()
  }

  const lists = async (): Promise<readonly number[]> =>
    Promise.all((await replicas.pods()).map((pod) => replicas.metric(pod, LISTS)))

  it('lose nothing when watches are cut, again and again, and list nothing anew', async () => {
    const listed = await lists()
    await survives('watches cut', async () => {
      for (let round = 0; round < 5; round++) {
        assert.ok((await cluster.faults.cutConnections()) > 0)
        await world.change()
        detour.cut()
      }
    })
    assert.deepEqual(await lists(), listed)
  })

  it('lose nothing when the API server is killed', () =>
    survives('API server killed', () => cutOff(restartApi)))

  it('lose nothing when the past is compacted away, and list anew', async () => {
    const listed = await lists()
    await survives('etcd compacted', () =>
      cutOff(async () => {
        await world.change()
        await cluster.faults.compact()
        // What the API server remembers by itself ends with it.
        await restartApi()
      }),
    )
    assert.deepEqual(
      await lists(),
      listed.map((count) => count + 1),
      'one list of each, and only one',
    )
  })

  it('lose nothing when etcd is killed', () =>
    survives('etcd killed', async () => {
      await cluster.faults.stop('etcd')
      await cluster.faults.start('etcd')
      await cluster.faults.apiReady()
      await world.change()
    }))

  it('lose nothing when the API server stands still', () =>
    survives('API server stands still', async (goOn) => {
      await cluster.faults.pause('kube-apiserver')
      const isChanged = world.change()
      await goOn(3000)
      await cluster.faults.resume('kube-apiserver')
      await isChanged
    }))

  it('lose nothing when every answer of the API server takes its time', () =>
    survives('slow API server', async () => {
      detour.delayMs = 700
      detour.cut()
      for (let round = 0; round < 3; round++) await world.change()
      for (const pod of await replicas.pods()) await world.isServedBy(pod)
      detour.delayMs = 0
    }))

  it('lose nothing when nothing passes, and nobody is told', () =>
    survives('connections held', async (goOn) => {
      detour.hold()
      for (let round = 0; round < 3; round++) await world.change()
      await goOn(1000)
      detour.open()
    }))

  it('lose nothing when one failure follows the other', () =>
    survives('one failure after the other', async (goOn) => {
      const { faults } = cluster
      const steps: readonly (() => unknown)[] = [
        () => faults.cutConnections(),
        () => detour.close(),
        () => faults.compact(),
        () => detour.open(),
        () => (detour.delayMs = 300),
        () => faults.stop('kube-apiserver'),
        () => faults.start('kube-apiserver'),
        () => detour.hold(),
        () => faults.apiReady(),
        () => detour.open(),
        () => faults.stop('etcd', 'SIGTERM'),
        () => detour.cut(),
        () => faults.start('etcd'),
        () => (detour.delayMs = 0),
        () => faults.apiReady(),
      ]
      const changes = world.keepChanging()
      for (const step of steps) {
        await step()
        await goOn(STEP_MS)
      }
      await changes.stop()
    }))

  it('lose only what the leader has under way when it is killed, and another one leads', async () => {
    const leader = await replicas.leader()
    const others = (await replicas.pods()).filter(({ metadata }) => metadata.name !== leader.metadata.name)
    const [survivor] = others
    assert.ok(survivor !== undefined && others.length === 1)
    using atSurvivor = probe(survivor.status?.podIP ?? '', WEB_PORT)
    using through = probe('127.0.0.1', balancer.port)
    balancer.brokenWaiting = 0
    await through.until(STEP_MS)
    await cluster.faults.signalContainer(leader, 'gateway', 'SIGKILL')
    await world.change()
    await recovers('leader killed', [survivor])
    const killedAt = performance.now()
    const next = await replicas.leader()
    console.log(
      `leader killed: ${next.metadata.name === leader.metadata.name ? 'started anew, it' : 'the other one'} leads`,
      `${Math.round(performance.now() - killedAt)} ms later`,
    )
    const written = { namespace: NAMESPACE, name: world.newest }
    await cluster.objects.waitFor<IngressObject>(
      INGRESSES,
      written,
      ({ status }) => status?.loadBalancer?.ingress?.[0]?.ip === PUBLISHED,
      TAKEOVER_MS,
    )
    await cluster.objects.until('both replicas are ready', async () => (await replicas.pods()).length === 2)
    await world.change()
    await recovers('leader back', await replicas.pods())
    await Promise.all([atSurvivor.stop(), through.stop()])
    console.log(`leader killed, at the other one: ${String(atSurvivor)}`)
    console.log(`leader killed: ${balancer.brokenWaiting} under way; ${String(through)}`)
    assert.equal(atSurvivor.lost(), 0, String(atSurvivor))
    assert.ok(through.lost() <= balancer.brokenWaiting, String(through))
    assert.deepEqual(balancer.refused, [])
  })
})

interface ConfigHash {
  readonly hash: string
  readonly inForce: boolean
}

/** Asks a replica for the digest of its configuration, all the time. */
class HashWatch {
  /** Milliseconds behind the end of the failure at which the digest of now was first seen. */
  changedAtMs = 0
  readonly #replicas: GatewayReplicas
  readonly #pod: PodObject
  readonly #since: number
  #hash = ''
  #hasEnded = false

  constructor(replicas: GatewayReplicas, pod: PodObject, since: number) {
    this.#replicas = replicas
    this.#pod = pod
    this.#since = since
    void this.#follow()
  }

  async until(hash: string): Promise<void> {
    await retryUntil(
      `the configuration of ${this.#pod.metadata.name} is the same`,
      () => this.#hash === hash,
      WAIT_MS,
    )
  }

  end(): void {
    this.#hasEnded = true
  }

  async #follow(): Promise<void> {
    while (!this.#hasEnded) {
      const { hash, inForce } = JSON.parse(
        await this.#replicas.internal(this.#pod, '/debug/config-hash'),
      ) as ConfigHash
      if (hash !== this.#hash && inForce) {
        this.#hash = hash
        this.changedAtMs = performance.now() - this.#since
      }
      await delay(POLL_MS)
    }
  }
}
