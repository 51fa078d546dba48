/**
 * The head of one request or response: the text as it came and where each part of it stands (RFC 9112 §§2–5). Filled by
 * HeadReader, then read and edited by the proxy, pooled by its owner and used again. Nothing is made into an object that nobody
 * asked for: names and values are slices of `text` on demand.
 *
 * Edits do not touch `text`: a removed field is marked, a new one is appended as text. What goes out is therefore a few contiguous
 * slices. No edit can add a line: control characters in a value become spaces (RFC 9110 §5.5).
 */
import { TOKEN } from './char-class.ts'
import { knownNameId } from './known-names.ts'

/** Forms of a request target (RFC 9112 §3.2). */
export const TARGET_ORIGIN = 0
export const TARGET_ABSOLUTE = 1
export const TARGET_AUTHORITY = 2
export const TARGET_ASTERISK = 3

const NO_TOKENS: readonly string[] = Object.freeze([])
/** Fields that fit before the arrays grow; a browser sends about fifteen. */
const INITIAL_FIELDS = 32

export class Head {
  /** Latin1: start line to the final CRLF CRLF. */
  text = ''
  /** Index in `text` of the first field line. */
  fieldsStart = 0
  fieldCount = 0
  /** Four for each field: nameStart, nameEnd, valueStart, valueEnd; indexes in `text`; the value without white space around it. */
  spans: Int32Array = new Int32Array(INITIAL_FIELDS * 4)
  /** Id (known-names.ts) of each field, 0 unknown. */
  ids: Uint8Array = new Uint8Array(INITIAL_FIELDS)
  /** 1 for each field that was removed. */
  gone: Uint8Array = new Uint8Array(INITIAL_FIELDS)
  /** How many of `gone` are set. */
  goneCount = 0
  /** Field lines added by edits. */
  appended = ''
  /** Bit id of ids 0…30 and bit id - 31 of ids 31…61: which occur in the text at all. */
  seenLow = 0
  seenHigh = 0
  /** NOTED_ bits (field-meaning.ts) while the head is being read. */
  noted = 0

  /** Request. One shared string for each common method. */
  method = ''
  targetStart = 0
  targetEnd = 0
  /** Index of the first `?` of the target, 0 when it has none. */
  queryStart = 0
  targetForm: number = TARGET_ORIGIN
  /** As sent, without the query; `/` for an absolute form without path, `*` for the asterisk form, `` for CONNECT. */
  path = ''
  /** With its `?`, or ``. */
  query = ''
  /** Authority as sent: of an absolute-form or CONNECT target, else the Host value; `` for HTTP/1.0 without one. */
  host = ''

  /** Response. */
  status = 0
  reasonStart = 0

  minorVersion: 0 | 1 = 1
  /** -1 when there is none. */
  contentLength = -1
  isChunked = false
  /** By version and Connection: the sender will take, or send, another message on this connection. */
  keepAlive = true
  hasConnectionField = false
  /** Lower-case tokens of Connection other than close and keep-alive. */
  connectionTokens: readonly string[] = NO_TOKENS
  /** Connection lists `upgrade` and there is an Upgrade field. */
  wantsUpgrade = false
  expectContinue = false

  get target(): string {
    return this.text.slice(this.targetStart, this.targetEnd)
  }

  get reason(): string {
    // Both empty forms are read: `HTTP/1.1 200 ` and, against the grammar but harmless, `HTTP/1.1 200`.
    return this.reasonStart === 0 ? '' : this.text.slice(this.reasonStart, this.fieldsStart - 2)
  }

