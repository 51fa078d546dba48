import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { FINDING_CODES as TRANSLATION_FINDINGS } from '#providers/kubernetes/finding-codes.ts'
import { FINDING_CODES as CLUSTER_FINDINGS } from '#providers/kubernetes-ingress/finding-codes.ts'
import { RESOLUTION_FINDINGS } from './findings-reference.ts'

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
  it('names every code of the translation, and none that nothing makes', () => {
    const known = Object.keys(TRANSLATION_FINDINGS)
    for (const code of codesIn('providers/kubernetes/**/*.ts')) assert.ok(known.includes(code), code)
    const source = globSync('providers/kubernetes/**/*.ts', { cwd: SOURCE })
      .filter((file) => !/finding-codes\.ts$|\.test\.ts$/.test(file))
      .map((file) => readFileSync(`${SOURCE}${file}`, 'utf8'))
      .join('')
    for (const code of known) assert.ok(source.includes(`'${code}'`), code)
  })

  it('names every code of reading a cluster, and no other', () => {
    const found = codesIn('providers/kubernetes-ingress/**/*.ts')
    assert.deepEqual([...found].toSorted(), Object.keys(CLUSTER_FINDINGS).toSorted())
  })

  it('names every code of resolution, and no other', () => {
    const found = codesIn('proxy/control/**/*.ts', 'cmd/**/*.ts')
    assert.deepEqual([...found].toSorted(), Object.keys(RESOLUTION_FINDINGS).toSorted())
  })
})
