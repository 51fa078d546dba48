/** docs/reference/performance.md out of the record of one run. */
import { goalLines } from './goals.ts'
import type { RunRecord } from './record.ts'
import { asMarkdown } from './result.ts'

export const PAGE = 'docs/reference/performance.md'

export function performancePage(record: RunRecord): string {
  const { date, kernel, processor, cores, rounds, seconds, versions, leftOut, results } = record
  const parts = [
    `# Performance

<!-- written by \`npm run bench -- --write\`; how it measures: bench/README.md -->

Measured ${date.slice(0, 10)} on ${cores} cores of ${processor}, ${kernel}: ${rounds} interleaved rounds of ${seconds} s each. The proxy has
one core and one worker, load generator and backend share another. Absolute figures belong to this machine and this hour; what
carries over are the ratios. They are taken round by round; more than 1 is better than what the column names. Medians, in
parentheses least and greatest.

Versions: ${Object.entries(versions)
      .map(([name, version]) => `${name}: ${version}`)
      .join('; ')}.`,
  ]
  if (leftOut.length > 0) parts.push(`Left out:\n\n${leftOut.map((line) => `- ${line}`).join('\n')}`)
  const goals = goalLines(results)
  if (goals.length > 0) parts.push(`## Goals\n\n\`\`\`\n${goals.join('\n')}\n\`\`\``)
  for (const result of results) parts.push(`## ${result.title}\n\n${asMarkdown(result)}`)
  return `${parts.join('\n\n')}\n`
}
