/**
 * The debugger's view of a running gateway: heap after a real collection, and faults planted in a worker. Nothing in
 * the product serves this; Node's own inspector does (`--inspect` by NODE_OPTIONS).
 */
import { once } from 'node:events'
import type { GatewayProcess } from './gateway-process.ts'

/** For GatewayProcess.start. */
export const INSPECTED = { NODE_OPTIONS: '--inspect=127.0.0.1:0' }

interface Reply {
  readonly id?: number
  readonly method?: string
  readonly params?: {
    readonly sessionId: string
    readonly workerInfo?: { readonly title: string }
    readonly message?: string
  }
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

type Settle = (reply: Reply) => void

export class Inspector implements Disposable {
  /** Sessions by the name of the thread, `worker-0` and so on. */
  readonly workers = new Map<string, string>()
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, Settle>()
  #nextId = 1

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#receive(JSON.parse(String(data)) as Reply))
  }

  /** The gateway must have been started with INSPECTED in its environment. */
  static async attach(gateway: GatewayProcess, workers: number): Promise<Inspector> {
    const [, url] = await gateway.logged(/Debugger listening on (ws:\S+)/)
    const socket = new WebSocket(url!)
    await once(socket, 'open')
    const inspector = new Inspector(socket)
    await inspector.#call('NodeWorker.enable', { waitForDebuggerOnStart: false })
    await gateway.until(() => inspector.workers.size === workers)
    return inspector
  }

  /** Bytes of all heaps together that are in use after a collection. */
  async heapAfterCollection(): Promise<number> {
    let sum = 0
    for (const session of [undefined, ...this.workers.values()]) {
      // The second one takes what finalizers of the first let go.
      for (let round = 0; round < 2; round++) await this.#call('HeapProfiler.collectGarbage', {}, session)
      const { usedSize } = (await this.#call('Runtime.getHeapUsage', {}, session)) as { usedSize: number }
      sum += usedSize
    }
    return sum
  }

  /** Ends a worker as a programming error would: an exception that nobody catches. */
  async crash(name: string): Promise<void> {
    await this.#plant(name, 'throw new Error("planted fault")')
  }

  /** Makes a worker allocate until its heap is full. */
  async exhaustHeap(name: string): Promise<void> {
    await this.#plant(name, 'for (const kept = []; ; ) kept.push(Array.from({ length: 1000 }, () => ({})))')
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }

  async #plant(name: string, statement: string): Promise<void> {
    const session = this.workers.get(name)
    if (session === undefined) throw new Error(`no ${name}`)
    this.workers.delete(name)
    await this.#call('Runtime.evaluate', { expression: `setImmediate(() => { ${statement} }), 0` }, session)
  }

  #call(method: string, params: object, session?: string): Promise<unknown> {
    const id = this.#nextId++
    const message = JSON.stringify({ id, method, params })
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    this.#waiting.set(id, ({ result, error }) =>
      error === undefined ? resolve(result) : reject(new Error(`${method}: ${error.message}`)),
    )
    this.#socket.send(
      session === undefined
        ? message
        : JSON.stringify({
            id: this.#nextId++,
            method: 'NodeWorker.sendMessageToWorker',
            params: { sessionId: session, message },
          }),
    )
    return promise
  }

  #receive(reply: Reply): void {
    const { id, method, params } = reply
    if (id !== undefined) {
      this.#waiting.get(id)?.(reply)
      this.#waiting.delete(id)
    } else if (method === 'NodeWorker.attachedToWorker') {
      const name = /worker-\d+/.exec(params!.workerInfo!.title)?.[0]
      if (name !== undefined) this.workers.set(name, params!.sessionId)
    } else if (method === 'NodeWorker.detachedFromWorker') {
      for (const [name, session] of this.workers) {
        if (session === params!.sessionId) this.workers.delete(name)
      }
    } else if (method === 'NodeWorker.receivedMessageFromWorker') {
      this.#receive(JSON.parse(params!.message!) as Reply)
    }
  }
}
