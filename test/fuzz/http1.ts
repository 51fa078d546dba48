/**
 * Fuzzes the HTTP/1.1 codec: mutated attack cases and valid messages, both sides, with small limits now and then. An input with
 * an outcome that has not been seen is kept and mutated further.
 *
 * Invariants: nothing throws; indexes stay in range; any split gives the same events; what is accepted matches the
 * grammar of RFC 9112 as regular expressions state it, independently of the readers; both ways to serialize agree; what goes out reads as
 * what came in; no edit can add a line; a chunked body is what a plain decoder says.
 */
import assert from 'node:assert/strict'
import { BODY_CHUNKED, BodyReader } from '#wire/http1/body-reader.ts'
import { Head } from '#wire/http1/head.ts'
import { DEFAULT_HEAD_LIMITS, HeadReader, type HeadLimits } from '#wire/http1/head-reader.ts'
import { knownNameId } from '#wire/http1/known-names.ts'
import { ATTACKS } from '../wire/attacks/all.ts'
import { describeHead, everyByte, runCodec, type Cuts } from '../wire/codec-driver.ts'
import { mutate } from './http1-mutations.ts'
import type { Random } from './random.ts'
import type { FuzzTarget } from './target.ts'

interface Seed {
  readonly side: 'client' | 'backend'
  readonly method: string
  readonly text: string
}

/** Seeds beyond the attack cases, kept for new outcomes. */
const MAX_KEPT = 4000
const SMALL_LIMITS: HeadLimits = { maxHeadBytes: 96, maxFields: 3 }

