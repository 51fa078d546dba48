/**
 * Reads heads of requests and responses, and trailer sections (RFC 9112 §§2.2, 3, 4, 5, 7.1.2), in one pass over the bytes, strictly: see
 * docs/internals/attacks.md for what is refused and why. Used once for each connection, for all its heads.
 *
 * Usually a head lies whole in one read buffer and nothing is copied but its text. When it comes in pieces, the pieces are kept
 * and the scan goes on where it stopped, so the cost is linear even at one byte a time, and any split gives the same result.
 * An idle reader holds no buffer.
 */
import { latin1Slice } from '#lib/latin1.ts'
import { COLON, CR, LF, SPACE, TAB, TARGET, TOKEN, VALUE } from './char-class.ts'
import {
  E_BAD_STATUS_LINE,
  E_BAD_VALUE,
  E_BAD_VERSION,
  E_BARE_CR,
  E_BARE_LF,
  E_HEAD_TOO_LARGE,
  E_START_LINE_TOO_LONG,
  E_TOO_MANY_FIELDS,
  E_UNSUPPORTED_VERSION,
  NEED_MORE,
} from './codes.ts'
import { finishHead, noteField, STEERING } from './field-meaning.ts'
import type { Head } from './head.ts'
import { knownNameIdOfBytes, knownNameIdOfToken } from './known-names.ts'
import {
  fieldStartError,
  lineEndError,
  methodError,
  nameEndError,
  targetError,
  versionError,
} from './refusals.ts'
import { isUsualVersion, methodOf } from './start-line.ts'
import { skipTarget, skipText, viewOf } from './words.ts'

export interface HeadLimits {
  /** Start line to final CRLF CRLF. */
  readonly maxHeadBytes: number
  readonly maxFields: number
}

export const DEFAULT_HEAD_LIMITS: HeadLimits = { maxHeadBytes: 65536, maxFields: 100 }

/** `trailers`: field lines and the empty line only, no meaning given to any field. */
export type HeadKind = 'request' | 'response' | 'trailers'

const KIND_REQUEST = 0
const KIND_RESPONSE = 1
const KIND_TRAILERS = 2

/** What the next byte belongs to. Before LINE_LF and with it: the start line. */
const S_IDLE = 0
const S_IDLE_LF = 1
const S_IDLE_AFTER_LINE = 2
const S_METHOD = 3
const S_TARGET = 4
const S_VERSION = 5
const S_STATUS = 6
const S_REASON = 7
const S_LINE_LF = 8
const S_FIELD = 9
const S_NAME = 10
const S_OWS = 11
const S_VALUE = 12
const S_VALUE_LF = 13
const S_END_LF = 14

const QUESTION = 0x3f
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
const VERSION_PREFIX = 'HTTP/'
/** Smallest buffer for the pieces of a head. */
const MIN_STORE = 512

export class HeadReader {
  readonly kind: number
  readonly limits: HeadLimits
  state: number = S_IDLE
  /** Where to go on, relative to the first byte of the head. */
  position = 0
  /** The pieces so far, from the first byte of the head; null when there are none. */
  store: Buffer | null = null
  stored = 0
  /** The head that the kept bytes have been scanned into. */
  head: Head | null = null

  constructor(kind: HeadKind, limits: HeadLimits) {
    this.kind = kind === 'request' ? KIND_REQUEST : kind === 'response' ? KIND_RESPONSE : KIND_TRAILERS
    this.limits = limits
  }

  /** Some of a head has come, not all of it. (One empty line before a request is not part of it.) */
  get hasPartial(): boolean {
    return this.state !== S_IDLE && this.state !== S_IDLE_AFTER_LINE
  }

  /** Forgets what was kept. */
  reset(): void {
    this.state = S_IDLE
    this.position = 0
    this.store = null
    this.stored = 0
    this.head = null
  }

  /**
   * Reads `buffer[start, end)`. Complete: the index behind the head, and `into` is filled. NEED_MORE: all bytes are kept.
   * Negative: an error code. After the last two of these outcomes `into` holds nothing of use. Give the same `into` until the head is complete;
   * another one works, but costs a scan from its first byte.
   */
  read(buffer: Buffer, start: number, end: number, into: Head): number {
    const result =
      this.store === null ? this.readFirst(buffer, start, end, into) : this.readMore(buffer, start, end, into)
    if (result < 0) this.reset()
    return result
  }

