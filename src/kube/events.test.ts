import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import type { KubeError } from './errors.ts'
import { EventRecorder, type EventText } from './events.ts'
import { FakeApiServer, ingress, sendStatus, type FakeObject } from './fake-api-server.fixture.ts'
import { ManualTimers } from './timers.fixture.ts'

const COLLECTION = 'apis/events.k8s.io/v1/events'
const TEXT: EventText = {
  type: 'Warning',
  reason: 'ServiceNotFound',
  action: 'Sync',
  note: 'service cart is missing',
}

interface Bed {
  readonly server: FakeApiServer
  readonly timers: ManualTimers
  readonly recorder: EventRecorder
  readonly errors: KubeError[]
}

async function start(t: TestContext): Promise<Bed> {
  const server = await new FakeApiServer().start()
  const timers = new ManualTimers()
  const errors: KubeError[] = []
  const source = { controller: 'sekisho.dev/ingress-controller', instance: 'gateway-1' }
  const recorder = new EventRecorder(server.client({ timers }), source, (error) => errors.push(error))
  t.after(async () => {
    await recorder.stop()
    await server[Symbol.asyncDispose]()
  })
  return { server, timers, recorder, errors }
}

function object(name: string): FakeObject {
  const made = ingress(name)
  return { ...made, metadata: { ...made.metadata, uid: `uid-of-${name}`, resourceVersion: '7' } }
}

function counts(server: FakeApiServer): (number | undefined)[] {
  return server.all(COLLECTION).map((event) => (event['series'] as { count: number } | undefined)?.count)
}

