/**
 * Where log lines go: a file, standard output or standard error, written in batches of whole lines by append, so
 * that several threads (each with a sink of its own) share one file without tearing lines. Called by the log and
 * the access log.
 *
 * Invariants: `write` never waits and never throws; what is buffered is bounded, beyond that lines are dropped and
 * counted; at most one write is under way; `reopen` takes effect between two batches.
 */
import { close, closeSync, write, writeSync } from 'node:fs'
import { CHUNK_BYTES, openLineTarget } from './line-target.ts'

/** How soon to try again when the reader of a pipe is behind. */
const FULL_PIPE_RETRY_MS = 20
const SPARE_CHUNKS = 4

export interface LineSinkOptions {
  /** A path (parent folders are made), or 1 or 2 for standard output or error. */
  readonly target: string | 1 | 2
  /** Longest time that a line waits in memory; 0: until the end of this turn of the loop. */
  readonly flushMs?: number
  /** Write as soon as so many lines wait; 0 (default): no such limit. */
  readonly flushLines?: number
  /**
   * False: a file that cannot be opened is an error like one that cannot be written, lines are lost until it can be.
   * Otherwise (default) the constructor throws.
   */
  readonly mustOpen?: boolean
  /** Bound of what waits, in bytes. */
  readonly maxBufferedBytes?: number
  /** First error of a row of them, `undefined` when writing works again. */
  readonly onError?: (error: NodeJS.ErrnoException | undefined) => void
  /** Lines that were lost since the last call: buffer full, or the write failed. */
  readonly onDrop?: (lines: number) => void
  /** How to write; tests make disks fill up with it. */
  readonly write?: typeof write
}

class Chunk {
  readonly bytes: Buffer
  end = 0
  lines = 0
  /** Whoever waits until this chunk is written or given up. */
  waiters: (() => void)[] = []
  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size)
  }
}

const openSinks = new Set<LineSink>()
let hasExitHook = false

export class LineSink {
  /** Lines lost and writes failed since the start. */
  droppedLines = 0
  writeErrors = 0
  readonly #target: string | 1 | 2
  readonly #flushMs: number
  readonly #flushLines: number
  readonly #maxBufferedBytes: number
  readonly #onError: (error: NodeJS.ErrnoException | undefined) => void
  readonly #onDrop: (lines: number) => void
  readonly #write: typeof write
  #fd = -1
  /** See LineTarget. */
  #maxWrite = CHUNK_BYTES
  #isSynchronous = false
  #current: Chunk
  #queue: Chunk[] = []
  readonly #spare: Chunk[] = []
  #bufferedBytes = 0
  #bufferedLines = 0
  /** Chunk being written and how much of it the kernel has. */
  #writing: Chunk | null = null
  #writtenTo = 0
  #isBusy = false
  #isFailing = false
  #isClosed = false
  #isTorn = false
  #wantsReopen = false
  #timer: NodeJS.Timeout | null = null
  #immediate: NodeJS.Immediate | null = null

  /** Throws when the file cannot be opened, unless `mustOpen` is false. */
  constructor(options: LineSinkOptions) {
    this.#target = options.target
    this.#flushMs = options.flushMs ?? 100
    this.#flushLines = options.flushLines ?? 0
    this.#maxBufferedBytes = options.maxBufferedBytes ?? 4 * 1024 * 1024
    this.#onError = options.onError ?? ((): void => {})
    this.#onDrop = options.onDrop ?? ((): void => {})
    this.#write = options.write ?? write
    try {
      this.#open()
    } catch (error) {
      if (options.mustOpen !== false) throw error
      this.#isFailing = true
      this.#onError(error as NodeJS.ErrnoException)
    }
    this.#current = new Chunk(CHUNK_BYTES)
    openSinks.add(this)
    if (!hasExitHook) {
      hasExitHook = true
      process.once('exit', () => {
        for (const sink of openSinks) sink.flushSync()
      })
    }
  }

