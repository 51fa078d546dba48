/** Messages and their bodies through the running gateway, at the level of bytes: RFC 9112 §§6, 7, 9; RFC 9110 §§9, 15. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CutError } from './bed/http-reader.ts'
import { Lanes, ok, type Lane, type Peer } from './bed/lanes.ts'

const lanes = await Lanes.start({ count: 48 })

/** A client and, once its first request is on its way, the server's side of it. */
async function pair(lane: Lane, request: string): Promise<{ client: Peer; backend: Peer }> {
  const client = await lane.client()
  client.send(request)
  return { client, backend: await lane.backend() }
}

test('a connection to the client serves one request after the other', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, lane.request('GET', '/1'))
  for (let i = 1; i <= 3; i++) {
    if (i > 1) client.send(lane.request('GET', `/${i}`))
    const request = await backend.serve(ok(`answer ${i}`))
    assert.equal(request.head.startLine, `GET /${i} HTTP/1.1`)
    const { head, body } = await client.response()
    assert.equal(head.startLine, 'HTTP/1.1 200 OK')
    assert.equal(head.get('connection'), undefined)
    assert.equal(body, `answer ${i}`)
  }
  assert.equal(lane.server.connections.length, 1, 'the connection to the server is kept, too')
})

test('Connection: close of the client ends its connection behind the answer', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, lane.request('GET', '/', 'Connection: close\r\n'))
  const request = await backend.serve(ok('bye'))
  assert.equal(request.head.get('connection'), undefined)
  const { head, body } = await client.response()
  assert.equal(body, 'bye')
  assert.equal(head.get('connection'), 'close')
  assert.equal((await client.closed()).errorCode, '')
  assert.equal(client.rest, '')
})

test('Connection: close of the server does not end the connection of the client', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, lane.request('GET', '/1'))
  await backend.serve(ok('one', 'Connection: close\r\n'))
  assert.equal((await client.response()).body, 'one')
  await backend.closed()
  client.send(lane.request('GET', '/2'))
  const second = await lane.backend(1)
  await second.serve(ok('two'))
  const { head, body } = await client.response()
  assert.equal(body, 'two')
  assert.equal(head.get('connection'), undefined)
})

test('ten requests in one segment are answered in order', async () => {
  const lane = lanes.take()
  const bodies = Array.from({ length: 10 }, (_, i) => (i % 3 === 0 ? '' : `body ${i} ${'x'.repeat(i * 10)}`))
  const requests = bodies.map((body, i) => {
    if (body === '') return lane.request('GET', `/${i}`)
    if (i % 3 === 1) return lane.request('POST', `/${i}`, `Content-Length: ${body.length}\r\n`, body)
    const chunks = `4\r\n${body.slice(0, 4)}\r\n${(body.length - 4).toString(16)}\r\n${body.slice(4)}\r\n0\r\n\r\n`
    return lane.request('POST', `/${i}`, 'Transfer-Encoding: chunked\r\n', chunks)
  })
  const { client, backend } = await pair(lane, requests.join(''))
  for (let i = 0; i < 10; i++) {
    const { head, body } = await backend.serve(ok(`answer ${i}`))
    assert.equal(head.startLine, `${bodies[i] === '' ? 'GET' : 'POST'} /${i} HTTP/1.1`)
    assert.equal(body, bodies[i])
  }
  for (let i = 0; i < 10; i++) assert.equal((await client.response()).body, `answer ${i}`)
})

test('answers of the gateway keep their place among those of the server', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(
    lane,
    `${lane.request('GET', '/a')}GET / HTTP/1.1\r\nHost: nowhere.example\r\n\r\n${lane.request('GET', '/b')}`,
  )
  await backend.serve(ok('a'))
  await backend.serve(ok('b'))
  assert.equal((await client.response()).body, 'a')
  assert.equal((await client.response()).head.status, 404)
  assert.equal((await client.response()).body, 'b')
})

