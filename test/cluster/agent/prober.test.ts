import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProbeSpec } from './pod.ts'
import { Prober } from './prober.ts'

interface Case {
  readonly spec: ProbeSpec
  readonly initial?: boolean
  readonly isEager?: boolean
  /** In order: `+` answers well, `-` does not. */
  readonly answers: string
}

/** What is told: `good`, `bad`, and `fail` for each failure, until the answers are used up. */
async function told({ spec, initial = false, isEager = false, answers }: Case): Promise<string> {
  const heard: string[] = []
  let asked = 0
  await new Promise<void>((resolve) => {
    const prober: Prober = new Prober({
      spec: { periodSeconds: 0.001, ...spec },
      initial,
      isEager,
      ask: () => {
        const answer = answers[asked++]
        if (answer === undefined) {
          prober.stop()
          resolve()
        }
        return Promise.resolve(answer === '+' ? undefined : 'no')
      },
      onVerdict: (isGood) => heard.push(isGood ? 'good' : 'bad'),
      onFailure: () => heard.push('fail'),
    })
  })
  return heard.join(' ')
}

const CASES: readonly (readonly [string, Case, string])[] = [
  ['the first success makes it good', { spec: {}, answers: '+' }, 'good'],
  ['what is good already is not told', { spec: {}, initial: true, answers: '+++' }, ''],
  ['so many successes in a row', { spec: { successThreshold: 3 }, answers: '++-++-+++' }, 'fail fail good'],
  [
    'so many failures in a row',
    { spec: { failureThreshold: 3 }, initial: true, answers: '--+--+---' },
    'fail fail fail fail fail fail fail bad',
  ],
  [
    'one failure is enough',
    { spec: { failureThreshold: 1 }, initial: true, answers: '+-+' },
    'fail bad good',
  ],
  [
    'a failure that goes on is told again',
    { spec: { failureThreshold: 2 }, initial: true, answers: '----' },
    'fail fail bad fail bad fail bad',
  ],
  [
    'failures before the first success, within a period, do not count',
    { spec: { periodSeconds: 1000, failureThreshold: 1 }, isEager: true, answers: '---+' },
    'good',
  ],
]

for (const [name, value, expected] of CASES)
  test(name, { timeout: 10_000 }, async () => {
    // Eager probers wait for their period after the first success, so the last answer is not followed by a question.
    if (value.isEager === true) {
      const heard = await firstVerdict(value)
      assert.equal(heard, expected)
    } else assert.equal(await told(value), expected)
  })

function firstVerdict({ spec, answers }: Case): Promise<string> {
  let asked = 0
  return new Promise((resolve) => {
    const heard: string[] = []
    const prober: Prober = new Prober({
      spec,
      initial: false,
      isEager: true,
      ask: () => Promise.resolve(answers[asked++] === '+' ? undefined : 'no'),
      onVerdict: (isGood) => {
        heard.push(isGood ? 'good' : 'bad')
        prober.stop()
        resolve(heard.join(' '))
      },
      onFailure: () => heard.push('fail'),
    })
  })
}

test('eager or not, failures count once in a period', { timeout: 10_000 }, async () => {
  const startedAt = performance.now()
  const heard = await firstVerdict({ spec: { periodSeconds: 0.1, failureThreshold: 3 }, answers: '' })
  assert.equal(heard, 'fail fail fail bad')
  assert.ok(performance.now() - startedAt >= 300)
})

test('nothing is told after the stop', { timeout: 10_000 }, async () => {
  const heard: string[] = []
  await new Promise<void>((resolve) => {
    const prober: Prober = new Prober({
      spec: {},
      initial: true,
      isEager: false,
      ask: (_timeoutMs, signal) => {
        prober.stop()
        assert.equal(signal.aborted, true)
        setImmediate(resolve)
        return Promise.resolve('no')
      },
      onVerdict: () => heard.push('verdict'),
      onFailure: () => heard.push('failure'),
    })
  })
  assert.deepEqual(heard, [])
})
