/**
 * Open-loop load at a constant rate, run as a program of its own: request i is due at start + i / rate whatever became
 * of those before, goes out on the first connection that is free then, and its latency counts from when it was due.
 * So a proxy that stalls is charged with every request it kept waiting (no coordinated omission).
 *
 * Argument: RateOptions as JSON. Reports by messages to its parent: `{ ready }`, then one RateReport at the end. A
 * message from the parent starts a new segment of the given name; each segment has figures of its own.
 *
 * It sleeps in steps of 50 µs between turns of the event loop: spinning would take the core from the backend that
 * shares it, a timer of 1 ms would send in bursts.
 */
import { connect, type Socket } from 'node:net'
import { HttpResponseReader } from './response-reader.ts'

export interface RateOptions {
  readonly port: number
  readonly host: string
  readonly path: string
  readonly rate: number
  readonly seconds: number
  readonly connections: number
}

/** Latencies in microseconds. */
export interface RateSegment {
  readonly name: string
  readonly requests: number
  readonly failed: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export interface RateReport {
  readonly segments: readonly RateSegment[]
  /** Requests that were due. */
  readonly due: number
  readonly answered: number
  /** Answered per second of the run. */
  readonly achievedRate: number
  /** Requests that were due and never got a connection before the end. */
  readonly unsent: number
  /** 99th percentile of how late this program itself was, in microseconds, while it had a free connection. */
  readonly ownLatenessP99: number
}

const NAP_MS = 0.05
const DRAIN_MS = 1000
const READ_BUFFER_BYTES = 65_536
const RECONNECT_MS = 20

class RateRun {
  readonly options: RateOptions
  readonly request: string
  readonly intervalMs: number
  readonly total: number
  readonly latencies: Float64Array
  readonly isFailed: Uint8Array
  readonly lateness: Float64Array
  readonly free: RateConnection[] = []
  readonly segments: { name: string; from: number }[] = [{ name: 'all', from: 0 }]
  latenessCount = 0
  startedAt = 0
  /** Index of the next request to send. */
  next = 0
  answered = 0
  finished = 0
  isOver = false

  constructor(options: RateOptions) {
    this.options = options
    this.request = `GET ${options.path} HTTP/1.1\r\nHost: ${options.host}\r\n\r\n`
    this.intervalMs = 1000 / options.rate
    this.total = Math.round(options.rate * options.seconds)
    this.latencies = new Float64Array(this.total)
    this.isFailed = new Uint8Array(this.total)
    this.lateness = new Float64Array(this.total)
  }

  /** Sends what is due. True while requests or answers are outstanding. */
  step(now: number): boolean {
    const dueCount = Math.min(this.total, Math.floor((now - this.startedAt) / this.intervalMs) + 1)
    while (this.next < dueCount && this.free.length > 0) {
      const index = this.next++
      const connection = this.free.pop()!
      this.lateness[this.latenessCount++] = now - Math.max(this.dueAt(index), connection.freeSince)
      connection.send(index)
    }
    const elapsed = now - this.startedAt
    const isDone = this.next === this.total && this.finished === this.total
    return !isDone && elapsed < this.options.seconds * 1000 + DRAIN_MS
  }

  dueAt(index: number): number {
    return this.startedAt + index * this.intervalMs
  }

  finish(index: number, isGood: boolean, now: number): void {
    this.latencies[index] = (now - this.dueAt(index)) * 1000
    this.finished++
    if (isGood) this.answered++
    else this.isFailed[index] = 1
  }

  /** Requests due from now on belong to the segment. */
  startSegment(name: string, now: number): void {
    const from = Math.ceil((now - this.startedAt) / this.intervalMs)
    this.segments.push({ name, from: Math.min(this.total, Math.max(0, from)) })
  }

  report(now: number): RateReport {
    const elapsed = Math.min(now - this.startedAt, this.options.seconds * 1000 + DRAIN_MS)
    const lateness = this.lateness.subarray(0, this.latenessCount).sort()
    return {
      segments: this.segments.map(({ name, from }, index) =>
        this.#segment(name, from, Math.min(this.next, this.segments[index + 1]?.from ?? this.next)),
      ),
      due: this.total,
      answered: this.answered,
      achievedRate: this.answered / (elapsed / 1000),
      unsent: this.total - this.next,
      ownLatenessP99: percentile(lateness, 0.99) * 1000,
    }
  }

  #segment(name: string, from: number, to: number): RateSegment {
    const latencies = this.latencies.slice(from, Math.max(from, to)).filter((latency) => latency > 0)
    latencies.sort()
    const failed = this.isFailed.subarray(from, to).reduce((sum, bad) => sum + bad, 0)
    return {
      name,
      requests: latencies.length,
      failed,
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
      p999: percentile(latencies, 0.999),
      max: latencies.at(-1) ?? 0,
    }
  }
}

/** One keep-alive connection with at most one request on it; connects again when it is lost. */
class RateConnection {
  readonly #run: RateRun
  readonly #reader = new HttpResponseReader()
  #socket: Socket | undefined
  #index = -1
  freeSince = 0

  constructor(run: RateRun) {
    this.#run = run
  }

  open(onOpen: () => void): void {
    this.#reader.reset()
    const socket = connect({
      port: this.#run.options.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(READ_BUFFER_BYTES),
        callback: (length: number, buffer: Uint8Array) => {
          this.#onBytes(buffer as Buffer, length)
          return true
        },
      },
    })
    this.#socket = socket
    socket.once('connect', onOpen)
    socket.on('error', () => {})
    socket.once('close', () => this.#onLost())
  }

  send(index: number): void {
    this.#index = index
    this.#socket!.write(this.#run.request, 'latin1')
  }

  close(): void {
    this.#socket?.destroy()
  }

  #onBytes(buffer: Buffer, length: number): void {
    if (!this.#reader.read(buffer, length)) return
    const index = this.#index
    // Bytes that nobody asked for: the answer to come would be mistaken for this one.
    if (index < 0) {
      this.#socket?.destroy()
      return
    }
    this.#index = -1
    this.freeSince = performance.now()
    this.#run.finish(index, this.#reader.status === 200, this.freeSince)
    this.#reader.reset()
    this.#run.free.push(this)
  }

  #onLost(): void {
    const run = this.#run
    const place = run.free.indexOf(this)
    if (place >= 0) run.free.splice(place, 1)
    if (this.#index >= 0) {
      run.finish(this.#index, false, performance.now())
      this.#index = -1
    }
    if (!run.isOver) setTimeout(() => this.open(() => run.free.push(this)), RECONNECT_MS).unref()
  }
}

/** Of sorted values; 0 for none. */
function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

async function main(options: RateOptions): Promise<void> {
  const run = new RateRun(options)
  const connections = Array.from({ length: options.connections }, () => new RateConnection(run))
  await Promise.all(
    connections.map(
      (connection) =>
        new Promise<void>((resolve) => {
          connection.open(() => {
            run.free.push(connection)
            resolve()
          })
        }),
    ),
  )
  const napping = new Int32Array(new SharedArrayBuffer(4))
  process.on('message', (name: string) => run.startSegment(name, performance.now()))
  process.send?.({ ready: true })
  run.startedAt = performance.now()
  const turn = (): void => {
    if (run.step(performance.now())) {
      Atomics.wait(napping, 0, 0, NAP_MS)
      setImmediate(turn)
      return
    }
    run.isOver = true
    for (const connection of connections) connection.close()
    process.send?.(run.report(performance.now()), () => process.disconnect?.())
  }
  turn()
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? '{}') as RateOptions)
