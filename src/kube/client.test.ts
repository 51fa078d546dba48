import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Credentials } from './access.ts'
import { KubeError } from './errors.ts'
import {
  FakeApiServer,
  INGRESS_COLLECTION,
  INGRESS_PATH,
  INGRESSES,
  ingress,
  sendJson,
  sendStatus,
  type FakeObject,
} from './fake-api-server.fixture.ts'
import { ManualTimers } from './timers.fixture.ts'

const A = { name: 'a', namespace: 'shop' }

async function failure(promise: Promise<unknown>): Promise<KubeError> {
  try {
    await promise
  } catch (error) {
    assert.ok(error instanceof KubeError, `not a KubeError: ${String(error)}`)
    return error
  }
  assert.fail('it should have failed')
}

describe('one object', () => {
  test('is created, read, replaced, patched, applied and deleted', async () => {
    await using server = await new FakeApiServer().start()
    const client = server.client()
    const created = await client.create<FakeObject>(INGRESSES, ingress('a', { one: 1 }))
    assert.deepEqual((await client.get<FakeObject>(INGRESSES, A))['spec'], { one: 1 })
    await client.replace(INGRESSES, { ...created, spec: { one: 2 } })
    await client.patch(INGRESSES, A, 'merge', { spec: { two: 2 } })
    await client.patch(
      INGRESSES,
      A,
      'merge',
      { status: { ready: true }, spec: { one: 9 } },
      { subresource: 'status' },
    )
    await client.apply(INGRESSES, ingress('a', { three: 3 }), { fieldManager: 'me', force: true })
    const after = await client.get<FakeObject>(INGRESSES, A)
    assert.deepEqual([after['spec'], after['status']], [{ one: 2, two: 2, three: 3 }, { ready: true }])
    await client.delete(INGRESSES, A, { uid: created.metadata.uid! })
    assert.equal((await failure(client.get(INGRESSES, A))).isNotFound, true)
    const collection = '/apis/networking.k8s.io/v1/namespaces/shop/ingresses'
    assert.deepEqual(
      server.seen.map(({ method, path, query, headers }) => [
        `${method} ${path.slice(collection.length)}?${query.toString()}`,
        headers['content-type'],
      ]),
      [
        ['POST ?', 'application/json'],
        ['GET /a?', undefined],
        ['PUT /a?', 'application/json'],
        ['PATCH /a?', 'application/merge-patch+json'],
        ['PATCH /a/status?', 'application/merge-patch+json'],
        ['PATCH /a?fieldManager=me&force=true', 'application/apply-patch+yaml'],
        ['GET /a?', undefined],
        ['DELETE /a?', 'application/json'],
        ['GET /a?', undefined],
      ],
    )
    assert.deepEqual(server.seen.at(-2)?.body?.['preconditions'], { uid: created.metadata.uid })
    assert.equal(server.connections, 1, 'one connection serves them all')
    assert.equal(server.seen[0]?.headers['user-agent'], 'sekisho/test')
    assert.equal(server.seen[0]?.headers.accept, 'application/json')
  })

  test('a request to a sub-resource keeps the type that it says', async () => {
    await using server = await new FakeApiServer().start()
    server.intercept = ({ method }, response) => {
      if (method === 'POST') sendJson(response, 201, { status: { token: 'abc' } })
      return method === 'POST'
    }
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: ['a'] } }
    const answer = await server
      .client()
      .post<{ status: { token: string } }>(INGRESSES, A, 'token', body, { requestMs: 5000 })
    assert.equal(answer.status.token, 'abc')
    const [seen] = server.seen
    assert.deepEqual(
      [seen?.method, seen?.path, seen?.body],
      ['POST', '/apis/networking.k8s.io/v1/namespaces/shop/ingresses/a/token', body],
    )
  })

  test('names cannot lead to another path', async () => {
    await using server = await new FakeApiServer().start()
    const client = server.client()
    await failure(client.get(INGRESSES, { name: '../../secrets', namespace: 'a/b?c' }))
    assert.equal(
      server.seen[0]?.path,
      '/apis/networking.k8s.io/v1/namespaces/a%2Fb%3Fc/ingresses/..%2F..%2Fsecrets',
    )
    assert.throws(() => client.get(INGRESSES, { name: '..', namespace: 'shop' }), /"\.\." is not a name/)
    assert.throws(() => client.get(INGRESSES, { name: 'a' }), /Ingress a: a namespace is needed/)
    assert.throws(() => client.create(INGRESSES, { metadata: { name: 'a' } }), /a namespace is needed/)
  })

  test('a path in front of the API and impersonation are part of each request', async () => {
    await using server = await new FakeApiServer().start()
    const { server: address } = server.access()
    const client = server.client(
      {},
      { server: { ...address, basePath: '/k8s/clusters/c-1' }, headers: [['Impersonate-User', 'jane']] },
    )
    await client.version()
    assert.equal(server.seen[0]?.path, '/k8s/clusters/c-1/version')
    assert.equal(server.seen[0]?.headers['impersonate-user'], 'jane')
  })

  test('apply tells whose field it is, and takes it with force', async () => {
    await using server = await new FakeApiServer().start()
    const client = server.client()
    await client.apply(INGRESSES, ingress('a', { host: 'x' }), { fieldManager: 'one' })
    const error = await failure(client.apply(INGRESSES, ingress('a', { host: 'y' }), { fieldManager: 'two' }))
    assert.equal(error.isConflict, true)
    assert.match(error.message, /^PATCH .*ingresses\/a: Apply failed with 1 conflict: conflict with "one"/)
    await client.apply(INGRESSES, ingress('a', { host: 'y' }), { fieldManager: 'two', force: true })
    assert.deepEqual(server.all(INGRESS_COLLECTION)[0]?.['spec'], { host: 'y' })
  })
})

