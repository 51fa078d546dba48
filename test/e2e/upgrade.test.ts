/** Upgraded connections through the running gateway, at the level of bytes: RFC 9110 §7.8, RFC 9112 §9, RFC 6455 §4. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayProcess } from './bed/gateway-process.ts'
import { Lanes, ok, Peer, type Lane } from './bed/lanes.ts'
import { ingress, service } from './bed/manifests.ts'
import { metric } from './bed/metrics-text.ts'
import { rawClient, RawServer } from './bed/raw-peer.ts'

const WEBSOCKET = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

const lanes = await Lanes.start({
  count: 48,
  flags: [
    '--accessLog',
    '--accessLog.format=json',
    '--entryPoints.web.http.upgradeTokens=websocket,x-tunnel',
  ],
})

interface Pair {
  readonly client: Peer
  readonly backend: Peer
}

/** A client and the server's side of its first request, which has been read so far as there is something. */
async function pair(lane: Lane, request: string): Promise<Pair> {
  const client = await lane.client()
  client.send(request)
  return { client, backend: await lane.backend() }
}

async function tunnel(lane: Lane): Promise<Pair> {
  const both = await pair(lane, lane.request('GET', '/tunnel', WEBSOCKET))
  await both.backend.serve(SWITCHING)
  assert.equal((await both.client.response()).head.status, 101)
  return both
}

/** Exactly this arrives, and nothing with it. */
async function gets(peer: Peer, bytes: string): Promise<void> {
  await peer.connection.until(() => peer.rest.length >= bytes.length)
  assert.equal(peer.rest, bytes)
  peer.at += bytes.length
}

async function echoes({ client, backend }: Pair): Promise<void> {
  client.send('to the server')
  await gets(backend, 'to the server')
  backend.send('to the client')
  await gets(client, 'to the client')
}

test('a matching 101 joins the two connections; only its own hop-by-hop fields change', async () => {
  const lane = lanes.take()
  const client = await lane.client()
  client.send(
    lane.request(
      'GET',
      '/chat?room=1',
      'Connection: keep-alive, Upgrade, X-Hop\r\nUpgrade: WebSocket\r\nX-Hop: 1\r\nSec-WebSocket-Key: dGhl\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Extensions: permessage-deflate\r\n',
    ),
  )
  const backend = await lane.backend()
  const { head } = await backend.request()
  assert.equal(head.startLine, 'GET /chat?room=1 HTTP/1.1')
  assert.deepEqual(head.getEach('connection'), ['Upgrade'])
  assert.deepEqual(head.getEach('upgrade'), ['websocket'])
  assert.equal(head.get('x-hop'), undefined)
  assert.equal(head.get('sec-websocket-key'), 'dGhl')
  assert.equal(head.get('sec-websocket-version'), '13')
  assert.equal(head.get('sec-websocket-protocol'), 'a, b')
  assert.equal(head.get('sec-websocket-extensions'), 'permessage-deflate')
  backend.send(
    'HTTP/1.1 101 Anything\r\nUpgrade: WebSocket\r\nConnection: upgrade, X-Own\r\nX-Own: 1\r\n' +
      'Sec-WebSocket-Accept: s3pPL\r\nSec-WebSocket-Protocol: b\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n',
  )
  const answer = await client.response()
  assert.equal(answer.head.status, 101)
  assert.deepEqual(answer.head.getEach('connection'), ['Upgrade'])
  assert.deepEqual(answer.head.getEach('upgrade'), ['websocket'])
  assert.equal(answer.head.get('x-own'), undefined)
  assert.equal(answer.head.get('sec-websocket-accept'), 's3pPL')
  assert.equal(answer.head.get('sec-websocket-protocol'), 'b')
  assert.equal(answer.head.get('sec-websocket-extensions'), 'permessage-deflate')
  for (const name of ['content-length', 'transfer-encoding']) assert.equal(answer.head.get(name), undefined)
  await echoes({ client, backend })
})

