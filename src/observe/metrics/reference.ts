/** Makes docs/reference/metrics.md from the table of families; a test compares them. */
import { DEFAULT_METRICS_OPTIONS, FAMILIES } from './families.ts'

/** The whole page, Markdown. */
export function metricsReference(): string {
  const rows = FAMILIES.map((family) => {
    const labels = family.labels.map((label) => `\`${label}\``).join(', ')
    const more = family.takesHeaderLabels ? ', those of `headerLabels`' : ''
    return `| \`${family.name}\` | ${family.type} | ${labels === '' ? '–' : labels + more} | ${family.help} |`
  })
  const buckets = DEFAULT_METRICS_OPTIONS.buckets.join(', ')
  const own = FAMILIES.filter((family) => family.buckets !== undefined).map(
    (family) => `\`${family.name}\` has buckets of its own: ${family.buckets?.join(', ')} seconds.`,
  )
  return `# Metrics

<!-- Generated from src/observe/metrics/families.ts; change it there. -->

\`/metrics\` on the internal entrypoint, in Prometheus text format 0.0.4. A family appears when it has its first
series. Counters are sums over all workers and never go down, also when a worker is replaced. The series of a removed
router, service or server appear in one further scrape and are gone then; its gauges go at once.

Names that begin with \`traefik_\` are those of Traefik, with its labels and its default buckets (${buckets} seconds),
so that existing dashboards and alerts go on working. \`traefik_router_*\` is counted only with
\`--metrics.prometheus.addRoutersLabels=true\`. ${own.join(' ')}

Labels that clients can influence are bounded: \`method\` is one of the methods of RFC 9110 and PATCH, or
\`EXTENSION_METHOD\`; \`protocol\` of requests is \`http\`, \`websocket\`, \`sse\` or \`grpc\`; a scope tells at most 100
combinations of \`headerLabels\` values apart, further ones are \`other\`, and so are all labels of the series beyond
200,000 in one family and worker.

| name | type | labels | meaning |
|---|---|---|---|
${rows.join('\n')}
`
}
