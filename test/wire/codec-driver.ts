/**
 * Runs one side of a connection through the codec as the proxy does (head, body, next head) and writes down what happened. The pieces
 * that the bytes arrive in are the caller's choice, and each piece is overwritten after it has been read, so that a reader
 * that keeps borrowed bytes is caught. Used by the attack, split and fuzz tests.
 */
import {
  BODY_UNTIL_CLOSE,
  BodyReader,
  requestBodyMode,
  responseBodyMode,
  type BodySink,
} from '#wire/http1/body-reader.ts'
import { NEED_MORE, wireError } from '#wire/http1/codes.ts'
import { Head } from '#wire/http1/head.ts'
import { DEFAULT_HEAD_LIMITS, HeadReader, type HeadLimits } from '#wire/http1/head-reader.ts'
import type { Expectation } from './attacks/case.ts'

export interface Outcome {
  readonly expect: Expectation
  /** Name of the wire error, '' when nothing was rejected. */
  readonly code: string
  /** Complete messages, interim responses not counted. */
  readonly messages: number
  /** Content of all bodies. */
  readonly body: string
  /** Authority of the last request. */
  readonly host: string
  /** Each event as text, bodies joined: equal for equal bytes, however they were split. */
  readonly events: readonly string[]
}

/** What a head says, in one line. */
export function describeHead(head: Head): string {
  const fields: string[] = []
  head.forEach((name, value) => fields.push(`${name}=${value}`))
  return JSON.stringify([
    head.method,
    head.target,
    head.targetForm,
    head.path,
    head.query,
    head.host,
    head.status,
    head.reason,
    head.minorVersion,
    head.contentLength,
    head.isChunked,
    head.keepAlive,
    head.hasConnectionField,
    head.connectionTokens,
    head.wantsUpgrade,
    head.expectContinue,
    [...head.ids.subarray(0, head.fieldCount)],
    fields,
  ])
}

/** Index ranges of the pieces: `[0, cuts[0])`, `[cuts[0], cuts[1])`, … */
export type Cuts = readonly number[]

export function everyByte(length: number): Cuts {
  return Array.from({ length: Math.max(0, length - 1) }, (_, index) => index + 1)
}

class Run implements BodySink {
  readonly events: string[] = []
  readonly #isRequest: boolean
  readonly #method: string
  readonly #heads: HeadReader
  readonly #bodies: BodyReader
  readonly #head = new Head()
  readonly #visit: (head: Head) => void
  #isInBody = false
  #isClosing = false
  #isDone = false
  #code = ''
  #messages = 0
  #body = ''
  #bodyOfMessage = ''
  #host = ''

  constructor(side: 'client' | 'backend', method: string, limits: HeadLimits, visit: (head: Head) => void) {
    this.#isRequest = side === 'client'
    this.#method = method
    this.#heads = new HeadReader(this.#isRequest ? 'request' : 'response', limits)
    this.#bodies = new BodyReader(limits)
    this.#visit = visit
  }

  get isStopped(): boolean {
    return this.#code !== '' || this.#isClosing
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    this.#bodyOfMessage += buffer.toString('latin1', start, end)
  }

  read(buffer: Buffer, start: number, end: number): void {
    let at = start
    while (at < end && !this.isStopped) {
      if (this.#isDone) {
        // Bytes on a connection to a backend that nobody asked for: it is closed.
        this.#isClosing = true
        return
      }
      const result = this.#isInBody
        ? this.#bodies.read(buffer, at, end, this)
        : this.#heads.read(buffer, at, end, this.#head)
      if (result < 0) {
        this.#endBody()
        this.#code = wireError(result).name
        this.events.push(`error ${this.#code}`)
        return
      }
      if (result > end || result < (result === NEED_MORE ? 0 : at))
        throw new Error(`index ${result} outside of ${at}…${end}`)
      if (this.#isInBody) {
        at = result
        if (this.#bodies.isDone) this.#endMessage()
        else if (at !== end) throw new Error('an unfinished body left bytes')
      } else {
        if (result === NEED_MORE) return
        at = result
        this.#beginMessage()
      }
    }
  }

  finish(): Outcome {
    if (this.#isInBody && !this.isStopped) {
      const code = this.#bodies.finish()
      if (code === 0) {
        this.#endMessage()
      } else {
        this.#endBody()
        this.events.push(wireError(code).name)
      }
      this.#isClosing = true
    }
    if (this.#heads.hasPartial) this.#isClosing = true
    if (!this.#isRequest && !this.#isDone) this.#isClosing = true
    return {
      expect: this.#code !== '' ? 'reject' : this.#isClosing ? 'close' : 'accept',
      code: this.#code,
      messages: this.#messages,
      body: this.#body,
      host: this.#host,
      events: this.events,
    }
  }

  #beginMessage(): void {
    const head = this.#head
    this.#visit(head)
    this.events.push(`head ${describeHead(head)}`)
    this.#host = head.host
    const mode = this.#isRequest ? requestBodyMode(head) : responseBodyMode(head, this.#method)
    this.#bodies.start(mode, head.contentLength)
    this.#isInBody = true
    if (mode === BODY_UNTIL_CLOSE) head.keepAlive = false
    if (this.#bodies.isDone) this.#endMessage()
  }

  #endBody(): void {
    if (this.#bodyOfMessage !== '') this.events.push(`body ${this.#bodyOfMessage}`)
    this.#body += this.#bodyOfMessage
    this.#bodyOfMessage = ''
  }

  #endMessage(): void {
    this.#endBody()
    this.events.push(`end ${JSON.stringify(this.#bodies.trailers)}`)
    this.#isInBody = false
    const isInterim = !this.#isRequest && this.#head.status < 200 && this.#head.status !== 101
    if (isInterim) return
    this.#messages++
    if (!this.#isRequest) this.#isDone = true
    if (!this.#head.keepAlive) this.#isClosing = true
  }
}

export interface RunOptions {
  readonly cuts?: Cuts
  readonly method?: string
  readonly limits?: HeadLimits
  /** Called with each complete head. */
  readonly visit?: (head: Head) => void
}

/** All bytes of one peer. They stop where the codec rejects or the connection ends. */
export function runCodec(side: 'client' | 'backend', bytes: Buffer, options: RunOptions = {}): Outcome {
  const run = new Run(
    side,
    options.method ?? 'GET',
    options.limits ?? DEFAULT_HEAD_LIMITS,
    options.visit ?? (() => {}),
  )
  let start = 0
  for (const end of [...(options.cuts ?? []), bytes.length]) {
    // Not at the start of its memory, and with bytes behind it that do not count.
    const piece = Buffer.alloc(end - start + 16, '\r\n')
    bytes.copy(piece, 7, start, end)
    run.read(piece, 7, 7 + end - start)
    piece.fill(0xdb)
    if (run.isStopped) break
    start = end
  }
  return run.finish()
}
