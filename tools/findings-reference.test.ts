import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { RESOLUTION_FINDINGS, TRANSLATION_FINDINGS } from './findings-reference.ts'

const SOURCE = fileURLToPath(new URL('../src/', import.meta.url))

/** Codes of findings that files of the pattern make. */
function codesIn(...patterns: string[]): ReadonlySet<string> {
  const codes = new Set<string>()
  for (const file of globSync(patterns, { cwd: SOURCE })) {
    if (file.endsWith('.test.ts')) continue
    const text = readFileSync(`${SOURCE}${file}`, 'utf8')
    for (const pattern of [/'([a-z]+(?:-[a-z]+)+)',\s*'(?:error|warning|info)'/g, /\bcode: '([a-z-]+)'/g]) {
      for (const match of text.matchAll(pattern)) codes.add(match[1] ?? '')
    }
  }
  return codes
}

describe('reference of findings', () => {
  it('names every code of the translation, and no other', () => {
    const found = codesIn('providers/kubernetes/**/*.ts')
    assert.deepEqual([...found].toSorted(), Object.keys(TRANSLATION_FINDINGS).toSorted())
  })

  it('names every code of resolution, and no other', () => {
    const found = codesIn('proxy/control/**/*.ts', 'cmd/**/*.ts')
    assert.deepEqual([...found].toSorted(), Object.keys(RESOLUTION_FINDINGS).toSorted())
  })
})