test('a body is followed by the next request on the same connection', async () => {
  const lane = lanes.take()
  const body = 'x'.repeat(200_000)
  const { client, backend } = await pair(
    lane,
    lane.request('POST', '/1', `Content-Length: ${body.length}\r\n`, body),
  )
  assert.equal((await backend.serve(ok('one'))).body.length, body.length)
  assert.equal((await client.response()).body, 'one')
  client.send(lane.request('POST', '/2', 'Content-Length: 3\r\n', 'abc'))
  assert.equal((await backend.serve(ok('two'))).body, 'abc')
  assert.equal((await client.response()).body, 'two')
})

test('a counted request body passes as it comes', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, lane.request('POST', '/', 'Content-Length: 10\r\n', 'hello'))
  const head = await backend.head()
  assert.equal(head.get('content-length'), '10')
  assert.equal(head.get('transfer-encoding'), undefined)
  await backend.connection.until(() => backend.rest === 'hello')
  client.send('world')
  await backend.connection.until(() => backend.rest === 'helloworld')
  backend.send(ok())
  await client.response()
})

test('a chunked request body passes as it comes, trailers behind it', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(
    lane,
    lane.request('POST', '/', 'Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n', '5\r\nhello\r\n'),
  )
  const at = backend.at
  const head = await backend.head()
  assert.equal(head.get('transfer-encoding'), 'chunked')
  assert.equal(head.get('content-length'), undefined)
  await backend.connection.until(() => backend.rest === '5\r\nhello\r\n')
  client.send(
    '6;ext=1\r\n world\r\n0\r\nX-Sum: 11\r\nContent-Length: 3\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n',
  )
  backend.at = at
  const { body, trailers } = await backend.request()
  assert.equal(body, 'hello world')
  assert.deepEqual(trailers, ['X-Sum: 11'])
  assert.equal(backend.rest, '')
  backend.send(ok())
  await client.response()
})

test('a counted answer passes as it comes', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, lane.request())
  await backend.request()
  backend.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello')
  const head = await client.head()
  assert.equal(head.get('content-length'), '10')
  await client.connection.until(() => client.rest === 'hello')
  backend.send('world')
  await client.connection.until(() => client.rest === 'helloworld')
})

test('a chunked answer passes as it comes, trailers behind it', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, lane.request())
  await backend.request()
  backend.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
  const at = client.at
  const head = await client.head()
  assert.equal(head.get('transfer-encoding'), 'chunked')
  await client.connection.until(() => client.rest === '5\r\nhello\r\n')
  backend.send('6\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n')
  client.at = at
  const { body, trailers } = await client.response()
  assert.equal(body, 'hello world')
  assert.deepEqual(trailers, ['X-Sum: 11'])
  client.send(lane.request())
  await backend.serve(ok('again'))
  assert.equal((await client.response()).body, 'again')
})

test('an answer that ends with its connection is chunked for the client, who stays connected', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, lane.request())
  await backend.request()
  backend.send('HTTP/1.1 200 OK\r\n\r\nhello')
  const at = client.at
  const head = await client.head()
  assert.equal(head.get('transfer-encoding'), 'chunked')
  assert.equal(head.get('connection'), undefined)
  await client.connection.until(() => client.rest === '5\r\nhello\r\n')
  backend.send(' world')
  backend.end()
  client.at = at
  assert.equal((await client.response()).body, 'hello world')
  client.send(lane.request())
  await (await lane.backend(1)).serve(ok('again'))
  assert.equal((await client.response()).body, 'again')
})

test('an empty answer that ends with its connection is whole', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, lane.request())
  await backend.request()
  backend.send('HTTP/1.1 200 OK\r\n\r\n')
  backend.end()
  assert.equal((await client.response()).body, '')
})

