/**
 * Reads the part of RE2 syntax that routes are usually written in, into a tree that can be reasoned about. What it
 * does not know (Unicode classes, POSIX classes, multi-line mode, literals beyond ASCII, …) is no error: the
 * answer is null and the expression runs on re2js, which has already checked it. Called by `translate.ts` only.
 */
import {
  ALL_CHARS,
  type CharSet,
  charRange,
  complement,
  DIGITS,
  foldCase,
  NEWLINE,
  NO_CHARS,
  SPACES,
  WORD_CHARS,
} from './char-set.ts'

export type Pattern =
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'begin' | 'end' | 'wordBoundary' | 'noWordBoundary' }
  | { readonly kind: 'sequence'; readonly items: readonly Pattern[] }
  | { readonly kind: 'choice'; readonly options: readonly Pattern[] }
  | { readonly kind: 'group'; readonly isCapture: boolean; readonly body: Pattern }
  | {
      readonly kind: 'repeat'
      readonly body: Pattern
      readonly min: number
      readonly max: number
      readonly isLazy: boolean
    }

/** The tree of a valid expression, null when it has something this reader does not know. */
export function parsePattern(source: string, caseInsensitive: boolean): Pattern | null {
  const reader = new PatternReader(source, caseInsensitive)
  const pattern = reader.choice()
  return reader.isWhole ? pattern : null
}

/** Anything else that begins with a brace stands for itself. */
const REPEAT = /\{(\d{1,4})(?:(,)(\d{0,4}))?\}/y

class PatternReader {
  readonly #source: string
  #at = 0
  #isUnknown = false
  #ignoreCase: boolean
  #dotAll = false

  constructor(source: string, caseInsensitive: boolean) {
    this.#source = source
    this.#ignoreCase = caseInsensitive
  }

  get isWhole(): boolean {
    return !this.#isUnknown && this.#at === this.#source.length
  }

