import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { KubeError } from '../errors.ts'
import {
  FakeApiServer,
  INGRESS_COLLECTION,
  INGRESSES,
  ingress,
  type FakeObject,
} from '../fake-api-server.fixture.ts'
import { ManualTimers } from '../timers.fixture.ts'

const A = { name: 'a', namespace: 'shop' }

async function reasonOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  return error instanceof KubeError ? error.reason : `no KubeError: ${String(error)}`
}

describe('connections to an API server', () => {
  test('that nobody needs for half a minute are closed', async () => {
    await using server = await new FakeApiServer().start()
    const timers = new ManualTimers()
    const client = server.client({ timers })
    await client.version()
    await timers.armed(30_000)
    await timers.advance(29_999)
    assert.equal(server.sockets.size, 1)
    await timers.advance(1)
    const [socket] = server.sockets
    if (socket !== undefined) await new Promise((resolve) => socket.once('close', resolve))
    await client.version()
    assert.equal(server.connections, 2)
  })

  test('that the server closes while they wait are forgotten', async () => {
    await using server = await new FakeApiServer().start()
    const timers = new ManualTimers()
    const client = server.client({ timers })
    await client.version()
    await timers.armed(30_000)
    for (const socket of server.sockets) await once(socket.end(), 'close')
    // A write would not be sent a second time.
    await client.create(INGRESSES, ingress('a'))
    assert.equal(server.connections, 2)
  })

  test('are not more than the requests that may be under way, and who waits too long is told', async () => {
    await using server = await new FakeApiServer().start()
    const timers = new ManualTimers()
    const client = server.client({ timers, maxRequests: 1, requestMs: 1000 })
    server.put(INGRESS_COLLECTION, ingress('a'))
    server.intercept = () => true
    const first = reasonOf(client.get(INGRESSES, A))
    const controller = new AbortController()
    const second = reasonOf(client.get(INGRESSES, A, { signal: controller.signal }))
    const third = client.get<FakeObject>(INGRESSES, A, { requestMs: 5000 })
    await server.until(() => server.seen.length === 1, 'the first request')
    controller.abort()
    assert.equal(await second, 'Cancelled')
    server.intercept = undefined
    await timers.advance(1000)
    assert.equal(await first, 'Deadline')
    assert.equal((await third).metadata.name, 'a', 'its turn came')
    assert.equal(server.seen.length, 2)
  })

  test('end with the client, whatever they do', async () => {
    await using server = await new FakeApiServer().start()
    const client = server.client()
    await client.version()
    const stream = await client.watch(INGRESSES, { resourceVersion: '1000' })
    await server.watching()
    server.intercept = () => true
    const waiting = reasonOf(client.get(INGRESSES, A))
    await server.until(() => server.seen.length === 3, 'the request')
    client.close()
    assert.deepEqual([await waiting, await reasonOf(stream.next())], ['Cancelled', 'Cancelled'])
    assert.equal(await reasonOf(client.version()), 'Cancelled')
    await server.until(() => server.watchers === 0, 'the watch to end')
  })

  test('with bytes that nobody asked for are not used', async () => {
    await using server = await new FakeApiServer().start()
    const client = server.client()
    server.intercept = (_, response) => {
      // A second answer behind the first, for whoever comes next.
      const body = '{"gitVersion":"true"}'
      const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      response.socket?.write(answer + answer.replace('true', 'fake'))
      return true
    }
    assert.equal((await client.version()).gitVersion, 'true')
    server.intercept = undefined
    assert.equal((await client.version()).gitVersion, 'v1.37.1')
    assert.equal(server.connections, 2)
  })
})
