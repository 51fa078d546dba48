/**
 * HTTP/1.1 towards a client: one connection, its requests one after the other (RFC 9112 §9.3). Reads with the codec of
 * wire/http1, hands each request to a ProxyExchange and writes its response.
 *
 * What is written in one turn is gathered in `#out` and goes out in one system call; long body chunks go past it
 * without a copy. Bytes that arrive behind a request whose exchange is still under way are kept, up to a bound, and
 * then the connection is paused.
 */
import { latin1Slice } from '#lib/latin1.ts'
import { TimerEntry, type TimerOwner } from '#lib/timer-wheel.ts'
import type { Connection, ConnectionHandler, TransportError } from '#net/connection.ts'
import type { TransportConnection } from '#net/transport/transport.ts'
import type { Http1Client } from '#client/http1-client.ts'
import {
  BODY_CHUNKED,
  BODY_NONE,
  BodyReader,
  requestBodyMode,
  type BodySink,
} from '#wire/http1/body-reader.ts'
import { wireError } from '#wire/http1/codes.ts'
import { HeadReader } from '#wire/http1/head-reader.ts'
import type { Head } from '#wire/http1/head.ts'
import { chunkSizeLine, LAST_CHUNK, trailerText } from '#wire/http1/write.ts'
import { errorOfWireStatus, REQUEST_TIMEOUT, SHUTTING_DOWN, type ProxyErrorKind } from '../errors.ts'
import type { DataPlane } from './data-plane.ts'
import type { Downstream } from './downstream.ts'
import type { EntryPoint } from './entry-point.ts'
import type { OutgoingFields } from './field-list.ts'
import { ProxyExchange, type ConnectionCache } from './proxy-exchange.ts'
import { reasonOf } from '#wire/http1/reason.ts'
import { errorReply } from './reply.ts'
import { Tunnel } from './tunnel.ts'

/** Pieces up to this size are gathered as text. */
const TEXT_MAX = 16_384
/** Bytes of further requests that are kept while one is under way. */
const PENDING_MAX = 65_536
/** With more than this waiting for the client, further requests of it wait, too: it asks and does not read. */
const UNREAD_MAX = 65_536
/** What a connection without a request yet gets while the worker drains. */
const DRAIN_MS = 1000
/** Between two looks at how much a slow client has taken; a quarter of its time if that is less. */
const LOOK_MS = 1000
const NO_DEADLINE = Number.MAX_SAFE_INTEGER
const BULK_BYTES = 65_536

const WAIT_NOTHING = 0
const WAIT_HEAD = 1
const WAIT_IDLE = 2
const WAIT_BODY = 3
const WAIT_SEND = 4

export class ServerConnection implements ConnectionHandler, Downstream, BodySink, TimerOwner {
  readonly connection: TransportConnection
  readonly #plane: DataPlane
  readonly #entry: EntryPoint
  readonly #reader: HeadReader
  readonly #body = new BodyReader()
  readonly #timer: TimerEntry
  readonly #openedAt: number
  readonly #cache: ConnectionCache = { authority: '\0', host: null, untrustedLines: '' }
  #exchange: ProxyExchange | null = null
  #head: Head | null = null
  #isRequestDone = true
  #isRequestPaused = false
  #closesAfter = false
  #isWaning = false
  #isChunkedOut = false
  /** The response ends with the connection: a cut must be a reset. */
  #endsByClose = false
  #hasSentHead = false
  #out = ''
  #pending: Buffer | null = null
  #isPendingPaused = false
  /** The next request waits until the client has read what there is for it. */
  #isUnread = false
  #isProcessing = false
  #served = 0
  #wait = WAIT_NOTHING
  #deadline = NO_DEADLINE
  #armedFor = NO_DEADLINE
  /** While the client has to take something: what it had taken at the last look, and when that grew. */
  #taken = 0
  #tookAt = 0
  readonly #onGone: () => void

  /** `onGone` is called once when the connection is over, also after it became a tunnel. */
  constructor(plane: DataPlane, entry: EntryPoint, connection: TransportConnection, onGone: () => void) {
    this.connection = connection
    this.#plane = plane
    this.#entry = entry
    this.#reader = new HeadReader('request', entry.limits)
    this.#timer = new TimerEntry(this, 0)
    this.#openedAt = plane.clock.now
    this.#onGone = onGone
    connection.handler = this
    this.#await(WAIT_HEAD, entry.limits.headMs)
  }

