/**
 * Two connections joined after an upgrade: bytes pass both ways with back-pressure, an end of one side becomes an end of
 * the other's writing, and both are closed when both have ended or nothing passed for too long.
 */
import { TimerEntry, type TimerOwner, type TimerWheel } from '#lib/timer-wheel.ts'
import type { Connection, ConnectionHandler } from '#net/connection.ts'

class TunnelSide implements ConnectionHandler {
  readonly #tunnel: Tunnel
  readonly #own: Connection
  readonly #other: Connection
  bytes = 0
  hasEnded = false

  constructor(tunnel: Tunnel, own: Connection, other: Connection) {
    this.#tunnel = tunnel
    this.#own = own
    this.#other = other
  }

  onData(buffer: Buffer, start: number, end: number): void {
    this.bytes += end - start
    this.#tunnel.noteProgress()
    if (!this.#other.writeBorrowed(buffer, start, end, this.#own)) this.#own.pause()
  }

  onEnd(): void {
    this.hasEnded = true
    this.#other.halfClose()
    this.#tunnel.onSideEnd()
  }

  /** What was queued here has gone: the other side may send again. */
  onDrain(): void {
    this.#tunnel.noteProgress()
    this.#other.resume()
  }

  onClose(): void {
    this.#tunnel.close()
  }
}

export class Tunnel implements TimerOwner {
  readonly #first: TunnelSide
  readonly #second: TunnelSide
  readonly #connections: readonly [Connection, Connection]
  readonly #wheel: TimerWheel
  readonly #timer: TimerEntry
  readonly #idleMs: number
  readonly #onClosed: () => void
  #lastProgress: number
  #isClosed = false

  constructor(
    wheel: TimerWheel,
    idleMs: number,
    first: Connection,
    second: Connection,
    onClosed: () => void,
  ) {
    this.#wheel = wheel
    this.#idleMs = idleMs
    this.#connections = [first, second]
    this.#first = new TunnelSide(this, first, second)
    this.#second = new TunnelSide(this, second, first)
    this.#onClosed = onClosed
    this.#lastProgress = wheel.now
    this.#timer = new TimerEntry(this, 0)
    first.handler = this.#first
    second.handler = this.#second
    wheel.arm(this.#timer, idleMs)
  }

  get bytesFromFirst(): number {
    return this.#first.bytes
  }
  get bytesFromSecond(): number {
    return this.#second.bytes
  }

  /** Bytes of the second side that arrived before the tunnel stood. */
  passToFirst(buffer: Buffer, start: number, end: number): void {
    this.#second.onData(buffer, start, end)
  }

  passToSecond(buffer: Buffer, start: number, end: number): void {
    this.#first.onData(buffer, start, end)
  }

  noteProgress(): void {
    this.#lastProgress = this.#wheel.now
  }

  onSideEnd(): void {
    if (this.#first.hasEnded && this.#second.hasEnded) for (const each of this.#connections) each.end()
  }

  /** One connection is gone: so is the other. Called once. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#wheel.disarm(this.#timer)
    // What the ended side had said last still goes out.
    for (const each of this.#connections) if (!each.isClosed) each.end()
    this.#onClosed()
  }

  onTimer(_tag: number, now: number): void {
    const rest = this.#lastProgress + this.#idleMs - now
    if (rest > 0) this.#wheel.arm(this.#timer, rest)
    else for (const each of this.#connections) each.destroy()
  }
}
