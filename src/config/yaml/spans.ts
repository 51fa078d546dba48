/**
 * Where values stand in a text: what the parsers of this folder record when asked, and the way from an offset to line
 * and column. Offsets count UTF-16 units from the start of the parsed text.
 */

/** Keys of mappings and indexes of sequences, from the root. */
export type YamlPath = readonly (number | string)[]

export interface Span {
  /** Start of the key; for items of sequences the start of the value. */
  readonly key: number
  /** Start of the value. */
  readonly start: number
  /** End of the value when it is a scalar on one line; otherwise an offset that is not before `start`. */
  readonly end: number
}

/** Spans of the members of mappings and sequences, by the JavaScript object that was made of them. */
export type SpanTable = Map<object, Map<number | string, Span>>

export function recordSpan(table: SpanTable, container: object, member: number | string, span: Span): void {
  let members = table.get(container)
  if (members === undefined) {
    members = new Map()
    table.set(container, members)
  }
  members.set(member, span)
}

/** Line and column, both from 1, of many offsets of one text. */
export class LineIndex {
  readonly #starts: number[] = [0]

  constructor(text: string) {
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1)
  }

  position(offset: number): { line: number; column: number } {
    let low = 0
    let high = this.#starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.#starts[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: offset - this.#starts[low]! + 1 }
  }
}