  /** No request under way, nothing half read. */
  get isIdle(): boolean {
    return this.#exchange === null && !this.#reader.hasPartial && this.#pending === null
  }

  /** Its next answer says that it is the last one. An answer that has begun said nothing, so one more is to come. */
  wane(): void {
    this.#isWaning = true
    if (this.#exchange !== null && !this.#hasSentHead) this.#closesAfter = true
  }

  /** Draining: closes now if idle, after the exchange otherwise. */
  drain(): void {
    this.#closesAfter = true
    if (!this.isIdle) return
    if (this.#served > 0) this.connection.end()
    // The first request may be on its way already.
    else this.#await(WAIT_HEAD, Math.min(DRAIN_MS, this.#entry.limits.headMs))
  }

  /** The time for draining is over: 503 where no answer has begun, a cut where one has. */
  cut(): void {
    const exchange = this.#exchange
    if (exchange === null || exchange.isTunnel) {
      this.connection.destroy()
      return
    }
    this.#closesAfter = true
    exchange.attempt?.cancel()
    exchange.fail(SHUTTING_DOWN, '')
    if (this.#out !== '') this.flush()
  }

  onData(buffer: Buffer, start: number, end: number): void {
    this.#isProcessing = true
    const at = this.#process(buffer, start, end)
    this.#isProcessing = false
    if (at >= 0 && at < end) this.#keepPending(buffer, at, end)
    if (this.#out !== '') this.flush()
  }

  onEnd(): void {
    const exchange = this.#exchange
    if (exchange !== null) {
      // As nginx and Go do: a client that closes its side while it waits is gone.
      exchange.onClientGone()
      this.connection.destroy()
      return
    }
    this.connection.end()
  }

  onDrain(): void {
    const exchange = this.#exchange
    if (this.#wait === WAIT_SEND) {
      if (exchange === null) this.#await(WAIT_IDLE, this.#entry.limits.idleMs)
      else if (this.#isRequestDone || this.#isRequestPaused) this.#await(WAIT_NOTHING, 0)
      else this.#await(WAIT_BODY, this.#entry.limits.bodyProgressMs)
    }
    if (this.#isUnread) {
      this.#isUnread = false
      this.#processPending()
      this.#mayRead()
    } else exchange?.onDownstreamDrain()
  }

  onClose(_error: TransportError | null): void {
    this.#plane.wheel.disarm(this.#timer)
    const exchange = this.#exchange
    this.#exchange = null
    exchange?.onClientGone()
    this.#releaseHead()
    this.#dropPending()
    this.#onGone()
  }

  /** Request body. */
  onBody(buffer: Buffer, start: number, end: number): void {
    this.#exchange?.onRequestBody(buffer, start, end)
  }

  sendInformational(head: Head): void {
    // HTTP/1.0 knows no interim answers (RFC 9110 §15.2).
    if (this.#hasSentHead || this.#head?.minorVersion !== 1) return
    this.#out += `HTTP/1.1 ${head.status} ${reasonOf(head.status)}\r\n${head.serializeFields()}\r\n`
    this.flush()
  }

  sendHead(statusLine: string, status: number, fields: OutgoingFields, length: number): void {
    const head = this.#head!
    const isOld = head.minorVersion === 0
    this.#hasSentHead = true
    this.#isChunkedOut = length < 0 && !isOld
    this.#endsByClose = length < 0 && isOld
    const mustClose = this.#mustClose(head)
    if (mustClose || this.#endsByClose) this.#closesAfter = true
    let text = statusLine === '' ? `HTTP/1.1 ${status} ${reasonOf(status)}\r\n` : statusLine
    text += this.#plane.isFastPath ? fields.serializeFields() : serializeSlow(fields)
    if (this.#isChunkedOut) text += 'Transfer-Encoding: chunked\r\n'
    if (this.#closesAfter) text += 'Connection: close\r\n'
    else if (isOld) text += 'Connection: keep-alive\r\n'
    this.#out += `${text}\r\n`
    if (length > BULK_BYTES) this.flush()
  }

  sendBody(buffer: Buffer, start: number, end: number, from: Connection): boolean {
    const bytes = end - start
    if (bytes + this.#out.length <= TEXT_MAX) {
      const text = latin1Slice(buffer, start, end)
      this.#out += this.#isChunkedOut ? `${chunkSizeLine(bytes)}${text}\r\n` : text
      return true
    }
    if (this.#isChunkedOut) this.#out += chunkSizeLine(bytes)
    this.#writeOut()
    let isSent = this.connection.writeBorrowed(buffer, start, end, from)
    if (this.#isChunkedOut) isSent = this.connection.writeLatin1('\r\n')
    if (!isSent) this.#awaitDrain()
    return isSent
  }

  sendText(text: string): void {
    this.#out += text
  }

  endResponse(trailers: readonly string[] | null): void {
    if (this.#isChunkedOut) {
      this.#out += trailers === null ? `${LAST_CHUNK}\r\n` : `${LAST_CHUNK}${trailerText(trailers)}\r\n`
    }
    this.#exchangeDone()
  }

  flush(): void {
    if (this.#out === '') return
    if (!this.#writeOut()) {
      this.#awaitDrain()
      this.#exchange?.attempt?.client?.pauseResponse()
    }
  }

  abort(): void {
    this.#exchange = null
    this.#closesAfter = true
    this.#isRequestPaused = false
    // What the server had said before it failed is the client's, also when both arrived together.
    if (!this.connection.isClosed) this.#writeOut()
    // With a length or chunks the missing rest shows the cut; where the end of the connection ends the body only a
    // reset does.
    if (this.#endsByClose) this.connection.reset()
    else this.connection.end()
  }

  pauseRequest(): void {
    if (this.#isRequestPaused) return
    this.#isRequestPaused = true
    this.connection.pause()
    if (this.#wait === WAIT_BODY) this.#await(WAIT_NOTHING, 0)
  }

  resumeRequest(): void {
    if (!this.#isRequestPaused) return
    this.#isRequestPaused = false
    this.#mayRead()
    if (!this.#isRequestDone) this.#await(WAIT_BODY, this.#entry.limits.bodyProgressMs)
  }

  becomeTunnel(head: Head, client: Http1Client, buffer: Buffer, start: number, end: number): void {
    const exchange = this.#exchange!
    this.#out += `HTTP/1.1 101 ${reasonOf(101)}\r\n${head.serializeFields()}\r\n`
    this.#writeOut()
    this.#plane.wheel.disarm(this.#timer)
    const pending = this.#pending
    this.#pending = null
    this.#isPendingPaused = false
    this.#isRequestPaused = false
    this.connection.resume()
    const tunnel = new Tunnel(
      this.#plane.wheel,
      client.pool.timeouts.tunnelIdleMs ?? this.#entry.limits.tunnelIdleMs,
      this.connection,
      client.connection!,
      () => {
        exchange.onTunnelEnd(tunnel.bytesFromFirst, tunnel.bytesFromSecond)
        this.#exchange = null
        this.#releaseHead()
        this.#onGone()
      },
    )
    if (end > start) tunnel.passToFirst(buffer, start, end)
    if (pending !== null) {
      tunnel.passToSecond(pending, 0, pending.length)
      this.#plane.budget.release(pending.length)
    }
  }

  onTimer(_tag: number, now: number): void {
    this.#armedFor = NO_DEADLINE
    if (this.connection.isClosed) return
    if (now < this.#deadline) {
      this.#arm()
      return
    }
    switch (this.#wait) {
      case WAIT_IDLE:
        this.connection.end()
        return
      case WAIT_HEAD:
        if (this.#reader.hasPartial) this.#refuse(REQUEST_TIMEOUT, REQUEST_TIMEOUT.code)
        else this.connection.end()
        return
      case WAIT_BODY:
        this.#closesAfter = true
        this.#exchange?.attempt?.cancel()
        this.#exchange?.fail(REQUEST_TIMEOUT, 'body')
        if (this.#out !== '') this.flush()
        return
      case WAIT_SEND:
        this.#checkProgress(now)
        return
      default:
    }
  }

  /** Reads as far as it can. Returns where it stopped, or -1 when the connection is done with. */
  #process(buffer: Buffer, start: number, end: number): number {
    let at = start
    while (at < end) {
      if (this.connection.isClosed || this.connection.handler !== this) return -1
      if (!this.#isRequestDone) {
        at = this.#readBody(buffer, at, end)
        if (at < 0) return -1
        continue
      }
      if (this.#exchange !== null) return at
      if (this.#closesAfter && this.#served > 0) return -1
      if (this.#isUnreadFull()) return at
      at = this.#readHead(buffer, at, end)
      if (at < 0) return -1
    }
    return at
  }

  /** Whether the client has to read first; then `onDrain` goes on. */
  #isUnreadFull(): boolean {
    if (this.#out.length + this.connection.queuedBytes < UNREAD_MAX) return false
    this.#writeOut()
    if (this.connection.queuedBytes < UNREAD_MAX) return false
    this.#isUnread = true
    this.connection.pause()
    this.#awaitDrain()
    return true
  }

  /** Reads on unless there is a reason left not to. */
  #mayRead(): void {
    if (this.#isRequestPaused || this.#isPendingPaused || this.#isUnread || this.connection.isClosed) return
    this.connection.resume()
  }

  #readHead(buffer: Buffer, start: number, end: number): number {
    const head = this.#head ?? this.#plane.heads.take()
    this.#head = head
    const wasPartial = this.#reader.hasPartial
    const at = this.#reader.read(buffer, start, end, head)
    if (at === 0) {
      // The reader goes on in the same head; one that got into other hands in between would be mixed with theirs.
      if (!this.#reader.hasPartial) this.#releaseHead()
      if (!wasPartial && this.#wait !== WAIT_HEAD) this.#await(WAIT_HEAD, this.#entry.limits.headMs)
      return end
    }
    if (at < 0) {
      const error = wireError(at)
      this.#refuse(errorOfWireStatus(error.status), error.name)
      return -1
    }
    this.#begin(head, at < end)
    return at
  }

  #begin(head: Head, hasMore: boolean): void {
    const { limits } = this.#entry
    this.#served++
    const mode = requestBodyMode(head)
    this.#body.start(mode, head.contentLength)
    this.#isRequestDone = mode === BODY_NONE || this.#body.isDone
    this.#hasSentHead = false
    this.#isChunkedOut = false
    this.#endsByClose = false
    if (!head.keepAlive || this.#isWaning || this.#isWornOut()) this.#closesAfter = true
    const exchange = new ProxyExchange(
      this.#plane,
      this.#entry,
      this,
      this.connection.facts,
      head,
      this.#isRequestDone ? BODY_NONE : mode,
      this.#cache,
    )
    this.#exchange = exchange
    if (this.#isRequestDone) this.#await(WAIT_NOTHING, 0)
    else {
      this.#await(WAIT_BODY, limits.bodyProgressMs)
      if (mode === BODY_CHUNKED || head.contentLength > BULK_BYTES)
        this.connection.bulk(!hasMore || head.contentLength > BULK_BYTES)
    }
    try {
      exchange.begin()
    } catch (error) {
      exchange.onFault()
      throw error
    }
  }

  #readBody(buffer: Buffer, start: number, end: number): number {
    const at = this.#body.read(buffer, start, end, this)
    if (at < 0) {
      const error = wireError(at)
      this.#plane.observer.onMalformed(this.#entry.name, error.name, error.status)
      this.#closesAfter = true
      const exchange = this.#exchange
      if (exchange === null) this.connection.end()
      else {
        exchange.attempt?.cancel()
        exchange.fail(errorOfWireStatus(error.status), error.name)
      }
      return -1
    }
    if (this.#body.isDone) {
      this.#isRequestDone = true
      this.connection.bulk(false)
      if (this.#wait === WAIT_BODY) this.#await(WAIT_NOTHING, 0)
      if (this.#isRequestPaused) {
        // Nothing is left to hold back, and only who reads notices that the client goes away.
        this.#isRequestPaused = false
        this.#mayRead()
      }
      this.#exchange?.onRequestEnd(this.#body.trailers)
    } else if (this.#wait === WAIT_BODY) {
      this.#await(WAIT_BODY, this.#entry.limits.bodyProgressMs)
    }
    return at
  }

  /** Persistence of this connection after the present response (RFC 9112 §9.3, §9.6). */
  #mustClose(head: Head): boolean {
    return this.#closesAfter || !head.keepAlive || !this.#isRequestDone
  }

  #isWornOut(): boolean {
    const { keepAliveMaxRequests, keepAliveMaxMs } = this.#entry.limits
    return (
      (keepAliveMaxRequests > 0 && this.#served >= keepAliveMaxRequests) ||
      (keepAliveMaxMs > 0 && this.#plane.clock.now - this.#openedAt >= keepAliveMaxMs)
    )
  }

  #exchangeDone(): void {
    this.#exchange = null
    this.#releaseHead()
    // The server need not have taken all of the body when it answers.
    this.#isRequestPaused = false
    if (this.#closesAfter || !this.#isRequestDone) {
      this.#writeOut()
      this.connection.end()
      return
    }
    if (!this.#isProcessing) this.#writeOut()
    // A client that does not take the end of a response is not idle.
    if (this.connection.queuedBytes > 0) this.#awaitDrain()
    else this.#await(WAIT_IDLE, this.#entry.limits.idleMs)
    if (this.#isProcessing) return
    this.#processPending()
    this.#mayRead()
  }

  #processPending(): void {
    while (
      this.#pending !== null &&
      this.#exchange === null &&
      !this.#isUnread &&
      !this.connection.isClosed
    ) {
      const pending = this.#pending
      this.#dropPending()
      this.onData(pending, 0, pending.length)
    }
    if (this.#pending === null) this.#isPendingPaused = false
  }

  #keepPending(buffer: Buffer, start: number, end: number): void {
    const added = Buffer.from(buffer.subarray(start, end))
    this.#plane.budget.charge(added.length)
    this.#pending = this.#pending === null ? added : Buffer.concat([this.#pending, added])
    if (this.#pending.length >= PENDING_MAX && !this.#isPendingPaused) {
      this.#isPendingPaused = true
      this.connection.pause()
    }
  }

  #dropPending(): void {
    if (this.#pending === null) return
    this.#plane.budget.release(this.#pending.length)
    this.#pending = null
  }

  /** Answers what was no request, and closes: nothing behind it can be trusted to be one. */
  #refuse(kind: ProxyErrorKind, code: string): void {
    const { clock, observer } = this.#plane
    observer.onMalformed(this.#entry.name, code, kind.status)
    this.#releaseHead()
    this.#closesAfter = true
    const { body, contentType } = errorReply(kind)
    this.#out +=
      `HTTP/1.1 ${kind.status} ${reasonOf(kind.status)}\r\nDate: ${clock.httpDate}\r\nContent-Type: ${contentType}\r\n` +
      `Content-Length: ${body.length}\r\nX-Request-ID: ${this.#plane.requestIds.next()}\r\nConnection: close\r\n\r\n${body}`
    this.#writeOut()
    this.connection.end()
  }

  #releaseHead(): void {
    if (this.#head === null) return
    this.#plane.heads.give(this.#head)
    this.#head = null
  }

  #writeOut(): boolean {
    const out = this.#out
    if (out === '') return this.connection.queuedBytes === 0
    this.#out = ''
    return this.connection.writeLatin1(out)
  }

  #awaitDrain(): void {
    this.#taken = -1
    this.#await(WAIT_SEND, Math.min(LOOK_MS, this.#entry.limits.sendProgressMs / 4))
  }

  /** The kernel asks for more only when much of its buffer is free: a slow client may take minutes for that and is fine. */
  #checkProgress(now: number): void {
    const { connection } = this
    const { sendProgressMs } = this.#entry.limits
    const taken = connection.bytesWritten - connection.untakenBytes
    if (taken > this.#taken) {
      this.#taken = taken
      this.#tookAt = now
    } else if (now - this.#tookAt >= sendProgressMs) {
      connection.reset()
      return
    }
    this.#await(WAIT_SEND, Math.min(LOOK_MS, sendProgressMs / 4))
  }

  #await(what: number, delayMs: number): void {
    this.#wait = what
    if (what === WAIT_NOTHING) {
      this.#deadline = NO_DEADLINE
      return
    }
    this.#deadline = this.#plane.clock.now + delayMs
    if (this.#deadline < this.#armedFor) this.#arm()
  }

  #arm(): void {
    if (this.#deadline === NO_DEADLINE) return
    this.#armedFor = this.#deadline
    this.#plane.wheel.arm(this.#timer, this.#deadline - this.#plane.clock.now)
  }
}

function serializeSlow(fields: OutgoingFields): string {
  const slow = (fields as { serializeFieldsSlow?: () => string }).serializeFieldsSlow
  return slow === undefined ? fields.serializeFields() : slow.call(fields)
}
