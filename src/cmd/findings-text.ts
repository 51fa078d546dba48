/** Findings as lines for a terminal or a CI log: `file:line:col: severity: …`, as compilers print them. */
import { relative } from 'node:path'
import type { Finding } from '#config/model/finding.ts'

export interface FindingCounts {
  readonly errors: number
  readonly warnings: number
  readonly notes: number
}

const SEVERITY_TEXT: Readonly<Record<Finding['severity'], string>> = {
  error: 'error',
  warning: 'warning',
  info: 'note',
}

/** Files below the working directory by their short names, as they would be typed. */
export function shortFile(file: string): string {
  const short = relative(process.cwd(), file)
  return short === '' || short.startsWith('..') ? file : short
}

/** One finding, on a line of its own; the hint, when there is one, on the next. */
export function findingText(finding: Finding): string {
  const { place, severity, object, message, hint, code } = finding
  const where = place === undefined ? '' : `${oneLine(shortFile(place.file))}:${place.line}:${place.column}: `
  // Some messages name their object themselves.
  const about = object === '' || message.startsWith(object) ? '' : `${oneLine(object)}: `
  const first = `${where}${SEVERITY_TEXT[severity]}: ${about}${oneLine(message)} [${code}]`
  return hint === undefined ? `${first}\n` : `${first}\n    ${oneLine(hint)}\n`
}

export function countFindings(findings: readonly Finding[]): FindingCounts {
  const count = (severity: Finding['severity']) =>
    findings.filter((finding) => finding.severity === severity).length
  return { errors: count('error'), warnings: count('warning'), notes: count('info') }
}

/** `2 errors, 1 warning, 0 notes`. */
export function countsText(counts: FindingCounts): string {
  const { errors, warnings, notes } = counts
  return [plural(errors, 'error'), plural(warnings, 'warning'), plural(notes, 'note')].join(', ')
}

/** By file, line and column, as an editor walks through them; those without a place last. */
export function inFileOrder(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted((a, b) => {
    if (a.place === undefined || b.place === undefined)
      return Number(a.place === undefined) - Number(b.place === undefined)
    const byFile = compareText(a.place.file, b.place.file)
    return byFile !== 0 ? byFile : a.place.line - b.place.line || a.place.column - b.place.column
  })
}

/** `1 router`, `2 routers`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}

/** Names and values come from files that others wrote: no line breaks and no terminal controls. */
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
