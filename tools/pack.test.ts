import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { packSource } from './pack.ts'

describe('packing', () => {
  const cases: readonly (readonly [string, string, string, string])[] = [
    [
      'a layer',
      "import { a } from '#lib/ip/address.ts'",
      'cmd/main.ts',
      "import { a } from '../lib/ip/address.js'",
    ],
    ['the own layer', "import { a } from '#cmd/x.ts'", 'cmd/main.ts', "import { a } from './x.js'"],
    ['a relative file', "export { a } from './x.ts'", 'cmd/main.ts', "export { a } from './x.js'"],
    ['a dynamic import', "await import('./x.ts')", 'cmd/main.ts', "await import('./x.js')"],
    ['an effect', "import './x.ts'", 'cmd/main.ts', "import './x.js'"],
    ['a worker', "new URL('./x.ts', import.meta.url)", 'cmd/main.ts', "new URL('./x.js', import.meta.url)"],
    ['a package', "import { parse } from 'yaml'", 'cmd/main.ts', "import { parse } from 'yaml'"],
    ['text that looks like one', "const a = 'x.ts'", 'cmd/main.ts', "const a = 'x.ts'"],
  ]
  for (const [name, source, file, expected] of cases) {
    it(`rewrites ${name}`, () => assert.equal(packSource(source, file), expected))
  }

  it('keeps lines and columns', () => {
    const source = "import type { A } from './a.ts'\nconst x: A = y as A; z(x)\n"
    const packed = packSource(source, 'cmd/main.ts')
    assert.equal(packed.length, source.length)
    assert.equal(packed.indexOf('z(x)'), source.indexOf('z(x)'))
    assert.equal(packed.includes('a.ts'), false)
  })
})