  /** Bytes that wait to be written. */
  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /** `line` is ASCII and ends with LF. Returns false when it was dropped. */
  writeAscii(line: string): boolean {
    const length = line.length
    if (this.#isClosed || this.#bufferedBytes + length > this.#maxBufferedBytes) return this.#drop()
    const chunk = this.#room(length)
    chunk.bytes.write(line, chunk.end, length, 'latin1')
    this.#added(chunk, length)
    return true
  }

  /** The same for text outside of ASCII. */
  writeText(line: string): boolean {
    const length = Buffer.byteLength(line)
    if (this.#isClosed || this.#bufferedBytes + length > this.#maxBufferedBytes) return this.#drop()
    const chunk = this.#room(length)
    chunk.bytes.write(line, chunk.end, length, 'utf8')
    this.#added(chunk, length)
    return true
  }

  /** Opens the path again after what is being written (log rotation). Standard output is left alone. */
  reopen(): void {
    if (typeof this.#target !== 'string' || this.#isClosed) return
    this.#wantsReopen = true
    if (!this.#isBusy && this.#writing === null) this.#swap()
  }

  /** Resolves when everything that waits now is written or given up. */
  async flush(): Promise<void> {
    this.#rotate()
    const last = this.#queue.at(-1) ?? this.#writing
    if (last === null) return
    const { promise, resolve } = Promise.withResolvers<void>()
    last.waiters.push(resolve)
    this.#pump(true)
    await promise
  }

  /** Writes what waits and closes; what cannot be written within the deadline (a full pipe) is dropped. */
  async close(deadlineMs = 2000): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, deadlineMs)
    await Promise.race([this.flush(), promise])
    clearTimeout(timer)
    if (this.#isClosed) return
    this.#isClosed = true
    openSinks.delete(this)
    this.#cancelTimers()
    this.#lose(this.#bufferedLines)
    // A write under way still uses the descriptor; its completion closes it.
    if (!this.#isBusy) this.#release()
  }

  /** Last resort before the process ends: writes what is not under way yet, blocking. */
  flushSync(): void {
    if (this.#isClosed) return
    this.#rotate()
    if (this.#writing !== null && !this.#isBusy) {
      writeAll(this.#fd, this.#writing, this.#writtenTo)
      this.#done()
    }
    for (const chunk of this.#queue.splice(0)) {
      writeAll(this.#fd, chunk, 0)
      this.#retire(chunk)
    }
  }

  #drop(): false {
    this.droppedLines++
    this.#onDrop(1)
    return false
  }

  #lose(lines: number): void {
    if (lines === 0) return
    this.droppedLines += lines
    this.#onDrop(lines)
  }

  #room(length: number): Chunk {
    if (this.#current.end + length > this.#current.bytes.length) {
      this.#rotate()
      if (length > CHUNK_BYTES) this.#current = new Chunk(length)
      this.#pump(false)
    }
    return this.#current
  }

  #added(chunk: Chunk, length: number): void {
    chunk.end += length
    chunk.lines++
    this.#bufferedBytes += length
    this.#bufferedLines++
    if (this.#flushLines > 0 && this.#bufferedLines >= this.#flushLines) this.#pump(true)
    else if (!this.#isBusy) this.#schedule()
  }

  #schedule(): void {
    if (this.#timer !== null || this.#immediate !== null) return
    if (this.#flushMs === 0) {
      this.#immediate = setImmediate(() => {
        this.#immediate = null
        this.#pump(true)
      })
    } else {
      this.#timer = setTimeout(() => {
        this.#timer = null
        this.#pump(true)
      }, this.#flushMs).unref()
    }
  }

  #cancelTimers(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#immediate !== null) clearImmediate(this.#immediate)
    this.#timer = null
    this.#immediate = null
  }

  #rotate(): void {
    if (this.#current.end === 0) return
    this.#queue.push(this.#current)
    this.#current = this.#spare.pop() ?? new Chunk(CHUNK_BYTES)
  }

  /**
   * Writes until nothing waits, the kernel makes us wait, or an asynchronous write is under way. Without `all`
   * only full chunks go: what came in during a write gathers again.
   */
  #pump(all: boolean): void {
    while (!this.#isBusy && !this.#isClosed) {
      if (this.#writing === null) {
        if (this.#wantsReopen) this.#swap()
        if (this.#queue.length === 0) {
          if (this.#current.end === 0) return
          if (!all) return this.#schedule()
          this.#rotate()
        }
        this.#writing = this.#queue.shift() as Chunk
        this.#writtenTo = 0
      }
      if (this.#fd === -1 && !this.#openLate()) continue
      if (this.#isTorn && !this.#mend()) return
      const chunk = this.#writing
      const end = this.#batchEnd(chunk, this.#writtenTo)
      if (!this.#isSynchronous) return this.#writeLater(chunk, end)
      let written: number
      try {
        written = writeSync(this.#fd, chunk.bytes, this.#writtenTo, end - this.#writtenTo)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return this.#retryLater()
        this.#failed(error as NodeJS.ErrnoException)
        continue
      }
      this.#wrote(written)
    }
  }

  /** Ends at a line's end, so that what is written at once is whole lines. */
  #batchEnd(chunk: Chunk, from: number): number {
    if (chunk.end - from <= this.#maxWrite) return chunk.end
    const last = chunk.bytes.lastIndexOf(0x0a, from + this.#maxWrite - 1)
    if (last >= from) return last + 1
    const next = chunk.bytes.indexOf(0x0a, from)
    return next === -1 ? chunk.end : next + 1
  }

  #writeLater(chunk: Chunk, end: number): void {
    this.#isBusy = true
    this.#write(this.#fd, chunk.bytes, this.#writtenTo, end - this.#writtenTo, null, (error, written) => {
      this.#isBusy = false
      if (this.#isClosed) return this.#release()
      if (error !== null && error.code === 'EAGAIN') return this.#retryLater()
      if (error === null) this.#wrote(written)
      else this.#failed(error)
      this.#pump(false)
    })
  }

  #retryLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      this.#pump(true)
    }, FULL_PIPE_RETRY_MS).unref()
  }

  #wrote(written: number): void {
    if (this.#isFailing) {
      this.#isFailing = false
      this.#onError(undefined)
    }
    this.#writtenTo += written
    if (this.#writtenTo === (this.#writing as Chunk).end) this.#done()
  }

  /** The chunk is lost: trying the same bytes again on a full disk would only let the next ones be lost. */
  #failed(error: NodeJS.ErrnoException): void {
    this.writeErrors++
    if (!this.#isFailing) {
      this.#isFailing = true
      this.#onError(error)
    }
    const chunk = this.#writing as Chunk
    let written = 0
    for (let i = 0; i < this.#writtenTo; i++) if (chunk.bytes[i] === 0x0a) written++
    // Part of a line is in the file: the next line must not continue it.
    this.#isTorn ||= this.#writtenTo > 0 && chunk.bytes[this.#writtenTo - 1] !== 0x0a
    this.#lose(chunk.lines - written)
    this.#done()
  }

  /** Not open since the start: tries again with every batch, which is lost if that fails. */
  #openLate(): boolean {
    try {
      this.#open()
      return true
    } catch (error) {
      this.#failed(error as NodeJS.ErrnoException)
      return false
    }
  }

  #mend(): boolean {
    try {
      writeSync(this.#fd, '\n')
      this.#isTorn = false
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        this.#retryLater()
        return false
      }
      return true
    }
  }