test('every byte value passes a tunnel both ways, in pieces of every size', async () => {
  const { client, backend } = await tunnel(lanes.take())
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value)).toString('latin1')
  for (let size = 1; size <= 300_000; size *= 3) {
    const piece = bytes.repeat(Math.ceil(size / 256)).slice(0, size)
    client.send(piece)
    await gets(backend, piece)
    backend.send(piece)
    await gets(client, piece)
  }
})

const DROPPED: readonly [what: string, lines: string][] = [
  ['h2c', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n'],
  ['a token that is not listed', 'Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n'],
  ['a token with a listed one inside of it', 'Connection: Upgrade\r\nUpgrade: websocket2\r\n'],
  ['a listed token with a version', 'Connection: Upgrade\r\nUpgrade: websocket/14\r\n'],
  ['several tokens of which none is listed', 'Connection: Upgrade\r\nUpgrade: h2c, IRC/6.9\r\n'],
  ['an empty Upgrade', 'Connection: Upgrade\r\nUpgrade: \r\n'],
  ['Upgrade that Connection does not name', 'Upgrade: websocket\r\n'],
  ['Upgrade with Connection: keep-alive', 'Connection: keep-alive\r\nUpgrade: websocket\r\n'],
  ['Connection: upgrade alone', 'Connection: Upgrade\r\n'],
]

for (const [what, lines] of DROPPED) {
  test(`${what} is dropped and the request goes on plain`, async () => {
    const lane = lanes.take()
    const { client, backend } = await pair(lane, lane.request('GET', '/', lines))
    const { head } = await backend.serve(ok('plain'))
    for (const name of ['connection', 'upgrade', 'http2-settings'])
      assert.equal(head.get(name), undefined, name)
    assert.equal((await client.response()).body, 'plain')
    client.send(lane.request())
    await backend.serve(ok('again'))
    assert.equal((await client.response()).body, 'again')
  })
}

test('an upgrade with a body, and one of HTTP/1.0, go on plain', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(
    lane,
    lane.request('POST', '/', `${WEBSOCKET}Content-Length: 4\r\n`, 'body'),
  )
  const counted = await backend.serve(ok('one'))
  assert.equal(counted.head.get('upgrade'), undefined)
  assert.equal(counted.body, 'body')
  assert.equal((await client.response()).body, 'one')
  client.send(lane.request('POST', '/', `${WEBSOCKET}Transfer-Encoding: chunked\r\n`, '0\r\n\r\n'))
  assert.equal((await backend.serve(ok('two'))).head.get('upgrade'), undefined)
  assert.equal((await client.response()).body, 'two')
  client.send(`GET / HTTP/1.0\r\nHost: ${lane.host}\r\n${WEBSOCKET}\r\n`)
  assert.equal((await backend.serve(ok('three'))).head.get('upgrade'), undefined)
  assert.equal((await client.response()).body, 'three')
})

const SEVERAL: readonly [lines: string, token: string][] = [
  ['Upgrade: h2c, websocket\r\n', 'websocket'],
  ['Upgrade: websocket , h2c\r\n', 'websocket'],
  ['Upgrade: h2c\r\nUpgrade: WebSocket\r\n', 'websocket'],
  ['Upgrade: IRC/6.9,X-Tunnel,websocket\r\n', 'x-tunnel'],
]

test('of several tokens the first that is listed is asked for, alone', async () => {
  for (const [lines, token] of SEVERAL) {
    const lane = lanes.take()
    const both = await pair(lane, lane.request('GET', '/', `Connection: Upgrade\r\n${lines}`))
    const { head } = await both.backend.request()
    assert.deepEqual(head.getEach('upgrade'), [token], lines)
    both.backend.send(SWITCHING.replace('websocket', token))
    const answer = await both.client.response()
    assert.equal(answer.head.status, 101)
    assert.equal(answer.head.get('upgrade'), token)
    await echoes(both)
  }
})

const UNASKED: readonly [what: string, lines: string, token: string | undefined][] = [
  ['101 to a plain request', '', 'websocket'],
  ['101 to an upgrade that was dropped', 'Connection: Upgrade\r\nUpgrade: h2c\r\n', 'h2c'],
  ['101 with another token', WEBSOCKET, 'h2c'],
  ['101 with another listed token', WEBSOCKET, 'x-tunnel'],
  ['101 with two tokens', WEBSOCKET, 'websocket, x-tunnel'],
  ['101 without Upgrade', WEBSOCKET, undefined],
]