describe('lists', () => {
  test('come in pages, and each item says what it is', async () => {
    await using server = await new FakeApiServer().start()
    for (let i = 0; i < 7; i++) server.put(INGRESS_COLLECTION, ingress(`i${i}`))
    const names: string[][] = []
    for await (const page of server
      .client()
      .pages<FakeObject>(INGRESSES, { limit: 3, labelSelector: 'a in (b)' })) {
      names.push(page.items.map((item) => `${item.apiVersion} ${item.kind} ${item.metadata.name}`))
      assert.equal(page.resourceVersion, server.version)
    }
    assert.deepEqual(
      names.map((page) => page.length),
      [3, 3, 1],
    )
    assert.equal(names[2]?.[0], 'networking.k8s.io/v1 Ingress i6')
    assert.equal(server.count('GET', 'labelSelector=a+in+%28b%29'), 3)
  })

  test('of one namespace, with a version to match, and of metadata only', async () => {
    await using server = await new FakeApiServer().start()
    server.put(INGRESS_COLLECTION, ingress('a', {}, 'shop'))
    server.put(INGRESS_COLLECTION, ingress('b', {}, 'other'))
    const client = server.client()
    const options = {
      namespace: 'other',
      resourceVersion: '5',
      resourceVersionMatch: 'NotOlderThan',
      isMetadataOnly: true,
    } as const
    const { items } = await client.list<FakeObject>(INGRESSES, options)
    assert.deepEqual(
      items.map((item) => item.metadata.name),
      ['b'],
    )
    const [seen] = server.seen
    assert.equal(seen?.path, '/apis/networking.k8s.io/v1/namespaces/other/ingresses')
    assert.equal(seen?.query.toString(), 'resourceVersion=5&resourceVersionMatch=NotOlderThan')
    assert.match(seen?.headers.accept ?? '', /as=PartialObjectMetadataList;g=meta\.k8s\.io;v=v1/)
  })

  test('whose pages took too long say so', async () => {
    await using server = await new FakeApiServer().start()
    for (let i = 0; i < 3; i++) server.put(INGRESS_COLLECTION, ingress(`i${i}`))
    const pages = server.client().pages(INGRESSES, { limit: 1 })
    await pages.next()
    server.compact()
    assert.equal((await failure(pages.next())).isExpired, true)
  })

  test('many at once wait for each other', async () => {
    await using server = await new FakeApiServer().start()
    server.put(INGRESS_COLLECTION, ingress('a'))
    const client = server.client({ maxRequests: 2 })
    await Promise.all(Array.from({ length: 9 }, () => client.get(INGRESSES, A)))
    assert.ok(server.connections <= 2, `${server.connections} connections`)
  })
})