  readFirst(buffer: Buffer, start: number, end: number, into: Head): number {
    const first = this.skipEmptyLine(buffer, start, end)
    if (first < 0) return first
    if (first === end) return NEED_MORE
    into.reset()
    this.begin()
    const result = this.scan(buffer, first, first, end, into)
    if (result === NEED_MORE) this.keep(buffer, first, end, into)
    else this.state = S_IDLE
    return result
  }

  readMore(buffer: Buffer, start: number, end: number, into: Head): number {
    const before = this.stored
    const taken = Math.min(end - start, this.limits.maxHeadBytes - before)
    this.append(buffer, start, start + taken)
    if (into !== this.head) {
      into.reset()
      this.head = into
      this.begin()
    }
    const result = this.scan(this.store!, 0, this.position, this.stored, into)
    if (result <= 0) return result
    this.reset()
    return start + result - before
  }

  begin(): void {
    this.position = 0
    this.state = this.kind === KIND_REQUEST ? S_METHOD : this.kind === KIND_RESPONSE ? S_VERSION : S_FIELD
  }

  keep(buffer: Buffer, start: number, end: number, into: Head): void {
    this.head = into
    this.store = Buffer.allocUnsafeSlow(
      Math.min(Math.max((end - start) * 2, MIN_STORE), this.limits.maxHeadBytes),
    )
    this.append(buffer, start, end)
  }

