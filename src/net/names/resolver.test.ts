import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Resolver } from './resolver.ts'
import type { FamilyAnswer, NameAnswer, NameSource } from './system-names.ts'

const NONE: FamilyAnswer = { kind: 'none' }
const FAILED: FamilyAnswer = { kind: 'failed', error: 'ESERVFAIL' }
const GONE: NameAnswer = { v4: NONE, v6: NONE }

function found(ttlMs: number, ...addresses: string[]): NameAnswer {
  return { v4: { kind: 'found', addresses, ttlMs }, v6: NONE }
}

/** Answers when the test says so. */
class Source implements NameSource {
  readonly asked: string[] = []
  readonly #open: ((answer: NameAnswer) => void)[] = []

  lookup(name: string): Promise<NameAnswer> {
    this.asked.push(name)
    return new Promise((resolve) => this.#open.push(resolve))
  }

  async answers(answer: NameAnswer): Promise<void> {
    const open = this.#open.shift()
    assert.ok(open !== undefined, 'nothing was asked')
    open(answer)
    await Promise.resolve()
    await Promise.resolve()
  }
}

class Bed {
  now = 1_000_000
  readonly source = new Source()
  readonly events: string[] = []
  readonly resolver = new Resolver(() => this.now, this.source, {
    onFailing: (name, error, kept) => this.events.push(`${name} ${error}, ${kept} kept`),
    onRecovered: (name) => this.events.push(`${name} is back`),
  })

  advance(ms: number): void {
    this.now += ms
  }

