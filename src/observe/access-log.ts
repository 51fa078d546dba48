/**
 * Traefik's access log: which requests get a line (filters), and where it goes. One per worker, all on the same
 * target; see line-sink.ts for what keeps lines whole and requests unblocked.
 */
import { AccessLogFormatter } from './access-log-format.ts'
import type { AccessLogFields, AccessLogFormat } from './access-log-format.ts'
import type { AccessRecord } from './access-record.ts'
import { LineSink } from './line-sink.ts'
import type { Logger } from './log.ts'

/** Traefik's `accessLog.*`. */
export interface AccessLogOptions {
  /** Undefined: standard output. */
  readonly filePath?: string
  /** Default `common`. */
  readonly format?: AccessLogFormat
  /** Lines to gather before writing (a second at most); 0 (default): what comes in within 100 ms. */
  readonly bufferingSize?: number
  /** A line is kept when any of those given matches. */
  readonly filters?: {
    /** `404` or `500-599`. */
    readonly statusCodes?: readonly string[]
    /** Requests that were retried. */
    readonly retryAttempts?: boolean
    /** Requests that took at least so many milliseconds; 0: no such filter. */
    readonly minDurationMs?: number
  }
  readonly fields?: AccessLogFields
  /** Bound of the lines in memory, in bytes; default 4 MiB. */
  readonly maxBufferedBytes?: number
}

/** What counts lost lines: a metrics counter. */
export interface DropCounter {
  add(lines: number): void
}

const FLUSH_MS = 100
const GATHER_MS = 1000
const MAX_STATUS = 999

export class AccessLog {
  readonly #formatter: AccessLogFormatter
  readonly #sink: LineSink
  /** By status code; null when everything is logged. */
  readonly #statuses: Uint8Array | null
  readonly #wantsRetried: boolean
  readonly #minDurationMs: number

  /** Throws when a status range cannot be read. A file that cannot be opened is logged and tried again. */
  constructor(options: AccessLogOptions, logger: Logger, dropped: DropCounter) {
    const filters = options.filters ?? {}
    const bufferingSize = options.bufferingSize ?? 0
    this.#wantsRetried = filters.retryAttempts === true
    this.#minDurationMs = filters.minDurationMs ?? 0
    const codes = filters.statusCodes ?? []
    const isFiltered = codes.length > 0 || this.#wantsRetried || this.#minDurationMs > 0
    this.#statuses = isFiltered ? statusTable(codes) : null
    this.#formatter = new AccessLogFormatter(options.format ?? 'common', options.fields)
    this.#sink = new LineSink({
      target: options.filePath ?? 1,
      mustOpen: false,
      flushMs: bufferingSize > 0 ? GATHER_MS : FLUSH_MS,
      flushLines: bufferingSize,
      ...(options.maxBufferedBytes === undefined ? {} : { maxBufferedBytes: options.maxBufferedBytes }),
      onDrop: (lines) => dropped.add(lines),
      onError: (error) => {
        if (error === undefined) logger.info('access log is being written again')
        else logger.error('cannot write the access log', { error })
      },
    })
  }

  /** Lines lost so far: buffer full, or the write failed. */
  get droppedLines(): number {
    return this.#sink.droppedLines
  }

  /** Never waits and never throws; the record may be reused at once. */
  write(record: AccessRecord): void {
    if (this.#statuses !== null && !this.#passes(record)) return
    this.#sink.writeAscii(this.#formatter.line(record))
  }

  /** After log rotation moved the file away (SIGUSR1): nothing is lost, nothing is torn. */
  reopen(): void {
    this.#sink.reopen()
  }

  async flush(): Promise<void> {
    await this.#sink.flush()
  }

  /** Writes what waits, for at most `deadlineMs`, and closes. */
  async close(deadlineMs?: number): Promise<void> {
    await this.#sink.close(deadlineMs)
  }

  #passes(record: AccessRecord): boolean {
    if ((this.#statuses as Uint8Array)[record.status] === 1) return true
    if (this.#wantsRetried && record.retryAttempts > 0) return true
    return this.#minDurationMs > 0 && record.durationMs >= this.#minDurationMs
  }
}

function statusTable(ranges: readonly string[]): Uint8Array {
  const table = new Uint8Array(MAX_STATUS + 1)
  for (const range of ranges) {
    const match = /^\s*(\d{3})(?:\s*-\s*(\d{3}))?\s*$/.exec(range)
    const from = Number(match?.[1])
    const to = Number(match?.[2] ?? match?.[1])
    if (match === null || from > to) {
      throw new Error(`access log filter ${JSON.stringify(range)}: a status code is 404 or 500-599`)
    }
    table.fill(1, from, to + 1)
  }
  return table
}
