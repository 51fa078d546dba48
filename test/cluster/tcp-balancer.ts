/**
 * A TCP load balancer before a cluster, as clouds and hardware have them: it follows the EndpointSlices of a Service by a
 * watch. New connections go to ready endpoints by turns, those that are there stay with theirs; nothing is tried twice unless it
 * is told to. A reset passes through as a reset.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { KubeClient } from '#kube/client.ts'
import { Informer } from '#kube/informer.ts'
import type { KubeObject } from '#kube/objects.ts'
import type { ObjectName } from '#kube/resource.ts'
import { ENDPOINT_SLICES } from './resources.ts'

interface Slice extends KubeObject {
  readonly addressType: string
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[]
  readonly endpoints?: readonly {
    readonly addresses: readonly string[]
    readonly conditions?: { readonly ready?: boolean }
  }[]
}

interface Endpoint {
  readonly host: string
  readonly port: number
}

export interface TcpBalancerOptions {
  /** Of the Service; default `web`. */
  readonly portName?: string
  /** A connection that an endpoint refuses goes to the next one. Default: it is refused as well. */
  readonly triesNext?: boolean
}

export class TcpBalancer implements AsyncDisposable {
  /** Connections made, by address of the endpoint. */
  readonly connections = new Map<string, number>()
  /** Connections that no endpoint took, by reason. */
  readonly refused: string[] = []
  /** Connections whose endpoint broke them off while the client waited: its bytes were the last, or came behind. */
  brokenWaiting = 0
  readonly #informer: Informer<Slice>
  readonly #server: Server
  readonly #portName: string
  readonly #triesNext: boolean
  readonly #open = new Set<Socket>()
  #turn = 0

  private constructor(client: KubeClient, service: ObjectName, options: TcpBalancerOptions) {
    this.#portName = options.portName ?? 'web'
    this.#triesNext = options.triesNext ?? false
    this.#informer = new Informer<Slice>(client, {
      resource: ENDPOINT_SLICES,
      namespace: service.namespace ?? 'default',
      labelSelector: `kubernetes.io/service-name=${service.name}`,
    })
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#track(socket)
      this.#relay(socket, this.#endpoints())
    })
  }

  /** Resolves when it listens and knows the endpoints. */
  static async start(
    client: KubeClient,
    service: ObjectName,
    options: TcpBalancerOptions = {},
  ): Promise<TcpBalancer> {
    const balancer = new TcpBalancer(client, service, options)
    balancer.#informer.start()
    await balancer.#informer.synced
    balancer.#server.listen(0, '127.0.0.1')
    await once(balancer.#server, 'listening')
    return balancer
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** IPv4 addresses of endpoints that are ready. */
  get ready(): readonly string[] {
    return this.#endpoints().map(({ host }) => host)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    for (const socket of this.#open) socket.destroy()
    await this.#informer.stop()
  }

  #endpoints(): readonly Endpoint[] {
    const found = new Map<string, Endpoint>()
    for (const { addressType, ports = [], endpoints = [] } of this.#informer.store.values()) {
      const port = ports.find(({ name }) => name === this.#portName)?.port
      if (addressType !== 'IPv4' || port === undefined) continue
      for (const { addresses, conditions } of endpoints) {
        const [host] = addresses
        if (host !== undefined && conditions?.ready !== false) found.set(host, { host, port })
      }
    }
    return [...found.values()]
  }

  #relay(client: Socket, endpoints: readonly Endpoint[]): void {
    const endpoint = endpoints[this.#turn++ % endpoints.length]
    if (endpoint === undefined) {
      this.refused.push('no endpoint is ready')
      client.resetAndDestroy()
      return
    }
    const { host } = endpoint
    const server = connect({ ...endpoint, allowHalfOpen: true, noDelay: true })
    this.#track(server)
    let isConnected = false
    let isClientLast = false
    let isBroken = false
    const count = (): void => {
      if (!isClientLast || !isBroken) return
      isClientLast = false
      this.brokenWaiting++
    }
    server.on('connect', () => {
      isConnected = true
      this.connections.set(host, (this.connections.get(host) ?? 0) + 1)
      client.on('data', () => {
        isClientLast = true
        count()
      })
      server.on('data', () => (isClientLast = false))
      client.pipe(server).pipe(client)
    })
    // A process that is killed ends its connections, or resets those with unread bytes.
    const onBroken = (): void => {
      isBroken = true
      count()
    }
    server.on('end', onBroken)
    server.on('error', ({ message }) => {
      onBroken()
      const others = endpoints.filter((each) => each !== endpoint)
      if (!isConnected && this.#triesNext && others.length > 0) {
        this.#relay(client, others)
        return
      }
      if (!isConnected) this.refused.push(message)
      client.resetAndDestroy()
    })
    client.on('error', () => server.resetAndDestroy())
  }

  #track(socket: Socket): void {
    this.#open.add(socket)
    socket.on('close', () => this.#open.delete(socket))
  }
}