const CUTS: readonly [name: string, answer: string, kind: 'fin' | 'reset'][] = [
  ['a counted body that ends early', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello', 'fin'],
  ['a chunk that ends early', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello', 'fin'],
  ['a missing last chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', 'fin'],
  [
    'missing trailers',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n',
    'fin',
  ],
  ['a reset in a counted body', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello', 'reset'],
  ['a reset in a body that ends with its connection', 'HTTP/1.1 200 OK\r\n\r\nhello', 'reset'],
]

for (const [name, answer, kind] of CUTS) {
  test(`the client sees ${name} as cut`, async () => {
    const lane = lanes.take()
    const { client, backend } = await pair(lane, lane.request())
    await backend.request()
    backend.send(answer)
    await client.connection.until((each) => each.received.includes('hello'))
    if (kind === 'fin') backend.end()
    else backend.reset()
    await assert.rejects(client.response(), CutError)
    assert.ok(!client.connection.received.includes('0\r\n\r\n'))
  })
}

test('a client of HTTP/1.0 sees a cut as a reset where the end of the connection is the end of the body', async () => {
  for (const [answer, kind] of [
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', 'fin'],
    ['HTTP/1.1 200 OK\r\n\r\nhello', 'reset'],
  ] as const) {
    const lane = lanes.take()
    const { client, backend } = await pair(lane, `GET / HTTP/1.0\r\nHost: ${lane.host}\r\n\r\n`)
    await backend.request()
    backend.send(answer)
    await client.connection.until((each) => each.received.endsWith('hello'))
    if (kind === 'fin') backend.end()
    else backend.reset()
    await client.connection.until((each) => each.isClosed)
    assert.equal(client.connection.errorCode, 'ECONNRESET', answer)
  }
})

test('a request body that the client cuts never looks whole to the server', async () => {
  for (const [lines, body] of [
    ['Content-Length: 10\r\n', 'hello'],
    ['Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n'],
  ] as const) {
    const lane = lanes.take()
    const { client, backend } = await pair(lane, lane.request('POST', '/', lines, body))
    await backend.connection.until((each) => each.received.includes('hello'))
    client.end()
    await assert.rejects(backend.request(), CutError)
    await client.closed()
  }
})

test('HTTP/1.0 clients: one request a connection, bodies that end with it', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, `GET /x HTTP/1.0\r\nHost: ${lane.host}\r\n\r\n`)
  const request = await backend.request()
  assert.equal(request.head.startLine, 'GET /x HTTP/1.1')
  backend.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n')
  const { head, body } = await client.response()
  assert.equal(head.get('transfer-encoding'), undefined)
  assert.equal(head.get('connection'), 'close')
  assert.equal(body, 'hello')
  assert.equal(client.connection.errorCode, '')
})

test('HTTP/1.0 clients that ask for keep-alive get it when the length is known', async () => {
  const lane = lanes.take()
  const request = `GET / HTTP/1.0\r\nHost: ${lane.host}\r\nConnection: keep-alive\r\n\r\n`
  const { client, backend } = await pair(lane, request)
  for (const text of ['one', 'two']) {
    if (text === 'two') client.send(request)
    await backend.serve(ok(text))
    const { head, body } = await client.response()
    assert.equal(head.get('connection'), 'keep-alive')
    assert.equal(body, text)
  }
  client.send(request)
  await backend.serve('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthree\r\n0\r\n\r\n')
  const { head, body } = await client.response()
  assert.equal(head.get('connection'), 'close')
  assert.equal(body, 'three')
})

test('HTTP/1.0 clients without Host are answered', async () => {
  const lane = lanes.take()
  const client = await lane.client()
  client.send('GET / HTTP/1.0\r\n\r\n')
  assert.equal((await client.response()).head.status, 404)
  await client.closed()
})

test('HTTP/1.0 servers: with a length, without, and kept alive', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, lane.request())
  await backend.serve('HTTP/1.0 200 Fine\r\nContent-Length: 3\r\n\r\none')
  const first = await client.response()
  assert.match(first.head.startLine, /^HTTP\/1\.1 200 /)
  assert.equal(first.body, 'one')
  await backend.closed()

  client.send(lane.request())
  const second = await lane.backend(1)
  await second.serve('HTTP/1.0 200 OK\r\n\r\ntwo')
  second.end()
  assert.equal((await client.response()).body, 'two')

  client.send(lane.request())
  const third = await lane.backend(2)
  await third.serve('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nthree')
  const kept = await client.response()
  assert.equal(kept.body, 'three')
  assert.equal(kept.head.get('connection'), undefined)
  client.send(lane.request())
  await third.serve(ok('four'))
  assert.equal((await client.response()).body, 'four')
})

