/**
 * The transport seam (architecture §4.2). Engines speak to a `Connection` and know nothing of sockets.
 *
 * Ownership: bytes given to `onData` are borrowed until it returns; bytes given to a `write…` belong to the
 * transport until they are sent. The exception is `writeBorrowed`, which exists so that a proxy can pass a
 * borrowed chunk on without a copy: the transport copies, or takes the buffer from `from`, only when the kernel
 * did not take all of it at once.
 */

/** What ended a connection, in the kernel's words (`ECONNRESET`) or OpenSSL's. */
export interface TransportError {
  readonly code: string
  readonly message: string
}

export interface TlsFacts {
  /** Server name of the ClientHello, lower case, `''` when none was sent. */
  readonly serverName: string
  /** Negotiated protocol, `''` when none. */
  readonly alpn: string
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly version: string
  readonly cipher: string
  /** Subject of the verified client certificate, undefined when none was asked for or given. */
  readonly clientSubject?: string
  readonly resumed: boolean
}

/** Addresses are text without zone and brackets; an IPv4-mapped IPv6 address is the IPv4 address. */
export interface ConnectionFacts {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /** Port that the client connected to, where a PROXY header tells it. */
  readonly proxiedPort?: number
  readonly tls?: TlsFacts
}

export interface ConnectionHandler {
  /** Bytes `buffer[start, end)` arrived. Borrowed until return. */
  onData(buffer: Buffer, start: number, end: number): void
  /** The peer sent FIN (or close_notify). Our side may still write. */
  onEnd(): void
  /** Everything queued has been handed to the kernel; called only after a write returned false. */
  onDrain(): void
  /** Exactly once, last. `error` is null after an orderly end or our own destroy. */
  onClose(error: TransportError | null): void
}

export interface Connection {
  /** May be replaced at any time outside of a callback and inside of one (accept pipeline → engine). */
  handler: ConnectionHandler
  facts: ConnectionFacts
  /** Bytes accepted by a write and not yet taken by the kernel. */
  readonly queuedBytes: number
  /**
   * Bytes on the wire's side of a write that the peer has not acknowledged, those in the kernel included: falls while the
   * peer takes anything, also when the kernel has no room yet for more. Costs a system call.
   */
  readonly untakenBytes: number
  readonly isClosed: boolean
  /** Bytes received and sent since the connection opened (plain text bytes on TLS). */
  readonly bytesRead: number
  readonly bytesWritten: number

  /** Each write returns true when nothing is queued afterwards. After close they do nothing and return true. */
  writeLatin1(text: string): boolean
  /** `bytes` must not be changed by the caller any more. */
  writeOwned(bytes: Uint8Array): boolean
  /** Writes the parts in order with one system call where possible. Strings are latin1. */
  writeParts(parts: readonly (string | Uint8Array)[]): boolean
  /** Passes on bytes borrowed from `from`'s onData call; see the file comment. */
  writeBorrowed(buffer: Buffer, start: number, end: number, from: Connection): boolean

  pause(): void
  resume(): void
  /** Sends FIN after what is queued. */
  halfClose(): void
  /** Sends what is queued, then FIN, then closes when the peer did or after a short linger. No onData comes any more. */
  end(): void
  /** RST. */
  reset(): void
  /** Closes now; queued bytes are lost. */
  destroy(): void
  /** Hint: long body ahead, worth an own read buffer (true), or back to the shared one (false). */
  bulk(isBulk: boolean): void
}
