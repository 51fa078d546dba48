import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TimerEntry, TimerWheel } from './timer-wheel.ts'

/** Notes when each tag fired. */
class Recorder {
  readonly fired: [tag: number, now: number][] = []
  onTimer(tag: number, now: number): void {
    this.fired.push([tag, now])
  }
}

const EPOCH = 1_790_000_000_000

/** Advances tick by tick until `until`. */
function run(wheel: TimerWheel, until: number, stepMs = 100): void {
  while (wheel.now < until) wheel.advance(Math.min(wheel.now + stepMs, until))
}

test('an entry fires after its delay, never early and at most one tick late', () => {
  for (const delay of [
    0, 1, 99, 100, 101, 6300, 6400, 6500, 409_500, 409_600, 500_000, 26_214_400, 30_000_000,
  ]) {
    const wheel = new TimerWheel(EPOCH)
    const recorder = new Recorder()
    wheel.arm(new TimerEntry(recorder, 7), delay)
    run(wheel, EPOCH + delay + 200)
    assert.equal(recorder.fired.length, 1, `delay ${delay}`)
    const [tag, now] = recorder.fired[0] as [number, number]
    assert.equal(tag, 7)
    assert.ok(now - EPOCH >= delay, `delay ${delay} fired early, after ${now - EPOCH}`)
    assert.ok(now - EPOCH <= delay + 100, `delay ${delay} fired late, after ${now - EPOCH}`)
    assert.equal(wheel.size, 0)
  }
})

test('a delay beyond the last level fires in time', () => {
  const wheel = new TimerWheel(0, 1)
  const recorder = new Recorder()
  const delay = 64 ** 4 * 2 + 12_345
  wheel.arm(new TimerEntry(recorder, 1), delay)
  wheel.advance(delay - 1)
  assert.deepEqual(recorder.fired, [])
  wheel.advance(delay + 1)
  assert.deepEqual(recorder.fired, [[1, delay + 1]])
})

test('any mixture of arming, re-arming and disarming fires like a sorted list', () => {
  let seed = 42
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return Math.floor((seed / 2 ** 32) * below)
  }
  const wheel = new TimerWheel(EPOCH, 10)
  const recorder = new Recorder()
  const entries = Array.from({ length: 200 }, (_, tag) => new TimerEntry(recorder, tag))
  /** Model: the first tick boundary at which each tag is due. */
  const due = new Map<number, number>()
  for (let step = 0; step < 4000; step++) {
    const tag = random(entries.length)
    const entry = entries[tag] as TimerEntry
    if (random(4) === 0) {
      wheel.disarm(entry)
      due.delete(tag)
    } else {
      const delay = random([30, 1000, 50_000, 3_000_000][random(4)] as number)
      wheel.arm(entry, delay)
      due.set(tag, Math.floor((wheel.now - EPOCH + delay) / 10) * 10 + 10 + EPOCH)
    }
    assert.equal(entry.isArmed, due.has(tag))
    recorder.fired.length = 0
    wheel.advance(wheel.now + random(random(50) === 0 ? 400_000 : 300))
    const expected = [...due].filter(([, at]) => at <= wheel.now).map(([t]) => t)
    for (const t of expected) due.delete(t)
    const fired = recorder.fired.map(([t]) => t)
    assert.deepEqual(
      fired.toSorted((a, b) => a - b),
      expected.toSorted((a, b) => a - b),
      `step ${step}`,
    )
    assert.equal(wheel.size, due.size)
  }
})

test('entries of one tick fire in the order they were armed', () => {
  const wheel = new TimerWheel(0)
  const recorder = new Recorder()
  for (const tag of [3, 1, 2]) wheel.arm(new TimerEntry(recorder, tag), 50)
  wheel.advance(100)
  assert.deepEqual(
    recorder.fired.map(([tag]) => tag),
    [3, 1, 2],
  )
})

test('a callback may arm its own entry again, which fires in a later advance', () => {
  const wheel = new TimerWheel(0)
  const times: number[] = []
  const entry: TimerEntry = new TimerEntry(
    {
      onTimer(_tag, now) {
        assert.equal(entry.isArmed, false)
        times.push(now)
        if (times.length < 3) wheel.arm(entry, 0)
      },
    },
    0,
  )
  wheel.arm(entry, 0)
  wheel.advance(1000)
  assert.deepEqual(times, [1000])
  wheel.advance(1100)
  wheel.advance(1200)
  wheel.advance(1300)
  assert.deepEqual(times, [1000, 1100, 1200])
})

test('a callback may disarm another entry of the same tick', () => {
  const wheel = new TimerWheel(0)
  const recorder = new Recorder()
  const other = new TimerEntry(recorder, 2)
  wheel.arm(new TimerEntry({ onTimer: () => wheel.disarm(other) }, 1), 10)
  wheel.arm(other, 10)
  wheel.advance(500)
  assert.deepEqual(recorder.fired, [])
  assert.equal(wheel.size, 0)
})

test('a callback that throws loses only itself', () => {
  const wheel = new TimerWheel(0)
  const recorder = new Recorder()
  const thrower = {
    onTimer(): void {
      throw new Error('no')
    },
  }
  wheel.arm(new TimerEntry(thrower, 1), 10)
  wheel.arm(new TimerEntry(recorder, 2), 10)
  assert.throws(() => wheel.advance(200), /no/)
  wheel.advance(200)
  assert.deepEqual(recorder.fired, [[2, 200]])
})

test('time that goes back does nothing', () => {
  const wheel = new TimerWheel(EPOCH)
  const recorder = new Recorder()
  wheel.arm(new TimerEntry(recorder, 1), 0)
  wheel.advance(EPOCH - 100_000)
  assert.deepEqual(recorder.fired, [])
  wheel.advance(EPOCH + 100)
  assert.equal(recorder.fired.length, 1)
})

test('disarming twice, or what never was armed, changes nothing', () => {
  const wheel = new TimerWheel(0)
  const entry = new TimerEntry(new Recorder(), 1)
  wheel.disarm(entry)
  wheel.arm(entry, 10)
  wheel.disarm(entry)
  wheel.disarm(entry)
  assert.equal(wheel.size, 0)
})

test('100,000 armed entries are found again', () => {
  const wheel = new TimerWheel(0)
  const recorder = new Recorder()
  const entries = Array.from({ length: 100_000 }, (_, tag) => new TimerEntry(recorder, tag))
  for (const entry of entries) wheel.arm(entry, entry.tag)
  for (const entry of entries) if (entry.tag % 2 === 0) wheel.disarm(entry)
  assert.equal(wheel.size, 50_000)
  run(wheel, 100_100)
  assert.equal(recorder.fired.length, 50_000)
  assert.equal(wheel.size, 0)
})
