/** Reads values out of the Prometheus text that a gateway serves. */

/** Sum of all series of this name whose labels include these. */
export function metric(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  return seriesOf(text, name, labels).reduce((sum, { value }) => sum + value, 0)
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export function seriesOf(
  text: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Sample[] {
  const found: Sample[] = []
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:]+)(?:\{(.*)\})? (\S+)$/.exec(line)
    if (match === null || match[1] !== name) continue
    const own = Object.fromEntries(
      [...(match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((pair) => [pair[1]!, pair[2]!]),
    )
    if (Object.entries(labels).every(([key, value]) => own[key] === value)) {
      found.push({ labels: own, value: Number(match[3]) })
    }
  }
  return found
}
