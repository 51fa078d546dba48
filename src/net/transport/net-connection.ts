/**
 * A connection on Node's own handles (`net` transport). The TCP handle and, after `startTls`, the TLS handle on top
 * of it speak the same language, so one class serves both. Reads land in the worker's shared buffer, or in an own one
 * while a long body passes; see src/net/native.ts for why `net.Socket` is not in between.
 *
 * Invariants: after `isClosed` nothing is called on the handle; `onClose` is called exactly once, never from inside
 * a call of ours into the connection (it comes from the handle's close callback). What the kernel has not taken yet is
 * referred to by its write request. TLS takes one write at a time: further ones wait here.
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { getSystemErrorName } from 'node:util'
import { latin1Slice } from '#lib/latin1.ts'
import type { Connection, ConnectionFacts, ConnectionHandler, TransportError } from '../connection.ts'
import { unacknowledgedBytes } from '../ffi.ts'
import {
  lastWriteWasAsync,
  newShutdownRequest,
  newWriteRequest,
  readResult,
  UV_EOF,
  type NativeHandle,
  type NativeRequest,
} from '../native.ts'
import type { ConnectHandler, TransportHost } from './transport.ts'

/** Up to this size a chunk is passed on as latin1 text: the native side copies what the kernel does not take. */
const TEXT_WRITE_MAX = 16_384
/** How long `end` waits for the peer's FIN, reading and dropping, so that our last bytes are not lost to a RST. */
const LINGER_MS = 1000
const LINGER_MAX_BYTES = 1_048_576
/** How long `end` waits for a peer that takes nothing of what is queued. */
const STALL_MS = 30_000
/** One write on TLS up to this size is encrypted and offered to the kernel whole before the call returns. */
const TLS_AT_ONCE_MAX = 131_072