  choice(): Pattern {
    const options = [this.#sequence()]
    while (this.#take('|')) options.push(this.#sequence())
    return options.length === 1 ? (options[0] as Pattern) : { kind: 'choice', options }
  }

  #sequence(): Pattern {
    const items: Pattern[] = []
    while (!this.#isUnknown && this.#at < this.#source.length) {
      const char = this.#source.charAt(this.#at)
      if (char === '|' || char === ')') break
      const atom = this.#atom()
      if (atom !== null) items.push(this.#repeated(atom))
    }
    return { kind: 'sequence', items }
  }

  /** Null: flags for what follows, or something unknown. */
  #atom(): Pattern | null {
    const char = this.#next()
    switch (char) {
      case '(':
        return this.#group()
      case '[':
        return { kind: 'set', set: this.#class() }
      case '.':
        return { kind: 'set', set: this.#dotAll ? ALL_CHARS : complement(NEWLINE) }
      case '^':
        return { kind: 'begin' }
      case '$':
        return { kind: 'end' }
      case '\\':
        return this.#escape()
      default:
        return { kind: 'set', set: this.#literal(char) }
    }
  }

  #group(): Pattern | null {
    let isCapture = true
    const ignoreCase = this.#ignoreCase
    const dotAll = this.#dotAll
    if (this.#take('?')) {
      isCapture = this.#take('P<') || this.#take('<')
      if (isCapture) {
        // Looking behind begins the same way.
        while (this.#at < this.#source.length && /\w/.test(this.#source.charAt(this.#at))) this.#at++
        if (!this.#take('>')) return this.#unknown()
      } else {
        const isRest = this.#flags()
        if (isRest === null) return this.#unknown()
        if (isRest) return null
      }
    }
    const body = this.choice()
    this.#ignoreCase = ignoreCase
    this.#dotAll = dotAll
    return this.#take(')') ? { kind: 'group', isCapture, body } : this.#unknown()
  }

  /** After `(?`: true for `(?i)`, false for `(?i:`, null for what is not flags. */
  #flags(): boolean | null {
    let isOn = true
    for (;;) {
      const char = this.#next()
      if (char === ')') return true
      if (char === ':') return false
      if (char === '-' && isOn) isOn = false
      else if (char === 'i') this.#ignoreCase = isOn
      else if (char === 's') this.#dotAll = isOn
      else return null
    }
  }

  #repeated(atom: Pattern): Pattern {
    let min = 0
    let max = Number.POSITIVE_INFINITY
    const char = this.#source.charAt(this.#at)
    if (char === '*') this.#at++
    else if (char === '+') {
      this.#at++
      min = 1
    } else if (char === '?') {
      this.#at++
      max = 1
    } else {
      REPEAT.lastIndex = this.#at
      const match = char === '{' ? REPEAT.exec(this.#source) : null
      if (match === null) return atom
      this.#at += match[0].length
      min = Number(match[1])
      if (match[2] === undefined) max = min
      else if (match[3] !== '') max = Number(match[3])
    }
    return { kind: 'repeat', body: atom, min, max, isLazy: this.#take('?') }
  }

  #escape(): Pattern | null {
    const char = this.#next()
    if (char === 'b') return { kind: 'wordBoundary' }
    if (char === 'B') return { kind: 'noWordBoundary' }
    if (char === 'A') return { kind: 'begin' }
    if (char === 'z') return { kind: 'end' }
    return { kind: 'set', set: this.#escaped(char) }
  }

  /** The characters of `\d` or `\.`, inside and outside of classes alike. */
  #escaped(char: string): CharSet {
    const isNegative = char === 'D' || char === 'W' || char === 'S'
    const set = ESCAPE_CLASSES.get(char.toLowerCase())
    if (set !== undefined) {
      const folded = this.#ignoreCase ? foldCase(set) : set
      return isNegative ? complement(folded) : folded
    }
    return this.#literal(this.#escapedChar(char))
  }

  /** The character that `\n`, `\x2f` or `\.` stands for. */
  #escapedChar(char: string): string {
    const control = ESCAPE_CONTROLS.get(char)
    if (control !== undefined) return control
    if (char === 'x') {
      const digits = this.#source.slice(this.#at, this.#at + 2)
      if (/^[0-9A-Fa-f]{2}$/.test(digits)) {
        this.#at += 2
        return String.fromCharCode(Number.parseInt(digits, 16))
      }
    }
    if (char === '' || /[A-Za-z0-9]/.test(char)) this.#unknown()
    return char
  }

  #literal(char: string): CharSet {
    const code = char === '' ? 128 : char.charCodeAt(0)
    if (code >= 128) {
      this.#unknown()
      return NO_CHARS
    }
    const set = charRange(code, code)
    return this.#ignoreCase ? foldCase(set) : set
  }

  #class(): CharSet {
    const isNegative = this.#take('^')
    let set = NO_CHARS
    for (let isFirst = true; isFirst || !this.#take(']'); isFirst = false) {
      if (this.#isUnknown || this.#at >= this.#source.length) {
        this.#unknown()
        return set
      }
      set |= this.#classItem(isFirst)
    }
    return isNegative ? complement(set) : set
  }

  #classItem(isFirst: boolean): CharSet {
    let char = this.#next()
    const after = this.#source.charAt(this.#at)
    if (char === '[' && after === ':') this.#unknown()
    // A dash in the middle that is no range is written by mistake as often as not.
    if (char === '-' && !isFirst && after !== ']') this.#unknown()
    if (char === '\\') {
      const escape = this.#next()
      if (ESCAPE_CLASSES.has(escape.toLowerCase())) return this.#escaped(escape)
      char = this.#escapedChar(escape)
    }
    if (this.#source.charAt(this.#at) !== '-' || this.#source.charAt(this.#at + 1) === ']') {
      return this.#literal(char)
    }
    this.#at++
    let high = this.#next()
    if (high === '\\') {
      const escape = this.#next()
      if (ESCAPE_CLASSES.has(escape.toLowerCase())) this.#unknown()
      else high = this.#escapedChar(escape)
    }
    const low = char.charCodeAt(0)
    const last = high.charCodeAt(0)
    if (!(low < 128 && last < 128 && low <= last)) this.#unknown()
    if (this.#isUnknown) return NO_CHARS
    const range = charRange(low, last)
    return this.#ignoreCase ? foldCase(range) : range
  }

  #next(): string {
    return this.#source.charAt(this.#at++)
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  #unknown(): null {
    this.#isUnknown = true
    return null
  }
}

const ESCAPE_CLASSES = new Map([
  ['d', DIGITS],
  ['w', WORD_CHARS],
  ['s', SPACES],
])

const ESCAPE_CONTROLS = new Map([
  ['a', '\x07'],
  ['f', '\f'],
  ['t', '\t'],
  ['n', '\n'],
  ['r', '\r'],
  ['v', '\v'],
])
