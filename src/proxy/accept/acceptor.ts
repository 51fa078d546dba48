/**
 * The way in of one entrypoint in one worker (architecture §4.2): admission by caps → PROXY protocol → TLS → HTTP/1.1.
 * Each stage is the connection's handler for a while and hands on what it did not read.
 */
import type { CertificateStore } from '#certs/store.ts'
import { TimerEntry, type TimerOwner } from '#lib/timer-wheel.ts'
import type { ConnectionHandler, TransportError } from '#net/connection.ts'
import type { TransportConnection } from '#net/transport/transport.ts'
import { ClientHelloReader, looksLikeTls } from '#wire/client-hello/client-hello-reader.ts'
import { ProxyProtocolReader } from '#wire/proxy-protocol/reader.ts'
import { PLAIN_TO_TLS, BAD_REQUEST } from '../errors.ts'
import type { DataPlane } from '../http/data-plane.ts'
import type { EntryPoint } from '../http/entry-point.ts'
import { ServerConnection } from '../http/server-connection.ts'
import { reasonOf } from '#wire/http1/reason.ts'
import { errorReply } from '../http/reply.ts'
import { REFUSED, type Admission } from './admission.ts'

/** Connections of the internal entrypoint in one worker. */
const MAX_INTERNAL_CONNECTIONS = 256
/** Ticket of a connection that the caps do not count. */
const OUTSIDE_CAPS = -3
/** What a connection that has not said anything yet gets to do so while the worker drains. */
const DRAIN_MS = 1000

/** What the acceptor reports; the sum of opened minus closed is what is open. */
export interface AcceptObserver {
  onOpen(entry: EntryPoint): void
  onClose(entry: EntryPoint): void
  /** Closed right after it was accepted. */
  onRefused(entryPoint: string, reason: string): void
  /** `reason`: OpenSSL's or ours, bounded in number. */
  onHandshakeFailure(entryPoint: string, reason: string): void
  onHandshake(entryPoint: string, version: string, cipher: string): void
  onMalformed(entryPoint: string, code: string, status: number): void
}

export class Acceptor {
  readonly entry: EntryPoint
  /** Number of the entrypoint in this process. */
  readonly number: number
  readonly #plane: DataPlane
  readonly #certificates: CertificateStore
  readonly #admission: Admission
  readonly #observer: AcceptObserver
  readonly #connections = new Set<ServerConnection>()
  /** Connections before their first byte of HTTP. */
  readonly #stages = new Set<Stage>()
  #isWaning = false
  #isDraining = false

  constructor(
    entry: EntryPoint,
    number: number,
    plane: DataPlane,
    certificates: CertificateStore,
    admission: Admission,
    observer: AcceptObserver,
  ) {
    this.entry = entry
    this.number = number
    this.#plane = plane
    this.#certificates = certificates
    this.#admission = admission
    this.#observer = observer
  }