for (const [what, lines, token] of UNASKED) {
  test(`${what} is an error of the server`, async () => {
    const lane = lanes.take()
    const { client, backend } = await pair(lane, lane.request('GET', '/', lines))
    const upgrade = token === undefined ? '' : `Upgrade: ${token}\r\n`
    await backend.serve(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n${upgrade}\r\nsecret`)
    const { head, body } = await client.response()
    assert.equal(head.status, 502)
    assert.doesNotMatch(body, /secret/)
    await backend.closed()
    client.send(lane.request())
    await (await lane.backend(1)).serve(ok('fresh'))
    assert.equal((await client.response()).body, 'fresh')
    assert.equal(client.rest, '')
  })
}

test('what the client sends before the 101 arrives behind it, and what stands behind the 101 reaches the client', async () => {
  for (const early of ['early', 'x'.repeat(60_000), 'x'.repeat(200_000)]) {
    const lane = lanes.take()
    const { client, backend } = await pair(lane, lane.request('GET', '/', WEBSOCKET) + early)
    client.send(' and more')
    await backend.request()
    assert.equal(backend.rest, '', 'not a byte before the 101')
    backend.send('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n')
    assert.equal((await client.response()).head.status, 103)
    assert.equal(backend.rest, '', 'nor after another interim answer')
    backend.send(`${SWITCHING}first words`)
    assert.equal((await client.response()).head.status, 101)
    await gets(client, 'first words')
    await gets(backend, `${early} and more`)
    await echoes({ client, backend })
  }
})

for (const answer of [ok('plain'), ok('no', 'Upgrade: h2c\r\n').replace('200 OK', '426 Upgrade Required')]) {
  test(`${answer.slice(9, 12)} to an upgrade is a plain answer; what the client sent behind it is its next request`, async () => {
    const lane = lanes.take()
    const { client, backend } = await pair(
      lane,
      lane.request('GET', '/up', WEBSOCKET) + lane.request('GET', '/next'),
    )
    await backend.serve(answer)
    const { head, body } = await client.response()
    assert.equal(head.startLine, answer.slice(0, answer.indexOf('\r\n')))
    assert.equal(head.get('connection'), undefined)
    assert.equal(body, answer.slice(answer.indexOf('\r\n\r\n') + 4))
    assert.equal((await backend.serve(ok('next'))).head.startLine, 'GET /next HTTP/1.1')
    assert.equal((await client.response()).body, 'next')
    client.send(lane.request('GET', '/', WEBSOCKET))
    await backend.serve(SWITCHING)
    assert.equal((await client.response()).head.status, 101)
    await echoes({ client, backend })
    assert.equal(lane.server.connections.length, 1)
  })
}

test('an upgrade on a kept connection that the server has closed is tried on a fresh one', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, lane.request())
  await backend.serve(ok('one'))
  await client.response()
  client.send(lane.request('GET', '/', WEBSOCKET))
  await backend.request()
  backend.end()
  const fresh = await lane.backend(1)
  await fresh.serve(SWITCHING)
  assert.equal((await client.response()).head.status, 101)
  await echoes({ client, backend: fresh })
})

test('the end of one side passes, and the other direction goes on', async () => {
  for (const first of ['client', 'backend'] as const) {
    const lane = lanes.take()
    const both = await tunnel(lane)
    const ending = both[first]
    const other = both[first === 'client' ? 'backend' : 'client']
    ending.send('last words')
    ending.end()
    await gets(other, 'last words')
    await other.connection.until((each) => each.isEnded)
    const long = 'x'.repeat(100_000)
    for (let i = 0; i < 5; i++) {
      other.send(long)
      await gets(ending, long)
    }
    assert.equal(ending.connection.isEnded, false)
    other.send('bye')
    other.end()
    await gets(ending, 'bye')
    for (const each of [ending, other]) {
      await each.connection.until((connection) => connection.isClosed)
      assert.equal(each.connection.errorCode, '')
    }
  }
})

test('a side that is gone, orderly or by a reset, takes the other with it', async () => {
  const gone = async (first: 'client' | 'backend', how: 'destroy' | 'reset'): Promise<void> => {
    const both = await tunnel(lanes.take())
    await echoes(both)
    const other = both[first === 'client' ? 'backend' : 'client']
    both[first][how]()
    await other.closed()
    // Nobody is left to talk to: a side that goes on talking is told so.
    await lanes.gateway.until(() => {
      other.send('x')
      return other.connection.isClosed
    })
  }
  const ways = (['destroy', 'reset'] as const).flatMap((how) => [gone('client', how), gone('backend', how)])
  await Promise.all(ways)
})

test('a client that goes away while its upgrade is asked for ends the request at the server', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, lane.request('GET', '/gone', WEBSOCKET))
  await backend.request()
  client.destroy()
  await backend.closed()
  const [line] = await lanes.gateway.printed(/\{.*"RequestPath":"\/gone".*\}/)
  assert.equal((JSON.parse(line) as Record<string, unknown>)['DownstreamStatus'], 499)
})

test('a tunnel is in the access log when it ends, with its bytes both ways', async () => {
  const lane = lanes.take()
  const { client, backend } = await pair(lane, `${lane.request('GET', '/logged', WEBSOCKET)}1234`)
  await backend.serve(`${SWITCHING}abc`)
  await client.response()
  await gets(backend, '1234')
  client.send('x'.repeat(1000))
  await gets(backend, 'x'.repeat(1000))
  backend.send('y'.repeat(50_000))
  await gets(client, `abc${'y'.repeat(50_000)}`)
  assert.doesNotMatch(lanes.gateway.output, /\/logged/)
  client.end()
  backend.end()
  const [line] = await lanes.gateway.printed(/\{.*"RequestPath":"\/logged".*\}/)
  const record = JSON.parse(line) as Record<string, unknown>
  assert.equal(record['DownstreamStatus'], 101)
  assert.equal(record['OriginStatus'], 101)
  assert.equal(record['RequestContentSize'], 1004)
  assert.equal(record['DownstreamContentSize'], 50_003)
  assert.equal(record['RequestHost'], lane.host)
  const text = await lanes.gateway.metrics()
  const labels = { code: '101', protocol: 'websocket', entrypoint: 'web' }
  assert.ok(metric(text, 'traefik_entrypoint_requests_total', labels) >= 1)
})

test('a tunnel without a byte for its idle timeout is closed; bytes of either side keep it open', async () => {
  await using server = await RawServer.start()
  await using gateway = await GatewayProcess.start({
    flags: ['--limits.tunnelIdleTimeout=2s'],
    manifests: {
      'web.yaml': ingress({ host: 'a.example', paths: [{ service: 'a' }] }),
      'services.yaml': service('a', [server.address]),
    },
  })
  const open = async (index: number): Promise<Pair> => {
    const client = new Peer(await rawClient(gateway.web))
    client.send(`GET /${index} HTTP/1.1\r\nHost: a.example\r\n${WEBSOCKET}\r\n`)
    const backend = new Peer(await server.connection(index))
    await backend.serve(SWITCHING)
    assert.equal((await client.response()).head.status, 101)
    return { client, backend }
  }
  const startedAt = performance.now()
  const silent = await open(0)
  const upward = await open(1)
  const downward = await open(2)
  let closedAfter = 0
  silent.client.connection.socket.once('end', () => {
    closedAfter = performance.now() - startedAt
  })
  // One byte at a time, each sent when the one before has arrived, for more than twice the timeout.
  while (performance.now() - startedAt < 5000) {
    upward.client.send('x')
    await gets(upward.backend, 'x')
    downward.backend.send('x')
    await gets(downward.client, 'x')
  }
  assert.ok(closedAfter >= 1900, `closed after ${closedAfter} ms`)
  await silent.backend.closed()
  await echoes(upward)
  await echoes(downward)
})