  reset(): void {
    this.text = ''
    this.fieldsStart = 0
    if (this.goneCount !== 0) {
      this.gone.fill(0, 0, this.fieldCount)
      this.goneCount = 0
    }
    this.fieldCount = 0
    this.appended = ''
    this.seenLow = 0
    this.seenHigh = 0
    this.noted = 0
    this.method = ''
    this.targetStart = 0
    this.targetEnd = 0
    this.queryStart = 0
    this.targetForm = TARGET_ORIGIN
    this.path = ''
    this.query = ''
    this.host = ''
    this.status = 0
    this.reasonStart = 0
    this.minorVersion = 1
    this.contentLength = -1
    this.isChunked = false
    this.keepAlive = true
    this.hasConnectionField = false
    this.connectionTokens = NO_TOKENS
    this.wantsUpgrade = false
    this.expectContinue = false
  }

  /** Name of field `index` as sent. */
  name(index: number): string {
    return this.text.slice(this.spans[index * 4], this.spans[index * 4 + 1])
  }

  value(index: number): string {
    return this.text.slice(this.spans[index * 4 + 2], this.spans[index * 4 + 3])
  }

  /** First field with this known id that was not removed, -1 when there is none. Appended fields have no index. */
  indexOf(id: number): number {
    if (!this.hasSeen(id)) return -1
    const count = this.fieldCount
    for (let i = 0; i < count; i++) if (this.ids[i] === id && this.gone[i] === 0) return i
    return -1
  }

  removeAt(index: number): void {
    if (this.gone[index] !== 0) return
    this.gone[index] = 1
    this.goneCount++
  }

  /** Removes the fields with this known id that came with the text. */
  removeId(id: number): void {
    if (!this.hasSeen(id)) return
    const count = this.fieldCount
    for (let i = 0; i < count; i++) if (this.ids[i] === id) this.removeAt(i)
  }

  /** One or more complete field lines, `Name: value CRLF` each. The caller answers for them: latin1, no control characters. */
  appendRaw(lines: string): void {
    this.appended += lines
  }

  get(name: string): string | undefined {
    const id = knownNameId(name)
    if (id === 0 || this.hasSeen(id)) {
      const count = this.fieldCount
      for (let i = 0; i < count; i++) if (this.matches(i, id, name)) return this.value(i)
    }
    return this.appended === '' ? undefined : valuesInLines(this.appended, name)[0]
  }

