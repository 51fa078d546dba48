import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Finding } from '#config/model/finding.ts'
import type { EventText } from '#kube/events.ts'
import type { KubeObject } from '#kube/objects.ts'
import { ManualTimers } from '#kube/timers.fixture.ts'
import { eventOf, FindingEvents } from './finding-events.ts'

const SETTLE_MS = 1000
const REPEAT_MS = 40 * 60_000

function findingOf(name: string, message = 'is wrong'): Finding {
  return { code: 'service-not-found', severity: 'warning', object: `Ingress shop/${name}`, message }
}

/** Events of one replica, with what it said. */
class Bed {
  readonly timers = new ManualTimers()
  readonly said: string[] = []
  readonly events = new FindingEvents(
    {
      record: (object: KubeObject, { note }: EventText) => this.said.push(`${object.metadata.name} ${note}`),
    },
    this.timers,
    (kind, key) => (kind === 'Ingress' ? { metadata: { name: key } } : undefined),
  )
}

describe('findings as events', () => {
  it('are said when they have lasted for a moment, once, however often they are reported', async () => {
    const { events, timers, said } = new Bed()
    events.activate()
    events.report([findingOf('a')])
    await timers.advance(SETTLE_MS - 1)
    assert.deepEqual(said, [])
    await timers.advance(1)
    assert.deepEqual(said, ['shop/a is wrong'])
    events.report([findingOf('a'), findingOf('b')])
    await timers.advance(SETTLE_MS)
    events.report([findingOf('b'), findingOf('a')])
    await timers.advance(SETTLE_MS)
    assert.deepEqual(said, ['shop/a is wrong', 'shop/b is wrong'])
  })

  it('are not said when they are mended in a moment, and said again when they come back', async () => {
    const { events, timers, said } = new Bed()
    events.activate()
    events.report([findingOf('a')])
    await timers.advance(SETTLE_MS / 2)
    events.report([])
    await timers.advance(SETTLE_MS)
    assert.deepEqual(said, [])
    for (let round = 1; round <= 2; round++) {
      events.report([findingOf('a')])
      await timers.advance(SETTLE_MS)
      assert.equal(said.length, round)
      events.report([])
    }
  })

  it('that last are said again before the API server forgets them', async () => {
    const { events, timers, said } = new Bed()
    events.activate()
    events.report([findingOf('a')])
    await timers.advance(REPEAT_MS)
    await timers.advance(REPEAT_MS)
    assert.equal(said.length, 3)
  })

  it('are said by whoever leads, from then on, and by nobody else', async () => {
    const { events, timers, said } = new Bed()
    events.report([findingOf('a')])
    await timers.advance(REPEAT_MS)
    assert.deepEqual(said, [])
    events.activate()
    assert.deepEqual(said, ['shop/a is wrong'])
    events.report([findingOf('a'), findingOf('b')])
    events.deactivate()
    await timers.advance(2 * REPEAT_MS)
    assert.deepEqual(said, ['shop/a is wrong'])
    events.activate()
    assert.deepEqual(said, ['shop/a is wrong', 'shop/a is wrong', 'shop/b is wrong'])
  })

  it('about what is no object, or none that is known, are not said', async () => {
    const { events, timers, said } = new Bed()
    events.activate()
    const objects = ['ingresses', 'Node a', 'Ingresses shop/a, shop/b']
    events.report(objects.map((object) => ({ ...findingOf('a'), object })))
    await timers.advance(SETTLE_MS)
    assert.deepEqual(said, [])
  })
})

describe('the text of an event', () => {
  const finding = { ...findingOf('a'), field: 'spec.rules[0]', hint: 'mend it' }
  const rows: readonly (readonly [string, Finding, EventText])[] = [
    [
      'says where and what can be done',
      finding,
      {
        type: 'Warning',
        reason: 'ServiceNotFound',
        action: 'Translate',
        note: 'spec.rules[0]: is wrong (mend it)',
      },
    ],
    [
      'of a note is no warning',
      { ...findingOf('a'), severity: 'info' },
      { type: 'Normal', reason: 'ServiceNotFound', action: 'Translate', note: 'is wrong' },
    ],
    [
      'of an error is one',
      { ...findingOf('a'), severity: 'error', field: '' },
      { type: 'Warning', reason: 'ServiceNotFound', action: 'Translate', note: 'is wrong' },
    ],
  ]
  for (const [title, given, expected] of rows) it(title, () => assert.deepEqual(eventOf(given), expected))
})