describe('failures', () => {
  const cases: readonly [string, number, unknown, Partial<KubeError>, RegExp][] = [
    ['a Status', 403, { kind: 'Status', code: 403, reason: 'Forbidden', message: 'no' }, { code: 403, reason: 'Forbidden', isTransient: false }, /^GET \/apis.*\/a: no$/],
    ['a conflict', 409, { kind: 'Status', code: 409, reason: 'Conflict', message: 'm' }, { isConflict: true, isAlreadyExists: false }, /m$/],
    ['something that exists', 409, { kind: 'Status', code: 409, reason: 'AlreadyExists' }, { isConflict: false, isAlreadyExists: true }, /answered 409$/],
    ['a page of a proxy', 502, 'no JSON', { code: 502, reason: 'InternalError', isTransient: true }, /the server answered 502$/],
    ['a redirect', 302, {}, { code: 0, reason: 'BadAnswer' }, /redirects are not followed$/],
    ['an answer that is not JSON', 200, 'secret', { code: 0, reason: 'BadAnswer' }, /the answer is not JSON$/],
  ] // prettier-ignore
  for (const [name, code, body, expected, message] of cases) {
    test(`${name} is a typed error`, async () => {
      await using server = await new FakeApiServer().start()
      server.intercept = (_, response) => {
        response.writeHead(code).end(body === 'no JSON' || body === 'secret' ? body : JSON.stringify(body))
        return true
      }
      const error = await failure(server.client().get(INGRESSES, A))
      for (const [key, value] of Object.entries(expected))
        assert.equal(error[key as keyof KubeError], value, key)
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /secret/)
    })
  }

  test('429 and 5xx that say when to come back are waited for', async () => {
    await using server = await new FakeApiServer().start()
    server.put(INGRESS_COLLECTION, ingress('a'))
    const timers = new ManualTimers()
    const answers = [429, 503]
    server.intercept = (_, response) => {
      const code = answers.shift()
      if (code === undefined) return false
      sendStatus(response, code, 'TooManyRequests', 'slow down', { 'Retry-After': '3' })
      return true
    }
    const result = server.client({ timers }).create<FakeObject>(INGRESSES, ingress('b'))
    for (let i = 0; i < 2; i++) {
      await timers.armed(3000)
      await timers.advance(3000)
    }
    assert.equal((await result).metadata.name, 'b')
    assert.equal(server.count('POST', ''), 3)
  })

  test('the time for a request bounds its waiting too', async () => {
    await using server = await new FakeApiServer().start()
    const timers = new ManualTimers()
    server.intercept = (_, response) => {
      sendStatus(response, 429, 'TooManyRequests', 'slow down', { 'Retry-After': '60' })
      return true
    }
    const result = failure(server.client({ timers, requestMs: 5000 }).get(INGRESSES, A))
    await timers.armed(60_000)
    await timers.advance(5000)
    assert.equal((await result).code, 429)
  })

  test('a 500 without advice is not repeated', async () => {
    await using server = await new FakeApiServer().start()
    server.intercept = (_, response) => {
      sendStatus(response, 500, 'InternalError', 'oops')
      return true
    }
    assert.equal((await failure(server.client().get(INGRESSES, A))).code, 500)
    assert.equal(server.seen.length, 1)
  })

  test('an answer that does not come ends at the deadline, and by a signal', async () => {
    await using server = await new FakeApiServer().start()
    server.intercept = () => true
    const timers = new ManualTimers()
    const client = server.client({ timers })
    const late = failure(client.get(INGRESSES, A, { requestMs: 700 }))
    await server.until(() => server.seen.length === 1, 'the request')
    await timers.advance(700)
    assert.deepEqual([(await late).reason, (await late).isTransient], ['Deadline', true])
    const controller = new AbortController()
    const aborted = failure(client.get(INGRESSES, A, { signal: controller.signal }))
    await server.until(() => server.seen.length === 2, 'the second request')
    controller.abort()
    assert.deepEqual([(await aborted).reason, (await aborted).isTransient], ['Cancelled', false])
  })

  test('a body that stays away ends at the deadline', async () => {
    await using server = await new FakeApiServer().start()
    const timers = new ManualTimers()
    server.intercept = (_, response) => {
      response.writeHead(200).write('{"kind":')
      return true
    }
    const client = server.client({ timers, requestMs: 700 })
    const late = failure(client.get(INGRESSES, A))
    await server.until(() => server.seen.length === 1, 'the request')
    // For the head and the beginning of the body to be read.
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    await timers.advance(700)
    assert.equal((await late).reason, 'Deadline')
  })

  test('a server that is not there is unreachable', async () => {
    const server = await new FakeApiServer().start()
    const client = server.client()
    const { port } = server
    await server[Symbol.asyncDispose]()
    const fresh = await new FakeApiServer().start()
    await using _ = fresh
    const gone = fresh.client({}, { server: { isTls: false, host: '127.0.0.1', port, basePath: '' } })
    const error = await failure(gone.get(INGRESSES, A))
    assert.deepEqual([error.code, error.reason, error.isTransient], [0, 'Unreachable', true])
    assert.match(
      error.message,
      new RegExp(`^GET .*ingresses/a: connect to 127\\.0\\.0\\.1:${port}: ECONNREFUSED$`),
    )
    assert.equal((await failure(client.get(INGRESSES, A))).reason, 'Cancelled', 'a closed client asks nobody')
  })

  test('a connection that the server closed meanwhile costs a read nothing', async () => {
    await using server = await new FakeApiServer().start()
    server.put(INGRESS_COLLECTION, ingress('a'))
    const client = server.client()
    await client.get(INGRESSES, A)
    // Closed without an answer, once: as a server does that ended the connection while the request was on its way.
    let closed = 0
    server.intercept = (_, response) => {
      if (closed++ > 0) return false
      response.socket?.destroy()
      return true
    }
    assert.equal((await client.get<FakeObject>(INGRESSES, A)).metadata.name, 'a')
    assert.equal(server.connections, 2)
    closed = 0
    const error = await failure(client.create(INGRESSES, ingress('b')))
    assert.equal(error.reason, 'Unreachable', 'what may have been done is not done again')
  })

  test('an answer that is cut is no answer', async () => {
    await using server = await new FakeApiServer().start()
    server.intercept = (_, response) => {
      response.writeHead(200, { 'Content-Length': 100 }).write('{"kind":')
      setImmediate(() => response.socket?.destroy())
      return true
    }
    assert.equal((await failure(server.client().get(INGRESSES, A))).reason, 'Unreachable')
  })

  test('a server that speaks something else is told apart', async () => {
    await using server = await new FakeApiServer().start()
    server.intercept = (_, response) => {
      response.socket?.end('SSH-2.0-OpenSSH\r\n\r\n')
      return true
    }
    const error = await failure(server.client().get(INGRESSES, A))
    assert.equal(error.reason, 'BadAnswer')
    assert.match(error.message, /bad HTTP/)
  })
})

