/**
 * Reads message bodies (RFC 9112 §§6, 7, 8): finds where a body ends and hands its content to a sink, as ranges of the buffer it
 * came in. Chunk framing, extensions and trailers are checked byte by byte and not passed on; the proxy frames what it sends
 * itself. Used once for each connection and direction, for all its bodies; no buffer is held except for a trailer section.
 */
import { CR, HEX, LF, SPACE, TAB, TOKEN, VALUE } from './char-class.ts'
import {
  E_BAD_CHUNK_END,
  E_BAD_CHUNK_EXTENSION,
  E_BAD_CHUNK_SIZE,
  E_BARE_CR,
  E_BARE_LF,
  E_BODY_CUT,
  E_CHUNK_EXTENSION_TOO_LONG,
  E_CHUNK_TOO_LARGE,
  NEED_MORE,
} from './codes.ts'
import { Head } from './head.ts'
import { DEFAULT_HEAD_LIMITS, HeadReader, type HeadLimits } from './head-reader.ts'
import { allowedTrailers } from './trailer-fields.ts'

export const BODY_NONE = 0
export const BODY_LENGTH = 1
export const BODY_CHUNKED = 2
export const BODY_UNTIL_CLOSE = 3

/** How the body of a request ends (RFC 9112 §6.3): never with the connection. */
export function requestBodyMode(head: Head): number {
  if (head.isChunked) return BODY_CHUNKED
  return head.contentLength > 0 ? BODY_LENGTH : BODY_NONE
}

/** How the body of the response to a request with this method ends (RFC 9112 §6.3). */
export function responseBodyMode(head: Head, requestMethod: string): number {
  const status = head.status
  if (requestMethod === 'HEAD' || status < 200 || status === 204 || status === 304) return BODY_NONE
  if (requestMethod === 'CONNECT' && status < 300) return BODY_NONE
  if (head.isChunked) return BODY_CHUNKED
  if (head.contentLength === -1) return BODY_UNTIL_CLOSE
  return head.contentLength === 0 ? BODY_NONE : BODY_LENGTH
}

export interface BodySink {
  /** Content `buffer[start, end)`, borrowed until return; never empty. Must not call the reader. */
  onBody(buffer: Buffer, start: number, end: number): void
}

/** Digits of a chunk size, leading zeros included. */
const MAX_SIZE_DIGITS = 16
/** Bytes of extensions in one chunk line, and in a body beyond as many as it has content. */
const MAX_LINE_EXTENSION = 1024
const MAX_EXTENSION_EXCESS = 16384

const S_DONE = 0
const S_SIZE_START = 1
const S_SIZE = 2
const S_BEFORE_SEMICOLON = 3
const S_BEFORE_NAME = 4
const S_NAME = 5
const S_AFTER_NAME = 6
const S_BEFORE_VALUE = 7
const S_VALUE = 8
const S_QUOTED = 9
const S_ESCAPE = 10
const S_AFTER_QUOTED = 11
const S_SIZE_LF = 12
const S_DATA = 13
const S_DATA_CR = 14
const S_DATA_LF = 15
const S_TRAILER_START = 16
const S_TRAILER_LF = 17
const S_TRAILERS = 18

const SEMICOLON = 0x3b
const EQUALS = 0x3d
const QUOTE = 0x22
const BACKSLASH = 0x5c

export class BodyReader {
  mode: number = BODY_NONE
  isDone = true
  /** BODY_LENGTH: bytes of the body to come. BODY_CHUNKED: of the chunk. */
  remaining = 0
  /** Flat list name, value, … of the trailers that may be passed on; null when there are none. */
  trailers: string[] | null = null

  readonly limits: HeadLimits
  state: number = S_DONE
  sizeDigits = 0
  lineExtension = 0
  extensionExcess = 0
  section: TrailerSection | null = null

  constructor(limits: HeadLimits = DEFAULT_HEAD_LIMITS) {
    this.limits = limits
  }

  /** Begins a body. `length` counts for BODY_LENGTH only. */
  start(mode: number, length: number): void {
    this.mode = mode
    this.remaining = mode === BODY_LENGTH ? length : 0
    this.isDone = mode === BODY_NONE || (mode === BODY_LENGTH && length === 0)
    this.trailers = null
    this.state = mode === BODY_CHUNKED ? S_SIZE_START : S_DONE
    this.extensionExcess = 0
    this.section = null
  }

  /** Reads `buffer[start, end)` up to the end of the body. Index behind what was consumed (`start` when done before), or an error code. */
  read(buffer: Buffer, start: number, end: number, sink: BodySink): number {
    if (this.isDone || start === end) return start
    if (this.mode === BODY_CHUNKED) return this.readChunked(buffer, start, end, sink)
    if (this.mode === BODY_UNTIL_CLOSE) {
      sink.onBody(buffer, start, end)
      return end
    }
    const available = end - start
    const taken = available < this.remaining ? available : this.remaining
    this.remaining -= taken
    if (this.remaining === 0) this.isDone = true
    sink.onBody(buffer, start, start + taken)
    return start + taken
  }

  /** The peer closed its side. 0 when the body may end here, else an error code. */
  finish(): number {
    if (this.isDone) return 0
    if (this.mode !== BODY_UNTIL_CLOSE) return E_BODY_CUT
    this.isDone = true
    return 0
  }

