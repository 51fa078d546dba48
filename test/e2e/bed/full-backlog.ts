/**
 * A server that nobody can connect to and that refuses nobody: its queue of connections is full and never emptied, so the
 * kernel drops what asks, as a vanished machine does.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { rawClient, type RawConnection } from './raw-peer.ts'

const BACKLOG = 1

/** Listens and then does nothing more, accepting included, until it is woken to end. */
const LISTENER = `
  const { parentPort, workerData } = require('node:worker_threads')
  const server = require('node:net').createServer((socket) => socket.destroy())
  server.listen(0, '127.0.0.1', ${BACKLOG}, () => {
    parentPort.postMessage(server.address().port)
    Atomics.wait(workerData, 0, 0)
    server.close()
  })
`

export class FullBacklog implements AsyncDisposable {
  readonly port: number
  readonly #worker: Worker
  readonly #waker: Int32Array
  readonly #queued: readonly RawConnection[]

  private constructor(port: number, worker: Worker, waker: Int32Array, queued: readonly RawConnection[]) {
    this.port = port
    this.#worker = worker
    this.#waker = waker
    this.#queued = queued
  }

  static async start(): Promise<FullBacklog> {
    const waker = new Int32Array(new SharedArrayBuffer(4))
    const worker = new Worker(LISTENER, { eval: true, workerData: waker })
    const [port] = (await once(worker, 'message')) as [number]
    // Linux queues one more than it was told.
    const queued: RawConnection[] = []
    for (let i = 0; i <= BACKLOG; i++) queued.push(await rawClient(port))
    return new FullBacklog(port, worker, waker, queued)
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.#queued) socket.destroy()
    const exited = once(this.#worker, 'exit')
    Atomics.store(this.#waker, 0, 1)
    Atomics.notify(this.#waker, 0)
    await exited
  }
}