describe('a 401', () => {
  class Rotating implements Credentials {
    generation = 0
    token = 'old'
    rejections = 0
    canChange = true
    authorization(): Promise<string> {
      return Promise.resolve(`Bearer ${this.token}`)
    }
    clientCertificate(): Promise<undefined> {
      return Promise.resolve(undefined)
    }
    rejected(): boolean {
      this.rejections++
      if (this.canChange) this.token = 'new'
      return this.canChange
    }
  }

  test('asks for the credentials again, once', async () => {
    await using server = await new FakeApiServer().start()
    server.token = 'new'
    const credentials = new Rotating()
    await server.client({}, { credentials }).create(INGRESSES, ingress('a'))
    assert.equal(server.seen.length, 2)
    server.token = 'another'
    assert.equal((await failure(server.client({}, { credentials }).get(INGRESSES, A))).code, 401)
    assert.equal(credentials.rejections, 2)
  })

  test('is final where they cannot change', async () => {
    await using server = await new FakeApiServer().start()
    server.token = 'new'
    const credentials = new Rotating()
    credentials.canChange = false
    assert.equal((await failure(server.client({}, { credentials }).get(INGRESSES, A))).code, 401)
    assert.equal(server.seen.length, 1)
  })

  test('connections of an old identity are not used again', async () => {
    await using server = await new FakeApiServer().start()
    server.put(INGRESS_COLLECTION, ingress('a'))
    const credentials = new Rotating()
    const client = server.client({}, { credentials })
    await client.get(INGRESSES, A)
    credentials.generation++
    await client.get(INGRESSES, A)
    assert.equal(server.connections, 2)
  })
})

