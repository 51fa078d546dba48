import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import type { KubeError } from './errors.ts'
import {
  FakeApiServer,
  INGRESS_COLLECTION,
  INGRESSES,
  ingress,
  sendStatus,
  type FakeObject,
} from './fake-api-server.fixture.ts'
import { mergePatch, StatusWriter } from './status.ts'
import { ManualTimers } from './timers.fixture.ts'

const A = { name: 'a', namespace: 'shop' }
const READY = { ready: true }

interface Bed {
  readonly server: FakeApiServer
  readonly timers: ManualTimers
  readonly writer: StatusWriter<FakeObject>
  /** The informer's copy. */
  readonly copy: Map<string, FakeObject>
  readonly errors: string[]
  readonly contested: string[]
}

async function start(t: TestContext): Promise<Bed> {
  const server = await new FakeApiServer().start()
  const timers = new ManualTimers()
  const copy = new Map<string, FakeObject>()
  const errors: string[] = []
  const contested: string[] = []
  const writer = new StatusWriter<FakeObject>(server.client({ timers }), {
    resource: INGRESSES,
    current: (key) => copy.get(key),
    onError: ({ name }, error: KubeError) => errors.push(`${name}: ${error.reason}`),
    onContested: ({ name }) => contested.push(name),
  })
  t.after(async () => {
    await writer.stop()
    await server[Symbol.asyncDispose]()
  })
  return { server, timers, writer, copy, errors, contested }
}

/** In the server and in the copy. */
function put({ server, copy }: Bed, name: string, more: Record<string, unknown> = {}): FakeObject {
  const object = server.put(INGRESS_COLLECTION, { ...ingress(name), ...more })
  copy.set(`shop/${name}`, object)
  return object
}

function statusOf(server: FakeApiServer, name = 'a'): unknown {
  return server.all(INGRESS_COLLECTION).find(({ metadata }) => metadata.name === name)?.['status']
}

