/**
 * One HTTP/1.1 connection to an API server, one request at a time, over the codec of wire/http1. HTTP/1.1 and not 2:
 * a watch has a connection of its own, so that a stalled one holds up nothing else, and there are few.
 *
 * Invariants: an exchange ends exactly once, by its response's end or by a failure; the connection is usable again
 * only after a complete answer to a completely sent request with nothing behind it.
 */
import type { Socket } from 'node:net'
import { BODY_UNTIL_CLOSE, BodyReader, responseBodyMode, type BodySink } from '#wire/http1/body-reader.ts'
import { wireError } from '#wire/http1/codes.ts'
import { HeadReader } from '#wire/http1/head-reader.ts'
import { Head } from '#wire/http1/head.ts'
import { KubeError } from '../errors.ts'
import { HttpResponse, type ResponseSource } from './http-response.ts'

const LIMITS = { maxHeadBytes: 65_536, maxFields: 100 }
const MAX_INTERIM = 16

/** A request, written out. */
export interface HttpRequest {
  readonly method: string
  /** Request line and fields, without the final empty line and without the body's length. */
  readonly head: string
  readonly body: Buffer | undefined
}

export interface ConnectionOwner {
  /** Ready for the next request. */
  onIdle(connection: HttpConnection): void
  /** Called once; never again usable. */
  onGone(connection: HttpConnection): void
}

interface Exchange {
  readonly method: string
  resolve(response: HttpResponse): void
  reject(error: KubeError): void
}

export class HttpConnection implements ResponseSource, BodySink {
  readonly socket: Socket
  /** Which identity it was opened with; see HttpClient. */
  readonly generation: number
  /** A byte of the answer to the present request has arrived. */
  hasResponded = false
  readonly #owner: ConnectionOwner
  readonly #reader = new HeadReader('response', LIMITS)
  readonly #body = new BodyReader()
  #head = new Head()
  /** Waits for the head. */
  #exchange: Exchange | null = null
  #response: HttpResponse | null = null
  #isGone = false
  /** What the answer under way says about the connection. */
  #isPersistent = false
  #interim = 0
  #failure = 'closed by the server'

  constructor(socket: Socket, generation: number, owner: ConnectionOwner) {
    this.socket = socket
    this.generation = generation
    this.#owner = owner
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('end', () => this.#onEnd())
    socket.on('error', (error) => {
      this.#failure = error.message
    })
    socket.on('close', () => this.#gone(this.#failure))
  }

  get isGone(): boolean {
    return this.#isGone
  }

  /** Resolves with the answer's head. */
  send(request: HttpRequest): Promise<HttpResponse> {
    const { method, head, body } = request
    this.hasResponded = false
    this.#interim = 0
    return new Promise((resolve, reject) => {
      this.#exchange = { method, resolve, reject }
      if (this.#isGone) {
        this.#fail(this.#error(this.#failure))
        return
      }
      if (body === undefined) this.socket.write(`${head}\r\n`, 'latin1')
      else {
        this.socket.cork()
        this.socket.write(`${head}Content-Length: ${body.length}\r\n\r\n`, 'latin1')
        this.socket.write(body)
        this.socket.uncork()
      }
      this.socket.resume()
    })
  }

  /** Ends the exchange under way, if any, with this error, and the connection. */
  abort(error: KubeError): void {
    this.#fail(error)
    this.abandon()
  }

  abandon(): void {
    this.socket.destroy()
    this.#gone('')
  }

  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    this.#response!.push(buffer.subarray(start, end))
  }

  #onData(chunk: Buffer): void {
    this.hasResponded = true
    let at = 0
    while (at < chunk.length && !this.#isGone) {
      if (this.#response !== null) at = this.#readBody(chunk, at)
      else if (this.#exchange !== null) at = this.#readHead(chunk, at)
      else {
        // A server that speaks unasked: whatever it says is the answer to nothing.
        this.abandon()
        return
      }
      if (at < 0) return
    }
    this.#response?.flush()
  }

  #readHead(chunk: Buffer, start: number): number {
    const exchange = this.#exchange!
    const head = this.#head
    const at = this.#reader.read(chunk, start, chunk.length, head)
    if (at === 0) return chunk.length
    if (at < 0) return this.#refuse(wireError(at).name)
    if (head.status === 101) return this.#refuse('it switches protocols unasked')
    if (head.status < 200)
      return ++this.#interim > MAX_INTERIM ? this.#refuse('too many interim answers') : at
    const mode = responseBodyMode(head, exchange.method)
    this.#body.start(mode, head.contentLength)
    this.#isPersistent = head.keepAlive
    const response = new HttpResponse(this, head)
    this.#exchange = null
    this.#response = response
    // The response keeps this one.
    this.#head = new Head()
    exchange.resolve(response)
    if (this.#body.isDone) this.#complete(at < chunk.length)
    return at
  }

  #readBody(chunk: Buffer, start: number): number {
    const at = this.#body.read(chunk, start, chunk.length, this)
    if (at < 0) return this.#refuse(wireError(at).name)
    if (this.#body.isDone) this.#complete(at < chunk.length)
    return at
  }

  #complete(hasMore: boolean): void {
    const response = this.#response!
    this.#response = null
    const isClean =
      !hasMore &&
      this.#isPersistent &&
      this.#body.mode !== BODY_UNTIL_CLOSE &&
      this.socket.writableLength === 0 &&
      !this.socket.destroyed
    response.end()
    if (isClean) this.#owner.onIdle(this)
    else this.abandon()
  }

  #onEnd(): void {
    if (this.#response !== null && this.#body.finish() === 0) this.#complete(false)
    else this.abort(this.#error('closed by the server'))
  }

  #refuse(text: string): number {
    this.abort(new KubeError(0, 'BadAnswer', `the server speaks bad HTTP: ${text}`))
    return -1
  }

  #error(text: string): KubeError {
    return new KubeError(0, 'Unreachable', `the connection failed: ${text}`)
  }

  #fail(error: KubeError): void {
    const exchange = this.#exchange
    const response = this.#response
    this.#exchange = null
    this.#response = null
    exchange?.reject(error)
    response?.fail(error)
  }

  #gone(text: string): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#fail(this.#error(text))
    this.#owner.onGone(this)
  }
}
