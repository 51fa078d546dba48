/**
 * A parser for the YAML that manifests are really written in, and for JSON: block and flow mappings and sequences,
 * plain and quoted scalars (folded over lines too), literal block scalars, comments; core schema of YAML 1.2.2 §10.3.
 * It is there for speed (some twenty times that of a full parser, which matters from a few thousand manifests on) and
 * never decides that a text is wrong: whatever it does not know for certain (anchors, tags, `>`, `? `, tabs, duplicate
 * keys, every error) makes it give up, and `parse.ts` asks the full parser. Invariant, checked by a differential test:
 * where it does not give up, its value is the full parser's.
 */
import {
  NOT_PLAIN,
  canStartPlain,
  escapeDigits,
  isFlowIndicator,
  plainKey,
  resolvePlain,
  unescape,
} from './plain-scalar.ts'
import { recordSpan } from './spans.ts'
import type { SpanTable } from './spans.ts'

const TAB = 9
const NEWLINE = 10
const SPACE = 32
const DOUBLE_QUOTE = 34
const HASH = 35
const SINGLE_QUOTE = 39
const COMMA = 44
const DASH = 45
const COLON = 58
const QUESTION = 63
const OPEN_BRACKET = 91
const BACKSLASH = 92
const CLOSE_BRACKET = 93
const OPEN_BRACE = 123
const BAR = 124
const CLOSE_BRACE = 125

/** How a plain scalar's piece on one line ended. */
const STOP_LINE = 0
const STOP_COLON = 1
const STOP_COMMENT = 2
const STOP_FLOW = 3

/** Deeper nesting is left to the full parser (and by it to the stack). */
const MAX_DEPTH = 100

/** What `parse` returns when it gives up; `parser.position` is about where. */
export const GAVE_UP: unique symbol = Symbol('gave up')

type Mapping = Record<string, unknown>

export class PlainParser {
  /** Offset reached. */
  position = 0
  /** Offset of the root value, after `parse`. */
  rootStart = 0
  /** Column of the token at `position`; -1 at the end. */
  #indent = -1
  #lineStart = 0
  #depth = 0
  /** How and where the last piece of a plain scalar ended, and where the last scalar did. */
  #stop = STOP_LINE
  #scalarEnd = 0
  #isMultiLine = false
  /** A comment line was skipped on the way to the token, and no key or dash since. */
  #isAfterComment = false
  readonly #text: string
  readonly #end: number
  readonly #spans: SpanTable | null
  readonly #spanDepth: number

  /**
   * @param text one document with `\n` line ends
   * @param spans filled with the places of the members of containers down to `spanDepth` (the root's is 1)
   */
  constructor(text: string, spans: SpanTable | null = null, spanDepth = Number.POSITIVE_INFINITY) {
    this.#text = text
    this.#end = text.length
    this.#spans = spans
    this.#spanDepth = spanDepth
  }

  parse(): unknown {
    try {
      this.#enterLine()
      if (this.#indent === -1) return null
      // A document marker with content behind it, or directives, are for the full parser.
      if (this.#indent === 0 && this.#text.startsWith('---', this.position)) return GAVE_UP
      this.rootStart = this.position
      const value = this.#block(-1)
      return this.#indent === -1 ? value : GAVE_UP
    } catch (error) {
      if (error === NOT_PLAIN) return GAVE_UP
      throw error
    }
  }

  // --- lines -------------------------------------------------------------------------------------------------------

  /** From the end of a line (white space and a comment may be left of it) to the next token. */
  #nextLine(): void {
    this.#skipSpaces()
    const code = this.#code()
    if (code === HASH) {
      const before = this.#text.charCodeAt(this.position - 1)
      if (before !== SPACE && before !== NEWLINE) throw NOT_PLAIN
      this.#toLineEnd()
    } else if (this.position < this.#end && code !== NEWLINE) throw NOT_PLAIN
    this.position++
    this.#enterLine()
  }

  /** From the start of a line to the next token, past blank and comment lines. */
  #enterLine(): void {
    this.#isAfterComment = false
    for (;;) {
      if (this.position >= this.#end) {
        this.position = this.#end
        this.#indent = -1
        return
      }
      this.#lineStart = this.position
      this.#skipSpaces()
      const code = this.#code()
      if (code === HASH) {
        this.#toLineEnd()
        this.#isAfterComment = true
      } else if (code === TAB) throw NOT_PLAIN
      else if (code !== NEWLINE && this.position < this.#end) {
        this.#indent = this.position - this.#lineStart
        return
      }
      this.position++
    }
  }

  #skipSpaces(): void {
    while (this.#text.charCodeAt(this.position) === SPACE) this.position++
  }

  #toLineEnd(): void {
    const newline = this.#text.indexOf('\n', this.position)
    this.position = newline === -1 ? this.#end : newline
  }

