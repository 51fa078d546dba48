import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ContainerLog, type LogLine } from './container-log.ts'
import { lineBytes, nanoTime, parseLogQuery, selectLines, type LogQuery } from './log-query.ts'

const NOW = Date.parse('2030-01-01T00:01:00Z')

function query(text: string): LogQuery {
  const parsed = parseLogQuery(new URLSearchParams(text), NOW)
  if (typeof parsed === 'string') assert.fail(parsed)
  return parsed
}

function texts(lines: readonly LogLine[]): readonly string[] {
  return lines.map(({ text }) => text.toString())
}

describe('a log', () => {
  test('is cut into lines wherever the pieces end', () => {
    const whole = Buffer.from('one\ntwo\n\nfour')
    for (let cut = 0; cut <= whole.length; cut++) {
      const log = new ContainerLog()
      log.append('stdout', whole.subarray(0, cut))
      log.append('stdout', whole.subarray(cut))
      log.end()
      assert.deepEqual(texts(log.lines), ['one', 'two', '', 'four'], `cut at ${cut}`)
    }
  })

  test('keeps the two streams apart', () => {
    const log = new ContainerLog()
    log.append('stdout', Buffer.from('out'))
    log.append('stderr', Buffer.from('err\n'))
    log.append('stdout', Buffer.from('put\n'))
    assert.deepEqual(texts(log.lines), ['err', 'output'])
  })

  test('cuts a line without an end', () => {
    const log = new ContainerLog()
    for (let count = 0; count < 3; count++) log.append('stdout', Buffer.alloc(10_000, 'x'))
    assert.deepEqual(
      log.lines.map(({ text }) => text.length),
      [20_000],
    )
  })

  test('forgets the oldest beyond its bound', () => {
    const log = new ContainerLog()
    const line = Buffer.concat([Buffer.alloc(1023, 'x'), Buffer.from('\n')])
    for (let count = 0; count < 20_000; count++) log.append('stdout', line)
    log.append('stdout', Buffer.from('last\n'))
    const bytes = log.lines.reduce((sum, { text }) => sum + text.length, 0)
    assert.ok(bytes <= 16 * 1024 * 1024 && bytes > 4 * 1024 * 1024, `${bytes} bytes are held`)
    assert.equal(log.lines.at(-1)?.text.toString(), 'last')
  })

  test('tells its followers each line and the end', () => {
    const log = new ContainerLog()
    const heard: (string | null)[] = []
    log.append('stdout', Buffer.from('before\n'))
    const unfollow = log.follow(() => heard.push('never'))
    unfollow()
    log.follow((line) => heard.push(line === null ? null : line.text.toString()))
    log.append('stdout', Buffer.from('after\npart'))
    log.end()
    log.follow((line) => heard.push(line === null ? 'over' : 'line'))
    assert.deepEqual(heard, ['after', 'part', null, 'over'])
  })
})

describe('what is asked of a log', () => {
  const lines = [0, 20, 40, 59].map((second) => ({
    at: Date.parse('2030-01-01T00:00:00Z') + second * 1000,
    text: Buffer.from(String(second)),
  }))
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['', ['0', '20', '40', '59']],
    ['tailLines=2', ['40', '59']],
    ['tailLines=0', []],
    ['tailLines=9', ['0', '20', '40', '59']],
    ['sinceSeconds=30', ['40', '59']],
    ['sinceTime=2030-01-01T00:00:20Z', ['20', '40', '59']],
    ['sinceTime=2030-01-01T01:00:20%2B01:00&tailLines=1', ['59']],
    ['sinceTime=2030-01-01T00:00:20.000000001Z', ['20', '40', '59']],
  ]
  for (const [text, expected] of cases)
    test(text || 'nothing', () => assert.deepEqual(texts(selectLines(lines, query(text))), expected))

  for (const text of [
    'tailLines=-1',
    'tailLines=x',
    'sinceSeconds=1.5',
    'sinceTime=yesterday',
    'limitBytes=',
    'sinceTime=2030-01-01T00:00:20Z&sinceSeconds=1',
  ])
    test(`${text} is refused`, () =>
      assert.equal(typeof parseLogQuery(new URLSearchParams(text), NOW), 'string'))

  test('flags', () => {
    const { follow, previous, timestamps, limitBytes } = query(
      'follow=true&previous=true&timestamps=true&limitBytes=10',
    )
    assert.deepEqual([follow, previous, timestamps, limitBytes], [true, true, true, 10])
  })
})

test('times have nine digits', () => {
  assert.equal(nanoTime(NOW + 0.25), '2030-01-01T00:01:00.000250000Z')
  assert.equal(
    lineBytes({ at: NOW, text: Buffer.from('a') }, true).toString(),
    '2030-01-01T00:01:00.000000000Z a\n',
  )
})
