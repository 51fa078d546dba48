/**
 * The one path normal form (RFC 3986 §6.2.2; docs/internals/paths.md has every rule as a row, and a test runs
 * the rows). Called once per request before routing, and for the literal paths of rules when they are compiled.
 *
 * Invariants: what is matched is what is forwarded, so no server behind us can see other segments than the ones
 * that were matched; the form is a fixed point; it holds visible ASCII only, no empty segment but a last one,
 * and no dot segment, not even for a server that decodes `%2F` or cuts `;` parameters.
 */

import { latin1Slice } from '#lib/latin1.ts'

const PLAIN = 0
const SLASH = 1
/** Not allowed in a path by RFC 3986 §3.3 and harmless: percent-encoded. */
const ENCODE = 2
const PERCENT = 3
const REFUSE = 4

const CHAR_SLASH = 0x2f
const CHAR_DOT = 0x2e
const CHAR_PERCENT = 0x25
const CHAR_SEMICOLON = 0x3b

/** A request path. */
const MODE_REQUEST = 0
/** A rule's path: dot segments are refused instead of resolved. */
const MODE_RULE = 1
/** A rule's string prefix: the last segment is a piece of one and may be `.`. */
const MODE_RULE_PARTIAL = 2

const CLASSES = makeClasses()
const UNRESERVED = makeUnreserved()
const HEX = Buffer.from('0123456789ABCDEF', 'latin1')

/** Grows to three times the longest path seen, which the limit on request heads bounds. */
let scratch = Buffer.allocUnsafeSlow(4096)

/**
 * Normal form of a request's path (without query; bytes as latin1 text). Null: answer 400. A path that is in
 * normal form already, as nearly all are, is returned as it is after one scan.
 */
export function normalizePath(path: string): string | null {
  const length = path.length
  // RFC 9112 §3.2.2: an absolute-form target may leave the path out.
  if (length === 0) return '/'
  if (path.charCodeAt(0) !== CHAR_SLASH) return null
  for (let i = 0; i < length; i++) {
    const code = path.charCodeAt(i)
    const kind = code < 256 ? CLASSES[code] : REFUSE
    if (kind === PLAIN) continue
    if (kind !== SLASH) return kind === REFUSE ? null : rewritePath(path, MODE_REQUEST)
    if (i + 1 === length) break
    const next = path.charCodeAt(i + 1)
    if (next === CHAR_SLASH || (next === CHAR_DOT && mayBeDotSegment(path, i + 2))) {
      return rewritePath(path, MODE_REQUEST)
    }
  }
  return path
}

/**
 * Normal form of the path of a rule, in which characters that a request cannot carry literally (space, `?`, `#`,
 * everything beyond ASCII as UTF-8) are encoded. Null: no request could ever match, because the path does not
 * start with `/`, has a dot segment, a backslash, a control character or a broken percent-encoding. With
 * `isPartial` the last segment is the beginning of one.
 */
export function normalizeRulePath(path: string, isPartial = false): string | null {
  if (path.charCodeAt(0) !== CHAR_SLASH) return null
  const bytes = Buffer.from(path, 'utf8').toString('latin1')
  const text = bytes.replaceAll(' ', '%20').replaceAll('?', '%3F').replaceAll('#', '%23')
  return rewritePath(text, isPartial ? MODE_RULE_PARTIAL : MODE_RULE)
}

/** A `.` after a slash is nearly always a file name (`/.well-known`); those stay on the fast path. */
function mayBeDotSegment(path: string, start: number): boolean {
  if (start >= path.length) return true
  const code = path.charCodeAt(start)
  return code === CHAR_DOT || code === CHAR_SLASH || code === CHAR_SEMICOLON || code === CHAR_PERCENT
}

