/**
 * A real API server without nodes (test/cluster) together with who changes it and who asks the gateway that follows it, as a
 * program of its own, so that all of it can be kept away from the gateway's core. Told by its parent what to do, one request
 * at a time: `{ method, args }`, answered with `{ result }` or `{ error }`. Run: node bench/load/cluster-load.ts NODES
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { KubeObject } from '#kube/objects.ts'
import type { Resource } from '#kube/resource.ts'
import { Cluster } from '../../test/cluster/cluster.ts'
import { ENDPOINT_SLICES, INGRESSES } from '../../test/cluster/resources.ts'
import {
  fill,
  fillServices,
  hostOf,
  ingress,
  ingressName,
  namespaceOf,
  prepare,
  sharedService,
  slice,
  sliceName,
  type Backend,
} from './cluster-objects.ts'
import { RoutePoll, SteadyPoll } from './route-poll.ts'

/** What the backends answer with: a request tells so who took it. */
const STATUS = [200, 202] as const
const NOT_FOUND = 404
/** Spreads consecutive changes over all objects. */
const STRIDE = 7919
/** Of a churn, per second. */
const MOVES = 50
const REPLACEMENTS = 5

export interface ClusterFacts {
  readonly kubeconfig: string
  /** From the start of this program until the cluster was as it should be. */
  readonly startMs: number
}

/** One per change, in milliseconds. */
export interface ChangeTimes {
  /** From the request that changes the object until a watch of this program has the event. */
  readonly writeToWatch: number[]
  /** Until a request was answered accordingly. */
  readonly writeToTraffic: number[]
  /** Answers that were neither those from before the change nor those from behind it. */
  errors: number
}

export interface ChurnFacts {
  readonly seconds: number
  readonly changes: number
  /** Requests for an Ingress that nobody touches, and how many of them failed. */
  readonly asked: number
  readonly errors: number
}

class ClusterLoad {
  readonly #cluster: Cluster
  readonly #startMs: number
  readonly #backends: readonly Backend[]
  readonly #seen = new Map<string, (at: number) => void>()

  private constructor(cluster: Cluster, backends: readonly Backend[]) {
    this.#cluster = cluster
    this.#startMs = performance.now()
    this.#backends = backends
  }

  static async start(nodes: number): Promise<ClusterLoad> {
    const cluster = await Cluster.start({ nodes })
    const address = cluster.outside[0]
    const servers = await Promise.all(STATUS.map((status) => backend(address, status)))
    const backends = servers.map((server) => ({ address, port: (server.address() as AddressInfo).port }))
    return new ClusterLoad(cluster, backends)
  }

