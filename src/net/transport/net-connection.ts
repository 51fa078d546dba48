/**
 * A connection on Node's own handles (`net` transport). The TCP handle and, after `startTls`, the TLS handle on top
 * of it speak the same language, so one class serves both. Reads land in the worker's shared buffer, or in an own one
 * while a long body passes; see src/net/native.ts for why `net.Socket` is not in between.
 *
 * Invariants: after `#isClosed` nothing is called on the handle; `onClose` is called exactly once, never from inside
 * a call of ours into the connection (it comes from the handle's close callback).
 */
import type { TLSSocket } from 'node:tls'
import { getSystemErrorName } from 'node:util'
import { latin1Slice } from '#lib/latin1.ts'
import type { Connection, ConnectionFacts, ConnectionHandler, TransportError } from '../connection.ts'
import {
  lastWriteWasAsync,
  newShutdownRequest,
  newWriteRequest,
  readResult,
  UV_EOF,
  type NativeAddress,
  type NativeHandle,
  type NativeRequest,
} from '../native.ts'
import type { ConnectHandler, TransportHost } from './transport.ts'

/** Up to this size a chunk is passed on as latin1 text: the native side copies what the kernel does not take. */
const TEXT_WRITE_MAX = 16_384
/** How long `end` waits for the peer's FIN, reading and dropping, so that our last bytes are not lost to a RST. */
const LINGER_MS = 1000
const LINGER_MAX_BYTES = 1_048_576

const IGNORE: ConnectionHandler = {
  onData() {},
  onEnd() {},
  onDrain() {},
  onClose() {},
}

let spareRequest: NativeRequest | null = null

function takeWriteRequest(): NativeRequest {
  const request = spareRequest
  if (request !== null) {
    spareRequest = null
    return request
  }
  return newWriteRequest()
}

export class NetConnection implements Connection {
  handler: ConnectionHandler = IGNORE
  facts: ConnectionFacts
  queuedBytes = 0
  bytesRead = 0
  bytesWritten = 0
  isClosed = false
  handle: NativeHandle
  /** Owner of the TLS handle once TLS has started. */
  tlsSocket: TLSSocket | null = null
  connectHandler: ConnectHandler | null = null
  readonly host: TransportHost
  #ownBuffer: Buffer | null = null
  #isBulk = false
  #swapBuffer: Buffer | null = null
  #isReading = false
  #isPaused = false
  #isEnding = false
  #hasPeerEnded = false
  #lingerBytes = 0
  #cancelLinger: (() => void) | null = null
  #closeError: TransportError | null = null

  constructor(handle: NativeHandle, facts: ConnectionFacts, host: TransportHost) {
    this.handle = handle
    this.facts = facts
    this.host = host
    handle.owner = this
    handle.onread = onRead
  }

