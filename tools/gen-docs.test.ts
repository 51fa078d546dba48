import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { PROXY_ERRORS } from '#proxy/errors.ts'
import * as proxyErrors from '#proxy/errors.ts'
import { constantOf } from './fixed-limits.ts'
import { PAGES, isCurrent } from './gen-docs.ts'

const ROOT = new URL('..', import.meta.url)

describe('the guide', () => {
  it('has every variable of the environment that the program looks at, and no other of its own', () => {
    const files = [...globSync('src/**/*.ts', { cwd: ROOT }), 'bin/sekisho']
    const text = files
      .filter((file) => !file.endsWith('.test.ts'))
      .map((file) => readFileSync(new URL(file, ROOT), 'utf8'))
      .join('\n')
    const read = new Set([...text.matchAll(/\bSEKISHO_[A-Z_]+/g)].map(([name]) => name))
    const page = readFileSync(new URL('docs/guide/README.md', ROOT), 'utf8')
    const written = new Set([...page.matchAll(/\bSEKISHO_[A-Z_]+/g)].map(([name]) => name))
    assert.deepEqual([...written].toSorted(), [...read].toSorted())
  })
})

describe('reference pages', () => {
  for (const page of PAGES) {
    it(`${page.path} is what the code says`, () => assert.ok(isCurrent(page), 'run: npm run docs'))
  }

  it('list every error of the proxy, each code once', () => {
    const declared = Object.values(proxyErrors as Record<string, unknown>).filter(
      (value) => typeof value === 'object' && value !== null && 'code' in value && 'retry' in value,
    )
    assert.equal(new Set(declared).size, PROXY_ERRORS.length)
    assert.equal(new Set(PROXY_ERRORS.map((error) => error.code)).size, PROXY_ERRORS.length)
  })

  it('read constants from source text', () => {
    const text =
      'const A = 5\nexport const B: number = 16 * 1_024 + 2\nconst C: T = {\n  x: 3,\n  y: 50,\n}\nconst D = f(1)\n'
    assert.equal(constantOf(text, 'A'), 5)
    assert.equal(constantOf(text, 'B'), 16_386)
    assert.equal(constantOf(text, 'C.y'), 50)
    assert.equal(constantOf(text, 'C.z'), undefined)
    assert.equal(constantOf(text, 'D'), undefined)
    assert.equal(constantOf(text, 'E'), undefined)
  })
})
