/**
 * For tests: a transport with a host whose timers the test fires by hand, listening sockets on loopback, and a handler
 * that records what it is told and lets a test wait for a condition over it.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { MemoryBudget } from '../budget.ts'
import { BufferPool } from '../buffer-pool.ts'
import type { TransportError } from '../connection.ts'
import { LISTEN_BACKLOG, ListeningSocket } from '../listening-socket.ts'
import type { ConnectHandler, Transport, TransportConnection, TransportHost } from './transport.ts'

export const PEM = readFileSync(new URL('testdata/a.example.pem', import.meta.url), 'utf8')
export const SERVER_CONTEXT = createSecureContext({ cert: PEM, key: PEM })

const GIVE_UP_MS = 30_000

/** Conditions over anything, looked at again whenever something happened; fails after a while with what it waited for. */
export class Waiter {
  readonly #waiting: { condition: () => boolean; resolve: () => void; timer: NodeJS.Timeout }[] = []

  until(condition: () => boolean, what: string): Promise<void> {
    if (condition()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`waited in vain for: ${what}`)), GIVE_UP_MS)
      this.#waiting.push({ condition, resolve, timer })
    })
  }

  happened(): void {
    for (const each of [...this.#waiting]) {
      if (!each.condition()) continue
      this.#waiting.splice(this.#waiting.indexOf(each), 1)
      clearTimeout(each.timer)
      each.resolve()
    }
  }
}

/** Records events; `on…` hooks run first and may throw. */
export class Recorder extends Waiter implements ConnectHandler {
  readonly events: string[] = []
  readonly closes: (TransportError | null)[] = []
  received = Buffer.alloc(0)
  #pieces: Buffer[] = []
  bytes = 0
  drains = 0
  hooks: {
    data?(buffer: Buffer, start: number, end: number): void
    end?(): void
    drain?(): void
    close?(): void
    connect?(): void
  } = {}

  onConnect(): void {
    this.#note('connect')
    this.hooks.connect?.()
  }
  onData(buffer: Buffer, start: number, end: number): void {
    this.bytes += end - start
    this.#pieces.push(Buffer.from(buffer.subarray(start, end)))
    if (this.events.at(-1) !== 'data') this.events.push('data')
    this.hooks.data?.(buffer, start, end)
    this.happened()
  }
  onEnd(): void {
    this.#note('end')
    this.hooks.end?.()
  }
  onDrain(): void {
    this.drains++
    this.hooks.drain?.()
    this.happened()
  }
  onClose(error: TransportError | null): void {
    this.closes.push(error)
    this.#note('close')
    this.hooks.close?.()
  }

  content(): Buffer {
    this.received = Buffer.concat([this.received, ...this.#pieces])
    this.#pieces = []
    return this.received
  }

  get hasEnded(): boolean {
    return this.events.includes('end')
  }

  connected(): Promise<void> {
    return this.until(() => this.events.includes('connect'), 'connect')
  }
  ended(): Promise<void> {
    return this.until(() => this.hasEnded, 'the end of the stream')
  }
  closed(): Promise<void> {
    return this.until(() => this.closes.length > 0, 'close')
  }
  has(bytes: number): Promise<void> {
    return this.until(() => this.bytes >= bytes, `${bytes} bytes`)
  }

  #note(event: string): void {
    this.events.push(event)
    this.happened()
  }
}

interface ManualTimer {
  readonly delayMs: number
  readonly callback: () => void
}

/** Transport, its host, and listening sockets; `using` closes what is left. */
export class Bed extends Waiter {
  readonly budget = new MemoryBudget(1 << 30)
  readonly buffers = new BufferPool(this.budget)
  readonly faults: unknown[] = []
  readonly timers = new Set<ManualTimer>()
  readonly transport: Transport
  readonly #close: (() => void)[] = []

  constructor(make: (host: TransportHost) => Transport) {
    super()
    this.transport = make({
      buffers: this.buffers,
      budget: this.budget,
      onFault: (error) => {
        this.faults.push(error)
        this.happened()
      },
      after: (delayMs, callback) => {
        const timer = { delayMs, callback }
        this.timers.add(timer)
        this.happened()
        return () => this.timers.delete(timer)
      },
    })
  }

