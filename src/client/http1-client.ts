/**
 * One HTTP/1.1 connection to a server, one request at a time. Drives the codec of wire/http1 and reports to the sink of
 * the request under way. It pools itself when an exchange ended cleanly, and only then (RFC 9112 §9.3): response
 * complete, persistent, request sent whole, nothing behind it.
 */
import { latin1Slice } from '#lib/latin1.ts'
import { TimerEntry, type TimerOwner } from '#lib/timer-wheel.ts'
import type { Connection, TransportError } from '#net/connection.ts'
import type { ConnectHandler, TransportConnection } from '#net/transport/transport.ts'
import {
  BODY_NONE,
  BODY_UNTIL_CLOSE,
  BodyReader,
  responseBodyMode,
  type BodySink,
} from '#wire/http1/body-reader.ts'
import { wireError } from '#wire/http1/codes.ts'
import { HeadReader } from '#wire/http1/head-reader.ts'
import { Head } from '#wire/http1/head.ts'
import { H_KEEP_ALIVE } from '#wire/http1/known-names.ts'
import { chunkSizeLine, LAST_CHUNK, trailerText } from '#wire/http1/write.ts'
import {
  FAIL_CLOSED,
  FAIL_CONNECT,
  FAIL_CONNECT_TIMEOUT,
  FAIL_CUT,
  FAIL_GAP_TIMEOUT,
  FAIL_HEAD_TIMEOUT,
  FAIL_LOCAL,
  FAIL_PROTOCOL,
  FAIL_SEND_TIMEOUT,
  FAIL_TLS,
  isLocalFailure,
} from './failure.ts'
import type { Pool } from './pool.ts'

/** Receives what happens to one request. After onResponseEnd, onUpgrade or onFailure nothing more comes. */
export interface ResponseSink extends BodySink {
  /** The connection is up and takes the request now. Called once, also for a pooled connection. */
  onReady(client: Http1Client): void
  onInformational(head: Head): void
  /** `mode` is the body's framing on this side (wire/http1/body-reader). `head` is valid until the end. */
  onResponseHead(head: Head, mode: number): void
  /** Everything that arrived together has been reported: a good moment to write. */
  onBatchEnd(): void
  /** Flat list of trailer fields, or null. The connection is already back in its pool, or closed. */
  onResponseEnd(trailers: readonly string[] | null): void
  /** 101: the connection is the sink's now; `buffer[start, end)` came behind the head. */
  onUpgrade(head: Head, client: Http1Client, buffer: Buffer, start: number, end: number): void
  /** The request body may go on. */
  onRequestDrain(): void
  /** `code` is one of client/failure. */
  onFailure(code: number, detail: string): void
}

const CONNECTING = 0
const IDLE = 1
const BUSY = 2
const HANDED_OVER = 3
const CLOSED = 4

const NO_DEADLINE = Number.MAX_SAFE_INTEGER
/** Small pieces of a chunked request body are written as one text. */
const TEXT_MAX = 16_384
const BULK_BYTES = 65_536
/** Between two looks at how much of a request a slow server has taken; a quarter of its time if that is less. */
const LOOK_MS = 1000
/** 1xx answers to one request; a server that sends more has lost its way. */
const MAX_INTERIM = 64

export class Http1Client implements ConnectHandler, TimerOwner {
  connection: TransportConnection | null = null
  /** Requests answered on this connection before the present one. */
  served = 0
  /** A byte of the response to the present request has arrived. */
  hasResponded = false
  /** Something of the present request has been written. */
  hasWritten = false
  state = CONNECTING
  idleUntil = 0
  /** Of a server that is given by name: the address that was chosen. */
  address = ''
  readonly pool: Pool
  #sink: ResponseSink | null
  readonly #reader: HeadReader
  readonly #body = new BodyReader()
  readonly #head = new Head()
  readonly #timer: TimerEntry
  #deadline = NO_DEADLINE
  #armedFor = NO_DEADLINE
  #method = ''
  #isBodyActive = false
  #isRequestDone = false
  #isChunked = false
  #isPaused = false
  #isConnected = false
  /** What the last response allows this connection to wait for the next request. */
  #announcedIdleMs = NO_DEADLINE
  /** 1xx answers to the present request. */
  #interim = 0
  /** The deadline is for a look at how much of the request the server takes. */
  #isAwaitingSend = false
  /** What it had taken at the last look, and when that grew. */
  #taken = 0
  #tookAt = 0
  /** Where in what was written the present request begins. */
  #sentFrom = 0