const REQUEST_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [!"$-~]+ HTTP\/1\.[01]\r\n/
const STATUS_LINE = /^HTTP\/1\.[01] [1-9][0-9]{2}(?: [\t -~\x80-\xff]*)?\r\n/
const FIELDS = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n)*\r\n$/
const CHUNK =
  /^([0-9A-Fa-f]{1,16})(?:[ \t]*;[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:[ \t]*=[ \t]*(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)*\r\n/
const TRAILERS = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n)*\r\n/

export class Http1Fuzz implements FuzzTarget {
  readonly name = 'http1'
  readonly #kept: Seed[] = []
  readonly #outcomes = new Set<string>()
  readonly #seeds: readonly Seed[]
  #last: Seed | null = null

  constructor() {
    this.#seeds = ATTACKS.filter((one) => one.bytes.length < 4096).map((one) => ({
      side: one.side,
      method: one.method ?? 'GET',
      text: one.bytes,
    }))
  }

  describe(): string {
    if (this.#last === null) return 'nothing was run'
    const { side, method, text } = this.#last
    return `${side} (${method})\ntext: ${JSON.stringify(text)}\nhex:  ${Buffer.from(text, 'latin1').toString('hex')}`
  }

  run(random: Random): void {
    const seed = this.#pick(random)
    const input: Seed = { ...seed, text: mutate(seed.text, this.#pick(random).text, random) }
    this.#last = input
    const bytes = Buffer.from(input.text, 'latin1')
    const limits = random.once(8) ? SMALL_LIMITS : DEFAULT_HEAD_LIMITS
    const { side, method } = input
    const visit = (head: Head): void => checkHead(head, side, limits, random)
    const whole = runCodec(side, bytes, { method, limits, visit })
    const cuts =
      bytes.length < 200 && random.once(4) ? everyByte(bytes.length) : randomCuts(bytes.length, random)
    const pieces = runCodec(side, bytes, { method, limits, cuts })
    assert.deepEqual(pieces, whole, 'a split changed the outcome')
    if (random.once(3)) checkChunks(input.text, random)
    const key = `${side} ${whole.code} ${whole.expect} ${whole.messages} ${whole.events.length}`
    if (!this.#outcomes.has(key) || random.once(200)) {
      this.#outcomes.add(key)
      if (this.#kept.length < MAX_KEPT) this.#kept.push(input)
      else this.#kept[random.below(MAX_KEPT)] = input
    }
  }

  #pick(random: Random): Seed {
    return this.#kept.length > 0 && random.once(2) ? random.pick(this.#kept) : random.pick(this.#seeds)
  }
}

function randomCuts(length: number, random: Random): Cuts {
  return Array.from({ length: random.below(4) }, () => random.below(length + 1)).sort((a, b) => a - b)
}

function checkHead(head: Head, side: 'client' | 'backend', limits: HeadLimits, random: Random): void {
  const { text } = head
  const startLine = (side === 'client' ? REQUEST_LINE : STATUS_LINE).exec(text)
  assert.ok(startLine !== null, 'accepted a start line against the grammar')
  assert.equal(head.fieldsStart, startLine[0].length)
  assert.ok(FIELDS.test(text.slice(head.fieldsStart)), 'accepted fields against the grammar')
  assert.ok(
    text.length <= limits.maxHeadBytes && head.fieldCount <= limits.maxFields,
    'accepted beyond a limit',
  )
  checkMeaning(head, text.slice(head.fieldsStart), side)
  for (let i = 0; i < head.fieldCount; i++) assert.equal(head.ids[i], knownNameId(head.name(i)))
  assert.equal(head.serializeFields(), head.serializeFieldsSlow())
  const again = readAgain(`${startLine[0]}${head.serializeFields()}\r\n`, side)
  if (head.goneCount === 0)
    assert.equal(describeHead(again), describeHead(head), 'what goes out reads differently')

  // Edits, on the copy: the proxy removes what it likes and appends what others made up.
  for (let i = 0; i < again.fieldCount; i++) if (again.ids[i] !== 1 && random.once(3)) again.removeAt(i)
  const value = Array.from({ length: random.below(8) }, () => String.fromCharCode(random.below(0x180))).join(
    '',
  )
  again.append('X-Appended', value)
  assert.equal(again.serializeFields(), again.serializeFieldsSlow())
  const edited = readAgain(`${startLine[0]}${again.serializeFields()}\r\n`, side)
  assert.equal(edited.fieldCount, again.fieldCount - again.goneCount + 1, 'an edit added or lost a line')
}

/** The facts that framing and routing hang on, computed from the text in the plainest way. */
function checkMeaning(head: Head, lines: string, side: 'client' | 'backend'): void {
  const valuesOf = (name: string): string[] =>
    lines
      .split('\r\n')
      .map((line) => /^([^:]*):[ \t]*(.*?)[ \t]*$/.exec(line))
      .flatMap((match) => (match !== null && match[1]!.toLowerCase() === name ? [match[2]!] : []))
  const codings = valuesOf('transfer-encoding')
  const lengths = valuesOf('content-length')
  assert.ok(codings.length + lengths.length <= 1, 'accepted two framing fields')
  for (const coding of codings) assert.equal(coding.toLowerCase(), 'chunked')
  for (const length of lengths) assert.match(length, /^[0-9]+$/)
  const hasNoBody = side === 'backend' && (head.status < 200 || head.status === 204)
  assert.equal(head.isChunked, codings.length === 1 && !hasNoBody)
  assert.equal(head.contentLength, lengths.length === 1 && !hasNoBody ? Number(lengths[0]) : -1)
  const tokens = valuesOf('connection').flatMap((value) =>
    value.split(',').map((token) => token.trim().toLowerCase()),
  )
  if (tokens.includes('close')) assert.equal(head.keepAlive, false)
  assert.deepEqual(
    head.connectionTokens,
    tokens.filter((token) => token !== '' && token !== 'close' && token !== 'keep-alive'),
  )
  if (side === 'backend') return
  const hosts = valuesOf('host')
  assert.ok(
    hosts.length === 1 || (hosts.length === 0 && head.minorVersion === 0),
    'accepted a number of hosts',
  )
  if (head.targetForm === 0) assert.equal(head.host, hosts[0] ?? '')
  if (head.targetForm === 0) assert.equal(head.path + head.query, head.target)
}

function readAgain(text: string, side: 'client' | 'backend'): Head {
  const head = new Head()
  const bytes = Buffer.from(text, 'latin1')
  const limits = { maxHeadBytes: bytes.length, maxFields: 200 }
  const result = new HeadReader(side === 'client' ? 'request' : 'response', limits).read(
    bytes,
    0,
    bytes.length,
    head,
  )
  assert.equal(result, bytes.length, `what goes out is refused (${result}): ${JSON.stringify(text)}`)
  return head
}

/** Reads what stands behind the first head as chunks and compares with a decoder that knows nothing of states. */
function checkChunks(text: string, random: Random): void {
  const coded = text.slice(text.indexOf('\r\n\r\n') + 4)
  const bytes = Buffer.from(coded, 'latin1')
  const reader = new BodyReader()
  reader.start(BODY_CHUNKED, 0)
  let body = ''
  const sink = {
    onBody(buffer: Buffer, start: number, end: number): void {
      body += buffer.toString('latin1', start, end)
    },
  }
  let at = 0
  for (const end of [...randomCuts(bytes.length, random), bytes.length]) {
    const result = reader.read(bytes, at, end, sink)
    if (result < 0) break
    at = result
    if (reader.isDone) break
    assert.equal(at, end)
  }
  const expected = decodeChunks(coded)
  assert.equal(reader.isDone, expected !== null, `chunked body: ${JSON.stringify(coded)}`)
  if (expected === null) return
  assert.equal(body, expected.body)
  assert.equal(at, expected.end)
}

/** Null when the text does not start with a complete chunked body. */
function decodeChunks(text: string): { readonly body: string; readonly end: number } | null {
  let at = 0
  let body = ''
  for (;;) {
    const line = CHUNK.exec(text.slice(at))
    if (line === null) return null
    // The limit of extensions in one line; a body of many lines cannot be long enough here for the other one.
    if (line[0].length - line[1]!.length - 2 > 1024) return null
    const size = Number.parseInt(line[1]!, 16)
    at += line[0].length
    if (size === 0) break
    if (size > text.length || text.slice(at + size, at + size + 2) !== '\r\n') return null
    body += text.slice(at, at + size)
    at += size + 2
  }
  const trailers = TRAILERS.exec(text.slice(at))
  return trailers === null || trailers[0].split('\r\n').length > 102
    ? null
    : { body, end: at + trailers[0].length }
}