function rewritePath(path: string, mode: number): string | null {
  const length = path.length
  if (scratch.length < length * 3) scratch = Buffer.allocUnsafeSlow(length * 4)
  const out = scratch
  out[0] = CHAR_SLASH
  let size = 1
  let segment = 1
  /** The segment holds something that a server may take for a separator. */
  let isSplittable = false
  /** The encoded byte directly before, 0 when there is none: finds overlong UTF-8. */
  let before = 0
  for (let i = 1; i < length; i++) {
    const code = path.charCodeAt(i)
    const kind = code < 256 ? CLASSES[code] : REFUSE
    if (kind === PLAIN) {
      if (code === CHAR_SEMICOLON) isSplittable = true
      before = 0
      out[size++] = code
      continue
    }
    if (kind === SLASH) {
      if (isSplittable && hasDotPiece(out, segment, size)) return null
      const end = closeSegment(out, segment, size)
      if (end === 0 || (mode !== MODE_REQUEST && end !== size)) return null
      size = end
      if (out[size - 1] !== CHAR_SLASH) out[size++] = CHAR_SLASH
      segment = size
      isSplittable = false
      before = 0
      continue
    }
    if (kind === REFUSE) return null
    let byte = code
    if (kind === PERCENT) {
      if (i + 2 >= length) return null
      byte = (hexValue(path.charCodeAt(i + 1)) << 4) | hexValue(path.charCodeAt(i + 2))
      i += 2
      // Negative: not two hexadecimal digits. A server that decodes a control character gets it in its log or
      // in a header sooner or later; %00 also ends the path for those written in C.
      if (byte < 0x20 || byte === 0x7f) return null
      if (UNRESERVED[byte] === 1) {
        before = 0
        out[size++] = byte
        continue
      }
      if (byte === CHAR_SLASH || byte === 0x5c || byte === CHAR_SEMICOLON) isSplittable = true
    }
    if (isOverlong(before, byte)) return null
    before = byte
    out[size++] = CHAR_PERCENT
    out[size++] = HEX[byte >> 4] as number
    out[size++] = HEX[byte & 15] as number
  }
  if (isSplittable && hasDotPiece(out, segment, size)) return null
  if (mode !== MODE_RULE_PARTIAL) {
    const end = closeSegment(out, segment, size)
    if (end === 0 || (mode === MODE_RULE && end !== size)) return null
    size = end
  }
  return latin1Slice(out, 0, size)
}

/** Size after the segment `out[start, end)` was resolved: 0 when it climbs above the root. */
function closeSegment(out: Buffer, start: number, end: number): number {
  if (end - start > 2 || out[start] !== CHAR_DOT || start === end) return end
  if (end - start === 1) return start
  if (out[start + 1] !== CHAR_DOT) return end
  // RFC 3986 §5.2.4 would stop at the root silently; who asks for more than there is probes.
  if (start === 1) return 0
  let parent = start - 1
  while (out[parent - 1] !== CHAR_SLASH) parent--
  return parent
}

/**
 * Whether a server that decodes `%2F` or `%5C`, or that cuts `;…` off, would find a dot segment in it:
 * `..%2Fadmin`, `..;x`. What follows a `;` is a parameter up to the next separator. The segment's own `.` and
 * `..` are not meant: those are resolved.
 */
function hasDotPiece(out: Buffer, start: number, end: number): boolean {
  let piece = start
  for (let i = start; i <= end; i++) {
    const separator = i === end ? END : separatorAt(out, i, end)
    if (separator === NONE) continue
    const size = i - piece
    const isWhole = piece === start && i === end
    const isDots = (size === 1 || size === 2) && out[piece] === CHAR_DOT && out[i - 1] === CHAR_DOT
    if (isDots && !isWhole) return true
    if (out[i] === CHAR_PERCENT) i += 2
    piece = separator === PARAMETER ? -MAX_SEGMENT : i + 1
  }
  return false
}

/** Start of a piece that is none, far enough away never to be one or two characters long. */
const MAX_SEGMENT = 0x4000_0000

const NONE = 0
const PARAMETER = 1
const DELIMITER = 2
const END = 3

/** `;` and `%3B` begin a parameter, `%2F` and `%5C` divide. */
function separatorAt(out: Buffer, at: number, end: number): number {
  if (out[at] === CHAR_SEMICOLON) return PARAMETER
  if (out[at] !== CHAR_PERCENT || at + 2 >= end) return NONE
  const high = out[at + 1]
  const low = out[at + 2]
  if (high === 0x33 && low === 0x42) return PARAMETER
  return (high === 0x32 && low === 0x46) || (high === 0x35 && low === 0x43) ? DELIMITER : NONE
}

/** Two bytes that can only be an ASCII character spelled too long (RFC 3629 §3), a way to hide dots and slashes. */
function isOverlong(before: number, byte: number): boolean {
  if (byte < 0x80 || byte > 0xbf || before < 0xc0) return false
  if (before === 0xc0 || before === 0xc1) return true
  return (before === 0xe0 && byte < 0xa0) || (before === 0xf0 && byte < 0x90)
}

/** Negative enough to keep a combined value negative when it is no hexadecimal digit. */
function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -256
}

function makeUnreserved(): Uint8Array {
  const table = new Uint8Array(256)
  for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~') {
    table[char.charCodeAt(0)] = 1
  }
  return table
}

function makeClasses(): Uint8Array {
  const table = new Uint8Array(256).fill(REFUSE)
  for (let code = 0x21; code < 256; code++) table[code] = ENCODE
  const unreserved = makeUnreserved()
  for (let code = 0; code < 256; code++) if (unreserved[code] === 1) table[code] = PLAIN
  // RFC 3986 §3.3: pchar = unreserved / pct-encoded / sub-delims / ":" / "@"
  for (const char of "!$&'()*+,;=:@") table[char.charCodeAt(0)] = PLAIN
  for (const char of '\\#?\x7f') table[char.charCodeAt(0)] = REFUSE
  table[CHAR_SLASH] = SLASH
  table[CHAR_PERCENT] = PERCENT
  return table
}
