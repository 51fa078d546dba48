/**
 * Writes the reference pages that come from the code: docs/reference/*.md. With `--check` it writes nothing and fails
 * when a page differs (CI). A page is a function of declarations in src/, listed below.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { limitsReference, staticReference } from '#config/static/reference.ts'
import { fixedLimits } from './fixed-limits.ts'

interface Page {
  readonly path: string
  text(): string
}

const PAGES: readonly Page[] = [
  { path: 'docs/reference/static.md', text: staticReference },
  { path: 'docs/reference/limits.md', text: () => limitsReference(fixedLimits()) },
]

const ROOT = fileURLToPath(new URL('..', import.meta.url))

if (process.argv.includes('--help')) {
  process.stdout.write('usage: node tools/gen-docs.ts [--check]\n')
} else {
  const isCheck = process.argv.includes('--check')
  for (const page of PAGES) {
    const file = join(ROOT, page.path)
    const text = page.text()
    const isCurrent = existsSync(file) && readFileSync(file, 'utf8') === text
    if (isCurrent) continue
    if (isCheck) {
      process.stdout.write(`${page.path} is not what the code says; run: npm run docs\n`)
      process.exitCode = 1
    } else {
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
      process.stdout.write(`wrote ${page.path}\n`)
    }
  }
}
