/**
 * Which requests go to a server again, and which connections to servers are used again, at the level of bytes: RFC 9110
 * §9.2.2, RFC 9112 §§9.3 to 9.5; docs/internals/data-plane.md has the table of retries.
 */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { accessLine, JSON_ACCESS_LOG } from './bed/access-line.ts'
import { FullBacklog } from './bed/full-backlog.ts'
import { CutError } from './bed/http-reader.ts'
import { Lane, Lanes, ok, type Peer } from './bed/lanes.ts'
import { ingress, service } from './bed/manifests.ts'
import { metric, seriesOf } from './bed/metrics-text.ts'
import { RawServer } from './bed/raw-peer.ts'

/** Nothing listens on this port, and nothing ever gets it by chance. */
const REFUSING = '127.0.0.1:1'
const CONNECT_TIMEOUT_MS = 1000

const full = await FullBacklog.start()
const mixed: string[] = []
const servers: RawServer[] = []

interface Mixed {
  readonly host: string
  /** The one that serves. */
  readonly server: RawServer
}

/** A host whose service has these endpoints and one that serves, in this order. */
async function mix(name: string, ...endpoints: string[]): Promise<Mixed> {
  const server = await RawServer.start()
  servers.push(server)
  declare(name, [...endpoints, server.address])
  return { host: `${name}.example`, server }
}

function declare(name: string, endpoints: readonly string[]): void {
  mixed.push(ingress({ name, host: `${name}.example`, paths: [{ service: name }] }), service(name, endpoints))
}

const refusedFirst = {
  small: await mix('refused-small', REFUSING),
  counted: await mix('refused-counted', REFUSING),
  chunked: await mix('refused-chunked', REFUSING),
}
const silentFirst = {
  large: await mix('silent-large', full.address),
  gone: await mix('silent-gone', full.address),
}
declare('all-refuse', [REFUSING, '127.0.0.1:2'])
declare('all-silent', [full.address])
declare(
  'seven-refuse',
  [1, 2, 3, 4, 5, 6, 8].map((port) => `127.0.0.1:${port}`),
)
const closing = await Promise.all([closer(), closer(), closer(), closer()])
const dying = {
  whole: await mix('two-close', ...closing.slice(0, 2)),
  put: await mix('one-closes', ...closing.slice(0, 1)),
}
declare('all-close', closing)
// The port of a server that comes back has to be free until then: nothing else in these tests uses this address.
const first = await namedServerAt('127.0.0.2', 0, 'first')
const second = await namedServerAt('127.0.0.3', 0, 'second')
declare('set-aside', [first.address, second.address])

const lanes = await Lanes.start({
  count: 60,
  flags: [...JSON_ACCESS_LOG, `--limits.connectTimeout=${CONNECT_TIMEOUT_MS}ms`],
  manifests: { 'mixed.yaml': mixed.join('\n---\n') },
})
const { gateway } = lanes
after(async () => {
  await full[Symbol.asyncDispose]()
  for (const server of servers) await server[Symbol.asyncDispose]()
})

async function namedServerAt(host: string, port: number, name: string): Promise<RawServer> {
  const server = await RawServer.start(
    port,
    (connection) => connection.socket.on('data', () => connection.send(ok(name))),
    host,
  )
  servers.push(server)
  return server
}

/** Address of a server that takes a request and ends without an answer, each time. */
async function closer(): Promise<string> {
  const server = await RawServer.start(0, (connection) => {
    connection.socket.once('data', () => connection.socket.end())
  })
  servers.push(server)
  return server.address
}

function laneOf({ host, server }: Mixed): Lane {
  return new Lane(host, gateway, [server])
}

function body(bytes: number): string {
  let text = ''
  for (let i = 0; text.length < bytes; i++) text += `${i} `
  return text.slice(0, bytes)
}

function inChunks(text: string, size: number): string {
  let out = ''
  for (let at = 0; at < text.length; at += size) {
    const piece = text.slice(at, at + size)
    out += `${piece.length.toString(16)}\r\n${piece}\r\n`
  }
  return `${out}0\r\n\r\n`
}