  readChunked(buffer: Buffer, start: number, end: number, sink: BodySink): number {
    let i = start
    while (i < end) {
      const byte = buffer[i]!
      switch (this.state) {
        case S_SIZE_START:
          if (HEX[byte] === 255) return byte === LF ? E_BARE_LF : E_BAD_CHUNK_SIZE
          this.remaining = HEX[byte]!
          this.sizeDigits = 1
          this.lineExtension = 0
          this.state = S_SIZE
          break
        case S_SIZE: {
          const digit = HEX[byte]!
          if (digit === 255) {
            if (byte !== CR && byte !== SEMICOLON && !isBlank(byte))
              return byte === LF ? E_BARE_LF : E_BAD_CHUNK_SIZE
            this.state = byte === CR ? S_SIZE_LF : byte === SEMICOLON ? S_BEFORE_NAME : S_BEFORE_SEMICOLON
            break
          }
          this.remaining = this.remaining * 16 + digit
          if (++this.sizeDigits > MAX_SIZE_DIGITS || this.remaining > Number.MAX_SAFE_INTEGER)
            return E_CHUNK_TOO_LARGE
          break
        }
        case S_SIZE_LF:
          if (byte !== LF) return E_BARE_CR
          this.state = this.remaining === 0 ? S_TRAILER_START : S_DATA
          break
        case S_DATA: {
          const available = end - i
          const taken = available < this.remaining ? available : this.remaining
          this.remaining -= taken
          this.extensionExcess = this.extensionExcess > taken ? this.extensionExcess - taken : 0
          if (this.remaining === 0) this.state = S_DATA_CR
          sink.onBody(buffer, i, i + taken)
          i += taken
          continue
        }
        case S_DATA_CR:
          if (byte !== CR) return E_BAD_CHUNK_END
          this.state = S_DATA_LF
          break
        case S_DATA_LF:
          if (byte !== LF) return E_BAD_CHUNK_END
          this.state = S_SIZE_START
          break
        case S_TRAILER_START:
          if (byte !== CR) {
            this.section = new TrailerSection(this.limits)
            this.state = S_TRAILERS
            continue
          }
          this.state = S_TRAILER_LF
          break
        case S_TRAILER_LF:
          if (byte !== LF) return E_BARE_CR
          this.state = S_DONE
          this.isDone = true
          return i + 1
        case S_TRAILERS:
          return this.readTrailers(buffer, i, end)
        default: {
          const code = this.readExtension(byte)
          if (code !== 0) return code
        }
      }
      i++
    }
    return i
  }

  readTrailers(buffer: Buffer, start: number, end: number): number {
    const { reader, head } = this.section!
    const result = reader.read(buffer, start, end, head)
    if (result === NEED_MORE) return end
    if (result < 0) return result
    this.trailers = allowedTrailers(head)
    this.section = null
    this.state = S_DONE
    this.isDone = true
    return result
  }

  /** RFC 9112 §7.1.1, bad white space included (it MUST be read). 0, or an error code. */
  readExtension(byte: number): number {
    if (++this.lineExtension > MAX_LINE_EXTENSION || ++this.extensionExcess > MAX_EXTENSION_EXCESS) {
      return E_CHUNK_EXTENSION_TOO_LONG
    }
    const next = extensionState(this.state, byte)
    if (next === S_DONE) return byte === LF ? E_BARE_LF : E_BAD_CHUNK_EXTENSION
    this.state = next
    return 0
  }
}

/** Made for the few bodies that have trailers. */
class TrailerSection {
  readonly reader: HeadReader
  readonly head = new Head()

  constructor(limits: HeadLimits) {
    this.reader = new HeadReader('trailers', limits)
  }
}

/** State after `byte` inside of an extension, S_DONE when it may not stand here. */
function extensionState(state: number, byte: number): number {
  switch (state) {
    case S_BEFORE_SEMICOLON:
      if (isBlank(byte)) return state
      return byte === SEMICOLON ? S_BEFORE_NAME : S_DONE
    case S_BEFORE_NAME:
      if (isBlank(byte)) return state
      return TOKEN[byte] !== 0 ? S_NAME : S_DONE
    case S_NAME:
      if (TOKEN[byte] !== 0) return state
      if (byte === EQUALS) return S_BEFORE_VALUE
      return isBlank(byte) ? S_AFTER_NAME : afterExtension(byte)
    case S_AFTER_NAME:
      if (isBlank(byte)) return state
      if (byte === EQUALS) return S_BEFORE_VALUE
      return byte === SEMICOLON ? S_BEFORE_NAME : S_DONE
    case S_BEFORE_VALUE:
      if (isBlank(byte)) return state
      if (byte === QUOTE) return S_QUOTED
      return TOKEN[byte] !== 0 ? S_VALUE : S_DONE
    case S_VALUE:
      if (TOKEN[byte] !== 0) return state
      return isBlank(byte) ? S_BEFORE_SEMICOLON : afterExtension(byte)
    case S_QUOTED:
      if (byte === QUOTE) return S_AFTER_QUOTED
      if (byte === BACKSLASH) return S_ESCAPE
      return VALUE[byte] === 1 ? state : S_DONE
    case S_ESCAPE:
      return VALUE[byte] === 1 ? S_QUOTED : S_DONE
    default:
      return isBlank(byte) ? S_BEFORE_SEMICOLON : afterExtension(byte)
  }
}

function afterExtension(byte: number): number {
  if (byte === SEMICOLON) return S_BEFORE_NAME
  return byte === CR ? S_SIZE_LF : S_DONE
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB
}