  /** Runs every timer that is set now. */
  fireTimers(): void {
    for (const timer of [...this.timers]) {
      this.timers.delete(timer)
      timer.callback()
    }
  }

  /** Listens; `onConnection` is told of each connection. */
  listen(onConnection: (connection: TransportConnection) => void, divert = (_fd: number) => false): number {
    const socket = ListeningSocket.bind('127.0.0.1', 0)
    const listener = this.transport.listen(socket.duplicate(), LISTEN_BACKLOG, divert, onConnection)
    this.#close.push(() => {
      listener.close()
      socket.close()
    })
    return socket.port
  }

  /** A connection of this transport to itself, both ends recorded. */
  async pair(): Promise<Pair> {
    const near = new Recorder()
    const far = new Recorder()
    let accepted: TransportConnection | undefined
    const port = this.listen((connection) => {
      connection.handler = far
      accepted = connection
      near.happened()
    })
    const connection = this.transport.connect('127.0.0.1', port, undefined, near)
    await near.until(
      () => near.events.includes('connect') && accepted !== undefined,
      'both ends of a connection',
    )
    return { near, far, nearEnd: connection, farEnd: accepted! }
  }

  /** The same over TLS; `pieces` says how many bytes of the ClientHello are read before TLS begins. */
  async tlsPair(alpn: readonly string[] = []): Promise<Pair> {
    const near = new Recorder()
    const far = new Recorder()
    let accepted: TransportConnection | undefined
    let isSecure = false
    const port = this.listen((connection) => {
      accepted = connection
      startTlsOnHello(connection, far, () => {
        isSecure = true
        near.happened()
      })
    })
    const options = {
      serverName: 'a.example',
      verify: true,
      alpnProtocols: alpn,
      secureContext: createSecureContext({ ca: PEM }),
    }
    const connection = this.transport.connect('127.0.0.1', port, options, near)
    await near.until(() => near.events.includes('connect') && isSecure, 'TLS on both ends')
    return { near, far, nearEnd: connection, farEnd: accepted! }
  }

  async settled(): Promise<void> {
    // Cancelled writes report in the turn in which the handle is closed.
    for (let turn = 0; turn < 20 && this.budget.usedBytes !== 0; turn++) await nextTurn()
    assert.equal(this.budget.usedBytes, 0, 'bytes of the budget that nobody released')
  }

  [Symbol.dispose](): void {
    for (const close of this.#close) close()
  }
}

export interface Pair {
  readonly near: Recorder
  readonly far: Recorder
  readonly nearEnd: TransportConnection
  readonly farEnd: TransportConnection
}

/** Server side as the accept pipeline does it: the first bytes are read here and handed to TLS. */
export function startTlsOnHello(
  connection: TransportConnection,
  handler: Recorder,
  onSecure: () => void,
  alpnProtocols: readonly string[] = ['http/1.1'],
): void {
  connection.handler = {
    onData(buffer, start, end) {
      const hello = Buffer.from(buffer.subarray(start, end))
      connection.handler = handler
      connection.startTls({ secureContext: SERVER_CONTEXT, alpnProtocols, serverName: 'a.example' }, hello, {
        onSecure,
        onTlsError: (error) => handler.events.push(`tls ${error.code}`),
      })
    },
    onEnd() {},
    onDrain() {},
    onClose: (error) => handler.onClose(error),
  }
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

/** Bytes that differ from place to place, so that a swap or a repetition shows. */
export function pattern(bytes: number, seed = 1): Buffer {
  const out = Buffer.allocUnsafe(bytes)
  let state = seed >>> 0 || 1
  for (let at = 0; at + 4 <= bytes; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    out.writeUInt32LE(state, at)
  }
  for (let at = bytes - (bytes % 4); at < bytes; at++) out[at] = at & 255
  return out
}

/** `assert.equal` of large contents says where they part instead of printing them. */
export function assertSame(actual: Buffer, expected: Buffer): void {
  if (actual.equals(expected)) return
  let at = 0
  while (at < actual.length && actual[at] === expected[at]) at++
  const show = (bytes: Buffer): string => bytes.subarray(at, at + 16).toString('hex')
  assert.fail(
    `${actual.length} bytes, expected ${expected.length}; they part at ${at}: ${show(actual)} for ${show(expected)}`,
  )
}
