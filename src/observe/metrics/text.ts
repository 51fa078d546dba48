/**
 * Prometheus text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/): heads, samples,
 * escaping. Pure; used by aggregate.ts.
 */
import type { FamilyDeclaration } from './families.ts'
import { SUM_UNITS } from './series.ts'

export function familyHead(family: FamilyDeclaration): string {
  const help = family.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return `# HELP ${family.name} ${help}\n# TYPE ${family.name} ${family.type}\n`
}

/** `a="x",b="y"`, escaped. */
export function labelText(names: readonly string[], values: readonly string[]): string {
  let text = ''
  for (const [i, name] of names.entries()) {
    const comma = i === 0 ? '' : ','
    text += `${comma}${name}="${escapeLabel(values[i] ?? '')}"`
  }
  return text
}

export function sampleLine(name: string, labels: string, value: number): string {
  return labels === '' ? `${name} ${numberText(value)}\n` : `${name}{${labels}} ${numberText(value)}\n`
}

/** `cells`: one count per bucket and one above all, then the sum in SUM_UNITS. */
export function histogramLines(
  name: string,
  labels: string,
  buckets: readonly number[],
  cells: Float64Array,
  out: string[],
): void {
  const prefix = labels === '' ? '' : `${labels},`
  let count = 0
  for (let i = 0; i <= buckets.length; i++) {
    count += cells[i] as number
    const bound = i === buckets.length ? Infinity : (buckets[i] as number)
    out.push(`${name}_bucket{${prefix}le="${numberText(bound)}"} ${numberText(count)}\n`)
  }
  out.push(sampleLine(`${name}_sum`, labels, (cells[buckets.length + 1] as number) / SUM_UNITS))
  out.push(sampleLine(`${name}_count`, labels, count))
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function numberText(value: number): string {
  if (value === Infinity) return '+Inf'
  if (value === -Infinity) return '-Inf'
  return String(value)
}
