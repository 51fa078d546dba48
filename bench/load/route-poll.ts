/**
 * Asks a proxy for one host on a kept connection, one request at a time with a short pause, until the answer has a wanted
 * status: so a change is seen within about a millisecond of its effect, and whatever is answered meanwhile is counted.
 */
import { connect, type Socket } from 'node:net'
import { HttpResponseReader } from './response-reader.ts'

const PAUSE_MS = 1
const STEADY_PAUSE_MS = 5
const READ_BUFFER_BYTES = 65_536

export class RoutePoll implements Disposable {
  /** Answers so far, by status; 0: the connection ended instead. */
  readonly answers = new Map<number, number>()
  readonly #port: number
  readonly #reader = new HttpResponseReader()
  #socket: Socket | undefined
  #settle: (status: number) => void = () => {}

  constructor(port: number) {
    this.#port = port
  }

  /** Resolves with `performance.now()` of the first such answer. */
  async until(host: string, status: number): Promise<number> {
    for (;;) {
      if ((await this.ask(host)) === status) return performance.now()
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }

  /** One request; its status. */
  async ask(host: string): Promise<number> {
    const answer = new Promise<number>((resolve) => (this.#settle = resolve))
    this.#socket ??= this.#open()
    this.#socket.write(`GET /app HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 'latin1')
    const status = await answer
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1)
    return status
  }

  /** Answers other than these. */
  others(expected: readonly number[]): number {
    let sum = 0
    for (const [status, count] of this.answers) if (!expected.includes(status)) sum += count
    return sum
  }

  [Symbol.dispose](): void {
    const socket = this.#socket
    this.#socket = undefined
    socket?.destroy()
  }

  #open(): Socket {
    this.#reader.reset()
    const socket = connect({
      port: this.#port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(READ_BUFFER_BYTES),
        callback: (length: number, buffer: Uint8Array) => {
          if (!this.#reader.read(buffer as Buffer, length)) return true
          const { status } = this.#reader
          this.#reader.reset()
          this.#settle(status)
          return true
        },
      },
    })
    socket.on('error', () => {})
    socket.once('close', () => {
      if (this.#socket !== socket) return
      this.#socket = undefined
      this.#settle(0)
    })
    return socket
  }
}

/** Asks for a route that nobody touches, all the time. */
export class SteadyPoll implements Disposable {
  readonly #poll: RoutePoll
  readonly #timer: NodeJS.Timeout
  #isBusy = false

  constructor(port: number, host: string) {
    this.#poll = new RoutePoll(port)
    this.#timer = setInterval(() => {
      if (this.#isBusy) return
      this.#isBusy = true
      void this.#poll.ask(host).then(() => (this.#isBusy = false))
    }, STEADY_PAUSE_MS)
  }

  get asked(): number {
    return [...this.#poll.answers.values()].reduce((sum, count) => sum + count, 0)
  }

  others(expected: readonly number[]): number {
    return this.#poll.others(expected)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#poll[Symbol.dispose]()
  }
}
