/**
 * The workers of a process. Nothing else touches `worker_threads`. A worker that ends without being told to is
 * replaced at once (with a growing pause when it keeps ending right after its start); whoever owns the pool brings the
 * new one up to date in `onStart`.
 */
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'

export interface WorkerPoolOptions {
  readonly count: number
  /** Module that a worker runs. */
  readonly entry: URL
  /** Plain data for `workerData`. */
  data(index: number, generation: number): unknown
  /** A worker is there (first start or replacement); post its state to it now. */
  onStart(index: number): void
  onMessage(index: number, message: unknown): void
  /** A worker ended. `error` is what it threw, or undefined. */
  onEnd(index: number, error: Error | undefined): void
  readonly heapLimitMb?: number
}

/** Of heaps made from now on; docs/design/0005-memory-of-an-idle-process.md. */
const WORKER_HEAP = '--max-semi-space-size=4'

const RESTART_PAUSE_MS = 1000
const QUICK_END_MS = 2000

export class WorkerPool {
  readonly #options: WorkerPoolOptions
  readonly #workers: (Worker | null)[] = []
  readonly #generations: number[] = []
  #isStopping = false

  constructor(options: WorkerPoolOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#options.count
  }

  start(): void {
    setFlagsFromString(WORKER_HEAP)
    for (let index = 0; index < this.#options.count; index++) this.#startOne(index)
  }

  post(index: number, message: unknown): void {
    this.#workers[index]?.postMessage(message)
  }

  broadcast(message: unknown): void {
    for (const worker of this.#workers) worker?.postMessage(message)
  }

  /** Ends one worker as a fault would, for tests and for a worker that does not answer any more. */
  kill(index: number): void {
    void this.#workers[index]?.terminate()
  }

  /** Ends all; resolves when they are gone. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await Promise.all(this.#workers.map(async (worker) => worker?.terminate()))
  }

  #startOne(index: number): void {
    if (this.#isStopping) return
    const generation = (this.#generations[index] ?? 0) + 1
    this.#generations[index] = generation
    const startedAt = performance.now()
    const { heapLimitMb } = this.#options
    const worker = new Worker(this.#options.entry, {
      workerData: this.#options.data(index, generation),
      ...(heapLimitMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapLimitMb } }),
      name: `worker-${index}`,
    })
    this.#workers[index] = worker
    let failure: Error | undefined
    worker.on('message', (message) => this.#options.onMessage(index, message))
    worker.on('error', (error) => {
      failure = error as Error
    })
    worker.on('exit', () => {
      if (this.#workers[index] === worker) this.#workers[index] = null
      if (this.#isStopping) return
      this.#options.onEnd(index, failure)
      const isQuick = performance.now() - startedAt < QUICK_END_MS
      if (isQuick && generation > 2) setTimeout(() => this.#startOne(index), RESTART_PAUSE_MS)
      else this.#startOne(index)
    })
    this.#options.onStart(index)
  }
}