const FIN_NONE = 0
/** To be sent when nothing is queued any more. */
const FIN_WANTED = 1
const FIN_PENDING = 2
const FIN_SENT = 3

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
  readonly #tcp: NativeHandle
  #tcpSocket: Socket | null = null
  #isReading = false
  #isPaused = false
  #isEnding = false
  #hasPeerEnded = false
  #fin = FIN_NONE
  /** A write returned false and nobody was told yet that it is done. */
  #owesDrain = false
  #isResetWanted = false
  #isTlsBusy = false
  #waiting: (string | Uint8Array)[] | null = null
  #waitingBytes = 0
  #lingerBytes = 0
  #cancelLinger: (() => void) | null = null
  #closeError: TransportError | null = null
  /** Status of the write that failed while reading goes on; 0: none. */
  #writeError = 0

  constructor(handle: NativeHandle, facts: ConnectionFacts, host: TransportHost) {
    this.handle = handle
    this.#tcp = handle
    this.facts = facts
    this.host = host
    handle.owner = this
    handle.onread = onRead
  }

  get untakenBytes(): number {
    if (this.isClosed) return 0
    return this.#waitingBytes + this.#queuedInHandles() + unacknowledgedBytes(this.#tcp.fd)
  }

  /** Begins to read; separate from construction because a connecting socket cannot yet. */
  start(): void {
    this.handle.useUserBuffer(this.host.buffers.shared)
    this.#isReading = true
    if (!this.#isPaused) this.handle.readStart()
  }

  /** TLS took over: the handle on top is the one to talk to, and it reads by itself already. `below` is the wrapped one. */
  replaceHandle(handle: NativeHandle, socket: TLSSocket, below: Socket): void {
    this.handle = handle
    this.tlsSocket = socket
    this.#tcpSocket = below
    this.#isReading = true
    this.bytesRead = 0
    this.bytesWritten = 0
    this.#isBulk = false
    this.#swapTo(null)
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
          this.fault(error)
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
    if (this.#isTlsBusy) return this.#wait(text)
    const request = takeWriteRequest()
    const status = this.handle.writeLatin1String(request, text)
    return this.#written(request, status, text.length, null, null)
  }

  writeOwned(bytes: Uint8Array): boolean {
    if (this.isClosed || bytes.length === 0) return this.queuedBytes === 0
    if (this.#isTlsBusy) return this.#wait(bytes)
    const request = takeWriteRequest()
    const status = this.handle.writeBuffer(request, bytes)
    return this.#written(request, status, bytes.length, bytes, null)
  }

  writeParts(parts: readonly (string | Uint8Array)[]): boolean {
    if (this.isClosed) return this.queuedBytes === 0
    const chunks: Uint8Array[] = []
    let bytes = 0
    for (const part of parts) {
      if (part.length === 0) continue
      if (this.#isTlsBusy) {
        this.#wait(part)
        continue
      }
      const chunk = typeof part === 'string' ? Buffer.from(part, 'latin1') : part
      bytes += chunk.length
      chunks.push(chunk)
    }
    if (bytes === 0) return this.queuedBytes === 0
    const request = takeWriteRequest()
    const status = this.handle.writev(request, chunks, true)
    return this.#written(request, status, bytes, chunks, null)
  }

  writeBorrowed(buffer: Buffer, start: number, end: number, from: Connection): boolean {
    if (end - start <= TEXT_WRITE_MAX) return this.writeLatin1(latin1Slice(buffer, start, end))
    if (this.isClosed) return this.queuedBytes === 0
    // The text path copies by itself; above it a buffer of its own is handed over instead of copied, and only
    // bytes that stand in the shared buffer have to be.
    const owner = from instanceof NetConnection && from.#ownBuffer === buffer ? from : null
    // TLS has encrypted everything when the call returns: only what waits for its turn has to be copied.
    const isTls = this.tlsSocket !== null
    if (this.#isTlsBusy || (owner === null && !isTls)) {
      return this.writeOwned(Buffer.from(buffer.subarray(start, end)))
    }
    const request = takeWriteRequest()
    const status = this.handle.writeBuffer(request, buffer.subarray(start, end))
    if (owner !== null && !isTls && status === 0 && lastWriteWasAsync()) {
      owner.#surrenderBuffer()
      return this.#written(request, status, end - start, buffer, buffer)
    }
    return this.#written(request, status, end - start, null, null)
  }

  pause(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    if (!this.isClosed && this.#isReading) this.handle.readStop()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    // Behind the end of the stream another read would report the end again.
    if (!this.isClosed && this.#isReading && !this.#hasPeerEnded) this.handle.readStart()
  }

  halfClose(): void {
    if (this.isClosed || this.#fin !== FIN_NONE) return
    // Asked for only once the queue is empty, because a socket whose FIN waits behind data cannot be reset any more.
    if (this.queuedBytes > 0 || this.#isTlsBusy) this.#fin = FIN_WANTED
    else this.#sendFin()
  }

  end(): void {
    if (this.isClosed || this.#isEnding) return
    if (this.#writeError !== 0) {
      this.destroy()
      return
    }
    this.#isEnding = true
    this.resume()
    this.halfClose()
    if (this.#fin === FIN_SENT) this.#linger()
    else if (this.#fin === FIN_WANTED) this.#watchStall(this.untakenBytes)
  }

  reset(): void {
    if (this.isClosed) return
    if (this.tlsSocket !== null) {
      if (this.#fin === FIN_PENDING) {
        this.destroy()
        return
      }
      this.#beginClose()
      this.#tcpSocket!.resetAndDestroy()
      return
    }
    this.#beginClose()
    if (this.#fin === FIN_PENDING) {
      this.#isResetWanted = true
      this.handle.readStop()
    } else {
      this.#resetHandle()
    }
  }

  destroy(): void {
    if (this.isClosed) return
    this.#beginClose()
    if (this.tlsSocket !== null) this.tlsSocket.destroy()
    else this.handle.close(() => this.#finishClose())
  }

  bulk(isBulk: boolean): void {
    if (this.#isBulk === isBulk || this.isClosed) return
    this.#isBulk = isBulk
    this.#swapTo(isBulk ? this.host.buffers.take() : this.host.buffers.shared)
  }

  /** The TLS socket is closed, by us or by itself. */
  onTlsClosed(): void {
    if (!this.isClosed) this.#beginClose()
    this.#finishClose()
  }

  /** An exception escaped the handler: nothing is known about its state. */
  fault(error: unknown): void {
    this.host.onFault(error)
    this.destroy()
  }

  /** Fails with an errno name; used by connect and TLS as well as by reads. */
  failWith(error: TransportError): void {
    this.#closeError ??= error
    this.destroy()
  }

  onWriteComplete(request: NativeRequest, status: number): void {
    this.queuedBytes -= request.bytes
    this.host.budget.release(request.bytes)
    request.buffer = null
    if (request.pooled !== null) {
      this.host.buffers.give(request.pooled)
      request.pooled = null
    }
    if (this.isClosed) return
    if (status < 0) {
      this.#failWrite(status)
      return
    }
    if (this.#isTlsBusy) {
      this.#isTlsBusy = false
      if (this.#waiting !== null) {
        this.#writeWaiting()
        return
      }
    }
    if (this.queuedBytes > 0) return
    if (this.#fin === FIN_WANTED) this.#sendFin()
    if (this.#isEnding || !this.#owesDrain) return
    this.#owesDrain = false
    try {
      this.handler.onDrain()
    } catch (error) {
      this.fault(error)
    }
  }

  onFinSent(): void {
    this.#fin = FIN_SENT
    if (this.#isResetWanted) this.#resetHandle()
    else if (this.#isEnding && !this.isClosed) this.#linger()
  }

  /** Copies nothing: the buffer now belongs to the write in flight, the next read gets another one. */
  #surrenderBuffer(): void {
    this.#ownBuffer = null
    this.#swapTo(this.#isBulk ? this.host.buffers.take() : this.host.buffers.shared)
  }

  /** `next` is what the read after this one goes into; one that was meant for it before goes back. */
  #swapTo(next: Buffer | null): void {
    const before = this.#swapBuffer
    this.#swapBuffer = next
    if (before !== null && before !== this.host.buffers.shared) this.host.buffers.give(before)
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

  /** `data` is referred to until it is sent; `pooled` goes back to the pool then. */
  #written(
    request: NativeRequest,
    status: number,
    bytes: number,
    data: Uint8Array | readonly Uint8Array[] | null,
    pooled: Buffer | null,
  ): boolean {
    if (status !== 0) {
      this.#failWrite(status)
      return true
    }
    this.bytesWritten += bytes
    if (!lastWriteWasAsync()) {
      spareRequest = request
      return this.queuedBytes === 0
    }
    request.owner = this
    request.buffer = data
    request.pooled = pooled
    request.oncomplete = onWriteComplete
    let queued = bytes
    if (this.tlsSocket !== null) {
      this.#isTlsBusy = true
      // TLS reports every write later. What the kernel has taken already holds nobody up.
      if (bytes <= TLS_AT_ONCE_MAX && this.#tcp.writeQueueSize === 0) queued = 0
    }
    request.bytes = queued
    this.queuedBytes += queued
    this.host.budget.charge(queued)
    if (this.queuedBytes > 0) this.#owesDrain = true
    const { writeStatus } = request
    // It ended inside the call already, before `oncomplete` was there to be told.
    if (writeStatus !== null) setImmediate(() => this.onWriteComplete(request, writeStatus))
    return this.queuedBytes === 0
  }

  /** Behind the write that TLS has in hand. The part belongs to us. */
  #wait(part: string | Uint8Array): boolean {
    if (this.#waiting === null) this.#waiting = [part]
    else this.#waiting.push(part)
    this.#waitingBytes += part.length
    this.bytesWritten += part.length
    this.queuedBytes += part.length
    this.host.budget.charge(part.length)
    this.#owesDrain = true
    return false
  }

  #writeWaiting(): void {
    const parts = this.#waiting!
    this.bytesWritten -= this.#waitingBytes
    this.#dropWaiting()
    const [first] = parts
    if (parts.length > 1) this.writeParts(parts)
    else if (typeof first === 'string') this.writeLatin1(first)
    else this.writeOwned(first!)
  }

  #dropWaiting(): void {
    this.queuedBytes -= this.#waitingBytes
    this.host.budget.release(this.#waitingBytes)
    this.#waiting = null
    this.#waitingBytes = 0
  }

  #onPeerEnd(): void {
    // The failed write has taken the error that reading would have met: this is no orderly end.
    if (this.#writeError !== 0) {
      this.#fail(this.#writeError)
      return
    }
    this.#hasPeerEnded = true
    if (this.#isEnding) {
      if (this.#fin === FIN_SENT) this.destroy()
      return
    }
    try {
      this.handler.onEnd()
    } catch (error) {
      this.fault(error)
    }
  }

  #sendFin(): void {
    this.#fin = FIN_PENDING
    const request = newShutdownRequest()
    request.oncomplete = onShutdown
    request.owner = this
    // Anything but 0: there is nothing to wait for, the socket is not connected any more.
    if (this.handle.shutdown(request) !== 0) setImmediate(() => this.onFinSent())
  }

  /** Everything is sent: now only the peer's FIN is waited for. */
  #linger(): void {
    this.#cancelLinger?.()
    if (this.#hasPeerEnded) this.destroy()
    else this.#cancelLinger = this.host.after(LINGER_MS, () => this.destroy())
  }

  #watchStall(unsent: number): void {
    this.#cancelLinger = this.host.after(STALL_MS, () => {
      const left = this.untakenBytes
      if (left < unsent) this.#watchStall(left)
      else this.reset()
    })
  }

  #queuedInHandles(): number {
    const below = this.#tcp.writeQueueSize
    return this.tlsSocket === null ? below : below + this.handle.writeQueueSize
  }

  #resetHandle(): void {
    if (this.handle.reset(() => this.#finishClose()) !== 0) setImmediate(() => this.#finishClose())
  }

  #dropWhileLingering(bytes: number): void {
    this.#lingerBytes += bytes
    // No longer read, not closed yet: a reset now could overtake what the peer has not read of our last answer.
    if (this.#lingerBytes > LINGER_MAX_BYTES) this.handle.readStop()
  }

  /**
   * The peer takes nothing any more. What it had said before its reset stands in the kernel still, an early answer to a long
   * upload for example: reading goes on to its end, which comes at once.
   */
  #failWrite(status: number): void {
    if (this.#writeError !== 0) return
    const canRead = this.#isReading && !this.#isPaused && !this.#hasPeerEnded
    if (!canRead || this.#isEnding || this.tlsSocket !== null) {
      this.#fail(status)
      return
    }
    this.#writeError = status
    this.#cancelLinger?.()
    this.#cancelLinger = this.host.after(LINGER_MS, () => this.#fail(status))
  }

  #fail(status: number): void {
    const code = getSystemErrorName(status)
    this.failWith({ code, message: code })
  }

  #beginClose(): void {
    this.isClosed = true
    this.#cancelLinger?.()
    this.#cancelLinger = null
    this.#dropWaiting()
  }

  #finishClose(): void {
    this.#releaseOwnBuffer()
    this.#swapTo(null)
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

function onShutdown(this: NativeRequest): void {
  ;(this.owner as NetConnection).onFinSent()
}
