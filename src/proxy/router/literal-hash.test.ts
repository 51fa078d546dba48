import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { PathMatch } from '#config/model/dynamic.ts'
import { RoutingProgram } from './program.ts'

/** Enough paths on one host for the hash table, and these. */
function programWith(paths: readonly PathMatch[]): RoutingProgram<string> {
  const program = new RoutingProgram<string>()
  const fillers = Array.from({ length: 40 }, (_, i): PathMatch => ({ kind: 'exact', value: `/filler/${i}` }))
  for (const [index, path] of [...fillers, ...paths].entries()) {
    const name = path.kind === 'any' ? 'any' : path.value
    program.set(
      {
        name: `${index}`,
        host: { kind: 'any' },
        path,
        order: { rank: 0, priority: 0n, created: 0 },
        scheme: 'both',
        middlewares: [],
        origin: { provider: 'test', kind: 'Ingress', namespace: 'default', name },
      },
      name,
    )
  }
  return program
}

it('paths whose hashes are the same stay apart', () => {
  // Found by trying: both have the same 32-bit FNV-1a hash.
  const pairs = [
    ['/2pf8', '/jrj6'],
    ['/2pf6', '/jrj8'],
  ] as const
  for (const [known, stranger] of pairs) {
    const alone = programWith([{ kind: 'prefix', value: known }])
    assert.equal(alone.match('web', '', `${known}/x`, false), known)
    assert.equal(alone.match('web', '', `${stranger}/x`, false), null)
    const both = programWith([
      { kind: 'prefix', value: known },
      { kind: 'prefix', value: stranger },
    ])
    assert.equal(both.match('web', '', known, false), known)
    assert.equal(both.match('web', '', stranger, false), stranger)
    both.remove('40')
    assert.equal(both.match('web', '', known, false), null)
    assert.equal(both.match('web', '', stranger, false), stranger)
  }
})

it('string prefixes of the same text as prefixes and exact paths are found beside them', () => {
  const program = programWith([
    { kind: 'stringPrefix', value: '/a/b' },
    { kind: 'prefix', value: '/a/b' },
    { kind: 'exact', value: '/a/b' },
    { kind: 'any' },
  ])
  assert.equal(program.match('web', '', '/a/b', false), '/a/b')
  assert.equal(program.match('web', '', '/a/bc', false), '/a/b')
  assert.equal(program.match('web', '', '/a', false), 'any')
  program.remove('40')
  assert.equal(program.match('web', '', '/a/bc', false), 'any')
  assert.equal(program.match('web', '', '/a/b/c', false), '/a/b')
})
