/**
 * A way to the API server of which one client's connections can be cut, held back, slowed down or refused, while all others go
 * on as before: a TCP relay in the test's process. Clients trust it as the API server itself, because the bytes are its own.
 * Pods take it when KUBERNETES_SERVICE_HOST and _PORT name it.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { KubeClient } from '#kube/client.ts'
import { kubeconfigAccess } from '#kube/kubeconfig-access.ts'
import { SYSTEM_TIMERS } from '#kube/timers.ts'
import { API_PORT } from './address-plan.ts'
import type { Cluster } from './cluster.ts'

export class ApiDetour implements AsyncDisposable {
  readonly host: string
  readonly port: number
  /** Connections taken so far. */
  connections = 0
  /** How long each piece takes, in each direction. */
  delayMs = 0
  readonly #server: Server
  readonly #kubeconfig: string
  readonly #sockets = new Set<Socket>()
  #isRefusing = false
  #isHeld = false

  private constructor(server: Server, cluster: Cluster) {
    this.#server = server
    this.#kubeconfig = cluster.kubeconfig
    const { address, port } = server.address() as AddressInfo
    this.host = address
    this.port = port
    server.on('connection', (socket) => this.#relay(socket, cluster.apiAddress))
  }

  static async open(cluster: Cluster): Promise<ApiDetour> {
    const server = createServer({ allowHalfOpen: true }).listen(0, cluster.outside[0])
    await once(server, 'listening')
    return new ApiDetour(server, cluster)
  }

  /** A client of the cluster's administrator whose every connection goes this way. */
  client(): KubeClient {
    const access = kubeconfigAccess({ file: this.#kubeconfig }, {}, SYSTEM_TIMERS)
    const server = { ...access.server, host: this.host, port: this.port }
    return new KubeClient({ ...access, server }, { userAgent: 'sekisho-test-detour' })
  }

  /** Kubeconfig of the cluster's administrator that leads this way, as text. */
  kubeconfig(): string {
    const text = readFileSync(this.#kubeconfig, 'utf8')
    return text.replace(/https:\/\/[^"]+/, `https://${this.host}:${this.port}`)
  }

  /** Resets every connection; new ones are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Resets every connection, and each new one until `open`. */
  close(): void {
    this.#isRefusing = true
    this.cut()
  }

  /** Nothing passes in either direction until `open`, and nobody is told. */
  hold(): void {
    this.#isHeld = true
    for (const socket of this.#sockets) socket.pause()
  }

  open(): void {
    this.#isRefusing = false
    this.#isHeld = false
    for (const socket of this.#sockets) socket.resume()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    this.#server.close()
    if (this.#server.listening) await once(this.#server, 'close')
  }

  #relay(client: Socket, apiAddress: string): void {
    this.connections++
    if (this.#isRefusing) {
      client.resetAndDestroy()
      return
    }
    const server = connect({ host: apiAddress, port: API_PORT, allowHalfOpen: true })
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from)
      const line = new DelayLine((data) => {
        if (data === null) to.end()
        else if (!to.destroyed && !to.write(data)) from.pause()
      })
      from.on('data', (data: Buffer) => line.take(data, this.delayMs))
      from.on('drain', () => {
        if (!this.#isHeld) to.resume()
      })
      from.on('end', () => line.take(null, this.delayMs))
      from.on('error', () => to.resetAndDestroy())
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      if (this.#isHeld) from.pause()
    }
  }
}

/** Passes pieces on in their order, each as late as was said when it came. */
class DelayLine {
  readonly #pass: (data: Buffer | null) => void
  readonly #queue: { readonly dueAt: number; readonly data: Buffer | null }[] = []

  /** `null` is the end. */
  constructor(pass: (data: Buffer | null) => void) {
    this.#pass = pass
  }

  take(data: Buffer | null, delayMs: number): void {
    if (delayMs === 0 && this.#queue.length === 0) {
      this.#pass(data)
      return
    }
    this.#queue.push({ dueAt: performance.now() + delayMs, data })
    if (this.#queue.length === 1) this.#wait()
  }

  #wait(): void {
    const [first] = this.#queue
    if (first === undefined) return
    setTimeout(
      () => {
        this.#queue.shift()
        this.#pass(first.data)
        this.#wait()
      },
      Math.max(0, first.dueAt - performance.now()),
    )
  }
}
