import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger, parseLogLevel } from './log.ts'
import type { LogFormat, LogLevel } from './log.ts'

const TIME = Date.UTC(2026, 10, 21, 11, 20, 0, 5)

function logTo(format: LogFormat, level: LogLevel = 'DEBUG') {
  const lines: string[] = []
  const clock = { now: TIME }
  const target = { writeText: (line: string): boolean => lines.push(line) > 0 }
  return { logger: createLogger({ level, format }, target, () => clock.now), lines, clock }
}

test('the text format has time, level, message and fields', () => {
  const { logger, lines } = logTo('common')
  const worker = logger.child({ worker: 2 })
  worker.debug('socket opened', { address: '127.0.0.1:80' })
  worker.info('listening')
  worker.warn('odd value', { value: 'a b', quote: 'x"y', empty: '', missing: undefined, isOdd: true, n: 1.5 })
  logger.error('cannot bind', { error: new Error('address in use') })
  assert.deepEqual(lines, [
    '2026-11-21T11:20:00.005Z DBG socket opened worker=2 address=127.0.0.1:80\n',
    '2026-11-21T11:20:00.005Z INF listening worker=2\n',
    '2026-11-21T11:20:00.005Z WRN odd value worker=2 value="a b" quote="x\\"y" empty="" isOdd=true n=1.5\n',
    '2026-11-21T11:20:00.005Z ERR cannot bind error="address in use"\n',
  ])
})

test('the JSON format is one object a line', () => {
  const { logger, lines } = logTo('json')
  logger
    .child({ worker: 2 })
    .warn('odd "value"', { value: 'a\nb\u0085', big: 5n, nan: NaN, error: new Error('no') })
  assert.deepEqual(lines, [
    '{"level":"warn","worker":2,"value":"a\\nb\\\\x85","big":5,"nan":"NaN","error":"no",' +
      '"time":"2026-11-21T11:20:00.005Z","message":"odd \\"value\\""}\n',
  ])
})

for (const format of ['common', 'json'] as const) {
  test(`no value ends a line or moves the terminal's cursor in ${format}`, () => {
    const { logger, lines } = logTo(format)
    const evil = 'a\r\nERR forged\u001b[2J\u007f\u009b31m\u2028\u202e\t\0'
    logger.child({ context: evil }).info(evil, { evil, error: new Error(evil) })
    const [line = ''] = lines
    assert.equal(lines.length, 1)
    // oxlint-disable-next-line no-control-regex
    assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u202e]/)
    assert.ok(line.endsWith('\n'))
    if (format === 'json') JSON.parse(line)
  })
}

test('a value is bounded', () => {
  const { logger, lines } = logTo('common')
  logger.info('long', { value: 'x'.repeat(20_000) })
  assert.ok((lines[0] ?? '').length < 9000)
  assert.match(lines[0] ?? '', /x\.\.\.\[11808 more\]/)
})

test('only messages of the level and above are written, and the level can change', () => {
  const { logger, lines } = logTo('common', 'WARN')
  const child = logger.child({ a: 1 })
  child.info('no')
  child.warn('yes')
  assert.equal(child.isEnabled('INFO'), false)
  logger.setLevel('INFO')
  child.info('now')
  child.debug('still not')
  assert.equal(child.isEnabled('INFO'), true)
  assert.deepEqual(
    lines.map((line) => line.slice(25).trimEnd()),
    ['WRN yes a=1', 'INF now a=1'],
  )
})

test('limited messages pass ten a second each, then say how many were held back', () => {
  const { logger, lines, clock } = logTo('common')
  const limited = logger.child({ entryPoint: 'web' }).limited
  for (let i = 0; i < 25; i++) limited.warn('bad request', { i })
  limited.warn('another one')
  assert.equal(lines.length, 11)
  clock.now += 1000
  limited.warn('bad request', { i: 25 })
  assert.deepEqual(
    lines.slice(10).map((line) => line.slice(25).trimEnd()),
    [
      'WRN another one entryPoint=web',
      'WRN bad request suppressed=15',
      'WRN bad request entryPoint=web i=25',
    ],
  )
})

test('messages held back are reported even when they stop', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { logger, lines, clock } = logTo('common')
  for (let i = 0; i < 12; i++) logger.limited.info('noise')
  clock.now += 1000
  t.mock.timers.tick(1000)
  assert.equal(lines.at(-1), '2026-11-21T11:20:01.005Z INF noise suppressed=2\n')
  assert.equal(lines.length, 11)
})

test('different limited messages are bounded too', () => {
  const { logger, lines } = logTo('common')
  for (let i = 0; i < 5000; i++) logger.limited.info(`message ${i}`)
  assert.equal(lines.length, 500 + 10)
})

test('what is not limited is never held back', () => {
  const { logger, lines } = logTo('common')
  for (let i = 0; i < 100; i++) logger.info('finding')
  assert.equal(lines.length, 100)
})

test('level names', () => {
  const cases: [string, LogLevel | undefined][] = [
    ['debug', 'DEBUG'],
    ['Info', 'INFO'],
    ['WARN', 'WARN'],
    ['error', 'ERROR'],
    ['TRACE', 'DEBUG'],
    ['fatal', 'ERROR'],
    ['PANIC', 'ERROR'],
    ['loud', undefined],
    ['', undefined],
    ['toString', undefined],
  ]
  for (const [text, level] of cases) assert.equal(parseLogLevel(text), level, text)
})