  async facts(): Promise<ClusterFacts> {
    return { kubeconfig: this.#cluster.kubeconfig, startMs: this.#startMs }
  }

  prepare(ingresses: number): Promise<void> {
    return prepare(this.#cluster.client, ingresses)
  }

  /** Service and EndpointSlice of each of so many Ingresses, and these themselves. */
  fill(count: number): Promise<void> {
    return fill(this.#cluster.client, count, this.#backends[0]!)
  }

  /** For `propagate`: one Service for all Ingresses of a namespace, and the first Ingress. */
  fillServices(ingresses: number): Promise<void> {
    return fillServices(this.#cluster.client, ingresses, this.#backends[0]!)
  }

  /** So many Ingresses beside the first, one after the other: the next one when the one before answers. */
  async propagate(port: number, count: number): Promise<ChangeTimes> {
    const { client } = this.#cluster
    await this.#watch(INGRESSES)
    return this.#each(port, count, (step) => {
      const index = 1 + step
      return {
        key: `${namespaceOf(index)}/${ingressName(index)}`,
        host: hostOf(index),
        before: NOT_FOUND,
        behind: STATUS[0],
        change: () => client.create(INGRESSES, ingress(index, sharedService(index))),
      }
    })
  }

  /** The endpoint of a Service becomes another one, so many times, all over `services`. */
  async move(port: number, services: number, count: number): Promise<ChangeTimes> {
    const { client } = this.#cluster
    await this.#watch(ENDPOINT_SLICES)
    const turns = new Map<number, number>()
    return this.#each(port, count, (step) => {
      const index = (step * STRIDE) % services
      const turn = turns.get(index) ?? 0
      turns.set(index, 1 - turn)
      return {
        key: `${namespaceOf(index)}/${sliceName(index)}`,
        host: hostOf(index),
        before: STATUS[turn]!,
        behind: STATUS[1 - turn]!,
        change: () => client.replace(ENDPOINT_SLICES, slice(index, this.#backends[1 - turn]!)),
      }
    })
  }

  /** Endpoints move and Ingresses are replaced by others, at a rate. */
  async churn(port: number, ingresses: number, seconds: number): Promise<ChurnFacts> {
    const { client } = this.#cluster
    using steady = new SteadyPoll(port, hostOf(0))
    const started = performance.now()
    let changes = 0
    const perSecond = MOVES + REPLACEMENTS
    for (let step = 0; step < seconds * perSecond; step++) {
      const dueIn = started + (step * 1000) / perSecond - performance.now()
      if (dueIn > 0) await new Promise((resolve) => setTimeout(resolve, dueIn))
      const index = 1 + ((step * STRIDE) % (ingresses - 1))
      if (step % perSecond < MOVES) {
        await client.replace(ENDPOINT_SLICES, slice(index, this.#backends[step % 2]!))
        changes++
      } else {
        const old = ingress(index)
        await client.delete(INGRESSES, old.metadata)
        await client.create(INGRESSES, old)
        changes += 2
      }
    }
    return {
      seconds: (performance.now() - started) / 1000,
      changes,
      asked: steady.asked,
      errors: steady.others(STATUS),
    }
  }

  async stop(): Promise<void> {
    await this.#cluster.stop()
  }

  async #each(
    port: number,
    count: number,
    next: (step: number) => {
      readonly key: string
      readonly host: string
      readonly before: number
      readonly behind: number
      readonly change: () => Promise<unknown>
    },
  ): Promise<ChangeTimes> {
    const times: ChangeTimes = { writeToWatch: [], writeToTraffic: [], errors: 0 }
    using steady = new SteadyPoll(port, hostOf(0))
    using poll = new RoutePoll(port)
    for (let step = 0; step < count; step++) {
      const { key, host, before, behind, change } = next(step)
      poll.answers.clear()
      const seen = new Promise<number>((resolve) => this.#seen.set(key, resolve))
      const begin = performance.now()
      const [seenAt, servedAt] = await Promise.all([seen, poll.until(host, behind), change()])
      times.writeToWatch.push(seenAt - begin)
      times.writeToTraffic.push(servedAt - begin)
      times.errors += poll.others([before, behind])
    }
    times.errors += steady.others(STATUS)
    return times
  }

  async #watch(resource: Resource): Promise<void> {
    const { resourceVersion } = await this.#cluster.client.list(resource, { limit: 1 })
    const stream = await this.#cluster.client.watch<KubeObject>(resource, { resourceVersion })
    const follow = async (): Promise<void> => {
      for (;;) {
        const batch = await stream.next()
        if (batch === null) return
        for (const { object } of batch.events) {
          const key = `${object.metadata.namespace}/${object.metadata.name}`
          this.#seen.get(key)?.(batch.receivedAt)
          this.#seen.delete(key)
        }
      }
    }
    void follow()
  }
}

async function backend(address: string, status: number): Promise<Server> {
  const server = createServer((_request, response) => {
    response.writeHead(status, { 'content-length': '3' }).end('ok\n')
  })
  server.keepAliveTimeout = 600_000
  server.listen(0, address)
  await once(server, 'listening')
  return server
}

/** What the parent may ask for. */
export type ClusterLoadMethods = Pick<
  ClusterLoad,
  'facts' | 'prepare' | 'fill' | 'fillServices' | 'propagate' | 'move' | 'churn' | 'stop'
>

async function main(nodes: number): Promise<void> {
  process.on('disconnect', () => process.exit(0))
  const load = await ClusterLoad.start(nodes)
  process.on('message', (request: { method: keyof ClusterLoadMethods; args: readonly unknown[] }) => {
    const call = load[request.method] as (...args: readonly unknown[]) => Promise<unknown>
    call.apply(load, [...request.args]).then(
      (result) => process.send?.({ result }),
      (error: Error) => process.send?.({ error: error.stack ?? error.message }),
    )
  })
  process.send?.({ result: null })
}

if (import.meta.main) await main(Number(process.argv[2]))