  /** Begins to read; separate from construction because a connecting socket cannot yet. */
  start(): void {
    this.handle.useUserBuffer(this.host.buffers.shared)
    this.#isReading = true
    if (!this.#isPaused) this.handle.readStart()
  }

  /** TLS took over: the handle on top is the one to talk to, and it reads by itself already. */
  replaceHandle(handle: NativeHandle, socket: TLSSocket): void {
    this.handle = handle
    this.tlsSocket = socket
    this.#isBulk = false
    this.#releaseOwnBuffer()
    handle.owner = this
    handle.onread = onRead
    handle.useUserBuffer(this.host.buffers.shared)
  }

  /** Stops raw reading and gives the handle to TLS. */
  stopRawReading(): void {
    this.handle.readStop()
  }

  /** Called by the shared `onRead` with the result of one read. Returns the buffer for the next one, if changed. */
  onReadResult(result: number): Buffer | undefined {
    if (this.isClosed) return undefined
    if (result > 0) {
      this.bytesRead += result
      const buffer = this.#ownBuffer ?? this.host.buffers.shared
      if (this.#isEnding) this.#dropWhileLingering(result)
      else {
        try {
          this.handler.onData(buffer, 0, result)
        } catch (error) {
          this.host.onFault(error)
          this.destroy()
        }
      }
      return this.isClosed ? undefined : this.#nextBuffer()
    }
    if (result === UV_EOF) this.#onPeerEnd()
    else if (result < 0) this.#fail(result)
    return undefined
  }

  writeLatin1(text: string): boolean {
    if (this.isClosed || text.length === 0) return this.queuedBytes === 0
    const request = takeWriteRequest()
    const status = this.handle.writeLatin1String(request, text)
    return this.#written(request, status, text.length, null)
  }

  writeOwned(bytes: Uint8Array): boolean {
    if (this.isClosed || bytes.length === 0) return this.queuedBytes === 0
    const request = takeWriteRequest()
    const status = this.handle.writeBuffer(request, bytes)
    return this.#written(request, status, bytes.length, null)
  }

  writeParts(parts: readonly (string | Uint8Array)[]): boolean {
    if (this.isClosed) return this.queuedBytes === 0
    const chunks: Uint8Array[] = []
    let bytes = 0
    for (const part of parts) {
      const chunk = typeof part === 'string' ? Buffer.from(part, 'latin1') : part
      bytes += chunk.length
      chunks.push(chunk)
    }
    const request = takeWriteRequest()
    const status = this.handle.writev(request, chunks, true)
    return this.#written(request, status, bytes, null)
  }

  writeBorrowed(buffer: Buffer, start: number, end: number, from: Connection): boolean {
    if (end - start <= TEXT_WRITE_MAX) return this.writeLatin1(latin1Slice(buffer, start, end))
    if (this.isClosed) return this.queuedBytes === 0
    // The text path copies by itself; above it a buffer of its own is handed over instead of copied, and only
    // bytes that stand in the shared buffer have to be.
    const owner = from instanceof NetConnection && from.#ownBuffer === buffer ? from : null
    if (owner === null) return this.writeOwned(Buffer.from(buffer.subarray(start, end)))
    const request = takeWriteRequest()
    const status = this.handle.writeBuffer(request, buffer.subarray(start, end))
    if (status === 0 && lastWriteWasAsync()) {
      owner.#surrenderBuffer()
      return this.#written(request, status, end - start, buffer)
    }
    return this.#written(request, status, end - start, null)
  }

  pause(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    if (!this.isClosed && this.#isReading) this.handle.readStop()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    if (!this.isClosed && this.#isReading) this.handle.readStart()
  }

  halfClose(): void {
    if (this.isClosed) return
    const request = newShutdownRequest()
    request.oncomplete = onShutdown
    request.owner = this
    this.handle.shutdown(request)
  }

  end(): void {
    if (this.isClosed || this.#isEnding) return
    this.#isEnding = true
    this.resume()
    this.halfClose()
    if (this.#hasPeerEnded) this.#closeWhenSent()
    else this.#cancelLinger = this.host.after(LINGER_MS, () => this.destroy())
  }

  reset(): void {
    if (this.isClosed) return
    if (this.tlsSocket !== null) {
      this.destroy()
      return
    }
    this.#beginClose()
    this.handle.reset(() => this.#finishClose())
  }

  destroy(): void {
    if (this.isClosed) return
    this.#beginClose()
    if (this.tlsSocket !== null) {
      this.tlsSocket.once('close', () => this.#finishClose())
      this.tlsSocket.destroy()
    } else {
      this.handle.close(() => this.#finishClose())
    }
  }

  bulk(isBulk: boolean): void {
    if (this.#isBulk === isBulk || this.isClosed) return
    this.#isBulk = isBulk
    this.#swapBuffer = isBulk ? this.host.buffers.take() : this.host.buffers.shared
  }

  /** Fails with an errno name; used by connect and TLS as well as by reads. */
  failWith(error: TransportError): void {
    this.#closeError ??= error
    this.destroy()
  }

  onWriteComplete(request: NativeRequest, status: number): void {
    this.queuedBytes -= request.bytes
    this.host.budget.release(request.bytes)
    if (request.buffer !== null) {
      this.host.buffers.give(request.buffer)
      request.buffer = null
    }
    if (this.isClosed) return
    if (status < 0) {
      this.#fail(status)
      return
    }
    if (this.queuedBytes > 0) return
    if (this.#isEnding) {
      if (this.#hasPeerEnded) this.#closeWhenSent()
      return
    }
    try {
      this.handler.onDrain()
    } catch (error) {
      this.host.onFault(error)
      this.destroy()
    }
  }

  /** Copies nothing: the buffer now belongs to the write in flight, the next read gets another one. */
  #surrenderBuffer(): void {
    this.#ownBuffer = null
    this.#swapBuffer = this.#isBulk ? this.host.buffers.take() : this.host.buffers.shared
  }

  #nextBuffer(): Buffer | undefined {
    const next = this.#swapBuffer
    if (next === null) return undefined
    this.#swapBuffer = null
    this.#releaseOwnBuffer()
    this.#ownBuffer = next === this.host.buffers.shared ? null : next
    return next
  }

  #releaseOwnBuffer(): void {
    if (this.#ownBuffer === null) return
    this.host.buffers.give(this.#ownBuffer)
    this.#ownBuffer = null
  }

  #written(request: NativeRequest, status: number, bytes: number, surrendered: Buffer | null): boolean {
    if (status !== 0) {
      this.#fail(status)
      return true
    }
    this.bytesWritten += bytes
    if (!lastWriteWasAsync()) {
      spareRequest = request
      return this.queuedBytes === 0
    }
    request.owner = this
    request.bytes = bytes
    request.buffer = surrendered
    request.oncomplete = onWriteComplete
    this.queuedBytes += bytes
    this.host.budget.charge(bytes)
    return false
  }

  #onPeerEnd(): void {
    this.#hasPeerEnded = true
    if (this.#isEnding) {
      this.#closeWhenSent()
      return
    }
    try {
      this.handler.onEnd()
    } catch (error) {
      this.host.onFault(error)
      this.destroy()
    }
  }

  #closeWhenSent(): void {
    if (this.queuedBytes === 0) this.destroy()
  }

  #dropWhileLingering(bytes: number): void {
    this.#lingerBytes += bytes
    if (this.#lingerBytes > LINGER_MAX_BYTES) this.destroy()
  }

  #fail(status: number): void {
    const code = getSystemErrorName(status)
    this.failWith({ code, message: code })
  }

  #beginClose(): void {
    this.isClosed = true
    this.#cancelLinger?.()
    this.#cancelLinger = null
  }

  #finishClose(): void {
    this.#releaseOwnBuffer()
    if (this.#swapBuffer !== null && this.#swapBuffer !== this.host.buffers.shared) {
      this.host.buffers.give(this.#swapBuffer)
    }
    this.#swapBuffer = null
    try {
      this.handler.onClose(this.#closeError)
    } catch (error) {
      this.host.onFault(error)
    }
    this.handler = IGNORE
  }
}

function onRead(this: NativeHandle): Buffer | undefined {
  return (this.owner as NetConnection).onReadResult(readResult())
}

function onWriteComplete(this: NativeRequest, status: number): void {
  ;(this.owner as NetConnection).onWriteComplete(this, status)
}

function onShutdown(this: NativeRequest): void {}

/** Facts of a connected handle. Local address is looked up when first asked for: few requests need it. */
export class SocketFacts implements ConnectionFacts {
  readonly remoteAddress: string
  readonly remotePort: number
  #handle: NativeHandle
  #local: NativeAddress | null = null

  constructor(handle: NativeHandle) {
    const peer: NativeAddress = {}
    handle.getpeername(peer)
    this.#handle = handle
    this.remoteAddress = withoutMapping(peer.address ?? '')
    this.remotePort = peer.port ?? 0
  }

  get localAddress(): string {
    return withoutMapping(this.#localName().address ?? '')
  }

  get localPort(): number {
    return this.#localName().port ?? 0
  }

  #localName(): NativeAddress {
    if (this.#local === null) {
      this.#local = {}
      this.#handle.getsockname(this.#local)
    }
    return this.#local
  }
}

/** `::ffff:192.0.2.1` is 192.0.2.1 everywhere; a zone is no part of an identity. */
function withoutMapping(address: string): string {
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice(7)
  const zone = address.indexOf('%')
  return zone < 0 ? address : address.slice(0, zone)
}
