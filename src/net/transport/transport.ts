/** What a transport offers besides connections: listening and connecting (architecture §4.2). */
import type { SecureContext } from 'node:tls'
import type { BufferPool } from '../buffer-pool.ts'
import type { MemoryBudget } from '../budget.ts'
import type { Connection, ConnectionHandler, TransportError } from '../connection.ts'

/** Collaborators of a transport, one set per worker. */
export interface TransportHost {
  readonly buffers: BufferPool
  readonly budget: MemoryBudget
  /** An exception escaped a handler: the connection has been destroyed, this reports it. */
  onFault(error: unknown): void
  /** Calls back once after about `delayMs`, unless cancelled by the returned function. */
  after(delayMs: number, callback: () => void): () => void
}

export interface TlsServerOptions {
  readonly secureContext: SecureContext
  readonly alpnProtocols: readonly string[]
  readonly serverName: string
}

export interface TlsClientOptions {
  /** SNI and the name that is verified; `''` sends none. */
  readonly serverName: string
  readonly verify: boolean
  readonly alpnProtocols: readonly string[]
  readonly secureContext?: SecureContext
}

export interface TlsHandler {
  /** Handshake done; `connection.facts.tls` is set, data goes to `connection.handler`. */
  onSecure(): void
  /** Handshake failed; the connection's onClose follows. */
  onTlsError(error: TransportError): void
}

export interface ConnectHandler extends ConnectionHandler {
  onConnect(): void
}

/** A connection as its transport sees it. */
export interface TransportConnection extends Connection {
  /**
   * Server side of TLS on this connection. `bytesRead` is what was read of the ClientHello already. From now on
   * reads and writes are plain text. Call only with nothing queued.
   */
  startTls(options: TlsServerOptions, bytesRead: Buffer, handler: TlsHandler): void
}

export interface Listener {
  /** Stops accepting here; the socket itself stays open with whoever else holds it. */
  close(): void
}

export interface Transport {
  /**
   * Accepts on the listening socket `fd`; takes ownership of the descriptor. Throws an Error with `code`. `divert` is
   * shown each accepted socket first and may duplicate its descriptor for somebody else: then it returns true.
   */
  listen(
    fd: number,
    backlog: number,
    divert: (fd: number) => boolean,
    onConnection: (connection: TransportConnection) => void,
  ): Listener
  /** Takes over an accepted socket (handed from another worker). */
  adopt(fd: number): TransportConnection
  /** `address` is an IP address. Failure arrives as onClose. */
  connect(
    address: string,
    port: number,
    tls: TlsClientOptions | undefined,
    handler: ConnectHandler,
  ): TransportConnection
}
