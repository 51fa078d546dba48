/**
 * One HTTP/1.1 client of Traffic: a request at a time, on a connection that it keeps or on a new one each. It never
 * repeats a request; a kept connection that is closed while nothing is under way is made anew for the next one.
 */
import { connect, type Socket } from 'node:net'
import { httpAnswer, type HttpAnswer } from './http-answer.ts'

export interface ClientFacts {
  /** Connections made. */
  connections: number
  /** Ended by `Connection: close` in an answer that was asked for nothing of that kind. */
  closedByAnswer: number
  /** Ended by the other side between two requests. */
  closedIdle: number
}

export interface ClientTarget {
  readonly host: string
  readonly port: number
  readonly facts: ClientFacts
}

/** The answer, or in one short phrase what came instead of it. */
export type Settle = (answer: HttpAnswer | string) => void

/** Longer than the slowest proper answer on a machine that does much else, shorter than the patience of a test. */
const ANSWER_MS = 30_000

export class TrafficClient {
  readonly isKept: boolean
  readonly #target: ClientTarget
  #socket: Socket | null = null
  #text = ''
  #settle: Settle | null = null
  #deadline: NodeJS.Timeout | undefined

  constructor(target: ClientTarget, isKept: boolean) {
    this.#target = target
    this.isKept = isKept
  }

  get isBusy(): boolean {
    return this.#settle !== null
  }

  /** `settle` is called once. */
  send(bytes: Buffer, settle: Settle): void {
    this.#settle = settle
    this.#text = ''
    this.#deadline = setTimeout(() => this.#finish('no answer in time', false), ANSWER_MS)
    const socket = (this.#socket ??= this.#connect())
    socket.write(bytes)
  }

  /** What is under way is forgotten. */
  close(): void {
    clearTimeout(this.#deadline)
    this.#socket?.destroy()
    this.#socket = null
  }

  #connect(): Socket {
    const { host, port, facts } = this.#target
    facts.connections++
    const socket = connect({ host, port, noDelay: true })
    let reason = 'closed'
    let isConnected = false
    socket.setEncoding('latin1')
    socket.on('connect', () => (isConnected = true))
    socket.on('data', (text: string) => {
      if (this.#socket === socket) this.#read(text)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => (reason = `${error.syscall} ${error.code}`))
    const onClosed = (): void => {
      if (this.#socket !== socket) return
      if (!this.isBusy) facts.closedIdle++
      const when = isConnected ? (this.#text === '' ? 'before an answer' : 'within an answer') : 'connecting'
      this.#finish(`${reason} ${when}`, false)
    }
    // Without an error `end` comes first: nothing may be written on such a connection any more.
    socket.on('end', onClosed)
    socket.on('close', onClosed)
    return socket
  }

  #read(text: string): void {
    this.#text += text
    const answer = httpAnswer(this.#text)
    if (answer === undefined) return
    if (typeof answer === 'string') {
      this.#finish(answer, false)
      return
    }
    if (this.isKept && answer.isLast) this.#target.facts.closedByAnswer++
    this.#finish(this.isBusy ? answer : 'an answer to nothing', this.isKept && !answer.isLast)
  }

  #finish(outcome: HttpAnswer | string, isOpen: boolean): void {
    if (!isOpen) this.close()
    clearTimeout(this.#deadline)
    const settle = this.#settle
    this.#settle = null
    settle?.(outcome)
  }
}
