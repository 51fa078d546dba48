import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Finding } from '#config/model/finding.ts'
import type { Logger } from '#observe/log.ts'
import { FindingLog } from './finding-log.ts'

const BASE: Finding = {
  code: 'ingress-path',
  severity: 'warning',
  object: 'Ingress shop/web',
  place: { file: '/dir/web.yaml', line: 7, column: 3 },
  message: 'path a does not begin with /',
}
const at = (line: number, more: Partial<Finding> = {}): Finding => ({
  ...BASE,
  ...more,
  place: { file: '/dir/web.yaml', line, column: 3 },
})

/** Lines that each of the lists adds to the log. */
function logged(...lists: readonly (readonly Finding[])[]): string[][] {
  let lines: string[] = []
  const line =
    (level: string) =>
    (message: string, fields: { place?: string; field?: string; count?: number } = {}): void => {
      lines.push(
        [level, message, fields.place, fields.field, fields.count]
          .filter((part) => part !== undefined)
          .join(' '),
      )
    }
  const log = new FindingLog({
    error: line('ERR'),
    warn: line('WRN'),
    info: line('INF'),
  } as unknown as Logger)
  return lists.map((list) => {
    lines = []
    log.report(list)
    return lines
  })
}

describe('the log of findings', () => {
  const first = 'WRN path a does not begin with / /dir/web.yaml:7:3'
  const broken = { code: 'manifest-syntax', object: '/dir/web.yaml', message: 'a tab cannot indent' }
  const { place: _place, ...inCluster } = BASE
  const kind = { code: 'manifest-unknown-kind', object: 'example/v1 Widget', severity: 'info' } as const
  const cases: Readonly<Record<string, readonly [lists: readonly Finding[][], lines: string[][]]>> = {
    'names a finding once': [
      [[BASE], [BASE]],
      [[first], []],
    ],
    'says which field of an object in no file': [
      [[{ ...inCluster, field: 'spec.rules[0].host' }]],
      [['WRN path a does not begin with / spec.rules[0].host']],
    ],
    'says how many are gone': [
      [[BASE], []],
      [[first], ['INF findings mended 1']],
    ],
    'names one that came back': [
      [[BASE], [], [BASE]],
      [[first], ['INF findings mended 1'], [first]],
    ],
    'does not name one again that moved': [
      [[BASE], [at(9)]],
      [[first], []],
    ],
    'names a second one that reads the same': [
      [[BASE], [BASE, at(9)]],
      [[first], ['WRN path a does not begin with / /dir/web.yaml:9:3']],
    ],
    'names the same mistake of a text elsewhere': [
      [[at(1, broken)], [at(2, broken)]],
      [
        ['WRN a tab cannot indent /dir/web.yaml:1:3'],
        ['WRN a tab cannot indent /dir/web.yaml:2:3', 'INF findings mended 1'],
      ],
    ],
    'names an unknown kind once, however many there are': [
      [[at(1, { ...kind, message: '1 object' })], [at(4, { ...kind, message: '2 objects' })]],
      [['INF 1 object /dir/web.yaml:1:3'], []],
    ],
  }
  for (const [name, [lists, lines]] of Object.entries(cases)) {
    it(name, () => assert.deepEqual(logged(...lists), lines))
  }

  it('takes ten thousand that read the same as easily as different ones', () => {
    const list = Array.from({ length: 10_000 }, (_, i) => ({
      ...inCluster,
      field: `spec.rules[0].http.paths[${i}]`,
    }))
    const began = performance.now()
    const [first, again, fewer] = logged(list, list, list.slice(1))
    assert.equal(first?.at(-1), 'WRN further findings 9950')
    assert.deepEqual(again, [])
    assert.deepEqual(fewer, ['INF findings mended 1'])
    // Each compared with all before it, this takes a minute.
    assert.ok(performance.now() - began < 10_000)
  })

  it('shows fifty of one change and the number of the rest', () => {
    const [lines] = logged(Array.from({ length: 60 }, (_, i) => at(i, { message: `m${i}` })))
    assert.equal(lines?.length, 51)
    assert.equal(lines?.at(-1), 'WRN further findings 10')
  })
})