  /** Connections close with their next answer; `isLate`: those to come too. */
  wane(isLate: boolean): void {
    this.#isWaning = isLate
    for (const connection of this.#connections) connection.wane()
  }

  /** Idle connections close, the others after their exchange. */
  drain(): void {
    this.#isDraining = true
    for (const connection of this.#connections) connection.drain()
    for (const stage of this.#stages) stage.drain()
  }

  /** Connections that are not closed yet, tunnels included. */
  get open(): number {
    return this.#connections.size + this.#stages.size
  }

  /** Ends everything that is still open. */
  cut(): void {
    for (const stage of this.#stages) stage.connection.destroy()
    for (const connection of this.#connections) connection.cut()
  }

  accept(connection: TransportConnection): void {
    const peer = connection.facts.remoteAddress
    const { proxyProtocolPeers, isProxyProtocolInsecure } = this.entry
    const isProxy = isProxyProtocolInsecure || proxyProtocolPeers?.has(peer) === true
    const ticket = this.#admit(peer, isProxy)
    this.#observer.onOpen(this.entry)
    if (ticket === REFUSED) {
      this.#observer.onRefused(this.entry.name, 'client-cap')
      connection.reset()
      this.#observer.onClose(this.entry)
      return
    }
    if (isProxy) this.#stages.add(new ProxyStage(this, connection, this.#plane, ticket))
    else this.afterProxy(connection, ticket, null)
  }

  release(ticket: number): void {
    this.#observer.onClose(this.entry)
    // Behind the observer, which gives back the claim that admission looks at.
    if (ticket !== OUTSIDE_CAPS) this.#admission.close(ticket)
  }

  forget(stage: Stage): void {
    this.#stages.delete(stage)
  }

  afterProxy(connection: TransportConnection, ticket: number, rest: Buffer | null): void {
    if (this.entry.isTls) {
      const stage = new TlsStage(this, connection, this.#plane, this.#certificates, this.#observer, ticket)
      this.#stages.add(stage)
      if (rest !== null && rest.length > 0) stage.onData(rest, 0, rest.length)
    } else {
      this.serve(connection, ticket, rest)
    }
  }

  serve(connection: TransportConnection, ticket: number, rest: Buffer | null): void {
    const server: ServerConnection = new ServerConnection(this.#plane, this.entry, connection, () => {
      this.#connections.delete(server)
      this.release(ticket)
    })
    this.#connections.add(server)
    if (this.#isWaning) server.wane()
    if (this.#isDraining) server.drain()
    if (rest !== null && rest.length > 0) server.onData(rest, 0, rest.length)
  }

  /** Counts the client that a PROXY header named. The new ticket, or REFUSED after the connection was reset. */
  countBehindProxy(connection: TransportConnection, address: string): number {
    const ticket = this.#admission.count(address)
    if (ticket !== REFUSED) return ticket
    this.#observer.onRefused(this.entry.name, 'client-cap')
    connection.reset()
    return REFUSED
  }

  /**
   * Health checks and metrics must answer also when the caps are reached: they have a bound of their own. Proxies carry
   * many clients on one address; those that say for whom are counted by that.
   */
  #admit(peer: string, isProxy: boolean): number {
    if (this.entry.isInternal) return this.open < MAX_INTERNAL_CONNECTIONS ? OUTSIDE_CAPS : REFUSED
    const { isInsecure, trustedPeers } = this.entry
    if (isProxy || (!isInsecure && trustedPeers?.has(peer) === true)) return this.#admission.open(null)
    return this.#admission.open(peer)
  }

  /** A first line of defence answers in HTTP where that is what the client speaks, and closes. */
  refuse(connection: TransportConnection, kind: typeof BAD_REQUEST, code: string): void {
    this.#observer.onMalformed(this.entry.name, code, kind.status)
    if (code === 'proxy-protocol') this.#observer.onRefused(this.entry.name, code)
    const { body, contentType } = errorReply(kind)
    connection.writeLatin1(
      `HTTP/1.1 ${kind.status} ${reasonOf(kind.status)}\r\nDate: ${this.#plane.clock.httpDate}\r\n` +
        `Content-Type: ${contentType}\r\nContent-Length: ${body.length}\r\n` +
        `X-Request-ID: ${this.#plane.requestIds.next()}\r\nConnection: close\r\n\r\n${body}`,
    )
    connection.end()
  }
}

/** Common to the stages before HTTP: a deadline, and an end that releases the admission. */
abstract class Stage implements ConnectionHandler, TimerOwner {
  protected readonly acceptor: Acceptor
  readonly connection: TransportConnection
  protected readonly plane: DataPlane
  protected readonly ticket: number
  readonly #timer: TimerEntry

  constructor(acceptor: Acceptor, connection: TransportConnection, plane: DataPlane, ticket: number) {
    this.acceptor = acceptor
    this.connection = connection
    this.plane = plane
    this.ticket = ticket
    this.#timer = new TimerEntry(this, 0)
    plane.wheel.arm(this.#timer, acceptor.entry.limits.headMs)
    connection.handler = this
  }

  /** A handshake under way may end; nobody waits for one that does not. */
  drain(): void {
    this.plane.wheel.arm(this.#timer, Math.min(DRAIN_MS, this.acceptor.entry.limits.headMs))
  }

  abstract onData(buffer: Buffer, start: number, end: number): void

  onEnd(): void {
    this.connection.destroy()
  }

  onDrain(): void {}

  onClose(_error: TransportError | null): void {
    this.leave()
    this.acceptor.forget(this)
    this.acceptor.release(this.ticket)
  }

  onTimer(): void {
    this.connection.destroy()
  }

  protected leave(): void {
    this.plane.wheel.disarm(this.#timer)
  }
}

class ProxyStage extends Stage {
  readonly #reader = new ProxyProtocolReader()

  onData(buffer: Buffer, start: number, end: number): void {
    const at = this.#reader.read(buffer, start, end)
    if (at === 0) return
    this.leave()
    if (at < 0) {
      this.acceptor.refuse(this.connection, BAD_REQUEST, 'proxy-protocol')
      return
    }
    const { command, source, destination } = this.#reader.header
    if (command === 'PROXY' && source !== undefined && destination !== undefined) {
      this.connection.facts = {
        remoteAddress: source.address,
        remotePort: source.port,
        localAddress: destination.address,
        localPort: destination.port,
        proxiedPort: destination.port,
      }
    }
    const ticket = this.acceptor.countBehindProxy(this.connection, this.connection.facts.remoteAddress)
    if (ticket === REFUSED) return
    this.acceptor.forget(this)
    this.acceptor.afterProxy(this.connection, ticket, Buffer.from(buffer.subarray(at, end)))
  }
}

class TlsStage extends Stage {
  readonly #reader = new ClientHelloReader()
  readonly #certificates: CertificateStore
  readonly #observer: AcceptObserver
  #isFirst = true
  #isReported = false

  constructor(
    acceptor: Acceptor,
    connection: TransportConnection,
    plane: DataPlane,
    certificates: CertificateStore,
    observer: AcceptObserver,
    ticket: number,
  ) {
    super(acceptor, connection, plane, ticket)
    this.#certificates = certificates
    this.#observer = observer
  }

  override onTimer(): void {
    this.#failed('timeout')
    this.connection.destroy()
  }

  override onClose(error: TransportError | null): void {
    this.#failed('closed')
    super.onClose(error)
  }

  /** Only the first reason counts; a connection that never said anything (a health check) is no handshake. */
  #failed(reason: string): void {
    if (this.#isFirst || this.#isReported) return
    this.#isReported = true
    this.#observer.onHandshakeFailure(this.acceptor.entry.name, reason)
  }

  onData(buffer: Buffer, start: number, end: number): void {
    const { name } = this.acceptor.entry
    if (this.#isFirst && !looksLikeTls(buffer[start]!)) {
      this.#observer.onHandshakeFailure(name, 'not-tls')
      this.leave()
      this.acceptor.refuse(this.connection, PLAIN_TO_TLS, PLAIN_TO_TLS.code)
      return
    }
    this.#isFirst = false
    const result = this.#reader.read(buffer, start, end)
    if (result === 0) return
    if (result < 0) {
      this.#failed('client-hello')
      this.connection.destroy()
      return
    }
    const choice = this.#certificates.select(this.#reader.hello)
    this.connection.startTls(
      {
        secureContext: choice.secureContext,
        alpnProtocols: choice.alpnProtocols,
        serverName: this.#reader.hello.serverName,
      },
      this.#reader.bytes,
      {
        onSecure: () => {
          this.leave()
          this.acceptor.forget(this)
          const { tls } = this.connection.facts
          this.#observer.onHandshake(name, tls?.version ?? '', tls?.cipher ?? '')
          this.acceptor.serve(this.connection, this.ticket, null)
        },
        onTlsError: (error) => this.#failed(error.code),
      },
    )
  }
}
