import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { Waiter } from '#net/transport/transport.fixture.ts'
import type { KubeClient } from './client.ts'
import type { KubeError } from './errors.ts'
import {
  FakeApiServer,
  INGRESS_COLLECTION,
  INGRESSES,
  ingress,
  sendStatus,
  statusOf,
  type FakeObject,
} from './fake-api-server.fixture.ts'
import { Informer, type InformerHandler, type InformerOptions } from './informer.ts'
import { ManualTimers } from './timers.fixture.ts'

/** Writes down what it is told: `+a`, `~a`, `-a`, `|` for the end of a batch. */
class Recorder extends Waiter implements InformerHandler<FakeObject> {
  events: string[] = []
  problems: (KubeError | null)[] = []
  syncs = 0
  receivedAt: (number | undefined)[] = []

  onAdd(object: FakeObject): void {
    this.#note(`+${object.metadata.name}`)
  }
  onUpdate(object: FakeObject, before: FakeObject): void {
    assert.notEqual(object.metadata.resourceVersion, before.metadata.resourceVersion)
    this.#note(`~${object.metadata.name}`)
  }
  onDelete(object: FakeObject): void {
    this.#note(`-${object.metadata.name}`)
  }
  onBatchEnd(receivedAt: number | undefined): void {
    this.receivedAt.push(receivedAt)
    this.#note('|')
  }
  onSynced(): void {
    this.syncs++
  }
  onProblem(problem: KubeError | null): void {
    this.problems.push(problem)
    this.happened()
  }

  get text(): string {
    return this.events.join('')
  }

  /** Waits until just this was told since the last call. */
  async told(expected: string): Promise<void> {
    const wanted = expected.replaceAll('|', '').length
    try {
      await this.until(
        () => this.text.replaceAll('|', '').length >= wanted && this.text.endsWith('|'),
        expected,
      )
    } finally {
      assert.equal(this.text.replaceAll('|', ''), expected.replaceAll('|', ''))
      this.events = []
    }
  }

  #note(event: string): void {
    this.events.push(event)
    this.happened()
  }
}

interface Bed {
  readonly server: FakeApiServer
  readonly timers: ManualTimers
  readonly recorder: Recorder
  readonly informer: Informer<FakeObject>
  readonly client: KubeClient
}

async function start(
  t: TestContext,
  options: Partial<InformerOptions<FakeObject>> & { before?: (server: FakeApiServer) => void } = {},
): Promise<Bed> {
  const { before, ...rest } = options
  const server = await new FakeApiServer().start()
  before?.(server)
  const timers = new ManualTimers()
  const recorder = new Recorder()
  const client = server.client({ timers })
  const informer = new Informer<FakeObject>(client, { resource: INGRESSES, ...rest })
  informer.addHandler(recorder)
  t.after(async () => {
    await informer.stop()
    await server[Symbol.asyncDispose]()
  })
  informer.start()
  return { server, timers, recorder, informer, client }
}

/** Lets back-offs pass until the condition holds. */
async function goesOn(timers: ManualTimers, condition: () => boolean): Promise<void> {
  for (;;) {
    await timers.until(
      () => condition() || timers.delays.some((delay) => delay < 5000),
      'the informer to go on',
    )
    if (condition()) return
    await timers.advance(400)
  }
}

function filled(count: number): (server: FakeApiServer) => void {
  return (server) => {
    for (let i = 0; i < count; i++) server.put(INGRESS_COLLECTION, ingress(`i${i}`))
  }
}

const WAYS = [
  ['in pages', { useStreamingLists: false, pageSize: 2 }],
  ['as a stream', { useStreamingLists: true }],
] as const