describe('a status writer', () => {
  test('writes what differs, and only that', async (t) => {
    const bed = await start(t)
    const { server, writer } = bed
    put(bed, 'a', { status: { kept: 1, old: 2, list: [1] } })
    writer.activate()
    writer.set(A, () => ({ kept: 1, list: [1, 2], made: { deep: true } }))
    await writer.idle()
    assert.deepEqual(statusOf(server), { kept: 1, list: [1, 2], made: { deep: true } })
    const patch = server.seen.find(({ method }) => method === 'PATCH')
    assert.deepEqual(patch?.body?.['status'], { old: null, list: [1, 2], made: { deep: true } })
    assert.ok(patch?.path.endsWith('/a/status'))
  })

  test('a status that is so already is not written, by a new leader over 500 objects neither', async (t) => {
    const bed = await start(t)
    const { server, writer } = bed
    for (let i = 0; i < 500; i++) {
      put(bed, `i${i}`, { status: { deep: { ready: true }, list: [{ a: 1, b: 2 }] } })
      // The same in another order of keys.
      writer.set({ name: `i${i}`, namespace: 'shop' }, () => ({
        list: [{ b: 2, a: 1 }],
        deep: { ready: true },
      }))
    }
    await writer.idle()
    assert.equal(writer.facts.suppressed, 0, 'nothing happens while it is not active')
    writer.activate()
    await writer.idle()
    assert.deepEqual([writer.facts, server.seen.length], [{ written: 0, suppressed: 500, conflicts: 0 }, 0])
  })

  test('an inactive one remembers what was set last and writes it when it becomes active', async (t) => {
    const bed = await start(t)
    const { server, writer } = bed
    put(bed, 'a')
    writer.set(A, () => ({ first: true }))
    writer.set(A, () => READY)
    await writer.idle()
    assert.equal(server.seen.length, 0)
    writer.activate()
    await writer.idle()
    assert.deepEqual([statusOf(server), writer.facts.written], [READY, 1])
    writer.deactivate()
    writer.set(A, () => ({ later: true }))
    await writer.idle()
    assert.deepEqual(statusOf(server), READY)
  })

  test('several settings in one turn are one write', async (t) => {
    const bed = await start(t)
    put(bed, 'a')
    bed.writer.activate()
    for (let i = 0; i <= 9; i++) bed.writer.set(A, () => ({ i }))
    await bed.writer.idle()
    assert.deepEqual([statusOf(bed.server), bed.writer.facts.written], [{ i: 9 }, 1])
  })

  test('what is set during a write is written behind it', async (t) => {
    const bed = await start(t)
    const { server, writer } = bed
    put(bed, 'a')
    writer.activate()
    server.intercept = (seen) => {
      if (seen.method === 'PATCH') {
        server.intercept = undefined
        writer.set(A, () => ({ second: true }))
      }
      return false
    }
    writer.set(A, () => ({ first: true }))
    await writer.idle()
    assert.deepEqual(statusOf(server), { second: true })
  })

  test('a conflict means reading and computing again, so that what others wrote stays', async (t) => {
    const bed = await start(t)
    const { server, writer } = bed
    put(bed, 'a', { status: { others: 1 } })
    // The copy is behind.
    server.put(INGRESS_COLLECTION, { ...ingress('a'), status: { others: 2 } })
    writer.activate()
    writer.set(A, (object) => ({ ...(object['status'] as object), ours: true }))
    await writer.idle()
    assert.deepEqual(statusOf(server), { others: 2, ours: true })
    assert.equal(writer.facts.conflicts, 1)
  })

  test('a copy that is behind our own write is no fight', async (t) => {
    const bed = await start(t)
    const { server, writer, contested } = bed
    put(bed, 'a')
    writer.activate()
    for (let i = 0; i < 10; i++) {
      writer.set(A, () => READY)
      await writer.idle()
    }
    assert.deepEqual([statusOf(server), writer.facts.written, contested], [READY, 1, []])
  })

  test('a status that somebody keeps changing back is left alone and reported once', async (t) => {
    const bed = await start(t)
    const { server, writer, contested } = bed
    writer.activate()
    for (let i = 0; i < 10; i++) {
      put(bed, 'a', { status: { theirs: true } })
      writer.set(A, () => READY)
      await writer.idle()
    }
    assert.deepEqual([contested, writer.facts.written, statusOf(server)], [['a'], 4, { theirs: true }])
    writer.forget(A)
    writer.set(A, () => READY)
    await writer.idle()
    assert.deepEqual(statusOf(server), READY)
  })

  test('what is forgotten while it waits is not written', async (t) => {
    const bed = await start(t)
    const { server, writer } = bed
    put(bed, 'a')
    writer.activate()
    writer.set(A, () => READY)
    writer.forget(A)
    await writer.idle()
    assert.deepEqual([statusOf(server), server.count('PATCH', '/a')], [undefined, 0])
  })

  test('failures that pass are waited for, others are reported', async (t) => {
    const bed = await start(t)
    const { server, writer, timers, errors } = bed
    put(bed, 'a')
    put(bed, 'b')
    let isAway = true
    server.intercept = (seen, response) => {
      const isB = seen.path.includes('/b/')
      if (!isB && !isAway) return false
      sendStatus(response, isB ? 403 : 500, isB ? 'Forbidden' : 'InternalError', 'no')
      return true
    }
    writer.activate()
    writer.set(A, () => READY)
    writer.set({ name: 'b', namespace: 'shop' }, () => READY)
    await timers.armed(100)
    isAway = false
    await timers.advance(100)
    await writer.idle()
    assert.deepEqual([statusOf(server), errors], [READY, ['b: Forbidden']])
  })

  test('an object that is gone, or wants nothing, is no error', async (t) => {
    const bed = await start(t)
    const { server, writer, errors } = bed
    put(bed, 'a')
    writer.activate()
    writer.set({ name: 'gone', namespace: 'shop' }, () => READY)
    writer.set(A, () => undefined)
    await writer.idle()
    assert.deepEqual([errors, server.count('PATCH', ''), statusOf(server)], [[], 0, undefined])
  })

  test('what is under way ends when it is not active any more, and comes again with the next term', async (t) => {
    const bed = await start(t)
    const { server, writer } = bed
    put(bed, 'a')
    writer.activate()
    server.intercept = () => true
    writer.set(A, () => READY)
    await server.until(() => server.count('PATCH', '') === 1, 'the write')
    writer.deactivate()
    await writer.idle()
    server.intercept = undefined
    writer.activate()
    await writer.idle()
    assert.deepEqual(statusOf(server), READY)
  })
})

describe('a merge patch', () => {
  const cases: readonly [string, unknown, unknown, unknown][] = [
    ['of equals', { a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }, undefined],
    ['adds', {}, { a: 1 }, { a: 1 }],
    ['removes', { a: 1, b: 2 }, { b: 2 }, { a: null }],
    ['removes what is undefined', { a: 1 }, { a: undefined }, { a: null }],
    ['goes into objects', { a: { b: 1, c: 2 } }, { a: { b: 1, c: 3 } }, { a: { c: 3 } }],
    ['replaces arrays', { a: [1, 2] }, { a: [1] }, { a: [1] }],
    ['replaces what is of another kind', { a: { b: 1 } }, { a: [1] }, { a: [1] }],
  ]
  for (const [name, from, to, expected] of cases)
    test(name, () => assert.deepEqual(mergePatch(from, to), expected))
})
