/**
 * One YAML or JSON document to plain data, with the places of what is wrong and, on demand, of every value. The quick
 * parser does what it can; the `yaml` package does the rest and words all errors. Schema: core of YAML 1.2 (`yes` and
 * `on` are strings), merge keys (`<<`) understood, duplicate keys are errors, aliases bounded. Called by the providers
 * that read files.
 */
import { lazyModule } from '#lib/lazy-module.ts'
import type { Document, Node } from 'yaml'
import { GAVE_UP, PlainParser } from './plain-parser.ts'
import type { Span, SpanTable, YamlPath } from './spans.ts'

const yaml = lazyModule<typeof import('yaml')>('yaml')

/** Values that aliases may expand to, so that a few lines cannot become gigabytes. */
const MAX_ALIASES = 1000

/** Longest document for the full parser, in UTF-16 units: it holds the thread for a second per megabyte or two. */
const MAX_FULL_LENGTH = 2 * 1024 * 1024

export interface YamlProblem {
  /** Lower case, no trailing dot. */
  readonly message: string
  readonly offset: number
}

export interface ParsedYaml {
  /** Null for an empty document and where there is a problem. */
  readonly value: unknown
  /** Offset of the root value. */
  readonly start: number
  /** Undefined: the value is whole. */
  readonly problem: YamlProblem | undefined
}

/**
 * @param text one document as `splitDocuments` cuts them
 * @param spans filled with places down to `spanDepth`, unless there is a problem
 */
export function parseYaml(text: string, spans: SpanTable | null = null, spanDepth?: number): ParsedYaml {
  const plain = new PlainParser(text, spans, spanDepth)
  const value = plain.parse()
  if (value !== GAVE_UP) return { value, start: plain.rootStart, problem: undefined }
  spans?.clear()
  if (text.length > MAX_FULL_LENGTH) {
    const message = `cannot be read: the document is longer than ${MAX_FULL_LENGTH >>> 20} MiB and has an error or unusual YAML (anchor, tag, folded text) about here`
    return { value: null, start: 0, problem: { message, offset: plain.position } }
  }
  return new FullDocument(text).parsed(spans)
}

/** A document that was parsed to find places in it. Keep it briefly: it holds a table of every value. */
export class LocatedYaml {
  readonly text: string
  readonly #value: unknown
  readonly #start: number
  readonly #spans: SpanTable = new Map()

  constructor(text: string) {
    this.text = text
    const parsed = parseYaml(text, this.#spans)
    this.#value = parsed.value
    this.#start = parsed.start
  }

  /** Span of the value at `path`, or of its nearest ancestor that is in the text itself. */
  span(path: YamlPath): Span {
    let span: Span = { key: this.#start, start: this.#start, end: this.#start }
    let value = this.#value
    for (const member of path) {
      if (typeof value !== 'object' || value === null) break
      const found = this.#spans.get(value)?.get(member)
      if (found === undefined) break
      span = found
      value = (value as Record<number | string, unknown>)[member]
    }
    return span
  }

  /** The text of the scalar at `path`, as it is written, without quotes being resolved; undefined if not there. */
  source(path: YamlPath): string | undefined {
    const parent = this.span(path.slice(0, -1))
    const span = this.span(path)
    return span === parent ? undefined : this.text.slice(span.start, span.end)
  }
}

/** The slow way. */
class FullDocument {
  readonly #text: string
  readonly #document: Document.Parsed | undefined
  /** Offset of a key that its mapping has already; -1: none. */
  #duplicateKeyAt = -1
  #failure = ''

  constructor(text: string) {
    this.#text = text
    try {
      this.#document = yaml().parseDocument(text, {
        prettyErrors: false,
        merge: true,
        logLevel: 'silent',
        // Its own check compares every key with every other: half a minute for twenty thousand.
        uniqueKeys: false,
      })
      this.#duplicateKeyAt = duplicateKeyIn(this.#document.contents)
    } catch (error) {
      // Nesting deeper than the stack.
      this.#failure = messageOf(error)
    }
  }

  parsed(spans: SpanTable | null): ParsedYaml {
    const document = this.#document
    if (document === undefined) return this.#failed(this.#failure, 0)
    // The first error usually causes the rest.
    const [error] = document.errors
    if (error !== undefined) return this.#failed(error.message, this.#visible(error.pos[0]))
    if (this.#duplicateKeyAt >= 0) return this.#failed('map keys must be unique', this.#duplicateKeyAt)
    const start = document.contents?.range?.[0] ?? 0
    try {
      const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES })
      if (spans !== null) this.#record(spans, document.contents, value)
      return { value, start, problem: undefined }
    } catch (error) {
      return this.#failed(messageOf(error), start)
    }
  }

  #failed(message: string, offset: number): ParsedYaml {
    return { value: null, start: 0, problem: { message: sentence(message), offset } }
  }

  /** Errors at the very end stand after the last line; point at its last character instead. */
  #visible(offset: number): number {
    let at = Math.min(offset, this.#text.length)
    if (at === this.#text.length) while (at > 0 && this.#text.charAt(at - 1).trim() === '') at--
    return at
  }

  /** Walks nodes and values side by side; what aliases and merge keys bring has no place of its own. */
  #record(spans: SpanTable, node: Node | null, value: unknown): void {
    if (typeof value !== 'object' || value === null || !yaml().isCollection(node) || spans.has(value)) return
    const members = new Map<number | string, Span>()
    spans.set(value, members)
    for (const [index, item] of node.items.entries()) {
      if (yaml().isSeq(node)) {
        const span = nodeSpan(item)
        if (span !== undefined) members.set(index, span)
        this.#record(spans, resolved(item, this.#document), (value as unknown[])[index])
      } else if (yaml().isMap(node) && yaml().isPair(item) && yaml().isScalar(item.key)) {
        const key = String(item.key.value)
        const at = item.key.range?.[0] ?? 0
        const span = nodeSpan(item.value)
        members.set(key, { key: at, start: span?.start ?? at, end: span?.end ?? at })
        this.#record(spans, resolved(item.value, this.#document), (value as Record<string, unknown>)[key])
      }
    }
  }
}

/** Offset of the first key, in the order of the text, that stands in a mapping twice; -1 when there is none. */
function duplicateKeyIn(node: unknown): number {
  if (!yaml().isCollection(node)) return -1
  const keys = new Set<unknown>()
  for (const item of node.items) {
    const key = yaml().isPair(item) ? item.key : undefined
    if (yaml().isScalar(key)) {
      if (keys.has(key.value)) return key.range?.[0] ?? 0
      keys.add(key.value)
    }
    for (const child of yaml().isPair(item) ? [key, item.value] : [item]) {
      const found = duplicateKeyIn(child)
      if (found >= 0) return found
    }
  }
  return -1
}

function resolved(node: unknown, document: Document.Parsed | undefined): Node | null {
  if (yaml().isAlias(node)) return (document === undefined ? undefined : node.resolve(document)) ?? null
  return (node as Node | null) ?? null
}

function nodeSpan(node: unknown): Span | undefined {
  const range = (node as Node | null)?.range
  return range ? { key: range[0], start: range[0], end: range[1] } : undefined
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The package writes sentences; findings are lower case without a dot. */
function sentence(message: string): string {
  if (/call stack/i.test(message)) return 'nested too deeply'
  const line = message.split('\n', 1)[0]!.replace(/[.:\s]+$/, '')
  return /^[A-Z][a-z]/.test(line) ? line.charAt(0).toLowerCase() + line.slice(1) : line
}