describe('an event', () => {
  test('is written as the API wants it', async (t) => {
    const { server, recorder } = await start(t)
    recorder.record(object('a'), TEXT)
    await recorder.idle()
    const [event] = server.all(COLLECTION)
    const { metadata, ...rest } = event!
    assert.match(metadata.name, /^a\.[0-9a-f]+$/)
    assert.equal(metadata.namespace, 'shop')
    assert.match(String(rest['eventTime']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    assert.deepEqual(
      { ...rest, eventTime: '' },
      {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        eventTime: '',
        reportingController: 'sekisho.dev/ingress-controller',
        reportingInstance: 'gateway-1',
        action: 'Sync',
        reason: 'ServiceNotFound',
        type: 'Warning',
        regarding: {
          apiVersion: 'networking.k8s.io/v1',
          kind: 'Ingress',
          name: 'a',
          namespace: 'shop',
          uid: 'uid-of-a',
          resourceVersion: '7',
        },
        note: TEXT.note,
      },
    )
  })

  test('that is repeated becomes a series, brought up to date every half minute', async (t) => {
    const { server, timers, recorder } = await start(t)
    recorder.record(object('a'), TEXT)
    await recorder.idle()
    for (let i = 0; i < 99; i++) recorder.record(object('a'), TEXT)
    await recorder.idle()
    assert.deepEqual(counts(server), [undefined])
    await timers.advance(30_000)
    await recorder.idle()
    assert.deepEqual(counts(server), [100])
    assert.equal(server.seen.length, 2)
    assert.deepEqual(
      Object.keys(server.seen[1]?.body ?? {}),
      ['series'],
      'nothing else of an event may change',
    )
    // Quiet for a while: the next one is told at once.
    await timers.advance(60_000)
    recorder.record(object('a'), TEXT)
    await recorder.idle()
    assert.deepEqual(counts(server), [101])
  })

  test('that was quiet for ten minutes goes on as long as the server has it', async (t) => {
    const { server, timers, recorder } = await start(t)
    recorder.record(object('a'), TEXT)
    await recorder.idle()
    await timers.advance(600_000)
    recorder.record(object('a'), TEXT)
    await recorder.idle()
    assert.deepEqual(counts(server), [2])
  })

  test('that another replica has written is gone on with, and is not a second one', async (t) => {
    const { server, recorder, timers } = await start(t)
    recorder.record(object('a'), TEXT)
    await recorder.idle()
    const source = { controller: 'sekisho.dev/ingress-controller', instance: 'gateway-2' }
    const other = new EventRecorder(server.client({ timers }), source)
    other.record(object('a'), TEXT)
    other.record(object('a'), { ...TEXT, note: 'something else' })
    await other.idle()
    await other.stop()
    assert.deepEqual(new Set(counts(server)), new Set([2, undefined]))
  })

  test('that the server has forgotten is made anew with its count', async (t) => {
    const { server, timers, recorder } = await start(t)
    recorder.record(object('a'), TEXT)
    await recorder.idle()
    const [event] = server.all(COLLECTION)
    server.remove(COLLECTION, 'shop', event!.metadata.name)
    await timers.advance(60_000)
    recorder.record(object('a'), TEXT)
    await recorder.idle()
    assert.deepEqual(counts(server), [2])
  })

  test('in many versions becomes a combined one', async (t) => {
    const { server, timers, recorder } = await start(t)
    for (let i = 0; i < 20; i++) recorder.record(object('a'), { ...TEXT, note: `note ${i}` })
    await recorder.idle()
    await timers.advance(30_000)
    await recorder.idle()
    const notes = server.all(COLLECTION).map((event) => String(event['note']))
    assert.equal(notes.length, 11)
    assert.equal(notes.at(-1), '(combined from similar events): note 10')
    assert.equal(counts(server).at(-1), 10)
  })

  test('of one object is bounded, and others are not held up by it', async (t) => {
    const { server, timers, recorder } = await start(t)
    for (let i = 0; i < 40; i++) recorder.record(object('a'), { ...TEXT, reason: `Reason${i}` })
    recorder.record(object('b'), TEXT)
    await recorder.idle()
    assert.equal(server.all(COLLECTION).length, 26)
    assert.equal(recorder.facts.dropped, 15)
    await timers.advance(300_000)
    recorder.record(object('a'), { ...TEXT, reason: 'Another' })
    await recorder.idle()
    assert.equal(server.all(COLLECTION).length, 27, 'one more after five minutes')
  })

  test('of many objects at once goes out at a bounded rate, and beyond the queue is dropped', async (t) => {
    const { server, timers, recorder } = await start(t)
    for (let i = 0; i < 1200; i++) recorder.record(object(`i${i}`), TEXT)
    await timers.armed(100)
    assert.equal(server.all(COLLECTION).length, 50)
    assert.ok(recorder.facts.dropped >= 199, `${recorder.facts.dropped} dropped`)
    for (let i = 1; i <= 3; i++) {
      await timers.advance(100)
      await server.until(() => server.all(COLLECTION).length === 50 + i, 'one more')
      await timers.armed(100)
    }
  })

  test('is tried again after a failure that passes, and dropped after another', async (t) => {
    const { server, timers, recorder, errors } = await start(t)
    const answers = [500, 503]
    server.intercept = (_, response) => {
      const code = answers.shift()
      if (code === undefined) return false
      sendStatus(response, code, code === 403 ? 'Forbidden' : 'InternalError', 'no')
      return true
    }
    recorder.record(object('a'), TEXT)
    for (const delay of [250, 500]) {
      await timers.armed(delay)
      await timers.advance(delay)
    }
    await recorder.idle()
    assert.deepEqual([server.all(COLLECTION).length, recorder.facts], [1, { written: 1, dropped: 0 }])
    answers.push(403)
    recorder.record(object('b'), TEXT)
    await recorder.idle()
    assert.deepEqual(
      [recorder.facts, errors.map(({ reason }) => reason)],
      [{ written: 1, dropped: 1 }, ['Forbidden']],
    )
  })

  test('has a note, a reason and a name that the API takes, whatever was given', async (t) => {
    const { server, recorder } = await start(t)
    const long = {
      type: 'Normal',
      reason: 'r'.repeat(200),
      action: 'a'.repeat(200),
      note: 'ü'.repeat(1000),
    } as const
    recorder.record(object('n'.repeat(253)), long)
    await recorder.idle()
    const [event] = server.all(COLLECTION)
    assert.ok(event!.metadata.name.length <= 253)
    assert.ok(String(event!['reason']).length <= 128 && String(event!['action']).length <= 128)
    const note = String(event!['note'])
    assert.ok(Buffer.byteLength(note) <= 1024 && note.endsWith('ü…'), note.slice(-5))
  })

  test('of an object without a namespace stands in the default one', async (t) => {
    const { server, recorder } = await start(t)
    recorder.record(
      { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata: { name: 'sekisho' } },
      TEXT,
    )
    await recorder.idle()
    assert.equal(server.all(COLLECTION)[0]?.metadata.namespace, 'default')
  })
})