  getAll(name: string): string | undefined {
    const id = knownNameId(name)
    let all: string | undefined
    if (id === 0 || this.hasSeen(id)) {
      const count = this.fieldCount
      for (let i = 0; i < count; i++) {
        if (this.matches(i, id, name)) all = all === undefined ? this.value(i) : `${all}, ${this.value(i)}`
      }
    }
    if (this.appended === '') return all
    const more = valuesInLines(this.appended, name)
    if (more.length === 0) return all
    return all === undefined ? more.join(', ') : `${all}, ${more.join(', ')}`
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  remove(name: string): void {
    const id = knownNameId(name)
    if (id === 0 || this.hasSeen(id)) {
      const count = this.fieldCount
      for (let i = 0; i < count; i++) if (this.matches(i, id, name)) this.removeAt(i)
    }
    if (this.appended !== '') this.appended = linesWithout(this.appended, name)
  }

  set(name: string, value: string): void {
    this.remove(name)
    this.append(name, value)
  }

  /** Throws when `name` is not a token: names come from configuration, which has been checked, never from a peer. */
  append(name: string, value: string): void {
    if (!isToken(name)) throw new TypeError(`field name ${JSON.stringify(name)} is not a token`)
    this.appended += `${name}: ${cleanValue(value)}\r\n`
  }

  forEach(visit: (name: string, value: string) => void): void {
    const count = this.fieldCount
    for (let i = 0; i < count; i++) if (this.gone[i] === 0) visit(this.name(i), this.value(i))
    if (this.appended !== '') forEachLine(this.appended, visit)
  }

  /** The field lines that remain, then the appended ones, without the final CRLF. White space around values stays as sent. */
  serializeFields(): string {
    const { text, fieldCount: count } = this
    const fieldsEnd = text.length - 2
    if (this.goneCount === 0) return text.slice(this.fieldsStart, fieldsEnd) + this.appended
    let out = ''
    let i = 0
    while (i < count) {
      if (this.gone[i] !== 0) {
        i++
        continue
      }
      const from = this.spans[i * 4]!
      while (i < count && this.gone[i] === 0) i++
      out += text.slice(from, i === count ? fieldsEnd : this.spans[i * 4]!)
    }
    return out + this.appended
  }

  /** The same bytes, field by field: the oracle of `serializeFields`, and in use with SEKISHO_FAST_PATH=0. */
  serializeFieldsSlow(): string {
    const lines: string[] = []
    for (let i = 0; i < this.fieldCount; i++) {
      if (this.gone[i] !== 0) continue
      const valueEnd = this.spans[i * 4 + 3]!
      const before = this.text.slice(this.spans[i * 4 + 1]! + 1, this.spans[i * 4 + 2])
      const after = this.text.slice(valueEnd, this.text.indexOf('\r', valueEnd))
      lines.push(`${this.name(i)}:${before}${this.value(i)}${after}\r\n`)
    }
    return lines.join('') + this.appended
  }

  /** Room for `fields` fields. */
  grow(fields: number): void {
    const size = Math.max(fields, this.ids.length * 2)
    const spans = new Int32Array(size * 4)
    spans.set(this.spans)
    this.spans = spans
    const ids = new Uint8Array(size)
    ids.set(this.ids)
    this.ids = ids
    const gone = new Uint8Array(size)
    gone.set(this.gone)
    this.gone = gone
  }

  /** False when no field of the text has this id (1…62). */
  hasSeen(id: number): boolean {
    return (id < 31 ? (this.seenLow >>> id) & 1 : (this.seenHigh >>> (id - 31)) & 1) === 1
  }

  matches(index: number, id: number, name: string): boolean {
    if (this.gone[index] !== 0 || this.ids[index] !== id) return false
    if (id !== 0 && id < FIRST_VARIANT) return true
    const start = this.spans[index * 4]!
    return (
      this.spans[index * 4 + 1]! - start === name.length &&
      this.text.slice(start, start + name.length).toLowerCase() === name.toLowerCase()
    )
  }
}

/** Ids from here on are classes of names (known-names.ts). */
const FIRST_VARIANT = 61

function isToken(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code > 0x7f || TOKEN[code] === 0) return false
  }
  return name !== ''
}

/**
 * Makes any text safe as a field value. Characters above U+00FF must not reach a latin1 write, which would cut U+010A to a line
 * feed: such a text is sent as UTF-8.
 */
export function cleanValue(value: string): string {
  let isClean = true
  let isWide = false
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code > 0xff) isWide = true
    else if ((code < 0x20 && code !== 0x09) || code === 0x7f) isClean = false
  }
  if (isClean && !isWide) return value
  const latin1 = isWide ? Buffer.from(value, 'utf8').toString('latin1') : value
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return latin1.replace(/[\0-\x08\x0a-\x1f\x7f]/g, ' ')
}

function forEachLine(
  lines: string,
  visit: (name: string, value: string, start: number, end: number) => void,
): void {
  let start = 0
  while (start < lines.length) {
    const end = lines.indexOf('\r\n', start)
    const colon = lines.indexOf(':', start)
    visit(lines.slice(start, colon), lines.slice(colon + 1, end).trim(), start, end + 2)
    start = end + 2
  }
}

function valuesInLines(lines: string, name: string): string[] {
  const wanted = name.toLowerCase()
  const values: string[] = []
  forEachLine(lines, (name, value) => {
    if (name.toLowerCase() === wanted) values.push(value)
  })
  return values
}

function linesWithout(lines: string, name: string): string {
  const unwanted = name.toLowerCase()
  let kept = ''
  forEachLine(lines, (name, _value, start, end) => {
    if (name.toLowerCase() !== unwanted) kept += lines.slice(start, end)
  })
  return kept
}
