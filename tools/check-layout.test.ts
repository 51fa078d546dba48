import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { checkLayout, importProblem, importsOf } from './check-layout.ts'

const dependencies = new Set(['yaml'])

describe('layout check', () => {
  const cases: readonly (readonly [string, string, RegExp | undefined])[] = [
    ['src/proxy/route.ts', '#config/model/dynamic.ts', undefined],
    ['src/proxy/http/exchange.ts', '../route.ts', undefined],
    ['src/config/model/dynamic.ts', '#proxy/route.ts', /proxy is above config/],
    ['src/kube/client.ts', '#certs/store.ts', /siblings/],
    ['src/proxy/route.ts', '../config/model/dynamic.ts', /across layers write #config\/model\/dynamic\.ts/],
    ['src/proxy/route.ts', './http/exchange', /without its \.ts/],
    ['src/proxy/route.ts', '../../tools/x.ts', /outside of src/],
    ['src/proxy/route.ts', '#nowhere/x.ts', /no layer/],
    ['src/proxy/middleware/a/a.ts', '../b/index.ts', /do not import each other/],
    ['src/proxy/middleware/registry.ts', './b/index.ts', undefined],
    ['src/proxy/middleware/a/a.ts', '../middleware.ts', undefined],
    ['src/providers/manifests/x.ts', '../kubernetes/objects.ts', undefined],
    ['src/providers/kubernetes/x.ts', '../manifests/x.ts', /do not import each other/],
    ['src/wire/http1/head.ts', 'node:net', /does no I\/O/],
    ['src/wire/http1/head.test.ts', 'node:net', undefined],
    ['src/lib/x.ts', 'node:crypto', undefined],
    ['src/config/x.ts', 'yaml', undefined],
    ['src/config/x.ts', '@scope/left-pad/x', /@scope\/left-pad, which is not a dependency/],
    ['src/config/x.test.ts', 'ws', undefined],
  ]
  for (const [file, specifier, expected] of cases) {
    it(`${file} ${expected === undefined ? 'may' : 'may not'} import ${specifier}`, () => {
      const problem = importProblem(file, specifier, dependencies)
      if (expected === undefined) assert.equal(problem, undefined)
      else assert.match(problem ?? '', expected)
    })
  }

  it('finds every way to import, and none in comments', () => {
    const text = `
      /** import x from './comment.ts' */
      // import x from './line.ts'
      import './effect.ts'
      import a from './a.ts'
      import type { B } from './b.ts'
      import {
        c,
      } from './c.ts'
      export { d } from './d.ts'
      const e = await import('./e.ts')
      let f: import('./f.ts').F`
    const expected = ['./effect.ts', './a.ts', './b.ts', './c.ts', './d.ts', './e.ts', './f.ts']
    assert.deepEqual(importsOf(text), expected)
  })

  it('reports names, sizes, missing headers and unlisted plugin folders of a tree', () => {
    const root = mkdtempSync(join(tmpdir(), 'layout-'))
    try {
      const put = (file: string, text: string): void => {
        mkdirSync(dirname(join(root, file)), { recursive: true })
        writeFileSync(join(root, file), text)
      }
      put('src/lib/utils/x.ts', '// x\n')
      put('src/lib/camelCase.ts', '// x\n')
      put('src/lib/long.ts', '// x\n'.repeat(801))
      put('src/lib/bare.ts', 'export const x = 1\n')
      put('src/lib/fine.ts', '// x\n')
      put('src/proxy/middleware/registry.ts', "// x\nimport a from './a/index.ts'\n")
      put('src/proxy/middleware/a/index.ts', '// x\n')
      put('src/proxy/middleware/a/README.md', 'x\n')
      put('src/proxy/middleware/b/index.ts', '// x\n')
      assert.deepEqual(
        checkLayout(root).map((problem) => `${problem.file}: ${problem.message.slice(0, 30)}`),
        [
          'src/lib/bare.ts: has no header comment',
          'src/lib/camelCase.ts: camelCase.ts is not kebab-case',
          'src/lib/long.ts: has 801 lines, more than 800; ',
          'src/lib/utils/x.ts: utils says nothing about its c',
          'src/proxy/middleware/b: is not in src/proxy/middleware',
          'src/proxy/middleware/b: has no README.md',
        ],
      )
    } finally {
      rmSync(root, { recursive: true })
    }
  })
})