for (const [way, options] of WAYS) {
  describe(`listing ${way}`, () => {
    test('tells all objects in one batch, then what changes', async (t) => {
      const { server, recorder, informer } = await start(t, { ...options, before: filled(5) })
      await informer.synced
      assert.equal(recorder.text, '+i0+i1+i2+i3+i4|')
      assert.deepEqual([recorder.syncs, informer.hasSynced, informer.store.size], [1, true, 5])
      recorder.events = []
      await server.watching()
      server.put(INGRESS_COLLECTION, ingress('i1', { host: 'new' }))
      server.put(INGRESS_COLLECTION, ingress('b'))
      server.remove(INGRESS_COLLECTION, 'shop', 'i0')
      await recorder.told('~i1+b-i0|')
      assert.deepEqual(informer.store.get('shop/i1')?.['spec'], { host: 'new' })
      assert.equal(informer.store.get('shop/i0'), undefined)
      assert.equal(recorder.receivedAt[0], undefined, 'a list has no time of receipt')
      assert.equal(recorder.receivedAt[1], 5000)
    })

    test('an empty collection is in sync too', async (t) => {
      const { recorder, informer, server } = await start(t, options)
      await informer.synced
      assert.deepEqual([recorder.text, recorder.syncs], ['', 1])
      await server.watching()
      server.put(INGRESS_COLLECTION, ingress('a'))
      await recorder.told('+a|')
    })

    test('a cut watch goes on where it was, without another list', async (t) => {
      const { server, timers, recorder, informer } = await start(t, { ...options, before: filled(3) })
      await recorder.told('+i0+i1+i2|')
      for (const how of ['reset', 'end'] as const) {
        await server.watching()
        server.cutWatches(how)
        // Missed by the watch that was cut.
        server.remove(INGRESS_COLLECTION, 'shop', 'i0')
        server.put(INGRESS_COLLECTION, ingress('i0'))
        await goesOn(timers, () => server.watchers > 0)
        await recorder.told('-i0+i0|')
      }
      assert.equal(informer.facts.lists, 1)
      assert.equal(
        server.seen.filter(({ query }) => query.get('watch') !== 'true').length,
        way === 'in pages' ? 2 : 0,
      )
      assert.equal(informer.problem, null)
    })

    test('an expired version means another list, which tells deletions and changes alone', async (t) => {
      const { server, timers, recorder, informer } = await start(t, { ...options, before: filled(4) })
      await recorder.told('+i0+i1+i2+i3|')
      await server.watching()
      const kept = informer.store.get('shop/i2')
      server.cutWatches('end')
      server.remove(INGRESS_COLLECTION, 'shop', 'i1')
      server.put(INGRESS_COLLECTION, ingress('i3', { host: 'x' }))
      server.put(INGRESS_COLLECTION, ingress('b'))
      server.compact()
      await goesOn(timers, () => informer.facts.lists > 1)
      await recorder.told('~i3+b-i1|')
      assert.equal(informer.facts.lists, 2)
      assert.equal(informer.store.get('shop/i2'), kept, 'what did not change is the same object')
      assert.equal(recorder.problems.length, 0, 'that is no problem')
      assert.equal(recorder.syncs, 1)
    })

    test('a relist of what did not change tells nothing', async (t) => {
      const { server, timers, recorder, informer } = await start(t, { ...options, before: filled(4) })
      await recorder.told('+i0+i1+i2+i3|')
      await server.watching()
      server.compact()
      server.cutWatches('end')
      await goesOn(timers, () => informer.facts.lists > 1)
      await timers.until(() => informer.facts.lists === 2 && server.watchers === 1, 'the second list')
      server.put(INGRESS_COLLECTION, ingress('b'))
      await recorder.told('+b|')
    })
  })
}