  /** What `resolve` calls back with: at once, or later. */
  ask(name = 'db'): { said: string } {
    const result = { said: 'nothing' }
    this.resolver.resolve(name, (addresses, error) => {
      result.said = addresses.length === 0 ? (error ?? 'neither') : addresses.join(' ')
    })
    return result
  }
}

describe('a server name', () => {
  it('is waited for the first time, by all who ask, with one question', async () => {
    const one = new Bed()
    const first = one.ask()
    const second = one.ask()
    assert.deepEqual([first.said, second.said, one.source.asked.length], ['nothing', 'nothing', 1])
    await one.source.answers(found(60_000, '192.0.2.1'))
    assert.deepEqual([first.said, second.said], ['192.0.2.1', '192.0.2.1'])
  })

  it('is not asked for again before its TTL is over', async () => {
    const one = new Bed()
    one.ask()
    await one.source.answers(found(60_000, '192.0.2.1'))
    one.advance(59_999)
    assert.equal(one.ask().said, '192.0.2.1')
    assert.equal(one.source.asked.length, 1)
    one.advance(1)
    assert.equal(one.ask().said, '192.0.2.1', 'what is known serves while the question is out')
    assert.equal(one.source.asked.length, 2)
    await one.source.answers(found(60_000, '192.0.2.2'))
    assert.equal(one.ask().said, '192.0.2.2')
  })

  it('is asked for again by the use of its connections alone', async () => {
    const one = new Bed()
    assert.deepEqual(one.resolver.current('db'), [])
    one.ask()
    await one.source.answers(found(5_000, '192.0.2.1'))
    const known = one.resolver.current('db')
    assert.deepEqual(known, ['192.0.2.1'])
    one.advance(5_000)
    assert.equal(one.resolver.current('db'), known)
    assert.equal(one.source.asked.length, 2)
    assert.equal(one.resolver.current('db'), known)
    assert.equal(one.source.asked.length, 2, 'one question at a time')
    await one.source.answers(found(5_000, '192.0.2.1'))
    assert.equal(one.resolver.current('db'), known, 'the same addresses are the same list')
  })

  it('that was not used for long is waited for', async () => {
    const one = new Bed()
    one.ask()
    await one.source.answers(found(1_000, '192.0.2.1'))
    one.advance(60_000)
    const late = one.ask()
    assert.equal(late.said, 'nothing')
    await one.source.answers(found(1_000, '192.0.2.2'))
    assert.equal(late.said, '192.0.2.2')
  })

  for (const [title, answer, error] of [
    ['no longer exists', GONE, 'ENOTFOUND'],
    ['cannot be asked for', { v4: FAILED, v6: FAILED }, 'ESERVFAIL'],
  ] as const) {
    it(`that ${title} keeps its last addresses until it has others, and that is said once`, async () => {
      const one = new Bed()
      one.ask()
      await one.source.answers(found(1_000, '192.0.2.1', '192.0.2.2'))
      for (let i = 0; i < 5; i++) {
        one.advance(20_000)
        const asked = one.ask()
        await one.source.answers(answer)
        assert.equal(asked.said, '192.0.2.1 192.0.2.2')
      }
      assert.deepEqual(one.events, [`db ${error}, 2 kept`])
      assert.deepEqual(one.resolver.counters, { resolved: 1, failed: 5, failing: 1 })
      one.advance(20_000)
      one.ask()
      await one.source.answers(found(1_000, '192.0.2.3'))
      assert.equal(one.ask().said, '192.0.2.3')
      assert.deepEqual(one.events, [`db ${error}, 2 kept`, 'db is back'])
      assert.deepEqual(one.resolver.counters, { resolved: 2, failed: 5, failing: 0 })
    })
  }

  it('that fails is not waited for where addresses are known', async () => {
    const one = new Bed()
    one.ask()
    await one.source.answers(found(1_000, '192.0.2.1'))
    one.advance(1_000)
    one.ask()
    await one.source.answers(GONE)
    one.advance(3_600_000)
    assert.equal(one.ask().said, '192.0.2.1')
  })

  it('that never resolved is an error, and asked for again at growing intervals', async () => {
    const one = new Bed()
    const first = one.ask()
    await one.source.answers(GONE)
    assert.equal(first.said, 'ENOTFOUND')
    const waits: number[] = []
    for (let i = 0; i < 6; i++) {
      let waited = 0
      while (one.source.asked.length === i + 1) {
        one.advance(500)
        waited += 500
        one.ask()
      }
      waits.push(waited)
      await one.source.answers(GONE)
    }
    assert.deepEqual(waits, [1000, 2000, 4000, 8000, 10_000, 10_000])
    assert.deepEqual(one.events, ['db ENOTFOUND, 0 kept'])
  })

  for (const [title, ttlMs, before, then] of [
    ['0 is a second', 0, 999, 1000],
    ['of a day is an hour', 86_400_000, 3_599_999, 3_600_000],
  ] as const) {
    it(`with a TTL ${title}`, async () => {
      const one = new Bed()
      one.ask()
      await one.source.answers(found(ttlMs, '192.0.2.1'))
      one.advance(before)
      one.ask()
      assert.equal(one.source.asked.length, 1)
      one.advance(then - before)
      one.ask()
      assert.equal(one.source.asked.length, 2)
    })
  }

  it('keeps a family that got no answer and drops one that has none', async () => {
    const one = new Bed()
    const both = (v4: FamilyAnswer, v6: FamilyAnswer): NameAnswer => ({ v4, v6 })
    const v4: FamilyAnswer = { kind: 'found', addresses: ['192.0.2.1'], ttlMs: 60_000 }
    const v6: FamilyAnswer = { kind: 'found', addresses: ['2001:db8::1'], ttlMs: 60_000 }
    one.ask()
    await one.source.answers(both(v4, NONE))
    one.advance(60_000)
    one.ask()
    await one.source.answers(both(FAILED, v6))
    assert.ok(one.resolver.current('db').includes('192.0.2.1'))
    one.advance(10_000)
    one.ask()
    assert.equal(one.source.asked.length, 3, 'half an answer is asked for again soon')
    await one.source.answers(both(NONE, v6))
    assert.deepEqual(one.resolver.current('db'), ['2001:db8::1'])
  })
})
