/**
 * Control's hold on the data plane: listening sockets, shared state, the workers and what they are told. A worker that
 * ends is cleared from shared state and its replacement gets everything anew; connections queue meanwhile at the
 * sockets that are held here.
 */
import { EventEmitter } from 'node:events'
import { createSelfSigned, type PemPair } from '#certs/self-signed.ts'
import type { DynamicDelta } from '#config/model/dynamic.ts'
import type { Finding } from '#config/model/finding.ts'
import type { ListeningSocket } from '#net/listening-socket.ts'
import { createHashTable, HashTable } from '#net/shared/hash-table.ts'
import { WorkerLanes } from '#net/shared/lanes.ts'
import { SlotAllocator } from '#net/shared/slot-allocator.ts'
import { createHandoffTable, markAbsent } from '#net/workers/handoff.ts'
import { WorkerPool } from '#net/workers/worker-pool.ts'
import type { MetricsMessage } from '#observe/metrics/registry.ts'
import { randomInt } from 'node:crypto'
import { UpstreamSlots } from '../upstream/slots.ts'
import type { EntryPointSpec } from '../worker/entry-point-spec.ts'
import type {
  ControlMessage,
  OpFailure,
  TicketKeys,
  WorkerMessage,
  WorkerOp,
  WorkerSettings,
  WorkerStart,
} from '../worker/ops.ts'
import { RuntimeConfig } from './runtime-config.ts'

const SOCKET_RETRY_MS = 200
const SWEEP_MS = 1000
const OPS_PER_MESSAGE = 500
/** Starts in a row without a configuration in force, at one worker's place, after which it is said to be unable. */
const MAX_FAILED_STARTS = 3
/** For workers to tell and log what was cut at the deadline. */
const CUT_MS = 1000

export interface DataPlaneOptions {
  readonly workers: number
  readonly settings: WorkerSettings
  /** Names of the entrypoints that routers may ask for. */
  readonly entryPoints: readonly string[]
  /** Distinct client addresses that can be counted at the same time. */
  readonly addressCapacity: number
  readonly heapLimitMb?: number
  /** A request on the internal entrypoint. */
  answer(method: string, path: string): Promise<InternalAnswer>
  onMetrics(source: string, messages: readonly MetricsMessage[]): void
  onWorkerStart(index: number, generation: number): void
  onWorkerEnd(index: number, generation: number, error: Error | undefined): void
  /** No worker serves, and those that were started end before they do. */
  onUnable(error: Error | undefined): void
  onFailures(failures: readonly OpFailure[]): void
  /** Every worker serves this version now. */
  onApplied(version: number): void
  onListenFailed(name: string, reason: string): void
  /** All workers accept on this entrypoint. */
  onListening(name: string): void
}

export interface InternalAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string
  readonly allow?: string
}

interface OpenEntryPoint {
  readonly spec: EntryPointSpec
  readonly socket: ListeningSocket
  /** Workers that do not accept on it yet. */
  readonly waiting: Set<number>
}

/** How an entrypoint ends (Traefik's `transport.lifeCycle`). */
export interface EntryPointEnd {
  /** Accepting goes on for this long. */
  readonly acceptMs: number
  /** Then requests in flight have this long. */
  readonly graceMs: number
}

interface WorkerState {
  generation: number
  lane: number
  /** Version that it has in force. */
  applied: number
  /** It has had a configuration in force, and has not ended. */
  isServing: boolean
  isFlushed: boolean
}