  constructor(pool: Pool, sink: ResponseSink) {
    this.pool = pool
    this.#sink = sink
    this.#reader = new HeadReader('response', pool.host.headLimits)
    this.#timer = new TimerEntry(this, 0)
    this.#setDeadline(pool.host.clock.now + pool.timeouts.connectMs)
  }

  /** Gives a pooled connection its next request. */
  reuse(sink: ResponseSink): void {
    this.state = BUSY
    this.#sink = sink
    this.#setDeadline(NO_DEADLINE)
    sink.onReady(this)
  }

  /** Writes a request head (complete text). `isChunked`: body pieces get chunk framing here. */
  sendHead(method: string, text: string, hasBody: boolean, isChunked: boolean): boolean {
    const { pool } = this
    this.#method = method
    this.#isChunked = isChunked
    this.#isRequestDone = !hasBody
    this.hasResponded = false
    this.hasWritten = true
    this.#sentFrom = this.connection!.bytesWritten
    const isSent = this.connection!.writeLatin1(text)
    if (hasBody) this.#awaitSend(isSent)
    else this.#setDeadline(pool.host.clock.now + pool.timeouts.headMs)
    return isSent
  }

  /** Passes on borrowed body bytes. False: wait for onRequestDrain. */
  sendBody(buffer: Buffer, start: number, end: number, from: Connection): boolean {
    const isSent = this.#isChunked
      ? this.#sendChunk(buffer, start, end, from)
      : this.connection!.writeBorrowed(buffer, start, end, from)
    this.#awaitSend(isSent)
    return isSent
  }

  /** The request is complete. */
  endRequest(trailers: readonly string[] | null): void {
    if (this.#isRequestDone) return
    this.#isRequestDone = true
    if (this.#isChunked) {
      this.connection!.writeLatin1(
        trailers === null ? `${LAST_CHUNK}\r\n` : `${LAST_CHUNK}${trailerText(trailers)}\r\n`,
      )
    }
    if (!this.#isBodyActive) this.#awaitHead()
  }

  #sendChunk(buffer: Buffer, start: number, end: number, from: Connection): boolean {
    const connection = this.connection!
    const bytes = end - start
    if (bytes <= TEXT_MAX) {
      return connection.writeLatin1(`${chunkSizeLine(bytes)}${latin1Slice(buffer, start, end)}\r\n`)
    }
    connection.writeLatin1(chunkSizeLine(bytes))
    connection.writeBorrowed(buffer, start, end, from)
    return connection.writeLatin1('\r\n')
  }

  /** While the request is on its way: the server has to take what waits; how long the client takes is not its fault. */
  #awaitSend(isSent: boolean): void {
    const { timeouts, host } = this.pool
    if (!isSent) this.#watchSend()
    else {
      const awaitsBody = this.#isBodyActive && !this.#isPaused
      this.#setDeadline(awaitsBody ? host.clock.now + timeouts.gapMs : NO_DEADLINE)
    }
  }

