import assert from 'node:assert/strict'
import { it } from 'node:test'
import { composeChain } from './chain.ts'
import type { Filter } from './middleware.ts'

/** A filter with these phases; `q`, `s` and `e` for request, response and end. */
function filterWith(phases: string): Filter {
  return {
    ...(phases.includes('q') ? { request: () => undefined } : {}),
    ...(phases.includes('s') ? { response: () => {} } : {}),
    ...(phases.includes('e') ? { end: () => {} } : {}),
  }
}

it('no filters, no chain', () => {
  assert.equal(composeChain([]), null)
})

it('requests pass from the outermost in, responses and ends from the innermost out, and only who has the phase', () => {
  const cases: readonly [phases: string[], request: number[], response: number[], end: number[]][] = [
    [['q'], [0], [], []],
    [['s'], [], [0], []],
    [
      ['qse', 'qse', 'qse'],
      [0, 1, 2],
      [2, 1, 0],
      [2, 1, 0],
    ],
    [
      ['q', 's', 'e', 'qs', 'se', 'qe'],
      [0, 3, 5],
      [4, 3, 1],
      [5, 4, 2],
    ],
    [[''], [], [], []],
  ]
  for (const [phases, request, response, end] of cases) {
    const filters = phases.map(filterWith)
    const chain = composeChain(filters)
    assert.ok(chain !== null)
    const numbers = (list: readonly Filter[]): number[] => list.map((filter) => filters.indexOf(filter))
    assert.deepEqual(
      [numbers(chain.request), numbers(chain.response), numbers(chain.end)],
      [request, response, end],
      phases.join(),
    )
  }
})
