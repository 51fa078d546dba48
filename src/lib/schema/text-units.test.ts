import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatDuration, parseDuration } from './duration.ts'
import { editDistance, nearestName } from './nearest.ts'
import { formatSize, parseSize } from './size.ts'

describe('durations, sizes and nearest names', () => {
  it('format and parse durations back to the same milliseconds', () => {
    for (const ms of [0, 1, 250, 999, 1000, 1500, 60_000, 90_000, 3_600_000, 86_400_000, 3_661_001]) {
      assert.equal(parseDuration(formatDuration(ms)), ms, formatDuration(ms))
    }
  })

  it('refuse what is no duration', () => {
    for (const text of ['', ' ', '1 s', 's', '1d', '1s ', '+1s', '1e3', '1m-1s', '1'.repeat(65)]) {
      assert.equal(parseDuration(text), undefined, JSON.stringify(text))
    }
  })

  it('format and parse sizes back to the same bytes', () => {
    for (const bytes of [0, 1, 1023, 1024, 65_536, 1_048_577, 1_073_741_824]) {
      assert.equal(parseSize(formatSize(bytes)), bytes, formatSize(bytes))
    }
  })

  it('refuse what is no size', () => {
    for (const text of ['', '-1', '1 kk', 'k', '1e3', '9999999999g', '0.3']) {
      assert.equal(parseSize(text), undefined, JSON.stringify(text))
    }
  })

  it('count insertions, deletions, replacements and swaps', () => {
    const cases: readonly (readonly [string, string, number])[] = [
      ['', '', 0],
      ['abc', 'abc', 0],
      ['abc', 'acb', 1],
      ['abc', 'ab', 1],
      ['abc', 'abcd', 1],
      ['abc', 'xbc', 1],
      ['kitten', 'sitting', 3],
    ]
    for (const [a, b, expected] of cases) assert.equal(editDistance(a, b, 10), expected, `${a} ${b}`)
  })

  it('propose only what is near', () => {
    assert.equal(nearestName('entrypoint', ['entryPoints', 'log']), 'entryPoints')
    assert.equal(nearestName('pnig', ['ping', 'log']), 'ping')
    assert.equal(nearestName('zzzz', ['ping', 'log']), undefined)
  })
})
