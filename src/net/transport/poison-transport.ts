/**
 * Test transport around the ordinary one: every chunk is a private copy that is overwritten when the callback
 * returns, and every write is taken late, so that code which keeps borrowed bytes or changes bytes it gave away
 * produces garbage that the black-box suites see (architecture §4.2). `SEKISHO_TRANSPORT=poison` selects it.
 */
import type { Connection, ConnectionFacts, ConnectionHandler, TransportError } from '../connection.ts'
import type {
  ConnectHandler,
  Listener,
  TlsClientOptions,
  TlsHandler,
  TlsServerOptions,
  Transport,
  TransportConnection,
} from './transport.ts'

const POISON = 0xdb

class PoisonConnection implements TransportConnection, ConnectionHandler {
  handler: ConnectionHandler = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} }
  readonly inner: TransportConnection
  #late: Uint8Array[] = []
  #lateBytes = 0
  #isScheduled = false
  #afterLate: (() => void)[] = []
  /** The end may be late, too; nothing is read behind it. */
  #isEnding = false

  constructor(inner: TransportConnection) {
    this.inner = inner
  }

  get facts(): ConnectionFacts {
    return this.inner.facts
  }
  set facts(facts: ConnectionFacts) {
    this.inner.facts = facts
  }
  get queuedBytes(): number {
    return this.#lateBytes + this.inner.queuedBytes
  }
  get untakenBytes(): number {
    return this.#lateBytes + this.inner.untakenBytes
  }
  get isClosed(): boolean {
    return this.inner.isClosed
  }
  get bytesRead(): number {
    return this.inner.bytesRead
  }
  get bytesWritten(): number {
    return this.inner.bytesWritten + this.#lateBytes
  }

  onData(buffer: Buffer, start: number, end: number): void {
    if (this.#isEnding) return
    const copy = Buffer.from(buffer.subarray(start, end))
    this.handler.onData(copy, 0, copy.length)
    copy.fill(POISON)
  }
  onEnd(): void {
    this.handler.onEnd()
  }
  onDrain(): void {
    if (this.#lateBytes === 0) this.handler.onDrain()
  }
  onClose(error: TransportError | null): void {
    this.#late = []
    this.#lateBytes = 0
    this.handler.onClose(error)
  }
  onConnect(): void {
    ;(this.handler as ConnectHandler).onConnect()
  }

  writeLatin1(text: string): boolean {
    return this.#writeLate(Buffer.from(text, 'latin1'))
  }
  writeOwned(bytes: Uint8Array): boolean {
    // Not copied: whoever changes the bytes after giving them away is found out.
    return this.#writeLate(bytes)
  }
  writeParts(parts: readonly (string | Uint8Array)[]): boolean {
    for (const part of parts) this.#writeLate(typeof part === 'string' ? Buffer.from(part, 'latin1') : part)
    return this.queuedBytes === 0
  }
  writeBorrowed(buffer: Buffer, start: number, end: number, _from: Connection): boolean {
    return this.#writeLate(Buffer.from(buffer.subarray(start, end)))
  }

  pause(): void {
    this.inner.pause()
  }
  resume(): void {
    this.inner.resume()
  }
  halfClose(): void {
    this.#whenSent(() => this.inner.halfClose())
  }
  end(): void {
    this.#isEnding = true
    this.#whenSent(() => this.inner.end())
  }
  reset(): void {
    this.inner.reset()
  }
  destroy(): void {
    this.inner.destroy()
  }
  bulk(): void {}

  startTls(options: TlsServerOptions, bytesRead: Buffer, handler: TlsHandler): void {
    this.inner.startTls(options, bytesRead, handler)
  }

  #writeLate(bytes: Uint8Array): boolean {
    if (this.inner.isClosed || bytes.length === 0) return this.queuedBytes === 0
    this.#late.push(bytes)
    this.#lateBytes += bytes.length
    if (!this.#isScheduled) {
      this.#isScheduled = true
      setImmediate(() => this.#flush())
    }
    return false
  }

  #flush(): void {
    this.#isScheduled = false
    const late = this.#late
    this.#late = []
    this.#lateBytes = 0
    let isSent = true
    for (const bytes of late) isSent = this.inner.writeOwned(Buffer.from(bytes))
    const after = this.#afterLate
    this.#afterLate = []
    for (const callback of after) callback()
    if (isSent && late.length > 0 && !this.inner.isClosed) this.handler.onDrain()
  }

  #whenSent(callback: () => void): void {
    if (this.#lateBytes === 0) callback()
    else this.#afterLate.push(callback)
  }
}

export class PoisonTransport implements Transport {
  readonly #inner: Transport

  constructor(inner: Transport) {
    this.#inner = inner
  }

  listen(
    fd: number,
    backlog: number,
    divert: (fd: number) => boolean,
    onConnection: (connection: TransportConnection) => void,
  ): Listener {
    return this.#inner.listen(fd, backlog, divert, (connection) => onConnection(wrap(connection)))
  }

  adopt(fd: number): TransportConnection {
    return wrap(this.#inner.adopt(fd))
  }

  connect(
    address: string,
    port: number,
    tls: TlsClientOptions | undefined,
    handler: ConnectHandler,
  ): TransportConnection {
    const relay: { target: PoisonConnection | null } = { target: null }
    const forward: ConnectHandler = {
      onConnect: () => relay.target?.onConnect(),
      onData: (buffer, start, end) => relay.target?.onData(buffer, start, end),
      onEnd: () => relay.target?.onEnd(),
      onDrain: () => relay.target?.onDrain(),
      onClose: (error) => relay.target?.onClose(error),
    }
    const outer = new PoisonConnection(this.#inner.connect(address, port, tls, forward))
    relay.target = outer
    outer.handler = handler
    return outer
  }
}

function wrap(inner: TransportConnection): PoisonConnection {
  const outer = new PoisonConnection(inner)
  inner.handler = outer
  return outer
}