  #done(): void {
    const chunk = this.#writing as Chunk
    this.#writing = null
    this.#retire(chunk)
  }

  #retire(chunk: Chunk): void {
    this.#bufferedBytes -= chunk.end
    this.#bufferedLines -= chunk.lines
    chunk.end = 0
    chunk.lines = 0
    if (chunk.waiters.length > 0) {
      for (const resolve of chunk.waiters.splice(0)) resolve()
    }
    if (chunk.bytes.length === CHUNK_BYTES && this.#spare.length < SPARE_CHUNKS) this.#spare.push(chunk)
  }

  #swap(): void {
    this.#wantsReopen = false
    const old = this.#fd
    try {
      this.#open()
    } catch (error) {
      // Better in the old file than nowhere.
      this.#onError(error as NodeJS.ErrnoException)
      return
    }
    this.#isTorn = false
    if (old !== -1) close(old, () => {})
  }

  #open(): void {
    const opened = openLineTarget(this.#target)
    this.#fd = opened.fd
    this.#maxWrite = opened.maxWriteBytes
    this.#isSynchronous = opened.isSynchronous
  }

  #release(): void {
    if (this.#fd > 2) closeSync(this.#fd)
  }
}

/** Blocking, for the end of the process; gives up on a pipe nobody reads and on a full disk. */
function writeAll(fd: number, chunk: Chunk, from: number): void {
  for (let tries = 0; from < chunk.end && tries < 1000;) {
    try {
      from += writeSync(fd, chunk.bytes, from, chunk.end - from)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
      tries++
    }
  }
}