test('HEAD, 204 and 304 have no body, whatever their fields say', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, lane.request('HEAD'))
  await backend.serve('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n')
  const head = await client.response('HEAD')
  assert.equal(head.head.get('content-length'), '1000')

  client.send(lane.request('HEAD'))
  await backend.serve('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
  assert.equal((await client.response('HEAD')).head.status, 200)

  client.send(lane.request('DELETE'))
  await backend.serve('HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n')
  const noContent = await client.response()
  assert.equal(noContent.head.get('content-length'), undefined)
  assert.equal(noContent.head.get('transfer-encoding'), undefined)

  client.send(lane.request('GET', '/', 'If-None-Match: "x"\r\n'))
  await backend.serve('HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 77\r\n\r\n')
  const notModified = await client.response()
  assert.equal(notModified.head.get('etag'), '"x"')

  client.send(lane.request())
  await backend.serve(ok('still in step'))
  assert.equal((await client.response()).body, 'still in step')
  assert.equal(lane.server.connections.length, 1)
})

test('HEAD answered by the gateway has no body', async () => {
  const lane = lanes.take()
  const client = await lane.client()
  client.send(
    'HEAD / HTTP/1.1\r\nHost: nowhere.example\r\n\r\nGET / HTTP/1.1\r\nHost: nowhere.example\r\n\r\n',
  )
  const head = await client.response('HEAD')
  const get = await client.response()
  assert.equal(head.head.status, 404)
  assert.equal(get.head.status, 404)
  assert.equal(head.head.get('content-length'), String(get.body.length))
})

test('100-continue: asked of the server, passed to the client, then the body', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(
    lane,
    lane.request('POST', '/', 'Expect: 100-continue\r\nContent-Length: 5\r\n'),
  )
  const head = await backend.head()
  assert.equal(head.get('expect'), '100-continue')
  backend.send('HTTP/1.1 100 Continue\r\n\r\n')
  assert.equal((await client.response()).head.startLine, 'HTTP/1.1 100 Continue')
  client.send('hello')
  await backend.connection.until(() => backend.rest === 'hello')
  backend.send(ok('done'))
  assert.equal((await client.response()).body, 'done')
})

test('100-continue: the client need not wait, and the server need not answer', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(
    lane,
    lane.request('POST', '/', 'Expect: 100-continue\r\nContent-Length: 5\r\n', 'hello'),
  )
  assert.equal((await backend.serve(ok('done'))).body, 'hello')
  assert.equal((await client.response()).body, 'done')
})

test('100-continue: a final answer instead of 100 reaches the client, and the connection ends', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(
    lane,
    lane.request('POST', '/', 'Expect: 100-continue\r\nContent-Length: 5\r\n'),
  )
  await backend.head()
  backend.send('HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno')
  const { head, body } = await client.response()
  assert.equal(head.status, 417)
  assert.equal(head.get('connection'), 'close')
  assert.equal(body, 'no')
  await client.closed()
  await backend.closed()
})

test('103 and unknown interim answers go to clients of HTTP/1.1, with their fields', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, lane.request())
  await backend.request()
  backend.send('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X-A\r\nX-A: 1\r\n\r\n')
  const hints = await client.response()
  assert.equal(hints.head.status, 103)
  assert.equal(hints.head.get('link'), '</a.css>; rel=preload')
  assert.equal(hints.head.get('x-a'), undefined)
  backend.send('HTTP/1.1 102 Processing\r\n\r\n')
  assert.equal((await client.response()).head.status, 102)
  backend.send(ok('done'))
  assert.equal((await client.response()).body, 'done')
})

test('interim answers do not go to clients of HTTP/1.0', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, `GET / HTTP/1.0\r\nHost: ${lane.host}\r\n\r\n`)
  await backend.request()
  backend.send(`HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n${ok('done')}`)
  const { head, body } = await client.response()
  assert.equal(head.status, 200)
  assert.equal(body, 'done')
})

