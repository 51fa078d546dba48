/** What a scenario yields: rows of figures per round, and how to show them. Kept as JSON, printed as a table. */
import { ratios, summarize, type Summary } from './statistics.ts'

export interface Column {
  readonly key: string
  readonly title: string
  readonly digits: number
  /** Which direction is better; where given, a column of ratios against the baseline follows. */
  readonly compared?: 'less' | 'more'
}

export type Sample = Readonly<Record<string, number>>

export interface Row {
  readonly name: string
  /** One per round. */
  readonly samples: Sample[]
}

export interface Result {
  readonly id: string
  readonly title: string
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
  /** Row that ratios refer to; without it, or when it is not among the rows, there are none. */
  readonly baseline?: string
  readonly notes: readonly string[]
}

export function summaryOf(row: Row, key: string): Summary | undefined {
  return summarize(row.samples.map((sample) => sample[key] ?? Number.NaN))
}

/** More than 1: better than the baseline. */
export function ratioOf(result: Result, row: Row, column: Column): Summary | undefined {
  const baseline = result.rows.find((each) => each.name === result.baseline)
  if (baseline === undefined || column.compared === undefined) return undefined
  const of = (each: Row): readonly number[] => each.samples.map((sample) => sample[column.key] ?? Number.NaN)
  return summarize(ratios(of(row), of(baseline), column.compared))
}

/** A grid of text, first line the titles. */
export function grid(result: Result): readonly (readonly string[])[] {
  const hasRatios = result.rows.some((row) => row.name === result.baseline)
  const head = ['']
  for (const column of result.columns) {
    head.push(column.title)
    if (hasRatios && column.compared !== undefined) head.push(`× ${result.baseline}`)
  }
  const body = result.rows.map((row) => {
    const cells = [row.name]
    for (const column of result.columns) {
      cells.push(shown(summaryOf(row, column.key), column.digits))
      if (hasRatios && column.compared !== undefined) cells.push(shown(ratioOf(result, row, column), 2))
    }
    return cells
  })
  return [head, ...body]
}

/** Median, and in parentheses least and greatest. */
function shown(summary: Summary | undefined, digits: number): string {
  if (summary === undefined) return '–'
  const number = (value: number): string =>
    value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  const median = number(summary.median)
  return summary.rounds === 1 ? median : `${median} (${number(summary.min)}–${number(summary.max)})`
}

/** The grid in columns, for a terminal. */
export function asText(result: Result): string {
  const rows = grid(result)
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
  return [`${result.id}: ${result.title}`, ...lines, ...result.notes.map((note) => `  ${note}`)].join('\n')
}

/** The grid as a Markdown table. */
export function asMarkdown(result: Result): string {
  const [head = [], ...body] = grid(result)
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rule = `|${head.map(() => '---').join('|')}|`
  const notes = result.notes.length === 0 ? [] : ['', ...result.notes]
  return [line(head), rule, ...body.map(line), ...notes].join('\n')
}
