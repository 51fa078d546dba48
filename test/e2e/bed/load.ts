/**
 * Requests at a steady rate over keep-alive connections, each answer checked. What goes wrong is kept with its reason;
 * a connection that the other side closes between two requests is no failure and is made anew.
 */
import { connect, type Socket } from 'node:net'

export interface LoadOptions {
  readonly port: number
  readonly connections: number
  /** Of all connections together; undefined: as fast as answers come. */
  readonly perSecond?: number
  /** `Host` of the n-th request. */
  readonly host: (index: number) => string
  readonly target?: string
  /** Further fields, each with its CRLF. */
  readonly lines?: string
  /** Undefined: right. Default: status 200. */
  readonly wrong?: (answer: Answer) => string | undefined
}

export interface Answer {
  readonly status: number
  readonly head: string
  readonly body: string
}

const TICK_MS = 5

export class Load implements Disposable {
  ok = 0
  readonly failures: string[] = []
  /** Longest time from sending a request to its complete answer. */
  slowestMs = 0
  readonly options: LoadOptions
  readonly #clients: Client[] = []
  readonly #timer: NodeJS.Timeout
  readonly #startedAt = performance.now()
  #sent = 0
  #isStopped = false
  #waiting: (() => void)[] = []

  constructor(options: LoadOptions) {
    this.options = options
    for (let index = 0; index < options.connections; index++) this.#clients.push(new Client(this))
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#tick()
  }

  get sent(): number {
    return this.#sent
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  /** Ends after the answers that are on their way. */
  async stop(timeoutMs = 10_000): Promise<this> {
    this.#isStopped = true
    clearInterval(this.#timer)
    const deadline = setTimeout(() => {
      for (const client of this.#clients) if (client.isBusy) client.fail('no answer')
    }, timeoutMs)
    while (this.#clients.some((client) => client.isBusy)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    clearTimeout(deadline)
    this[Symbol.dispose]()
    return this
  }

  /** Resolves when `count` more answers have come. */
  async more(count: number): Promise<void> {
    const goal = this.ok + this.failures.length + count
    while (this.ok + this.failures.length < goal && !this.#isStopped) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  done(client: Client, failure: string | undefined): void {
    if (failure === undefined) this.ok++
    else this.failures.push(failure)
    for (const resolve of this.#waiting.splice(0)) resolve()
    if (!this.#isStopped && this.options.perSecond === undefined) setImmediate(() => this.#send(client))
  }

  [Symbol.dispose](): void {
    this.#isStopped = true
    clearInterval(this.#timer)
    for (const client of this.#clients) client.close()
  }

  #tick(): void {
    const { perSecond } = this.options
    if (perSecond === undefined) {
      if (this.#sent === 0) for (const client of this.#clients) this.#send(client)
      return
    }
    let due = Math.floor(((performance.now() - this.#startedAt) * perSecond) / 1000) - this.#sent
    for (const client of this.#clients) {
      if (due <= 0) return
      if (client.isBusy) continue
      this.#send(client)
      due--
    }
  }

  #send(client: Client): void {
    if (this.#isStopped) return
    client.send(this.options.host(this.#sent++))
  }
}

class Client {
  isBusy = false
  readonly #load: Load
  #socket: Socket | null = null
  #text = ''
  #sentAt = 0

  constructor(load: Load) {
    this.#load = load
  }

  send(host: string): void {
    this.isBusy = true
    this.#text = ''
    this.#sentAt = performance.now()
    const socket = (this.#socket ??= this.#connect())
    const { target = '/', lines = '' } = this.#load.options
    socket.write(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${lines}\r\n`)
  }

  fail(reason: string): void {
    this.close()
    this.#settle(reason)
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = null
  }

  #connect(): Socket {
    const socket = connect({ port: this.#load.options.port, host: '127.0.0.1', noDelay: true })
    let error = 'closed'
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      if (this.#socket === socket) this.#read(text)
    })
    socket.on('error', (failure: NodeJS.ErrnoException) => {
      error = `${failure.syscall} ${failure.code}`
    })
    socket.on('close', () => {
      if (this.#socket !== socket) return
      this.#socket = null
      if (this.isBusy) this.#settle(`${error} after ${JSON.stringify(this.#text)}`)
    })
    return socket
  }

  #read(text: string): void {
    this.#text += text
    const headEnd = this.#text.indexOf('\r\n\r\n') + 4
    if (headEnd < 4) return
    const head = this.#text.slice(0, headEnd)
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? NaN)
    if (Number.isNaN(length)) {
      this.fail(`no length in ${JSON.stringify(head)}`)
      return
    }
    if (this.#text.length < headEnd + length) return
    const answer = {
      status: Number(head.slice(9, 12)),
      head,
      body: this.#text.slice(headEnd, headEnd + length),
    }
    if (/^connection: close/im.test(head)) this.close()
    const { wrong } = this.#load.options
    const reason = wrong === undefined ? (answer.status === 200 ? undefined : this.#text) : wrong(answer)
    this.#settle(reason)
  }

  #settle(failure: string | undefined): void {
    this.isBusy = false
    const took = performance.now() - this.#sentAt
    if (took > this.#load.slowestMs) this.#load.slowestMs = took
    this.#load.done(this, failure)
  }
}
