/** Text in aligned columns for terminals, made safe: names come from files that others wrote. */

/** Control characters and line breaks as `\x1b`. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** Lines without trailing space; two spaces between columns. Every row has as many cells as the first. */
export function alignColumns(rows: readonly (readonly string[])[], indent = ''): string[] {
  const widths: number[] = []
  const safe = rows.map((row) => row.map(printable))
  for (const row of safe) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  }
  return safe.map((row) => {
    const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0))
    return (indent + cells.join('  ')).trimEnd()
  })
}
