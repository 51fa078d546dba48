/**
 * Cuts a YAML stream into its documents without parsing them (YAML 1.2.2 §9.1). A line that begins with `---` or `...`
 * followed by white space or the end ends whatever is open, block scalars and quoted strings included (§6.7, rule
 * c-forbidden), so looking at line starts is exact. That lets each document be hashed, kept or reported alone: a broken
 * one does not take the rest of its file down. The text must have `\n` line ends.
 */

const NEWLINE = 10
const HASH = 35
const PERCENT = 37
const DASH = 45
const DOT = 46

/** One document: a slice of the stream. `text` leaves out a `---` line that holds nothing else. */
export interface DocumentText {
  readonly text: string
  /** Line of the stream that `text` starts on, from 1. */
  readonly line: number
}

/** The documents that have content; those of comments and blank lines alone are left out. */
export function splitDocuments(stream: string): DocumentText[] {
  const documents: DocumentText[] = []
  const end = stream.length
  let start = 0
  let startLine = 1
  let hasContent = false
  /** Directives seen since the last document: they belong to the next one. */
  let hasDirective = false
  let line = 1
  for (let at = 0; at < end; line++) {
    const next = lineEnd(stream, at)
    const code = stream.charCodeAt(at)
    if ((code === DASH || code === DOT) && isMarker(stream, at, code)) {
      if (hasContent) documents.push({ text: stream.slice(start, at), line: startLine })
      const hasInline = code === DASH && isContent(stream, at + 3, next)
      if (code === DOT) {
        start = next
        startLine = line + 1
        hasDirective = false
      } else if (hasInline || (hasDirective && !hasContent)) {
        // The marker line belongs to the document; so do directives in front of it.
        if (!hasDirective || hasContent) {
          start = at
          startLine = line
        }
        hasDirective = false
      } else {
        start = next
        startLine = line + 1
      }
      hasContent = hasInline
    } else if (code === PERCENT && !hasContent) {
      if (!hasDirective) {
        start = at
        startLine = line
        hasDirective = true
      }
    } else if (!hasContent && isContent(stream, at, next)) {
      hasContent = true
    }
    at = next
  }
  if (hasContent) documents.push({ text: stream.slice(start), line: startLine })
  return documents
}

/** Offset after the line's newline, or the end. */
function lineEnd(stream: string, at: number): number {
  const newline = stream.indexOf('\n', at)
  return newline === -1 ? stream.length : newline + 1
}

function isMarker(stream: string, at: number, code: number): boolean {
  if (stream.charCodeAt(at + 1) !== code || stream.charCodeAt(at + 2) !== code) return false
  const after = stream.charCodeAt(at + 3)
  return Number.isNaN(after) || after === 32 || after === NEWLINE || after === 9
}

/** Something other than white space and a comment between two offsets. */
function isContent(stream: string, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const code = stream.charCodeAt(i)
    if (code === HASH) return false
    if (code !== 32 && code !== 9 && code !== NEWLINE) return true
  }
  return false
}