describe('an informer', () => {
  test('tells and holds nothing of a list that does not come to its end', async (t) => {
    let isBroken = true
    const { timers, recorder, informer } = await start(t, {
      useStreamingLists: false,
      pageSize: 2,
      before: (server) => {
        filled(3)(server)
        server.intercept = ({ query }, response) => {
          if (!isBroken || !query.has('continue')) return false
          sendStatus(response, 500, 'InternalError', 'no second page')
          return true
        }
      },
    })
    await recorder.until(() => recorder.problems.length === 1, 'the problem')
    assert.deepEqual([recorder.text, informer.store.size, informer.hasSynced], ['', 0, false])
    isBroken = false
    await goesOn(timers, () => informer.hasSynced)
    assert.equal(recorder.text, '+i0+i1+i2|')
  })

  test('falls back to pages where the server refuses streaming lists, and stays with them', async (t) => {
    const { server, timers, informer, recorder } = await start(t, {
      before: (server) => {
        server.hasStreamingLists = false
        filled(2)(server)
      },
    })
    await informer.synced
    await server.watching()
    server.compact()
    server.cutWatches('end')
    await goesOn(timers, () => informer.facts.lists > 1)
    await timers.until(() => informer.facts.lists === 2, 'the second list')
    assert.equal(server.count('GET', 'sendInitialEvents'), 1)
    assert.equal(recorder.problems.length, 0)
  })

  test('falls back to pages where the end of a streaming list never comes', async (t) => {
    const { timers, informer } = await start(t, {
      stallMs: 60_000,
      before: (server) => {
        filled(2)(server)
        // An old server: the option says nothing to it.
        server.intercept = (seen, response) => {
          if (seen.query.get('sendInitialEvents') === null) return false
          response.writeHead(200).flushHeaders()
          return true
        }
      },
    })
    await timers.armed(60_000)
    await timers.advance(60_000)
    await timers.until(() => timers.delays.some((delay) => delay < 5000), 'the back-off')
    await timers.advance(400)
    await informer.synced
    assert.equal(informer.store.size, 2)
    assert.equal(informer.facts.stalls, 1)
  })

  test('replaces a watch that is silent, and not one that has bookmarks', async (t) => {
    const { server, timers, informer } = await start(t, { stallMs: 60_000 })
    await informer.synced
    await server.watching()
    await timers.armed(60_000)
    await timers.advance(59_000)
    server.bookmark()
    await timers.armed(60_000)
    await timers.advance(59_000)
    assert.equal(informer.facts.watches, 1, 'the bookmark was a sign of life')
    await timers.advance(1000)
    await server.until(() => server.watchers === 0, 'the silent watch to be given up')
    await timers.armed(100)
    await timers.advance(100)
    await timers.until(() => informer.facts.watches === 2, 'another watch')
    assert.deepEqual([informer.facts.stalls, informer.facts.lists], [1, 1])
  })

  test('resumes from a bookmark that is newer than its last event', async (t) => {
    const { server, timers, informer } = await start(t)
    await informer.synced
    await server.watching()
    server.put('apis/other/v1/things', ingress('x'))
    server.bookmark()
    const { version } = server
    await timers.armed(150_000)
    server.cutWatches('end')
    await goesOn(timers, () => informer.facts.watches === 2)
    await timers.until(() => informer.facts.watches === 2, 'another watch')
    assert.equal(server.seen.at(-1)?.query.get('resourceVersion'), version)
  })

  test('backs off from a server that fails, tells the problem, and its end', async (t) => {
    const { server, timers, informer, recorder } = await start(t, {
      before: (server) => {
        server.intercept = (_, response) => {
          sendStatus(response, 500, 'InternalError', 'etcd is away')
          return true
        }
      },
    })
    for (const delay of [100, 200, 400, 800, 1600, 2500, 2500]) {
      await timers.armed(delay)
      await timers.advance(delay)
    }
    await timers.armed(2500)
    assert.match(recorder.problems[0]?.message ?? '', /etcd is away/)
    assert.equal(informer.problem?.code, 500)
    server.intercept = undefined
    await timers.advance(2500)
    await informer.synced
    assert.equal(recorder.problems.at(-1), null)
    assert.equal(informer.problem, null)
  })

  test('does not run in circles with a server that ends every watch at once', async (t) => {
    const { server, timers, informer } = await start(t, { before: filled(1) })
    await informer.synced
    for (let i = 2; i < 6; i++) {
      await server.watching()
      server.bookmark()
      server.cutWatches('end')
      await timers.armed(100)
      assert.equal(informer.facts.watches, i - 1)
      await timers.advance(100)
      await timers.until(() => informer.facts.watches === i, 'another watch')
    }
  })

  test('comes slowly where it has no rights', async (t) => {
    const { timers, informer } = await start(t, {
      before: (server) => {
        server.intercept = (_, response) => {
          sendStatus(response, 403, 'Forbidden', 'ingresses is forbidden')
          return true
        }
      },
    })
    for (const delay of [500, 1000, 2000, 4000, 8000, 15_000, 15_000]) {
      await timers.armed(delay)
      await timers.advance(delay)
    }
    assert.equal(informer.problem?.reason, 'Forbidden')
  })

  test('waits as long as a server that is busy asks for', async (t) => {
    const { server, timers, informer } = await start(t, { useStreamingLists: false })
    await informer.synced
    await server.watching()
    const status = {
      ...(statusOf(429, 'TooManyRequests', 'busy') as object),
      details: { retryAfterSeconds: 7 },
    }
    server.sendRaw(`${JSON.stringify({ type: 'ERROR', object: status })}\n`)
    await timers.armed(7000)
  })

  test('lists again when the server has been put back to an older state', async (t) => {
    const { server, timers, informer } = await start(t, { before: filled(1) })
    await informer.synced
    await server.watching()
    server.intercept = (seen, response) => {
      if (seen.query.get('resourceVersion') === null) return false
      const causes = [{ reason: 'ResourceVersionTooLarge' }]
      const status = {
        ...(statusOf(504, 'Timeout', 'Too large resource version') as object),
        details: { causes },
      }
      response.writeHead(504).end(JSON.stringify(status))
      return true
    }
    server.cutWatches()
    for (const delay of [100, 200, 400, 800]) {
      await timers.armed(delay)
      await timers.advance(delay)
    }
    await timers.until(() => informer.facts.lists === 2, 'another list')
  })

  test('does not wait any longer when somebody else has found the server again', async (t) => {
    const { server, timers, recorder, informer, client } = await start(t)
    await informer.synced
    await server.watching()
    let isAway = true
    server.intercept = (_seen, response) => {
      if (isAway) response.destroy()
      return isAway
    }
    server.cutWatches()
    for (const delay of [100, 200, 400, 800, 1600]) {
      await timers.armed(delay)
      await timers.advance(delay)
    }
    await timers.armed(2500)
    await assert.rejects(client.get(INGRESSES, { namespace: 'shop', name: 'a' }), { reason: 'Unreachable' })
    isAway = false
    server.put(INGRESS_COLLECTION, ingress('a'))
    assert.equal(timers.delays.includes(100), false)
    await client.get(INGRESSES, { namespace: 'shop', name: 'a' })
    await timers.armed(100)
    await timers.advance(100)
    await recorder.told('+a|')
    assert.equal(informer.facts.lists, 1)
  })

  test('lists at once when a server that was away has forgotten the past', async (t) => {
    const { server, timers, recorder, informer } = await start(t)
    await informer.synced
    await server.watching()
    let isAway = true
    server.intercept = (_seen, response) => {
      if (isAway) response.destroy()
      return isAway
    }
    server.cutWatches()
    for (const delay of [100, 200, 400]) {
      await timers.armed(delay)
      await timers.advance(delay)
    }
    await timers.armed(800)
    server.put(INGRESS_COLLECTION, ingress('a'))
    server.compact()
    isAway = false
    await timers.advance(800)
    await recorder.told('+a|')
    assert.equal(informer.facts.lists, 2)
  })

  test('goes on after a broken line with the event that was in it', async (t) => {
    const { server, timers, recorder, informer } = await start(t)
    await informer.synced
    await server.watching()
    server.put(INGRESS_COLLECTION, ingress('a'))
    await recorder.told('+a|')
    server.sendRaw('{"type":"ADDED","object":{"meta')
    server.cutWatches()
    server.put(INGRESS_COLLECTION, ingress('b'))
    await timers.armed(100)
    await timers.advance(100)
    await recorder.told('+b|')
  })

  test('holds what is left after pruning, and nothing that pruning refuses', async (t) => {
    const { server, recorder, informer } = await start(t, {
      prune: (object) => (object['type'] === 'secret' ? undefined : { ...object, spec: undefined }),
    })
    await informer.synced
    await server.watching()
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{}', kept: 'yes' }
    const object = ingress('a', { large: true })
    server.put(INGRESS_COLLECTION, {
      ...object,
      metadata: { ...object.metadata, annotations, managedFields: [1] },
    })
    server.put(INGRESS_COLLECTION, { ...ingress('s'), type: 'secret' })
    server.put(INGRESS_COLLECTION, ingress('b'))
    await recorder.told('+a+b|')
    const held = informer.store.get('shop/a')
    assert.deepEqual(
      [held?.['spec'], held?.metadata.managedFields, held?.metadata.annotations],
      [undefined, undefined, { kept: 'yes' }],
    )
    server.put(INGRESS_COLLECTION, { ...ingress('b'), type: 'secret' })
    await recorder.told('-b|')
    assert.equal(informer.store.size, 1)
  })

  test('finds objects by its indexes while they change', async (t) => {
    const { server, recorder, informer } = await start(t, {
      indexes: { host: (object) => (object['spec'] as { hosts?: string[] }).hosts ?? [] },
    })
    await informer.synced
    await server.watching()
    const found = (host: string): string[] =>
      informer.store.byIndex('host', host).map(({ metadata }) => metadata.name)
    server.put(INGRESS_COLLECTION, ingress('a', { hosts: ['x', 'y', 'x'] }))
    server.put(INGRESS_COLLECTION, ingress('b', { hosts: ['y'] }))
    await recorder.told('+a+b|')
    assert.deepEqual([found('x'), found('y'), found('z')], [['a'], ['a', 'b'], []])
    server.put(INGRESS_COLLECTION, ingress('a', { hosts: ['z'] }))
    server.remove(INGRESS_COLLECTION, 'shop', 'b')
    await recorder.told('~a-b|')
    assert.deepEqual([found('x'), found('y'), found('z')], [[], [], ['a']])
    assert.throws(() => informer.store.byIndex('no', 'x'), /there is no index no/)
  })

  test('an object that was deleted and made anew unseen is another object', async (t) => {
    const { server, timers, recorder } = await start(t, { before: filled(1) })
    await recorder.told('+i0|')
    await server.watching()
    server.cutWatches('end')
    server.remove(INGRESS_COLLECTION, 'shop', 'i0')
    server.put(INGRESS_COLLECTION, ingress('i0'))
    server.compact()
    await goesOn(timers, () => server.watchers > 0)
    await recorder.told('-i0+i0|')
  })

  test('a handler that comes late is told what there is, and one that left hears nothing', async (t) => {
    const { server, recorder, informer } = await start(t, { before: filled(2) })
    await informer.synced
    const late = new Recorder()
    const remove = informer.addHandler(late)
    assert.deepEqual([late.text, late.syncs], ['+i0+i1|', 1])
    remove()
    recorder.events = []
    await server.watching()
    server.put(INGRESS_COLLECTION, ingress('b'))
    await recorder.told('+b|')
    assert.equal(late.text, '+i0+i1|')
  })

  test('a handler that throws is reported and holds nobody up', async (t) => {
    const faults: unknown[] = []
    const { server, recorder, informer } = await start(t, { onFault: (error) => faults.push(error) })
    await informer.synced
    informer.addHandler({
      onAdd() {
        throw new Error('mine')
      },
    })
    await server.watching()
    server.put(INGRESS_COLLECTION, ingress('a'))
    server.put(INGRESS_COLLECTION, ingress('b'))
    await recorder.told('+a+b|')
    assert.deepEqual(
      faults.map((fault) => (fault as Error).message),
      ['mine', 'mine'],
    )
    assert.equal(informer.problem, null)
  })

  test('nothing is told after stop', async (t) => {
    const { server, recorder, informer } = await start(t)
    await informer.synced
    await server.watching()
    await informer.stop()
    await server.until(() => server.watchers === 0, 'the watch to end')
    server.put(INGRESS_COLLECTION, ingress('a'))
    assert.equal(recorder.text, '')
  })

  test('pages that never come to an end in time are asked for in one piece', async (t) => {
    const { server, timers, informer } = await start(t, {
      useStreamingLists: false,
      pageSize: 1,
      before: (server) => {
        filled(3)(server)
        server.intercept = (seen) => {
          if (seen.query.get('continue') !== null) server.compact()
          return false
        }
      },
    })
    await timers.armed(100)
    await timers.advance(100)
    await informer.synced
    assert.equal(informer.store.size, 3)
    assert.equal(server.seen.at(-1)?.query.get('limit') ?? null, null)
  })
})