  append(buffer: Buffer, start: number, end: number): void {
    const needed = this.stored + end - start
    let store = this.store!
    if (needed > store.length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.min(Math.max(needed, store.length * 2), this.limits.maxHeadBytes),
      )
      store.copy(larger, 0, 0, this.stored)
      this.store = store = larger
    }
    buffer.copy(store, this.stored, start, end)
    this.stored = needed
  }

  /** RFC 9112 §2.2: an empty line before a request is ignored, here one. Index of the head's first byte, `end`, or an error code. */
  skipEmptyLine(buffer: Buffer, start: number, end: number): number {
    if (this.kind !== KIND_REQUEST) return start
    let i = start
    if (this.state === S_IDLE && i < end && buffer[i] === CR) {
      this.state = S_IDLE_LF
      i++
    }
    if (this.state === S_IDLE_LF && i < end) {
      if (buffer[i] !== LF) return E_BARE_CR
      this.state = S_IDLE_AFTER_LINE
      i++
    }
    return i
  }

  /** Scans on from `from`; the head starts at `base`. Index behind the head, NEED_MORE, or an error code. */
  scan(buffer: Buffer, base: number, from: number, end: number, into: Head): number {
    const limit = base + this.limits.maxHeadBytes
    const stop = end < limit ? end : limit
    let at = from
    if (this.state < S_FIELD) {
      at =
        this.kind === KIND_REQUEST
          ? this.scanRequestLine(buffer, base, at, stop, into)
          : this.scanStatusLine(buffer, base, at, stop, into)
      if (at <= 0) return at === NEED_MORE && stop === limit ? E_START_LINE_TOO_LONG : at
    }
    at = this.scanFields(buffer, base, at, stop, into)
    if (at <= 0) return at === NEED_MORE && stop === limit ? E_HEAD_TOO_LARGE : at
    into.text = latin1Slice(buffer, base, at)
    if (this.kind === KIND_TRAILERS) return at
    const code = finishHead(into, this.kind === KIND_REQUEST)
    return code < 0 ? code : at
  }

  /** To be continued in `state` at `position`. */
  suspend(state: number, position: number): number {
    this.state = state
    this.position = position
    return NEED_MORE
  }

  scanRequestLine(buffer: Buffer, base: number, from: number, stop: number, into: Head): number {
    let i = from
    let state = this.state
    if (state === S_METHOD) {
      while (i < stop && TOKEN[buffer[i]!] !== 0) i++
      if (i === stop) return this.suspend(S_METHOD, i - base)
      if (buffer[i] !== SPACE || i === base) return methodError(buffer[i]!)
      into.method = methodOf(buffer, base, i)
      i++
      into.targetStart = i - base
      state = S_TARGET
    }
    if (state === S_TARGET) {
      const view = viewOf(buffer)
      const shift = buffer.byteOffset
      for (;;) {
        i = skipTarget(view, i + shift, stop + shift) - shift
        while (i < stop && TARGET[buffer[i]!] === 1) i++
        if (i === stop) return this.suspend(S_TARGET, i - base)
        if (buffer[i] !== QUESTION) break
        if (into.queryStart === 0) into.queryStart = i - base
        i++
      }
      if (buffer[i] !== SPACE || i - base === into.targetStart) return targetError(buffer[i]!)
      into.targetEnd = i - base
      i++
      state = S_VERSION
    }
    // Only from its first byte on: in the middle, `HT` and then a whole version would pass.
    const isAtVersion = i - base === into.targetEnd + 1
    if (isAtVersion && stop - i >= 10 && isUsualVersion(viewOf(buffer), i + buffer.byteOffset)) {
      i += 10
      this.state = S_FIELD
      into.fieldsStart = i - base
      return i
    }
    if (state === S_VERSION) {
      i = this.scanVersion(buffer, base, base + into.targetEnd + 1, i, stop, into)
      if (i <= 0) return i
      if (i === stop) return this.suspend(S_VERSION, i - base)
      if (buffer[i] !== CR) return lineEndError(buffer[i]!)
      i++
    }
    if (i === stop) return this.suspend(S_LINE_LF, i - base)
    if (buffer[i] !== LF) return E_BARE_CR
    i++
    this.state = S_FIELD
    into.fieldsStart = i - base
    return i
  }

  /** `HTTP/1.x` that starts at `start`, on from `from`. Index behind it, NEED_MORE, or an error code. */
  scanVersion(buffer: Buffer, base: number, start: number, from: number, stop: number, into: Head): number {
    let i = from
    while (i - start < 8) {
      if (i === stop) return this.suspend(S_VERSION, i - base)
      const offset = i - start
      const byte = buffer[i]!
      if (offset < 5) {
        if (byte !== VERSION_PREFIX.charCodeAt(offset)) return versionError(byte, offset)
      } else if (offset === 6) {
        if (byte !== 0x2e) return E_BAD_VERSION
      } else if (byte < DIGIT_0 || byte > DIGIT_9) {
        return E_BAD_VERSION
      }
      i++
    }
    if (buffer[i - 3] !== 0x31) return E_UNSUPPORTED_VERSION
    const minor = buffer[i - 1]! - DIGIT_0
    // RFC 9110 §2.5 would have us read 1.2 as 1.1. There is none, and who claims it is testing us.
    if (minor > 1) return E_BAD_VERSION
    into.minorVersion = minor === 1 ? 1 : 0
    return i
  }

  scanStatusLine(buffer: Buffer, base: number, from: number, stop: number, into: Head): number {
    let i = from
    let state = this.state
    if (state === S_VERSION) {
      i = this.scanVersion(buffer, base, base, i, stop, into)
      if (i <= 0) return i
      state = S_STATUS
    }
    if (state === S_STATUS) {
      // SP and three digits, the first not 0.
      while (i - base < 12) {
        if (i === stop) return this.suspend(S_STATUS, i - base)
        const byte = buffer[i]!
        const offset = i - base
        if (offset === 8) {
          if (byte !== SPACE) return byte === LF ? E_BARE_LF : E_BAD_STATUS_LINE
        } else {
          if (byte < DIGIT_0 || byte > DIGIT_9 || (offset === 9 && byte === DIGIT_0)) return E_BAD_STATUS_LINE
          into.status = into.status * 10 + byte - DIGIT_0
        }
        i++
      }
      if (i === stop) return this.suspend(S_STATUS, i - base)
      // RFC 9112 §4: SP stands even before an empty reason. Many leave it out, and nothing else could follow.
      if (buffer[i] === CR) {
        i++
        state = S_LINE_LF
      } else {
        if (buffer[i] !== SPACE) return buffer[i] === LF ? E_BARE_LF : E_BAD_STATUS_LINE
        i++
        into.reasonStart = i - base
        state = S_REASON
      }
    }
    if (state === S_REASON) {
      while (i < stop && VALUE[buffer[i]!] === 1) i++
      if (i === stop) return this.suspend(S_REASON, i - base)
      if (buffer[i] !== CR) return buffer[i] === LF ? E_BARE_LF : E_BAD_STATUS_LINE
      i++
    }
    if (i === stop) return this.suspend(S_LINE_LF, i - base)
    if (buffer[i] !== LF) return E_BARE_CR
    i++
    this.state = S_FIELD
    into.fieldsStart = i - base
    return i
  }

  /** Field lines and the empty line. Index behind it, NEED_MORE, or an error code. */
  scanFields(buffer: Buffer, base: number, from: number, stop: number, into: Head): number {
    const maxFields = this.limits.maxFields
    const kind = this.kind
    let i = from
    let state = this.state
    let count = into.fieldCount
    let span = count * 4
    let spans = into.spans
    const view = viewOf(buffer)
    const shift = buffer.byteOffset
    // The blocks follow each other; `state` is looked at only to go on after a piece, and is otherwise what the block before left.
    for (;;) {
      if (state === S_FIELD) {
        if (i === stop) return this.suspend(S_FIELD, i - base)
        const byte = buffer[i]!
        if (TOKEN[byte] !== 0) {
          if (count === maxFields) return E_TOO_MANY_FIELDS
          if (span === spans.length) {
            into.grow(Math.min(maxFields, count * 2))
            spans = into.spans
          }
          spans[span] = i - base
          state = S_NAME
          i = skipName(buffer, i, stop)
          if (i < stop && buffer[i] === COLON) {
            // The usual name: whole, and without `_`.
            spans[span + 1] = i - base
            into.ids[count] = knownNameIdOfToken(buffer, view, base + spans[span]!, i)
            i++
            state = S_OWS
          }
        } else if (byte === CR) {
          i++
          state = S_END_LF
        } else {
          return fieldStartError(byte)
        }
      }
      if (state === S_NAME) {
        while (i < stop && TOKEN[buffer[i]!] !== 0) i++
        if (i === stop) return this.suspend(S_NAME, i - base)
        if (buffer[i] !== COLON) return nameEndError(buffer[i]!)
        spans[span + 1] = i - base
        into.ids[count] = knownNameIdOfBytes(buffer, base + spans[span]!, i)
        i++
        state = S_OWS
      }
      if (state === S_OWS) {
        while (i < stop && (buffer[i] === SPACE || buffer[i] === TAB)) i++
        if (i === stop) return this.suspend(S_OWS, i - base)
        spans[span + 2] = i - base
        state = S_VALUE
      }
      if (state === S_VALUE) {
        i = skipText(view, i + shift, stop + shift) - shift
        while (i < stop && VALUE[buffer[i]!] === 1) i++
        if (i === stop) return this.suspend(S_VALUE, i - base)
        if (buffer[i] !== CR) return buffer[i] === LF ? E_BARE_LF : E_BAD_VALUE
        const valueStart = base + spans[span + 2]!
        let valueEnd = i
        while (valueEnd > valueStart && (buffer[valueEnd - 1] === SPACE || buffer[valueEnd - 1] === TAB))
          valueEnd--
        spans[span + 3] = valueEnd - base
        i++
        state = S_VALUE_LF
      }
      if (state === S_VALUE_LF) {
        if (i === stop) return this.suspend(S_VALUE_LF, i - base)
        if (buffer[i] !== LF) return E_BARE_CR
        const id = into.ids[count]!
        if (id !== 0) {
          if (id < 31) into.seenLow |= 1 << id
          else into.seenHigh |= 1 << (id - 31)
          if (STEERING[id] === 1 && kind !== KIND_TRAILERS) {
            const isRequest = kind === KIND_REQUEST
            const code = noteField(
              into,
              isRequest,
              id,
              buffer,
              base + spans[span + 2]!,
              base + spans[span + 3]!,
            )
            if (code < 0) return code
          }
        }
        i++
        count++
        span += 4
        into.fieldCount = count
        state = S_FIELD
        continue
      }
      if (i === stop) return this.suspend(S_END_LF, i - base)
      if (buffer[i] !== LF) return E_BARE_CR
      return i + 1
    }
  }
}

/** Index behind the token bytes other than `_`. */
function skipName(buffer: Buffer, from: number, stop: number): number {
  let i = from
  while (i < stop && TOKEN[buffer[i]!] === 1) i++
  return i
}
