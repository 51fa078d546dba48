import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CoarseClock } from './clock.ts'

const START = Date.UTC(1994, 10, 6, 8, 49, 37, 250)

function fakeClock(): { clock: CoarseClock; time: { monotonic: number; wall: number } } {
  const time = { monotonic: 5000.5, wall: START }
  const clock = new CoarseClock(
    () => time.monotonic,
    () => time.wall,
  )
  return { clock, time }
}

test('starts at the system time with the date of that second', () => {
  const { clock } = fakeClock()
  assert.equal(clock.now, START)
  assert.equal(clock.httpDate, 'Sun, 06 Nov 1994 08:49:37 GMT')
})

test('the fields change with a tick only', () => {
  const { clock, time } = fakeClock()
  time.monotonic += 800
  time.wall += 800
  assert.equal(clock.now, START)
  clock.tick()
  assert.equal(clock.now, START + 800)
  assert.equal(clock.httpDate, 'Sun, 06 Nov 1994 08:49:38 GMT')
})

test('the date changes at the boundary of the second, not a second after the last change', () => {
  const { clock, time } = fakeClock()
  for (const [ms, second] of [
    [749, '37'],
    [750, '38'],
    [1749, '38'],
    [1750, '39'],
  ] as const) {
    time.monotonic = 5000.5 + ms
    time.wall = START + ms
    clock.tick()
    assert.equal(clock.httpDate, `Sun, 06 Nov 1994 08:49:${second} GMT`, `${ms} ms later`)
  }
})

test('a system clock set back never takes now back, and the date follows it', () => {
  const { clock, time } = fakeClock()
  time.monotonic += 2000
  time.wall = START - 3_600_000
  clock.tick()
  assert.equal(clock.now, START + 2000)
  assert.equal(clock.now + clock.wallOffset, time.wall)
  assert.equal(clock.httpDate, 'Sun, 06 Nov 1994 07:49:37 GMT')
})

test('a system clock set forward moves no deadline', () => {
  const { clock, time } = fakeClock()
  time.monotonic += 1000
  time.wall += 86_400_000
  clock.tick()
  assert.equal(clock.now, START + 1000)
  assert.equal(clock.httpDate, 'Mon, 07 Nov 1994 08:49:37 GMT')
})

test('small disagreement of the two clocks is not followed', () => {
  const { clock, time } = fakeClock()
  time.monotonic += 1000
  time.wall += 1030
  clock.tick()
  assert.equal(clock.wallOffset, 0)
})

test('the real sources agree with the system clock', () => {
  const clock = new CoarseClock()
  clock.tick()
  const difference = Math.abs(clock.now + clock.wallOffset - Date.now())
  assert.ok(difference < 1000, `off by ${difference} ms`)
  assert.match(clock.httpDate, /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)
})