export class DataPlaneControl {
  readonly config: RuntimeConfig
  readonly slots: UpstreamSlots
  readonly #options: DataPlaneOptions
  readonly #allocator: SlotAllocator
  readonly #lanes: WorkerLanes
  readonly #pool: WorkerPool
  readonly #states: WorkerState[] = []
  /** By worker: starts in a row that led to nothing. */
  readonly #failedStarts: number[] = []
  readonly #entryPoints = new Map<string, OpenEntryPoint>()
  readonly #handoff: SharedArrayBuffer
  readonly #addresses
  readonly #requestCount = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT)
  readonly #addressTable: HashTable
  readonly #events = new EventEmitter()
  #version = 0
  #reported = 0
  #ticketKeys: TicketKeys | null = null
  /** Made when an entrypoint with TLS opens: making it costs a megabyte. */
  #selfSigned: PemPair | null = null
  #sweeper: NodeJS.Timeout | undefined
  #nextNumber = 0
  /** Workers that still have connections, by entrypoint that is ending. */
  readonly #draining = new Map<string, Set<number>>()

  constructor(options: DataPlaneOptions) {
    this.#options = options
    const { workers } = options
    // A worker's lane is cleared and free again before its replacement starts.
    this.#lanes = new WorkerLanes(workers)
    this.#allocator = new SlotAllocator({
      onSlab: (slab) => this.#broadcast({ kind: 'ops', version: this.#version, ops: [{ op: 'slab', slab }] }),
    })
    this.slots = new UpstreamSlots(this.#allocator, this.#lanes.count)
    this.config = new RuntimeConfig(this.#allocator, this.slots, options.entryPoints, Date.now)
    this.#handoff = createHandoffTable(workers)
    this.#addresses = createHashTable(options.addressCapacity, this.#lanes.count, [
      randomInt(2 ** 32),
      randomInt(2 ** 32),
    ])
    // Control counts nothing; it mends what ended workers leave behind.
    this.#addressTable = new HashTable(this.#addresses, 0)
    const processName = `sekisho-${process.pid}-${randomInt(2 ** 32)}`
    this.#pool = new WorkerPool({
      count: workers,
      entry: new URL(
        `../worker/worker${import.meta.filename.endsWith('.ts') ? '.ts' : '.js'}`,
        import.meta.url,
      ),
      ...(options.heapLimitMb === undefined ? {} : { heapLimitMb: options.heapLimitMb }),
      data: (index, generation): WorkerStart => {
        const lane = this.#lanes.acquire()
        this.#states[index] = { generation, lane, applied: -1, isServing: false, isFlushed: false }
        return {
          index,
          lane,
          lanes: this.#lanes.count,
          processName,
          handoff: this.#handoff,
          addresses: this.#addresses,
          requestCount: this.#requestCount,
          settings: options.settings,
        }
      },
      onStart: (index) => this.#bringUp(index),
      onMessage: (index, message) => this.#receive(index, message as WorkerMessage),
      onEnd: (index, error) => this.#clear(index, error),
    })
  }

  get version(): number {
    return this.#version
  }

  /** Every worker serves what was applied last. */
  get isInForce(): boolean {
    return this.#reported >= this.#version
  }

  start(): void {
    for (let index = 0; index < this.#pool.count; index++) markAbsent(this.#handoff, index)
    this.#pool.start()
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS)
  }

  /** Takes a step of change; returns its version, which onApplied will name. */
  apply(delta: DynamicDelta): number {
    return this.#send(this.config.apply(delta))
  }

  /** Opens an entrypoint on a socket that is bound already, in place of an older one of the same name. */
  open(spec: Omit<EntryPointSpec, 'number'>, socket: ListeningSocket): void {
    this.close(spec.name)
    const numbered: EntryPointSpec = { ...spec, number: this.#nextNumber++ }
    const waiting = new Set(this.#states.keys())
    this.#entryPoints.set(spec.name, { spec: numbered, socket, waiting })
    if (spec.isTls) this.#giveSelfSigned()
    this.#states.forEach((_state, index) => this.#giveSocket(index, spec.name))
  }

  /** The worker owns the copy. While the process has no descriptor left for it, it is tried again. */
  #giveSocket(index: number, name: string): void {
    const opened = this.#entryPoints.get(name)
    const { generation } = this.#states[index]!
    if (opened === undefined) return
    try {
      this.#post(index, [{ op: 'listen', entry: opened.spec, fd: opened.socket.duplicate() }])
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error
      setTimeout(() => {
        if (this.#states[index]?.generation === generation && this.#entryPoints.get(name) === opened)
          this.#giveSocket(index, name)
      }, SOCKET_RETRY_MS).unref()
    }
  }

  #giveSelfSigned(): void {
    if (this.#selfSigned !== null) return
    this.#selfSigned = createSelfSigned({ now: Date.now() })
    this.#send([{ op: 'self-signed', pair: this.#selfSigned }])
  }

  /** Stops accepting; exchanges under way end in peace. */
  close(name: string): void {
    const open = this.#entryPoints.get(name)
    if (open === undefined) return
    this.#entryPoints.delete(name)
    this.#send([{ op: 'unlisten', name }])
    open.socket.close()
  }

  setTicketKeys(keys: TicketKeys): void {
    this.#ticketKeys = keys
    this.#send([{ op: 'ticket-keys', keys }])
  }

  reopenLogs(): void {
    this.#broadcast({ kind: 'reopen-logs' })
  }

  /** Findings of resolution. */
  findings(): Finding[] {
    return this.config.findings()
  }

  /** Ends one worker as a fault would. */
  kill(index: number): void {
    this.#pool.kill(index)
  }

  /** Ends every entrypoint but the internal one; resolves when no connection is left there. */
  async finish(endOf: (entryPoint: string) => EntryPointEnd): Promise<void> {
    const open = [...this.#entryPoints.values()].filter(({ spec }) => !spec.isInternal)
    await Promise.all(open.map((each) => this.#finishOne(each, endOf(each.spec.name))))
  }

  /** Writes out what the workers have to log and ends them. */
  async stop(flushMs = 2000): Promise<void> {
    const flushed = new Promise<void>((resolve) => this.#events.once('flushed', resolve))
    this.#broadcast({ kind: 'flush', deadlineMs: flushMs })
    await withDeadline(flushed, flushMs)
    clearInterval(this.#sweeper)
    await this.#pool.stop()
    for (const { socket } of this.#entryPoints.values()) socket.close()
    this.#entryPoints.clear()
  }

  async #finishOne({ spec, socket }: OpenEntryPoint, { acceptMs, graceMs }: EntryPointEnd): Promise<void> {
    const { name } = spec
    // Clients that keep connections learn by an answer that they are to go, as long as they can: one that is closed idle may meet
    // a request. Who connects in the first half may have been sent by a balancer that is late; not each request needs a new one.
    for (const isLate of acceptMs > 0 ? [false, true] : []) {
      this.#broadcast({ kind: 'wane', name, isLate })
      await new Promise((resolve) => setTimeout(resolve, acceptMs / 2))
    }
    this.#entryPoints.delete(name)
    this.#draining.set(name, new Set(this.#states.keys()))
    const drained = new Promise<void>((resolve) => this.#events.once(`drained ${name}`, resolve))
    this.#broadcast({ kind: 'drain', name })
    socket.close()
    await withDeadline(drained, graceMs)
    if (!this.#draining.has(name)) return
    this.#broadcast({ kind: 'cut', name })
    await withDeadline(drained, CUT_MS)
  }

  #bringUp(index: number): void {
    const { generation } = this.#states[index]!
    this.#allocator.workerStarted(index)
    this.#options.onWorkerStart(index, generation)
    if (this.#selfSigned !== null) this.#post(index, [{ op: 'self-signed', pair: this.#selfSigned }])
    if (this.#ticketKeys !== null) this.#post(index, [{ op: 'ticket-keys', keys: this.#ticketKeys }])
    let ops: WorkerOp[] = []
    for (const op of this.config.snapshot()) {
      ops.push(op)
      if (ops.length < OPS_PER_MESSAGE) continue
      this.#post(index, ops)
      ops = []
    }
    // Last, so that the first connection it accepts finds every route.
    this.#post(index, ops)
    for (const [name, { waiting }] of this.#entryPoints) {
      waiting.add(index)
      this.#giveSocket(index, name)
    }
  }

  #clear(index: number, error: Error | undefined): void {
    const state = this.#states[index]!
    const { generation, lane } = state
    const failedStarts = state.isServing ? 0 : (this.#failedStarts[index] ?? 0) + 1
    this.#failedStarts[index] = failedStarts
    state.isServing = false
    markAbsent(this.#handoff, index)
    this.#allocator.workerEnded(index)
    this.slots.workerEnded(lane)
    this.#addressTable.reconcile(lane)
    this.#lanes.release(lane)
    for (const name of this.#draining.keys()) this.#drained(index, name)
    this.#options.onWorkerEnd(index, generation, error)
    const isAnyServing = this.#states.some((each) => each.isServing)
    if (failedStarts >= MAX_FAILED_STARTS && !isAnyServing) this.#options.onUnable(error)
  }

  #receive(index: number, message: WorkerMessage): void {
    const state = this.#states[index]!
    switch (message.kind) {
      case 'applied':
        state.applied = message.version
        if (message.version >= 0) state.isServing = true
        if (message.failures.length > 0) this.#options.onFailures(message.failures)
        this.#reportApplied()
        return
      case 'retired':
        this.#allocator.acknowledge(index, message.ack)
        return
      case 'metrics':
        this.#options.onMetrics(`worker-${index}-${state.generation}`, message.messages)
        return
      case 'listening':
        this.#listened(index, message.name, message.error)
        return
      case 'ask':
        void this.#options.answer(message.method, message.path).then(({ status, contentType, body, allow }) =>
          this.#postMessage(index, {
            kind: 'answer',
            id: message.id,
            status,
            contentType,
            body,
            fields: allow === undefined ? [] : ['Allow', allow],
          }),
        )
        return
      case 'drained':
        this.#drained(index, message.name)
        return
      case 'flushed':
        state.isFlushed = true
        if (this.#states.every((each) => each.isFlushed)) this.#events.emit('flushed')
        return
      case 'ready':
    }
  }

  #listened(index: number, name: string, error: string | null): void {
    const open = this.#entryPoints.get(name)
    if (open === undefined) return
    if (error !== null) {
      this.#options.onListenFailed(name, error)
      return
    }
    open.waiting.delete(index)
    if (open.waiting.size === 0) this.#options.onListening(name)
  }

  #send(ops: readonly WorkerOp[]): number {
    this.#version++
    this.#states.forEach((_state, index) => this.#post(index, ops))
    return this.#version
  }

  /** In pieces, so that neither side's turn is long; only the last one carries the version. */
  #post(index: number, ops: readonly WorkerOp[]): void {
    let at = 0
    do {
      const end = Math.min(at + OPS_PER_MESSAGE, ops.length)
      const version = end === ops.length ? this.#version : -1
      this.#postMessage(index, { kind: 'ops', version, ops: ops.slice(at, end) })
      at = end
    } while (at < ops.length)
  }

  #postMessage(index: number, message: ControlMessage): void {
    this.#pool.post(index, message)
  }

  #broadcast(message: ControlMessage): void {
    this.#pool?.broadcast(message)
  }

  #reportApplied(): void {
    const least = Math.min(...this.#states.map((state) => state.applied))
    if (least <= this.#reported) return
    this.#reported = least
    this.#options.onApplied(least)
  }

  /** This worker has no connection of the entrypoint any more. */
  #drained(index: number, name: string): void {
    const left = this.#draining.get(name)
    if (left === undefined) return
    left.delete(index)
    if (left.size > 0) return
    this.#draining.delete(name)
    this.#events.emit(`drained ${name}`)
  }

  #sweep(): void {
    const notice = this.#allocator.sweep(Date.now())
    if (notice !== null) this.#send([{ op: 'retire', notice }])
  }
}

async function withDeadline(done: Promise<void>, deadlineMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, deadlineMs)
  })
  await Promise.race([done, deadline])
  clearTimeout(timer)
}
