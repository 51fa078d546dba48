/**
 * Writes the reference pages that come from the code: docs/reference/*.md, docs/guide/annotations.md. With `--check` it writes nothing and fails
 * when a page differs (CI). A page is a function of declarations in src/, listed below; that is what keeps the pages
 * and the code from drifting apart.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { limitsReference, staticReference } from '#config/static/reference.ts'
import { metricsReference } from '#observe/metrics/reference.ts'
import { annotationsReference } from '#providers/kubernetes/annotations/reference.ts'
import { errorsReference } from './errors-reference.ts'
import { findingsReference } from './findings-reference.ts'
import { fixedLimits } from './fixed-limits.ts'

export interface Page {
  readonly path: string
  text(): string
}

export const PAGES: readonly Page[] = [
  { path: 'docs/reference/static.md', text: staticReference },
  { path: 'docs/reference/limits.md', text: () => limitsReference(fixedLimits()) },
  { path: 'docs/reference/errors.md', text: errorsReference },
  { path: 'docs/reference/findings.md', text: findingsReference },
  { path: 'docs/guide/annotations.md', text: annotationsReference },
  { path: 'docs/reference/metrics.md', text: metricsReference },
]

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Whether the page in the tree is what the code says. */
export function isCurrent(page: Page): boolean {
  const file = join(ROOT, page.path)
  return existsSync(file) && readFileSync(file, 'utf8') === page.text()
}

function main(args: readonly string[]): number {
  if (args.includes('--help')) {
    process.stdout.write('usage: node tools/gen-docs.ts [--check]\n')
    return 0
  }
  const stale = PAGES.filter((page) => !isCurrent(page))
  for (const page of stale) {
    if (args.includes('--check')) {
      process.stdout.write(`${page.path} is not what the code says; run: npm run docs\n`)
      continue
    }
    const file = join(ROOT, page.path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, page.text())
    process.stdout.write(`wrote ${page.path}\n`)
  }
  return args.includes('--check') && stale.length > 0 ? 1 : 0
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2))
