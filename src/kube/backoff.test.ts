import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backoff } from './backoff.ts'
import { ManualTimers } from './timers.fixture.ts'
import { TokenBucket } from './token-bucket.ts'

test('delays double between half a step and a whole one, up to the longest', () => {
  const timers = new ManualTimers()
  for (const [random, expected] of [
    [0, [50, 100, 200, 400, 500, 500]],
    [1, [100, 200, 400, 800, 1000, 1000]],
  ] as const) {
    timers.nextRandom = random
    const backoff = new Backoff({ baseMs: 100, maxMs: 1000 }, timers)
    assert.deepEqual(
      Array.from({ length: 6 }, () => backoff.next()),
      expected,
    )
    assert.equal(backoff.failures, 6)
    backoff.reset()
    assert.equal(backoff.next(), expected[0])
  }
})

test('what a server asks for is the least, and spread as well', () => {
  const timers = new ManualTimers()
  const backoff = new Backoff({ baseMs: 100, maxMs: 1000 }, timers)
  assert.equal(backoff.next(3000), 3000)
  timers.nextRandom = 0.5
  assert.equal(Math.round(backoff.next(3000)), 3150)
  timers.nextRandom = 0
  for (let i = 0; i < 5000; i++) backoff.next()
  assert.equal(backoff.next(), 500, 'after any number of failures')
})

test('a bucket gives its burst at once, then one in each time', () => {
  const bucket = new TokenBucket(2, 100, 0)
  assert.deepEqual([bucket.take(0), bucket.take(0), bucket.take(0), bucket.wait(0)], [true, true, false, 100])
  assert.deepEqual(
    [bucket.take(99), bucket.wait(99), bucket.take(100), bucket.take(100)],
    [false, 1, true, false],
  )
  assert.equal(bucket.wait(100_000), 0)
  assert.deepEqual([bucket.take(100_000), bucket.take(100_000), bucket.take(100_000)], [true, true, false])
})