describe('a watch', () => {
  test('gives events in batches, goes on from a version, and ends with the server', async () => {
    await using server = await new FakeApiServer().start()
    const { metadata } = server.put(INGRESS_COLLECTION, ingress('a'))
    server.put(INGRESS_COLLECTION, ingress('b'))
    const stream = await server
      .client()
      .watch<FakeObject>(INGRESSES, { resourceVersion: metadata.resourceVersion! })
    const seen: string[] = []
    const read = (async () => {
      for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
        for (const { type, object } of batch.events) seen.push(`${type} ${object.metadata.name}`)
        server.happened()
      }
    })()
    await server.until(() => seen.length === 1, 'the event that was missed')
    server.put(INGRESS_COLLECTION, ingress('a', { x: 1 }))
    server.remove(INGRESS_COLLECTION, 'shop', 'b')
    server.bookmark()
    await server.until(() => seen.length === 4, 'the events')
    server.cutWatches('end')
    await read
    assert.deepEqual(seen, ['ADDED b', 'MODIFIED a', 'DELETED b', 'BOOKMARK undefined'])
  })

  test('tells what the server reports inside of it, behind the events before', async () => {
    await using server = await new FakeApiServer().start()
    const stream = await server.client().watch<FakeObject>(INGRESSES, { resourceVersion: '1000' })
    await server.watching()
    const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' }
    const events = [
      { type: 'ADDED', object: ingress('a') },
      { type: 'ERROR', object: status },
    ]
    server.sendRaw(events.map((event) => `${JSON.stringify(event)}\n`).join(''))
    assert.equal((await stream.next())?.events.length, 1)
    const error = await failure(stream.next())
    assert.deepEqual([error.code, error.isExpired], [410, true])
    assert.equal(error.message, `watch ${INGRESS_PATH}: too old`)
  })

  for (const [name, text] of [
    ['a line that is not JSON', 'secret\n'],
    ['an event of unknown type', '{"type":"RENAMED","object":{"metadata":{}}}\n'],
    ['an event without an object', '{"type":"ADDED"}\n'],
  ] as const) {
    test(`${name} ends it`, async () => {
      await using server = await new FakeApiServer().start()
      const stream = await server.client().watch<FakeObject>(INGRESSES, { resourceVersion: '1000' })
      await server.watching()
      server.sendRaw(text)
      const error = await failure(stream.next())
      assert.equal(error.reason, 'BadAnswer')
      assert.doesNotMatch(error.message, /secret/)
    })
  }

  test('an end inside of an event is no orderly end', async () => {
    await using server = await new FakeApiServer().start()
    const stream = await server.client().watch<FakeObject>(INGRESSES, { resourceVersion: '1000' })
    await server.watching()
    server.sendRaw('{"type":"ADDED","object":{"meta')
    server.cutWatches('end')
    assert.equal((await failure(stream.next())).reason, 'Unreachable')
  })

  test('a reader that does not read stops the server', async () => {
    await using server = await new FakeApiServer().start()
    const stream = await server.client().watch<FakeObject>(INGRESSES, { resourceVersion: '1000' })
    await server.watching()
    const object = ingress('a', { filler: 'x'.repeat(100_000) })
    const line = `${JSON.stringify({ type: 'ADDED', object })}\n`
    const [socket] = server.sockets
    // 40 MB, more than the kernel holds for both sides; one read takes at most 64 kB.
    const sent = 400
    for (let i = 0; i < sent; i++) server.sendRaw(line)
    for (let turn = 0; turn < 2000; turn++) await new Promise((resolve) => setImmediate(resolve))
    assert.ok(
      socket!.writableLength > 10_000_000,
      `the server could send all but ${socket!.writableLength} bytes`,
    )
    let received = 0
    while (received < sent) received += (await stream.next())?.events.length ?? assert.fail('it ended')
    assert.equal(received, sent)
    stream.cancel()
    await server.until(() => server.watchers === 0, 'the watch to end')
  })

  test('that is refused is an error like any other', async () => {
    await using server = await new FakeApiServer().start()
    server.intercept = (_, response) => {
      sendStatus(response, 403, 'Forbidden', 'cannot watch')
      return true
    }
    assert.equal((await failure(server.client().watch(INGRESSES))).code, 403)
  })
})

test('the version of the server', async () => {
  await using server = await new FakeApiServer().start()
  server.intercept = (seen, response) => {
    if (seen.path !== '/version') return false
    sendJson(response, 200, { major: '1', minor: '37', gitVersion: 'v1.37.1' })
    return true
  }
  assert.equal((await server.client().version()).gitVersion, 'v1.37.1')
})
