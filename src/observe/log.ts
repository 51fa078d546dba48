/**
 * The log of what the program does (not of requests: access-log.ts), in Traefik's two formats: `common` text and
 * `json`. Each thread has a logger of its own over the same target; loggers are handed down, never global.
 *
 * Whatever a peer can cause again and again must go through `limited`: it lets 10 a second of the same message
 * through and then says how many it held back. Facts belong into fields, so that a message is one constant text.
 */
import { jsonText, visibleText } from './escape.ts'
import { LineSink } from './line-sink.ts'

export type LogLevel = 'DEBUG' | 'INFO' | 'WARN' | 'ERROR'
export type LogFormat = 'common' | 'json'

/** Values are shown as text; `undefined` ones are left out. An Error is shown by its message. */
export type LogFields = Readonly<Record<string, string | number | boolean | bigint | Error | undefined>>

export interface LogOptions {
  readonly level: LogLevel
  readonly format: LogFormat
  /** File to append to; undefined: standard error. */
  readonly filePath?: string
}

/** Where finished lines (with their LF) go; a LineSink's face. */
export interface LogTarget {
  writeText(line: string): boolean
}

const RANK: Record<LogLevel, number> = { DEBUG: 0, INFO: 1, WARN: 2, ERROR: 3 }
const SHORT: Record<LogLevel, string> = { DEBUG: 'DBG', INFO: 'INF', WARN: 'WRN', ERROR: 'ERR' }
const JSON_LEVEL: Record<LogLevel, string> = { DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' }

const LIMIT_PER_SECOND = 10
/** Different messages that are counted at once; further ones share one count. */
const MAX_LIMITED_MESSAGES = 500

/** Any case; Traefik's further levels map to their nearest neighbours (TRACE; FATAL and PANIC). */
export function parseLogLevel(text: string): LogLevel | undefined {
  const name = text.toUpperCase()
  if (name === 'TRACE') return 'DEBUG'
  if (name === 'FATAL' || name === 'PANIC') return 'ERROR'
  return name in RANK ? (name as LogLevel) : undefined
}

interface Window {
  readonly level: LogLevel
  readonly message: string
  startedAt: number
  passed: number
  heldBack: number
}

/** What all loggers of a thread share. */
class LogCore {
  rank: number
  readonly format: LogFormat
  readonly target: LogTarget
  readonly now: () => number
  readonly #windows = new Map<string, Window>()
  #timer: NodeJS.Timeout | null = null

  constructor(level: LogLevel, format: LogFormat, target: LogTarget, now: () => number) {
    this.rank = RANK[level]
    this.format = format
    this.target = target
    this.now = now
  }

  line(level: LogLevel, message: string, context: string, fields: LogFields | undefined): void {
    const time = new Date(this.now()).toISOString()
    const more = fields === undefined ? '' : formatFields(this.format, fields)
    this.target.writeText(
      this.format === 'json'
        ? `{"level":"${JSON_LEVEL[level]}"${context}${more},"time":"${time}","message":${jsonText(message)}}\n`
        : `${time} ${SHORT[level]} ${visibleText(message)}${context}${more}\n`,
    )
  }

  /** Whether one more of this message may pass in this second. */
  admits(level: LogLevel, message: string): boolean {
    const now = this.now()
    let key = `${level} ${message}`
    let window = this.#windows.get(key)
    if (window === undefined) {
      if (this.#windows.size >= MAX_LIMITED_MESSAGES) {
        this.reportHeldBack(now)
        if (this.#windows.size >= MAX_LIMITED_MESSAGES) key = 'other'
      }
      window = this.#windows.get(key)
      if (window === undefined) {
        const shown = key === 'other' ? 'further messages' : message
        window = { level, message: shown, startedAt: now, passed: 0, heldBack: 0 }
        this.#windows.set(key, window)
      }
    }
    if (now - window.startedAt >= 1000 || now < window.startedAt) this.#restart(window, now)
    if (window.passed < LIMIT_PER_SECOND) {
      window.passed++
      return true
    }
    window.heldBack++
    // The report must come even when the message never does again.
    if (this.#timer === null) {
      this.#timer = setTimeout(() => {
        this.#timer = null
        this.reportHeldBack(this.now())
      }, 1000).unref()
    }
    return false
  }

  /** Closes the seconds that are over and says what they held back. */
  reportHeldBack(now: number): void {
    for (const [key, window] of this.#windows) {
      if (now - window.startedAt < 1000) continue
      this.#restart(window, now)
      this.#windows.delete(key)
    }
  }

  #restart(window: Window, now: number): void {
    const heldBack = window.heldBack
    window.startedAt = now
    window.passed = 0
    window.heldBack = 0
    if (heldBack > 0) this.line(window.level, window.message, '', { suppressed: heldBack })
  }
}

