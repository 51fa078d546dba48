/**
 * Scalars of the plain parser: what may begin one, what type an unquoted one has (core schema, YAML 1.2.2 §10.3.2) and
 * what escapes stand for. Like the parser, these give up (throw `NOT_PLAIN`) instead of guessing.
 */

const TAB = 9
const DOUBLE_QUOTE = 34
const HASH = 35
const SINGLE_QUOTE = 39
const COMMA = 44
const DASH = 45
const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93
const OPEN_BRACE = 123
const BAR = 124
const CLOSE_BRACE = 125

/** Thrown to give up; one object, for its stack is of no interest. */
export const NOT_PLAIN = new Error('not plain YAML')

/** Indicators (§5.3) that cannot begin a plain scalar; `-`, `?` and `:` can before something that is not blank. */
export function canStartPlain(code: number): boolean {
  switch (code) {
    case TAB:
    case 33: // !
    case DOUBLE_QUOTE:
    case HASH:
    case 37: // %
    case 38: // &
    case SINGLE_QUOTE:
    case 42: // *
    case COMMA:
    case 62: // >
    case 64: // @
    case OPEN_BRACKET:
    case CLOSE_BRACKET:
    case 96: // `
    case OPEN_BRACE:
    case BAR:
    case CLOSE_BRACE:
      return false
    default:
      return !Number.isNaN(code)
  }
}

export function isFlowIndicator(code: number): boolean {
  return (
    code === COMMA ||
    code === OPEN_BRACKET ||
    code === CLOSE_BRACKET ||
    code === OPEN_BRACE ||
    code === CLOSE_BRACE
  )
}

const INTEGER = /^[-+]?[0-9]+$/
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/

/** The core schema's type of a plain scalar (§10.3.2). */
export function resolvePlain(text: string): unknown {
  const first = text.charCodeAt(0)
  // Digits, signs and the dot: numbers. `0x`, `0o`, `.inf`, `.nan` are left to the full parser.
  if ((first >= 48 && first <= 57) || first === DASH || first === 43 || first === 46) {
    const second = text.charCodeAt(1)
    if (first === 48 && (second === 120 || second === 111)) throw NOT_PLAIN
    if (text.length <= 32 && INTEGER.test(text)) return Number(text)
    if (text.length <= 6 && /^[-+]?\.(?:inf|nan)$/i.test(text)) throw NOT_PLAIN
    // Too long to be a number that anyone wrote; the expression is linear but the bound is free.
    if (text.length <= 64 && FLOAT.test(text)) return Number(text)
    if (text.length > 64 && /^[-+.0-9eE]*$/.test(text)) throw NOT_PLAIN
    return text
  }
  if (text.length > 5) return text
  switch (text) {
    case 'true':
    case 'True':
    case 'TRUE':
      return true
    case 'false':
    case 'False':
    case 'FALSE':
      return false
    case 'null':
    case 'Null':
    case 'NULL':
    case '~':
    case '':
      return null
    case '<<':
      throw NOT_PLAIN
    default:
      return text
  }
}

/** A plain key is the text of its value; one that would change by that (`True`, `1.0`, `~`, the merge key) is left. */
export function plainKey(text: string): string {
  const value = resolvePlain(text)
  if (typeof value !== 'string' && String(value) !== text) throw NOT_PLAIN
  if (value === null) throw NOT_PLAIN
  return text
}

/** Hexadecimal digits after the letter of an escape. */
export function escapeDigits(code: number): number {
  if (code === 117) return 4 // u
  return code === 120 ? 2 : 0 // x
}

/** `from` is the offset of the escape's letter, `to` the end of the escape (§5.7). */
export function unescape(text: string, from: number, to: number): string {
  switch (text.charAt(from)) {
    case 'n':
      return '\n'
    case '"':
      return '"'
    case '\\':
      return '\\'
    case '/':
      return '/'
    case 't':
      return '\t'
    case 'r':
      return '\r'
    case 'b':
      return '\b'
    case 'f':
      return '\f'
    case ' ':
      return ' '
    case 'u':
    case 'x': {
      const digits = text.slice(from + 1, to)
      if (to > text.length || !/^[0-9a-fA-F]+$/.test(digits)) throw NOT_PLAIN
      return String.fromCharCode(Number.parseInt(digits, 16))
    }
    default:
      throw NOT_PLAIN
  }
}