  #watchSend(): void {
    this.#taken = -1
    this.#lookLater(this.pool.host.clock.now)
  }

  #lookLater(now: number): void {
    this.#setDeadline(now + Math.min(LOOK_MS, this.pool.timeouts.sendMs / 4))
    this.#isAwaitingSend = true
  }

  /** The time for the answer to a long request begins when the server has all of it, not when the kernel has. */
  #awaitHead(): void {
    const connection = this.connection!
    if (connection.bytesWritten - this.#sentFrom > BULK_BYTES && connection.untakenBytes > 0) {
      if (!this.#isAwaitingSend) this.#watchSend()
    } else this.#setDeadline(this.pool.host.clock.now + this.pool.timeouts.headMs)
  }

  /** The kernel asks for more only when much of its buffer is free: what counts is what the server acknowledges. */
  #checkSend(now: number): void {
    const connection = this.connection!
    const { timeouts } = this.pool
    const untaken = connection.untakenBytes
    if (untaken === 0 && this.#isRequestDone) {
      this.#setDeadline(now + timeouts.headMs)
      return
    }
    const taken = connection.bytesWritten - untaken
    if (taken > this.#taken) {
      this.#taken = taken
      this.#tookAt = now
    } else if (now - this.#tookAt >= timeouts.sendMs) {
      this.#fail(FAIL_SEND_TIMEOUT, 'the server does not take the request')
      return
    }
    this.#lookLater(now)
  }

  get isClosed(): boolean {
    return this.state === CLOSED
  }

  get isRequestDone(): boolean {
    return this.#isRequestDone
  }

  /** Nobody waits for the response any more. */
  cancel(): void {
    this.#sink = null
    this.#close()
  }

  pauseResponse(): void {
    // Before it has said something there is nothing to hold back, and its own deadlines go on.
    if (this.#isPaused || this.state !== BUSY || !this.hasResponded) return
    this.#isPaused = true
    // A client that reads slowly is no fault of the server: its own limits bound it.
    this.#setDeadline(NO_DEADLINE)
    this.connection!.pause()
  }

  resumeResponse(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    if (this.state !== BUSY) return
    this.#setDeadline(this.pool.host.clock.now + this.pool.timeouts.gapMs)
    this.connection!.resume()
  }

  /** Idle connections only: closes without telling anyone. */
  discard(): void {
    this.#close()
  }

  onConnect(): void {
    if (this.state !== CONNECTING) return
    this.#isConnected = true
    this.state = BUSY
    const sink = this.#sink
    if (sink === null) this.#close()
    else {
      this.#setDeadline(NO_DEADLINE)
      sink.onReady(this)
    }
  }

  onData(buffer: Buffer, start: number, end: number): void {
    if (this.state !== BUSY || !this.hasWritten) {
      // A server that speaks unasked: whatever it says belongs to no request of ours (response queue poisoning).
      this.#fail(FAIL_PROTOCOL, 'bytes outside of a response')
      return
    }
    this.hasResponded = true
    // The time for the head is one for the whole of it: dripping bytes or interim answers do not stretch it.
    if (this.#isBodyActive) this.#setDeadline(this.pool.host.clock.now + this.pool.timeouts.gapMs)
    let at = start
    while (at < end && this.state === BUSY) {
      at = this.#isBodyActive ? this.#readBody(buffer, at, end) : this.#readHead(buffer, at, end)
      if (at < 0) return
    }
    // An interim answer to a request that is still being sent.
    if (this.state === BUSY && !this.#isBodyActive && !this.#isRequestDone) {
      this.#awaitSend(this.connection!.queuedBytes === 0)
    }
    this.#sink?.onBatchEnd()
  }

  onEnd(): void {
    if (this.state === BUSY && this.#isBodyActive && this.#body.finish() === 0) {
      this.#complete(false)
      return
    }
    this.onClose(null)
    this.#close()
  }

  onDrain(): void {
    if (this.state !== BUSY) return
    if (!this.#isRequestDone) this.#awaitSend(true)
    this.#sink?.onRequestDrain()
  }

  onClose(error: TransportError | null): void {
    if (this.state === CLOSED) return
    const detail = error === null ? 'closed by the server' : `${error.code} ${error.message}`
    if (!this.#isConnected) this.#fail(connectFailure(error), detail)
    else if (this.hasResponded) this.#fail(FAIL_CUT, detail)
    else this.#fail(FAIL_CLOSED, detail)
  }

  /** Fails before or while connecting, e.g. because the name does not resolve. */
  failConnect(code: number, detail: string): void {
    this.#fail(code, detail)
  }

  onTimer(_tag: number, now: number): void {
    this.#armedFor = NO_DEADLINE
    if (this.state === CLOSED || this.state === HANDED_OVER) return
    if (now < this.#deadline) {
      this.#arm()
      return
    }
    if (this.state === IDLE) this.#close()
    else if (this.state === CONNECTING) this.#fail(FAIL_CONNECT_TIMEOUT, 'no connection in time')
    else if (this.#isAwaitingSend) this.#checkSend(now)
    else if (this.#isBodyActive) this.#fail(FAIL_GAP_TIMEOUT, 'no further byte of the response in time')
    else this.#fail(FAIL_HEAD_TIMEOUT, 'no response in time')
  }

  #readHead(buffer: Buffer, start: number, end: number): number {
    const at = this.#reader.read(buffer, start, end, this.#head)
    if (at === 0) return end
    if (at < 0) return this.#failWire(at)
    const head = this.#head
    const sink = this.#sink!
    if (head.status === 101) {
      this.state = HANDED_OVER
      this.#sink = null
      this.pool.leave(this)
      this.pool.host.wheel.disarm(this.#timer)
      sink.onUpgrade(head, this, buffer, at, end)
      return -1
    }
    if (head.status < 200) {
      if (++this.#interim > MAX_INTERIM) {
        this.#fail(FAIL_PROTOCOL, 'too-many-interim-responses')
        return -1
      }
      sink.onInformational(head)
      return at
    }
    // Before the sink sees the head: a proxy removes this field from it.
    this.#announcedIdleMs = announcedIdleMs(head)
    const mode = responseBodyMode(head, this.#method)
    this.#body.start(mode, head.contentLength)
    this.#isBodyActive = mode !== BODY_NONE && !this.#body.isDone
    if (this.#isBodyActive) this.#setDeadline(this.pool.host.clock.now + this.pool.timeouts.gapMs)
    if (this.#isBodyActive && head.contentLength > BULK_BYTES) this.connection!.bulk(true)
    sink.onResponseHead(head, mode)
    if (this.state !== BUSY) return -1
    if (!this.#isBodyActive) {
      this.#complete(at < end)
      return -1
    }
    return at
  }

  #readBody(buffer: Buffer, start: number, end: number): number {
    const at = this.#body.read(buffer, start, end, this.#sink!)
    if (this.state !== BUSY) return -1
    if (at < 0) return this.#failWire(at)
    if (!this.#body.isDone) return at
    this.#complete(at < end)
    return -1
  }

  #failWire(code: number): number {
    this.#fail(FAIL_PROTOCOL, wireError(code).name)
    return -1
  }

  /** The response is whole; `hasMore`: bytes stand behind it, which nobody asked for. */
  #complete(hasMore: boolean): void {
    const sink = this.#sink!
    const { trailers } = this.#body
    const isClean =
      !hasMore &&
      this.#isRequestDone &&
      this.#head.keepAlive &&
      this.#body.mode !== BODY_UNTIL_CLOSE &&
      !this.connection!.isClosed &&
      this.connection!.queuedBytes === 0
    this.#sink = null
    this.#isBodyActive = false
    if (isClean) this.#becomeIdle()
    else this.#close()
    sink.onResponseEnd(trailers)
  }

  #becomeIdle(): void {
    const { pool } = this
    this.served++
    this.state = IDLE
    this.hasWritten = false
    this.connection!.bulk(false)
    if (this.#isPaused) {
      this.#isPaused = false
      this.connection!.resume()
    }
    this.idleUntil = pool.host.clock.now + Math.min(pool.host.idleMs, this.#announcedIdleMs)
    this.#setDeadline(this.idleUntil)
    pool.put(this)
  }

  #fail(code: number, detail: string): void {
    const sink = this.#sink
    this.#sink = null
    this.#close()
    sink?.onFailure(code, detail)
  }

  #close(): void {
    if (this.state === CLOSED) return
    const isOfPool = this.state !== HANDED_OVER
    this.state = CLOSED
    if (isOfPool) this.pool.leave(this)
    this.pool.host.wheel.disarm(this.#timer)
    this.connection?.destroy()
  }

  #setDeadline(at: number): void {
    this.#deadline = at
    this.#isAwaitingSend = false
    if (at < this.#armedFor) this.#arm()
  }

  #arm(): void {
    if (this.#deadline === NO_DEADLINE) return
    this.#armedFor = this.#deadline
    this.pool.host.wheel.arm(this.#timer, this.#deadline - this.pool.host.clock.now)
  }
}

/** A second less than the server's own `Keep-Alive: timeout`, so that a request does not meet its FIN. */
function announcedIdleMs(head: Head): number {
  if (head.indexOf(H_KEEP_ALIVE) < 0) return NO_DEADLINE
  const timeout = /(?:^|[ ,;])timeout=(\d{1,9})/i.exec(head.get('keep-alive') ?? '')
  return timeout === null ? NO_DEADLINE : Math.max(0, Number(timeout[1]) * 1000 - 1000)
}

function connectFailure(error: TransportError | null): number {
  if (error === null) return FAIL_CONNECT
  if (isLocalFailure(error.code)) return FAIL_LOCAL
  return error.code.startsWith('E') && !error.code.startsWith('ERR_') ? FAIL_CONNECT : FAIL_TLS
}