  /** NaN at the end. */
  #code(): number {
    return this.#text.charCodeAt(this.position)
  }

  /** White space, a line end or the end of the text at `at`. */
  #isBlankAt(at: number): boolean {
    const code = this.#text.charCodeAt(at)
    return code === SPACE || code === NEWLINE || at >= this.#end
  }

  #isDashEntry(): boolean {
    return this.#code() === DASH && this.#isBlankAt(this.position + 1)
  }

  // --- block collections: enter at a token, leave at the next one after the value ----------------------------------

  #block(parentIndent: number): unknown {
    if (++this.#depth > MAX_DEPTH) throw NOT_PLAIN
    const value = this.#blockNode(parentIndent)
    this.#depth--
    return value
  }

  #blockNode(parentIndent: number): unknown {
    const start = this.position
    const code = this.#code()
    if (code === DASH && this.#isBlankAt(start + 1)) return this.#sequence(this.#indent)
    if (code === DOUBLE_QUOTE || code === SINGLE_QUOTE) {
      const text = code === DOUBLE_QUOTE ? this.#doubleQuoted(parentIndent) : this.#singleQuoted(parentIndent)
      if (!this.#isMultiLine && this.#isKeyColon()) return this.#mapping(this.#indent, start, text)
      this.#nextLine()
      return text
    }
    if (code === BAR || code === OPEN_BRACE || code === OPEN_BRACKET) return this.#inline(parentIndent)
    const text = this.#plainPiece(false)
    if (this.#stop === STOP_COLON) return this.#mapping(this.#indent, start, plainKey(text))
    return this.#plainRest(text, parentIndent)
  }

  /** Stands after the first key, in front of its colon. */
  #mapping(column: number, firstStart: number, firstKey: string): Mapping {
    const mapping: Mapping = {}
    let keyStart = firstStart
    let key = firstKey
    for (;;) {
      if (Object.hasOwn(mapping, key) || key === '__proto__') throw NOT_PLAIN
      this.position++
      this.#isAfterComment = false
      const value = this.#mappingValue(column, mapping, key, keyStart)
      mapping[key] = value
      if (this.#indent < column) return mapping
      if (this.#indent > column || this.#isDashEntry()) throw NOT_PLAIN
      keyStart = this.position
      key = this.#key()
    }
  }

  /** Leaves in front of the colon. */
  #key(): string {
    const code = this.#code()
    if (code === DOUBLE_QUOTE || code === SINGLE_QUOTE) {
      const text = code === DOUBLE_QUOTE ? this.#doubleQuoted(-1) : this.#singleQuoted(-1)
      if (this.#isMultiLine || !this.#isKeyColon()) throw NOT_PLAIN
      return text
    }
    const text = this.#plainPiece(false)
    if (this.#stop !== STOP_COLON) throw NOT_PLAIN
    return plainKey(text)
  }

  /** After a quoted key: moves to its colon, or stays. */
  #isKeyColon(): boolean {
    let at = this.position
    while (this.#text.charCodeAt(at) === SPACE) at++
    if (this.#text.charCodeAt(at) !== COLON || !this.#isBlankAt(at + 1)) return false
    this.position = at
    return true
  }

  #mappingValue(column: number, mapping: Mapping, key: string, keyStart: number): unknown {
    this.#skipSpaces()
    const code = this.#code()
    let start = this.position
    let value: unknown = null
    if (code === NEWLINE || code === HASH || this.position >= this.#end) {
      this.#scalarEnd = start
      this.#nextLine()
      if (this.#indent > column) {
        start = this.position
        value = this.#block(column)
      } else if (this.#indent === column && this.#isDashEntry()) {
        start = this.position
        if (++this.#depth > MAX_DEPTH) throw NOT_PLAIN
        value = this.#sequence(column)
        this.#depth--
      }
    } else {
      if (code === DASH && this.#isBlankAt(start + 1)) throw NOT_PLAIN
      value = this.#inline(column)
    }
    if (this.#spans !== null && this.#depth <= this.#spanDepth) {
      recordSpan(this.#spans, mapping, key, { key: keyStart, start, end: Math.max(start, this.#scalarEnd) })
    }
    return value
  }

  #sequence(column: number): unknown[] {
    const items: unknown[] = []
    while (this.#indent === column && this.#isDashEntry()) {
      this.position++
      this.#isAfterComment = false
      this.#skipSpaces()
      const code = this.#code()
      let start = this.position
      let value: unknown = null
      if (code === NEWLINE || code === HASH || this.position >= this.#end) {
        this.#scalarEnd = start
        this.#nextLine()
        if (this.#indent > column) {
          start = this.position
          value = this.#block(column)
        }
      } else {
        this.#indent = this.position - this.#lineStart
        value = this.#block(column)
      }
      if (this.#spans !== null && this.#depth <= this.#spanDepth) {
        const end = Math.max(start, this.#scalarEnd)
        recordSpan(this.#spans, items, items.length, { key: start, start, end })
      }
      items.push(value)
    }
    if (this.#indent > column) throw NOT_PLAIN
    return items
  }

  /** A value that begins on the line of its key or dash and cannot be a block collection. */
  #inline(parentIndent: number): unknown {
    const code = this.#code()
    let value: unknown
    if (code === DOUBLE_QUOTE) value = this.#doubleQuoted(parentIndent)
    else if (code === SINGLE_QUOTE) value = this.#singleQuoted(parentIndent)
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) value = this.#flow(parentIndent)
    else if (code === BAR) return this.#literal(parentIndent)
    else {
      const text = this.#plainPiece(false)
      if (this.#stop === STOP_COLON) throw NOT_PLAIN
      return this.#plainRest(text, parentIndent)
    }
    this.#nextLine()
    return value
  }

  // --- scalars -----------------------------------------------------------------------------------------------------

  /** The part of a plain scalar on this line, trimmed (YAML 1.2.2 §7.3.3). */
  #plainPiece(isFlow: boolean): string {
    const text = this.#text
    const start = this.position
    const first = text.charCodeAt(start)
    if (!canStartPlain(first)) throw NOT_PLAIN
    if (first === DASH || first === QUESTION || first === COLON) {
      if (this.#isBlankAt(start + 1) || (isFlow && isFlowIndicator(text.charCodeAt(start + 1))))
        throw NOT_PLAIN
    }
    let at = start
    let stop = STOP_LINE
    for (; at < this.#end; at++) {
      const code = text.charCodeAt(at)
      // Everything of interest but braces and brackets is below `;`.
      if (code > COLON) {
        if (isFlow && isFlowIndicator(code)) {
          stop = STOP_FLOW
          break
        }
      } else if (code === NEWLINE) break
      else if (code === COLON) {
        if (this.#isBlankAt(at + 1) || (isFlow && isFlowIndicator(text.charCodeAt(at + 1)))) {
          stop = STOP_COLON
          break
        }
      } else if (code === HASH) {
        if (at > start && text.charCodeAt(at - 1) === SPACE) {
          stop = STOP_COMMENT
          break
        }
      } else if (code === TAB) throw NOT_PLAIN
      else if (code === COMMA && isFlow) {
        stop = STOP_FLOW
        break
      }
    }
    let last = at
    while (text.charCodeAt(last - 1) === SPACE) last--
    this.position = at
    this.#stop = stop
    this.#scalarEnd = last
    return text.slice(start, last)
  }

  /** Continuation lines of a plain scalar, then its type. */
  #plainRest(first: string, parentIndent: number): unknown {
    // The full parser (2.9) can read on too far when a comment stands between key and value.
    if (this.#isAfterComment) throw NOT_PLAIN
    if (this.#stop === STOP_COMMENT) {
      this.#nextLine()
      return resolvePlain(first)
    }
    let text = first
    for (;;) {
      let blank = -1
      let code: number
      do {
        this.position++
        this.#lineStart = this.position
        this.#skipSpaces()
        code = this.#code()
        if (code === TAB) throw NOT_PLAIN
        blank++
      } while (code === NEWLINE)
      const indent = this.position - this.#lineStart
      if (this.position >= this.#end || code === HASH || indent <= parentIndent) {
        this.position = this.#lineStart
        this.#enterLine()
        return text === first ? resolvePlain(text) : text
      }
      // `'` and the like may begin a continuation; that is rare enough for the full parser.
      const piece = this.#plainPiece(false)
      if (this.#stop === STOP_COLON) throw NOT_PLAIN
      text += (blank > 0 ? '\n'.repeat(blank) : ' ') + piece
      if (this.#stop === STOP_COMMENT) {
        this.#nextLine()
        return text
      }
    }
  }

  #singleQuoted(parentIndent: number): string {
    const text = this.#text
    let result = ''
    let from = this.position + 1
    this.#isMultiLine = false
    for (let at = from; ; at++) {
      const code = text.charCodeAt(at)
      if (code === SINGLE_QUOTE) {
        if (text.charCodeAt(at + 1) === SINGLE_QUOTE) {
          result += text.slice(from, at + 1)
          from = ++at + 1
        } else {
          this.position = at + 1
          this.#scalarEnd = this.position
          return from === at ? result : result + text.slice(from, at)
        }
      } else if (code === NEWLINE) {
        result += text.slice(from, at)
        this.position = at
        result += this.#fold(parentIndent)
        from = this.position
        at = from - 1
      } else if (at >= this.#end) throw NOT_PLAIN
    }
  }

  #doubleQuoted(parentIndent: number): string {
    const text = this.#text
    let result = ''
    let from = this.position + 1
    this.#isMultiLine = false
    for (let at = from; ; at++) {
      const code = text.charCodeAt(at)
      if (code === DOUBLE_QUOTE) {
        this.position = at + 1
        this.#scalarEnd = this.position
        return from === at ? result : result + text.slice(from, at)
      }
      if (code === BACKSLASH) {
        result += text.slice(from, at)
        const escape = text.charCodeAt(at + 1)
        if (escape === NEWLINE) {
          // An escaped line end joins the lines with nothing between (§7.3.1).
          this.position = at + 1
          if (this.#fold(parentIndent) !== ' ') throw NOT_PLAIN
          from = this.position
        } else {
          from = at + 2 + escapeDigits(escape)
          result += unescape(text, at + 1, from)
        }
        at = from - 1
      } else if (code === NEWLINE) {
        result += text.slice(from, at)
        this.position = at
        result += this.#fold(parentIndent)
        from = this.position
        at = from - 1
      } else if (at >= this.#end) throw NOT_PLAIN
    }
  }

  /** At a line end inside a quoted scalar: what it folds to (§6.5); moves to the text of the next line. */
  #fold(parentIndent: number): string {
    const before = this.#text.charCodeAt(this.position - 1)
    // White space in front of the line end is dropped, unless it was escaped: not worth telling apart here.
    if (before === SPACE || before === TAB) throw NOT_PLAIN
    this.#isMultiLine = true
    let blank = -1
    let code: number
    do {
      this.position++
      this.#lineStart = this.position
      this.#skipSpaces()
      code = this.#code()
      if (code === TAB) throw NOT_PLAIN
      blank++
    } while (code === NEWLINE)
    if (this.position >= this.#end || this.position - this.#lineStart <= parentIndent) throw NOT_PLAIN
    return blank > 0 ? '\n'.repeat(blank) : ' '
  }

  /** A `|` scalar (§8.1.2). */
  #literal(parentIndent: number): string {
    const text = this.#text
    this.position++
    let chomp = 0
    let indent = -1
    for (;;) {
      const code = this.#code()
      if (chomp === 0 && (code === DASH || code === 43)) chomp = code
      else if (indent === -1 && code >= 49 && code <= 57) {
        // Counted from the parent's column, which is none at the root.
        indent = Math.max(parentIndent, 0) + code - 48
      } else break
      this.position++
    }
    this.#skipSpaces()
    if (this.#code() !== NEWLINE) throw NOT_PLAIN
    this.position++
    let result = ''
    let blank = ''
    for (;;) {
      const lineStart = this.position
      let at = lineStart
      while (text.charCodeAt(at) === SPACE) at++
      const code = text.charCodeAt(at)
      const column = at - lineStart
      if (indent === -1 && code !== NEWLINE && at < this.#end && column > parentIndent && column > 0) {
        if (code === TAB) throw NOT_PLAIN
        indent = column
      }
      if (at >= this.#end) {
        // The text's last line without a line end, or nothing at all.
        if (column > 0) throw NOT_PLAIN
        this.position = this.#end
        break
      }
      if (code === NEWLINE && (indent === -1 || column <= indent)) {
        // Blank lines in front of the text may not be longer than its indent, which is not known yet.
        if (indent === -1 && column > 0) throw NOT_PLAIN
        blank += '\n'
        this.position = at + 1
        continue
      }
      if (indent === -1 || column < indent) {
        if (code === TAB) throw NOT_PLAIN
        this.position = lineStart
        break
      }
      const newline = text.indexOf('\n', at)
      if (newline === -1) throw NOT_PLAIN
      result += blank + text.slice(lineStart + indent, newline + 1)
      blank = ''
      this.position = newline + 1
    }
    this.#scalarEnd = this.position
    this.#enterLine()
    // A line that is indented but too little for the text.
    if (this.#indent > parentIndent && this.#indent > 0) throw NOT_PLAIN
    if (chomp === 43) return result + blank
    return chomp === DASH && result !== '' ? result.slice(0, -1) : result
  }

  // --- flow collections: leave after the closing bracket -----------------------------------------------------------

  #flow(parentIndent: number): unknown {
    if (++this.#depth > MAX_DEPTH) throw NOT_PLAIN
    const value =
      this.#code() === OPEN_BRACE ? this.#flowMapping(parentIndent) : this.#flowSequence(parentIndent)
    this.#depth--
    this.#scalarEnd = this.position
    return value
  }

  #flowMapping(parentIndent: number): Mapping {
    const mapping: Mapping = {}
    const isRecording = this.#spans !== null && this.#depth - 1 <= this.#spanDepth
    this.position++
    this.#skipFlow(parentIndent)
    while (this.#code() !== CLOSE_BRACE) {
      const keyStart = this.position
      const key = this.#flowKey(parentIndent)
      if (Object.hasOwn(mapping, key) || key === '__proto__') throw NOT_PLAIN
      this.position++
      this.#skipFlow(parentIndent)
      const start = this.position
      mapping[key] = this.#flowValue(parentIndent)
      if (isRecording) recordSpan(this.#spans, mapping, key, { key: keyStart, start, end: this.#scalarEnd })
      this.#flowSeparator(parentIndent, CLOSE_BRACE)
    }
    this.position++
    return mapping
  }

  #flowSequence(parentIndent: number): unknown[] {
    const items: unknown[] = []
    const isRecording = this.#spans !== null && this.#depth - 1 <= this.#spanDepth
    this.position++
    this.#skipFlow(parentIndent)
    while (this.#code() !== CLOSE_BRACKET) {
      const start = this.position
      const value = this.#flowValue(parentIndent)
      if (isRecording) {
        recordSpan(this.#spans, items, items.length, { key: start, start, end: this.#scalarEnd })
      }
      items.push(value)
      this.#flowSeparator(parentIndent, CLOSE_BRACKET)
    }
    this.position++
    return items
  }

  /** Leaves in front of the colon. */
  #flowKey(parentIndent: number): string {
    const code = this.#code()
    if (code === DOUBLE_QUOTE || code === SINGLE_QUOTE) {
      const text = code === DOUBLE_QUOTE ? this.#doubleQuoted(parentIndent) : this.#singleQuoted(parentIndent)
      if (this.#isMultiLine) throw NOT_PLAIN
      this.#skipSpaces()
      if (this.#code() !== COLON) throw NOT_PLAIN
      return text
    }
    const text = this.#plainPiece(true)
    if (this.#stop !== STOP_COLON) throw NOT_PLAIN
    return plainKey(text)
  }

  #flowValue(parentIndent: number): unknown {
    const code = this.#code()
    if (code === DOUBLE_QUOTE) return this.#doubleQuoted(parentIndent)
    if (code === SINGLE_QUOTE) return this.#singleQuoted(parentIndent)
    if (code === OPEN_BRACE || code === OPEN_BRACKET) return this.#flow(parentIndent)
    const text = this.#plainPiece(true)
    if (this.#stop === STOP_COLON) throw NOT_PLAIN
    return resolvePlain(text)
  }

  /** After a member: a comma or the closing bracket; stops in front of the next member or the bracket. */
  #flowSeparator(parentIndent: number, close: number): void {
    this.#skipFlow(parentIndent)
    const code = this.#code()
    if (code === COMMA) {
      this.position++
      this.#skipFlow(parentIndent)
    } else if (code !== close) throw NOT_PLAIN
  }

  /** White space, line ends and comments. Tabs only where no indentation counts, as in JSON. */
  #skipFlow(parentIndent: number): void {
    for (;;) {
      const code = this.#code()
      if (code === SPACE || (code === TAB && parentIndent < 0)) this.position++
      else if (code === NEWLINE) {
        this.position++
        this.#lineStart = this.position
      } else if (code === HASH) {
        const before = this.#text.charCodeAt(this.position - 1)
        if (before !== SPACE && before !== NEWLINE) throw NOT_PLAIN
        this.#toLineEnd()
      } else if (this.position >= this.#end) throw NOT_PLAIN
      else {
        if (this.position - this.#lineStart <= parentIndent) throw NOT_PLAIN
        return
      }
    }
  }
}