export class Logger {
  /** The same logger, for messages that peers cause: bounded per message and second. */
  readonly limited: Logger
  readonly #core: LogCore
  readonly #context: string
  readonly #isLimited: boolean

  /** `createLogger` and `child` make loggers. */
  constructor(core: LogCore, context: string, limitedTwin?: 'twin') {
    this.#core = core
    this.#context = context
    this.#isLimited = limitedTwin === 'twin'
    this.limited = this.#isLimited ? this : new Logger(core, context, 'twin')
  }

  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger {
    return new Logger(this.#core, this.#context + formatFields(this.#core.format, fields))
  }

  /** To skip the work of finding facts for a line that nobody will see. */
  isEnabled(level: LogLevel): boolean {
    return RANK[level] >= this.#core.rank
  }

  /** Changes the level of this logger and all that share its target. */
  setLevel(level: LogLevel): void {
    this.#core.rank = RANK[level]
  }

  debug(message: string, fields?: LogFields): void {
    this.#log('DEBUG', message, fields)
  }

  info(message: string, fields?: LogFields): void {
    this.#log('INFO', message, fields)
  }

  warn(message: string, fields?: LogFields): void {
    this.#log('WARN', message, fields)
  }

  error(message: string, fields?: LogFields): void {
    this.#log('ERROR', message, fields)
  }

  #log(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (RANK[level] < this.#core.rank) return
    if (this.#isLimited && !this.#core.admits(level, message)) return
    this.#core.line(level, message, this.#context, fields)
  }
}

/** A logger over any target; `now` gives milliseconds since the epoch. */
export function createLogger(
  options: { readonly level: LogLevel; readonly format: LogFormat },
  target: LogTarget,
  now: () => number = Date.now,
): Logger {
  return new Logger(new LogCore(options.level, options.format, target, now), '')
}

/**
 * The logger of a thread and the sink behind it, which is reopened, flushed and closed by its owner. Throws when the
 * file cannot be opened, unless `mustOpen` is false.
 */
export function openLog(options: LogOptions, mustOpen = true): { logger: Logger; sink: LineSink } {
  const sink = new LineSink({ target: options.filePath ?? 2, flushMs: 0, mustOpen })
  return { logger: createLogger(options, sink), sink }
}

function formatFields(format: LogFormat, fields: LogFields): string {
  let text = ''
  for (const key of Object.keys(fields)) {
    const value = fields[key]
    if (value === undefined) continue
    text += format === 'json' ? `,${jsonText(key)}:${jsonValue(value)}` : ` ${key}=${textValue(value)}`
  }
  return text
}

function jsonValue(value: string | number | boolean | bigint | Error): string {
  if (typeof value === 'string') return jsonText(value)
  if (value instanceof Error) return jsonText(value.message)
  return typeof value === 'number' && !Number.isFinite(value) ? `"${value}"` : String(value)
}

function textValue(value: string | number | boolean | bigint | Error): string {
  if (typeof value !== 'string' && !(value instanceof Error)) return String(value)
  const text = visibleText(typeof value === 'string' ? value : value.message)
  return NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '\\"')}"` : text
}

const NEEDS_QUOTES = /[\s"=]|^$/