/** A client and a connection to the server that has served one request and waits for the next. */
async function pooled(lane: Lane): Promise<{ client: Peer; backend: Peer }> {
  const client = await lane.client()
  client.send(lane.request('GET', '/first'))
  const backend = await lane.backend()
  await backend.serve(ok('first'))
  assert.equal((await client.response()).body, 'first')
  return { client, backend }
}

let paths = 0
function newPath(): string {
  return `/path-${++paths}`
}

async function retriesOf(path: string): Promise<number> {
  return (await accessLine(gateway, path)).RetryAttempts
}

describe('a connection used before that the server closes without a byte', { concurrency: true }, () => {
  const TRAILERS = 'Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n'
  const REPEATED: readonly [method: string, lines: string, sent: string, body: string][] = [
    ['GET', '', '', ''],
    ['HEAD', '', '', ''],
    ['OPTIONS', '', '', ''],
    ['DELETE', '', '', ''],
    ['DELETE', 'Content-Length: 6\r\n', 'delete', 'delete'],
    ['PUT', 'Content-Length: 0\r\n', '', ''],
    ['PUT', 'Content-Length: 3\r\n', 'put', 'put'],
    ['PUT', 'Content-Length: 60000\r\n', body(60_000), body(60_000)],
    ['PUT', TRAILERS, '3\r\nput\r\n0\r\nX-Sum: 3\r\n\r\n', 'put'],
    ['PUT', 'Transfer-Encoding: chunked\r\n', inChunks(body(60_000), 7000), body(60_000)],
  ]
  for (const [method, lines, sent, expected] of REPEATED) {
    for (const end of ['end', 'reset'] as const) {
      const name = `${method} ${lines.trim().replaceAll('\r\n', ', ')}`.trim()
      test(`${name} goes once more, whole, on a fresh one (${end})`, async () => {
        const lane = lanes.take()
        const { client, backend } = await pooled(lane)
        const path = newPath()
        client.send(lane.request(method, path, lines, sent))
        const lost = await backend.request()
        backend[end]()
        const fresh = await lane.backend(1)
        const { head, body: got, trailers } = await fresh.serve(method === 'HEAD' ? ok() : ok('again'))
        assert.equal(head.text, lost.head.text, 'the same head')
        assert.equal(got, expected)
        assert.deepEqual(trailers, lines === TRAILERS ? ['X-Sum: 3'] : [])
        const answer = await client.response(method)
        assert.equal(answer.head.status, 200)
        assert.equal(answer.head.get('connection'), undefined)
        const line = await accessLine(gateway, path)
        assert.deepEqual([line.DownstreamStatus, line.OriginStatus, line.RetryAttempts], [200, 200, 1])
        const text = await gateway.metrics()
        assert.equal(metric(text, 'traefik_service_retries_total', { service: line.ServiceName }), 1)
        // The fresh one stays in use.
        client.send(lane.request())
        await fresh.serve(ok('kept'))
        assert.equal((await client.response()).body, 'kept')
        assert.equal(lane.server.connections.length, 2)
      })
    }
  }

  for (const method of ['POST', 'PATCH', 'LINK'] as const) {
    test(`${method} is not sent twice: 502`, async () => {
      const lane = lanes.take()
      const { client, backend } = await pooled(lane)
      const path = newPath()
      client.send(lane.request(method, path, 'Content-Length: 4\r\n', 'once'))
      await backend.request()
      backend.end()
      const { head } = await client.response()
      assert.equal(head.status, 502)
      assert.equal(head.get('connection'), undefined, 'the connection of the client is as good as before')
      const line = await accessLine(gateway, path)
      assert.deepEqual([line.DownstreamStatus, line.OriginStatus, line.RetryAttempts], [502, undefined, 0])
      client.send(lane.request('GET', '/next'))
      const next = await (await lane.backend(1)).serve(ok('next'))
      assert.equal(next.head.startLine, 'GET /next HTTP/1.1')
      assert.equal((await client.response()).body, 'next')
    })
  }

  test('POST goes on a fresh one when it was closed before: nothing of the request was lost', async () => {
    const lane = lanes.take()
    const { client, backend } = await pooled(lane)
    backend.end()
    await backend.closed()
    const path = newPath()
    client.send(lane.request('POST', path, 'Content-Length: 4\r\n', 'post'))
    const { body: got } = await (await lane.backend(1)).serve(ok('done'))
    assert.equal(got, 'post')
    assert.equal((await client.response()).body, 'done')
    assert.equal(await retriesOf(path), 0)
  })

  test('the second failure is the last: 502', async () => {
    const lane = lanes.take()
    const { client, backend } = await pooled(lane)
    const path = newPath()
    client.send(lane.request('GET', path))
    await backend.request()
    backend.end()
    const fresh = await lane.backend(1)
    await fresh.request()
    fresh.end()
    assert.equal((await client.response()).head.status, 502)
    assert.equal(await retriesOf(path), 1)
    client.send(lane.request('GET', '/next'))
    const next = await (await lane.backend(2)).serve(ok('next'))
    assert.equal(next.head.startLine, 'GET /next HTTP/1.1')
    assert.equal((await client.response()).body, 'next')
  })

  test('a fresh one of the only server is no reason to try again, not even GET: 502', async () => {
    const lane = lanes.take()
    const client = await lane.client()
    const path = newPath()
    client.send(lane.request('GET', path))
    const backend = await lane.backend()
    await backend.request()
    backend.end()
    assert.equal((await client.response()).head.status, 502)
    assert.equal(await retriesOf(path), 0)
    assert.equal(lane.server.connections.length, 1)
  })

  for (const [what, bytes] of [
    ['one byte of an answer', 'H'],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-Le'],
    ['an interim answer', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'],
  ] as const) {
    test(`${what} before its end: never tried again, 502`, async () => {
      const lane = lanes.take()
      const { client, backend } = await pooled(lane)
      const path = newPath()
      client.send(lane.request('GET', path))
      await backend.request()
      backend.send(bytes)
      backend.end()
      let answer = await client.response()
      if (answer.head.status === 103) answer = await client.response()
      assert.equal(answer.head.status, 502)
      assert.equal(await retriesOf(path), 0)
      assert.equal(lane.server.connections.length, 1)
    })
  }

  test('a body longer than what is kept is sent once: 502', async () => {
    const lane = lanes.take()
    const { client, backend } = await pooled(lane)
    const path = newPath()
    client.send(lane.request('PUT', path, 'Content-Length: 300000\r\n', body(200_000)))
    await backend.connection.until((each) => each.received.length > 150_000)
    backend.end()
    const { head } = await client.response()
    assert.equal(head.status, 502)
    assert.equal(head.get('connection'), 'close')
    assert.equal(await retriesOf(path), 0)
    assert.equal(lane.server.connections.length, 1)
  })

  test('a body that is still coming goes on where the retry goes', async () => {
    const lane = lanes.take()
    const { client, backend } = await pooled(lane)
    client.send(lane.request('PUT', '/', 'Content-Length: 10\r\n', 'hello'))
    await backend.connection.until((each) => each.received.endsWith('hello'))
    backend.end()
    const fresh = await lane.backend(1)
    await fresh.connection.until((each) => each.received.endsWith('hello'))
    client.send('world')
    assert.equal((await fresh.serve(ok('done'))).body, 'helloworld')
    assert.equal((await client.response()).body, 'done')
  })
})

describe('a new connection that the server closes without a byte', { concurrency: true }, () => {
  /** Each on a connection of its own: the answers, and how often they were retried. */
  async function askThrice(
    lane: Lane,
    method: string,
    lines = '',
    sent = '',
  ): Promise<{ readonly answers: readonly string[]; readonly retries: readonly number[] }> {
    const answers: string[] = []
    const retries: number[] = []
    for (let round = 0; round < 3; round++) {
      const path = newPath()
      const client = await lane.client()
      client.send(lane.request(method, path, lines, sent))
      const { head, body: got } = await client.response()
      answers.push(head.status === 200 ? got : String(head.status))
      retries.push(await retriesOf(path))
    }
    return { answers, retries }
  }

  /** Answers with the body that it got, and closes. */
  async function echo(lane: Lane, times: number): Promise<void> {
    for (let round = 0; round < times; round++) {
      const backend = await lane.backend(round)
      const { body: got } = await backend.request()
      backend.send(ok(`got ${got}`, 'Connection: close\r\n'))
    }
  }

  for (const [method, mixed, lines, sent] of [
    ['GET', dying.whole, '', ''],
    ['PUT', dying.put, 'Content-Length: 3\r\n', 'put'],
  ] as const) {
    test(`${method} goes to another one, whole`, async () => {
      const lane = laneOf(mixed)
      const [{ answers, retries }] = await Promise.all([askThrice(lane, method, lines, sent), echo(lane, 3)])
      assert.deepEqual(answers, Array(3).fill(`got ${sent}`))
      assert.ok(Math.max(...retries) > 0, `tries ${retries.join()}`)
    })
  }

  test('GET goes to no more than two others: 502', async () => {
    const { answers, retries } = await askThrice(new Lane('all-close.example', gateway, []), 'GET')
    assert.deepEqual([answers, retries], [Array(3).fill('502'), Array(3).fill(2)])
  })

  test('POST goes nowhere else: 502', async () => {
    const lines = 'Content-Length: 4\r\n'
    const { answers, retries } = await askThrice(
      new Lane('all-close.example', gateway, []),
      'POST',
      lines,
      'post',
    )
    assert.deepEqual([answers, retries], [Array(3).fill('502'), Array(3).fill(0)])
  })
})

describe('a server that cannot be reached', { concurrency: true }, () => {
  test('another one gets the request, its body included, whatever its method', async () => {
    const lane = laneOf(refusedFirst.small)
    const client = await lane.client()
    const backend = lane.backend()
    const tried: number[] = []
    for (const method of ['POST', 'GET', 'PATCH', 'DELETE']) {
      const path = newPath()
      client.send(lane.request(method, path, 'Content-Length: 5\r\n', 'hello'))
      const { head, body: got } = await (await backend).serve(ok('done'))
      assert.equal(head.startLine, `${method} ${path} HTTP/1.1`)
      assert.equal(got, 'hello')
      assert.equal((await client.response()).body, 'done')
      tried.push(await retriesOf(path))
    }
    assert.ok(Math.max(...tried) === 1, `tries ${tried.join()}`)
    const { ServiceName } = await accessLine(gateway, `/path-${paths}`)
    const text = await gateway.metrics()
    assert.ok(metric(text, 'traefik_service_retries_total', { service: ServiceName }) >= 1)
    const errors = seriesOf(text, 'sekisho_upstream_connect_errors_total', { service: ServiceName })
    assert.deepEqual(
      errors.map(({ labels }) => labels['reason']),
      ['upstream-connect'],
    )
  })

  for (const kind of ['counted', 'chunked'] as const) {
    test(`another one gets a long ${kind} body that is streamed`, async () => {
      const lane = laneOf(refusedFirst[kind])
      const text = body(3_000_000)
      const tried: number[] = []
      // The first or the second of them meets the one that refuses first.
      for (let round = 0; round < 2; round++) {
        const client = await lane.client()
        const path = newPath()
        if (kind === 'counted') {
          client.send(lane.request('POST', path, `Content-Length: ${text.length}\r\n`, text))
        } else {
          client.send(lane.request('POST', path, 'Transfer-Encoding: chunked\r\n', inChunks(text, 50_000)))
        }
        const backend = await lane.backend(round)
        const { body: got } = await backend.serve(ok('done', 'Connection: close\r\n'))
        assert.ok(got === text, `${got.length} bytes`)
        assert.equal((await client.response()).body, 'done')
        tried.push(await retriesOf(path))
        client.destroy()
      }
      assert.equal(Math.max(...tried), 1)
    })
  }

  test('a long body waits while no connection comes about, and another server gets all of it', async () => {
    const lane = laneOf(silentFirst.large)
    const text = body(3_000_000)
    const took: number[] = []
    for (let round = 0; round < 2; round++) {
      const client = await lane.client()
      const path = newPath()
      client.send(lane.request('POST', path, `Content-Length: ${text.length}\r\n`, text))
      const backend = await lane.backend(round)
      const { body: got } = await backend.serve(ok('done', 'Connection: close\r\n'))
      assert.ok(got === text, `${got.length} bytes`)
      assert.equal((await client.response()).body, 'done')
      const { RetryAttempts, Duration } = await accessLine(gateway, path)
      if (RetryAttempts === 1) took.push(Duration / 1e6)
      client.destroy()
    }
    assert.ok(took.length > 0)
    assert.ok(Math.min(...took) > CONNECT_TIMEOUT_MS - 150, `${took.join()} ms`)
  })

  test('a client that goes away after its body had to wait is noticed', async () => {
    const lane = laneOf(silentFirst.gone)
    const text = body(100_000)
    let hasWaited = false
    for (let round = 0; round < 2; round++) {
      const client = await lane.client()
      const path = newPath()
      client.send(lane.request('POST', path, `Content-Length: ${text.length}\r\n`, text))
      const backend = await lane.backend(round)
      assert.ok((await backend.request()).body === text)
      client.destroy()
      await backend.closed()
      const { RetryAttempts, DownstreamStatus } = await accessLine(gateway, path)
      assert.equal(DownstreamStatus, 499)
      hasWaited ||= RetryAttempts === 1
    }
    assert.ok(hasWaited)
  })

  for (const [name, host, status, tries] of [
    ['all refuse: 502', 'all-refuse', 502, 2],
    ['the only one does not answer: 504', 'all-silent', 504, 1],
    ['more of them refuse than may be tried: 502 after five', 'seven-refuse', 502, 5],
  ] as const) {
    test(name, async () => {
      const lane = new Lane(`${host}.example`, gateway, [])
      const client = await lane.client()
      const path = newPath()
      client.send(lane.request('POST', path, 'Content-Length: 5\r\n', 'hello'))
      const { head } = await client.response()
      assert.equal(head.status, status)
      assert.equal(head.get('connection'), undefined)
      assert.equal((await retriesOf(path)) + 1, tries)
    })
  }
})

test('a server that refuses repeatedly is set aside, never all are, and it comes back after a probe', async () => {
  const lane = new Lane('set-aside.example', gateway, [])
  const client = await lane.client()
  const ask = async (): Promise<string> => {
    client.send(lane.request())
    const { head, body: text } = await client.response()
    return head.status === 200 ? text : String(head.status)
  }
  const askTimes = async (count: number): Promise<Set<string>> => {
    const answers = new Set<string>()
    for (let i = 0; i < count; i++) answers.add(await ask())
    return answers
  }
  const { address: firstAddress, port: firstPort } = first
  const { address: secondAddress, port: secondPort } = second
  assert.deepEqual(await askTimes(4), new Set(['first', 'second']))
  const path = newPath()
  client.send(lane.request('GET', path))
  await client.response()
  const { ServiceName } = await accessLine(gateway, path)
  const count = async (name: string): Promise<number> =>
    metric(await gateway.metrics(), name, { service: ServiceName })
  const isUp = async (address: string): Promise<number> => {
    const labels = { service: ServiceName, url: `http://${address}` }
    const [sample] = seriesOf(await gateway.metrics(), 'traefik_service_server_up', labels)
    return sample!.value
  }

  await first[Symbol.asyncDispose]()
  // Three failures set it aside; none of them shows, and it is not tried any more.
  assert.deepEqual(await askTimes(20), new Set(['second']))
  await gateway.logged(new RegExp(`server set aside .*${firstAddress}`))
  assert.deepEqual(await askTimes(20), new Set(['second']))
  assert.equal(await count('sekisho_upstream_connect_errors_total'), 3)
  assert.equal(await count('sekisho_server_ejections_total'), 1)
  await gateway.until(async () => (await isUp(firstAddress)) === 0)
  assert.equal(await isUp(secondAddress), 1)

  await second[Symbol.asyncDispose]()
  assert.deepEqual(await askTimes(10), new Set(['502']))
  assert.equal(await count('sekisho_server_ejections_total'), 1, 'the last one is never set aside')
  assert.equal(await isUp(secondAddress), 1)

  // Set aside or not: it is tried when nobody else is left.
  await using firstAgain = await namedServerAt('127.0.0.2', firstPort, 'first')
  assert.deepEqual(await askTimes(5), new Set(['first']))
  await gateway.logged(new RegExp(`server is back .*${firstAgain.address}`))
  await gateway.until(async () => (await isUp(firstAddress)) === 1)
  await using secondAgain = await namedServerAt('127.0.0.3', secondPort, 'second')
  assert.equal(secondAgain.address, secondAddress)
  await gateway.until(async () => (await askTimes(2)).size === 2)
  assert.deepEqual(await askTimes(10), new Set(['first', 'second']))
})

describe('a connection is not used again', { concurrency: true }, () => {
  const EVIL = ok('evil', 'Set-Cookie: evil=1\r\n')

  /** The next request comes on a connection of its own and gets its own answer. */
  async function checkFresh(lane: Lane, backend: Peer): Promise<void> {
    await backend.closed()
    const client = await lane.client()
    client.send(lane.request('GET', '/next'))
    const next = await lane.backend(1)
    await next.serve(ok('own'))
    const { head, body: text } = await client.response()
    assert.equal(text, 'own')
    assert.equal(head.get('set-cookie'), undefined)
    assert.equal(client.rest, '')
  }

  test('when bytes arrive on it that nobody asked for', async () => {
    for (const bytes of [EVIL, 'x', '\r\n', 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n']) {
      const lane = lanes.take()
      const { backend, client } = await pooled(lane)
      backend.send(bytes)
      await checkFresh(lane, backend)
      assert.equal(client.rest, '', 'the client before sees nothing of them')
    }
  })

  const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nown\r\n0\r\n\r\n'
  const ANSWERS: readonly [why: string, answer: string, body: string, method?: string][] = [
    ['bytes behind a counted body', ok('own') + EVIL, 'own'],
    ['bytes behind an empty body', ok() + EVIL, ''],
    ['one byte behind a body', `${ok('own')}\n`, 'own'],
    ['bytes behind the last chunk', CHUNKED + EVIL, 'own'],
    ['a body behind the answer to HEAD', ok('evil'), '', 'HEAD'],
    ['a body behind 204', 'HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil', ''],
    ['a body behind 304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil', ''],
    ['Connection: close', ok('own', 'Connection: close\r\n'), 'own'],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nown', 'own'],
    ['Keep-Alive that leaves no time', ok('own', 'Keep-Alive: timeout=1\r\n'), 'own'],
    ['Keep-Alive of nothing', ok('own', 'Keep-Alive: max=5, timeout=0\r\n'), 'own'],
  ]
  for (const [why, answer, expected, method] of ANSWERS) {
    test(`after ${why}`, async () => {
      const lane = lanes.take()
      const client = await lane.client()
      client.send(lane.request(method))
      const backend = await lane.backend()
      await backend.serve(answer)
      assert.equal((await client.response(method)).body, expected)
      await checkFresh(lane, backend)
      assert.equal(client.rest, '')
    })
  }

  for (const [why, answer] of [
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nevil'],
    ['both framings', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ] as const) {
    test(`after an answer with ${why}, which is 502`, async () => {
      const lane = lanes.take()
      const client = await lane.client()
      client.send(lane.request())
      const backend = await lane.backend()
      await backend.serve(answer)
      const { head, body: text } = await client.response()
      assert.equal(head.status, 502)
      assert.doesNotMatch(text, /evil/)
      await checkFresh(lane, backend)
    })
  }

  test('after an answer that came before the request was complete', async () => {
    const lane = lanes.take()
    const client = await lane.client()
    client.send(lane.request('POST', '/', 'Content-Length: 10\r\n', 'hello'))
    const backend = await lane.backend()
    await backend.connection.until((each) => each.received.endsWith('hello'))
    backend.send(ok('early'))
    assert.equal((await client.response()).body, 'early')
    await checkFresh(lane, backend)
    assert.ok(backend.connection.received.endsWith('hello'), 'nothing that could read as a request follows')
  })
})

test('Keep-Alive: timeout of a server: its connection is dropped before, one without it stays', async () => {
  const lane = lanes.take()
  const client = await lane.client()
  const other = await pooled(lanes.take())
  client.send(lane.request())
  const backend = await lane.backend()
  await backend.request()
  const answeredAt = performance.now()
  backend.send(ok('one', 'Keep-Alive: timeout=2, max=100\r\n'))
  const { head } = await client.response()
  assert.equal(
    head.get('keep-alive'),
    undefined,
    'what holds between server and gateway is not for the client',
  )
  await backend.closed()
  const tookMs = performance.now() - answeredAt
  assert.ok(tookMs > 500 && tookMs < 2000, `dropped after ${tookMs} ms`)
  client.send(lane.request())
  await (await lane.backend(1)).serve(ok('two'))
  assert.equal((await client.response()).body, 'two')
  assert.equal(other.backend.connection.isEnded, false)
})

describe('a client that goes away', { concurrency: true }, () => {
  for (const way of ['end', 'reset'] as const) {
    test(`before the answer (${way}): the request to the server ends at once, 499 in the log`, async () => {
      const lane = lanes.take()
      const client = await lane.client()
      const path = newPath()
      client.send(lane.request('GET', path))
      const backend = await lane.backend()
      await backend.request()
      client[way]()
      await backend.closed()
      const line = await accessLine(gateway, path)
      assert.deepEqual([line.DownstreamStatus, line.OriginStatus], [499, undefined])
    })

    test(`in the answer (${way}): the same, with the status that was sent`, async () => {
      const lane = lanes.take()
      const client = await lane.client()
      const path = newPath()
      client.send(lane.request('GET', path))
      const backend = await lane.backend()
      await backend.serve('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello')
      await client.connection.until((each) => each.received.endsWith('hello'))
      client[way]()
      await backend.closed()
      const line = await accessLine(gateway, path)
      assert.deepEqual([line.DownstreamStatus, line.OriginStatus, line.DownstreamContentSize], [200, 200, 5])
    })
  }

  test('in its own body: the server sees it cut, 499', async () => {
    const lane = lanes.take()
    const client = await lane.client()
    const path = newPath()
    client.send(lane.request('POST', path, 'Content-Length: 10\r\n', 'hello'))
    const backend = await lane.backend()
    await backend.connection.until((each) => each.received.endsWith('hello'))
    client.destroy()
    await assert.rejects(backend.request(), CutError)
    const line = await accessLine(gateway, path)
    assert.deepEqual([line.DownstreamStatus, line.RequestContentSize], [499, 5])
  })

  test('while a connection to the server is being made: 499 without waiting for it', async () => {
    const lane = new Lane('all-silent.example', gateway, [])
    const client = await lane.client()
    const path = newPath()
    client.send(lane.request('GET', path))
    client.end()
    const { DownstreamStatus, Duration } = await accessLine(gateway, path)
    assert.equal(DownstreamStatus, 499)
    assert.ok(Duration / 1e6 < CONNECT_TIMEOUT_MS - 150, `${Duration} ns`)
  })

  test('with an answer that it does not read: the server is let go', async () => {
    const lane = lanes.take()
    const client = await lane.client()
    client.connection.socket.pause()
    client.send(lane.request())
    const backend = await lane.backend()
    await backend.request()
    backend.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    const { socket } = backend.connection
    const piece = Buffer.from(`10000\r\n${'x'.repeat(65_536)}\r\n`)
    // Until all buffers on the way are full.
    while (socket.writableLength < 4_000_000) socket.write(piece)
    client.destroy()
    await backend.closed()
  })
})

describe('a server that closes its side', { concurrency: true }, () => {
  test('while the request is still being sent: 502 at once, and the client need not send the rest', async () => {
    const lane = lanes.take()
    const client = await lane.client()
    client.send(lane.request('POST', '/', 'Content-Length: 1000000\r\n', 'x'))
    const backend = await lane.backend()
    await backend.connection.until((each) => each.received.endsWith('x'))
    backend.end()
    const { head } = await client.response()
    assert.equal(head.status, 502)
    assert.equal(head.get('connection'), 'close')
    assert.equal((await client.closed()).errorCode, '')
  })

  test('behind a complete answer: the answer is whole, the connection is not used again', async () => {
    const lane = lanes.take()
    const client = await lane.client()
    client.send(lane.request())
    const backend = await lane.backend()
    await backend.request()
    backend.connection.socket.end(ok('whole'))
    assert.equal((await client.response()).body, 'whole')
    await backend.closed()
    client.send(lane.request())
    await (await lane.backend(1)).serve(ok('next'))
    assert.equal((await client.response()).body, 'next')
  })
})