test('an early final answer reaches the client while its body is still coming', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, lane.request('POST', '/', 'Content-Length: 1000000\r\n', 'x'))
  await backend.connection.until((each) => each.received.endsWith('x'))
  backend.send('HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge')
  const { head, body } = await client.response()
  assert.equal(head.status, 413)
  assert.equal(head.get('connection'), 'close')
  assert.equal(body, 'large')
  assert.equal((await client.closed()).errorCode, '')
  await backend.closed()
})

test('an early final answer of a server that then resets reaches a client in the middle of its upload', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(
    lane,
    lane.request('POST', '/', 'Content-Length: 100000000\r\n', 'x'.repeat(100_000)),
  )
  backend.connection.socket.pause()
  client.send(Buffer.alloc(8_000_000, 'x'))
  backend.send('HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nlarge')
  // Closed with unread bytes: the kernel answers what still comes with a reset.
  backend.destroy()
  const { head, body } = await client.response()
  assert.equal(head.status, 413)
  assert.equal(body, 'large')
})

test('a body that follows an answer which has begun goes on to the server', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(
    lane,
    lane.request('POST', '/', 'Transfer-Encoding: chunked\r\n', '1\r\na\r\n'),
  )
  await backend.head()
  backend.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n')
  await client.connection.until((each) => each.received.endsWith('1\r\nA\r\n'))
  client.send('1\r\nb\r\n0\r\n\r\n')
  await backend.connection.until((each) => each.received.endsWith('1\r\na\r\n1\r\nb\r\n0\r\n\r\n'))
  backend.send('1\r\nB\r\n0\r\n\r\n')
  assert.equal((await client.response()).body, 'AB')
})

test('an absolute-form target decides host and path', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(
    lane,
    `GET http://${lane.host.toUpperCase()}:81/x?y HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n`,
  )
  const { head } = await backend.serve(ok('x'))
  assert.equal(head.startLine, 'GET /x?y HTTP/1.1')
  assert.deepEqual(head.getEach('host'), [`${lane.host.toUpperCase()}:81`])
  assert.equal(head.get('x-forwarded-host'), `${lane.host.toUpperCase()}:81`)
  assert.equal((await client.response()).body, 'x')
  client.send(`GET http://${lane.host}?y HTTP/1.1\r\nHost: ${lane.host}\r\n\r\n`)
  assert.equal((await backend.serve(ok('x'))).head.startLine, 'GET /?y HTTP/1.1')
})

test('CONNECT, TRACE and OPTIONS * are answered by the gateway', async () => {
  const lane = lanes.take()
  const client = await lane.client()
  client.send(`CONNECT ${lane.host}:443 HTTP/1.1\r\nHost: ${lane.host}:443\r\n\r\n`)
  assert.equal((await client.response()).head.status, 501)
  client.send(lane.request('TRACE', '/', 'Cookie: secret\r\n'))
  const trace = await client.response()
  assert.equal(trace.head.status, 405)
  assert.match(trace.head.get('allow') ?? '', /GET/)
  assert.doesNotMatch(trace.body, /secret/)
  client.send(`OPTIONS * HTTP/1.1\r\nHost: ${lane.host}\r\n\r\n`)
  assert.equal((await client.response()).head.status, 400)
  client.send(lane.request('OPTIONS'))
  await (await lane.backend()).serve(ok('options'))
  assert.equal((await client.response()).body, 'options')
  assert.equal(lane.server.connections.length, 1)
})

test('pipelined requests to a server that takes long to connect do not stop a response that is being read slowly', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, `${lane.request('GET', '/1')}${lane.request('GET', '/2')}`)
  await backend.request()
  client.connection.socket.pause()
  const body = 'x'.repeat(20_000_000)
  backend.send(ok(body, 'Connection: close\r\n'))
  backend.end()
  client.connection.socket.resume()
  assert.equal((await client.response()).body.length, body.length)
  await (await lane.backend(1)).serve(ok('two'))
  assert.equal((await client.response()).body, 'two')
})
