/**
 * Every attack case (test/wire/attacks) through the running gateway: what is refused gets an answer with a 4xx or 5xx and the
 * end of the connection, and no server sees a whole request of it; what is accepted arrives as that many requests.
 */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { ATTACKS } from '../wire/attacks/all.ts'
import type { AttackCase } from '../wire/attacks/case.ts'
import { GatewayProcess } from './bed/gateway-process.ts'
import { CutError, HttpReader, type Message } from './bed/http-reader.ts'
import { ok, Peer } from './bed/lanes.ts'
import { ingress, service } from './bed/manifests.ts'
import { rawClient, RawServer } from './bed/raw-peer.ts'

/** Takes any host; says of each request what it read. */
const seen: Message[] = []
const sink = await RawServer.start(0, (connection) => void serveConnection(new HttpReader(connection)))
const hostile = await RawServer.start()
const gateway = await GatewayProcess.start({
  manifests: {
    'all.yaml': [
      ingress({ name: 'any', paths: [{ service: 'sink' }] }),
      ingress({ name: 'hostile', host: 'hostile.example', paths: [{ service: 'hostile' }] }),
      service('sink', [sink.address]),
      service('hostile', [hostile.address]),
    ].join('\n---\n'),
  },
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await sink[Symbol.asyncDispose]()
  await hostile[Symbol.asyncDispose]()
})

async function serveConnection(reader: HttpReader): Promise<void> {
  for (;;) {
    try {
      await reader.connection.until(
        (each) => each.received.length > reader.at || each.isClosed || each.isEnded,
        3_600_000,
      )
      const request = await reader.request()
      seen.push(request)
      reader.connection.send(ok(`answer ${seen.length}`))
    } catch {
      return
    }
  }
}

/** Paths that are well formed on the wire and refused by the rules for paths (docs/internals/paths.md). */
function isPathRefused(one: AttackCase): boolean {
  return (
    one.name === 'characters that should be encoded' || one.name === 'percent-encoded line ends stay text'
  )
}

async function replay(one: AttackCase): Promise<void> {
  seen.length = 0
  const peer = new Peer(await rawClient(gateway.web))
  try {
    const expected = one.messages ?? (one.expect === 'reject' ? 0 : 1)
    const isOwn = one.isAnsweredByGateway === true || isPathRefused(one)
    peer.send(one.bytes)
    for (let i = 0; i < expected; i++) {
      const { head } = await peer.response(one.bytes.startsWith('HEAD') ? 'HEAD' : 'GET')
      if (isOwn) assert.ok(head.status >= 400, head.text)
      else assert.equal(head.status, 200, head.text)
    }
    if (one.expect === 'reject') {
      const { head } = await peer.response()
      assert.ok(head.status >= 400 && head.status <= 505, head.text)
      assert.equal(head.get('connection'), 'close')
      assert.equal((await peer.closed()).errorCode, '')
      assert.equal(peer.rest, '')
    } else if (one.expect === 'close') {
      if (expected === 0) peer.end()
      await peer.closed()
      assert.equal(peer.rest, '')
    }
    assert.equal(seen.length, isOwn ? 0 : expected)
    if (isOwn) return
    if (one.body !== undefined && expected > 0) assert.equal(seen.map(({ body }) => body).join(''), one.body)
    if (one.host !== undefined && expected > 0 && one.host !== '') {
      assert.deepEqual(seen.at(-1)!.head.getEach('host'), [one.host])
    }
    for (const { head } of seen) checkPassed(head.text)
  } finally {
    peer.destroy()
  }
}

/** Nothing that a client may not say reaches a server, and nothing reads as two lengths. */
function checkPassed(head: string): void {
  assert.doesNotMatch(head, /192\.0\.2\.|^proxy:|^upgrade:|http2-settings|^x_|^[^:]*_forwarded/im)
  assert.equal([...head.matchAll(/^(content-length|transfer-encoding):/gim)].length <= 1, true, head)
  assert.doesNotMatch(head, /[^\r]\n|\r[^\n]|\0/)
}

/** The backend's bytes have to end with its connection for these. */
function endsWithConnection(one: AttackCase): boolean {
  return one.group === 'cut-response' || one.name.startsWith('neither') || one.messages === 0
}

async function replayBackend(one: AttackCase): Promise<void> {
  const before = hostile.connections.length
  const method = one.method ?? 'GET'
  const peer = new Peer(await rawClient(gateway.web))
  try {
    peer.send(`${method} / HTTP/1.1\r\nHost: hostile.example\r\n\r\n`)
    const server = new Peer(await hostile.connection(before))
    await server.request()
    server.send(one.bytes)
    if (one.expect === 'close' && endsWithConnection(one)) server.end()
    const isWhole = one.expect !== 'reject' && (one.messages ?? 1) === 1
    const read = async (): Promise<Message> => {
      for (;;) {
        const message = await peer.response(method)
        if (message.head.status >= 200) return message
      }
    }
    if (isWhole) {
      const { head, body } = await read()
      if (one.body !== undefined) assert.equal(body, one.body)
      assert.doesNotMatch(head.text, /[^\r]\n|\r[^\n]|\0/)
    } else {
      const outcome = await read().catch((error: unknown) => error)
      if (!(outcome instanceof CutError)) {
        assert.equal((outcome as Message).head.status, 502, String(outcome))
      }
    }
    if (one.expect === 'accept') {
      // Still in use: the next request comes on it.
      const next = new Peer(await rawClient(gateway.web))
      next.send('GET /next HTTP/1.1\r\nHost: hostile.example\r\n\r\n')
      await server.serve(ok('next', 'Connection: close\r\n'))
      assert.equal((await next.response()).body, 'next')
      next.destroy()
    } else {
      await server.closed()
      const next = new Peer(await rawClient(gateway.web))
      next.send('GET /next HTTP/1.1\r\nHost: hostile.example\r\n\r\n')
      const fresh = new Peer(await hostile.connection(before + 1))
      await fresh.serve(ok('next', 'Connection: close\r\n'))
      assert.equal((await next.response()).body, 'next')
      next.destroy()
    }
    if (isWhole) assert.equal(peer.rest, '')
  } finally {
    peer.destroy()
  }
}

for (const [group, cases] of Map.groupBy(ATTACKS, (one) => one.group)) {
  describe(`${cases[0]!.side}: ${group}`, () => {
    for (const one of cases) {
      it(`${one.expect}s ${one.name}`, () => (one.side === 'client' ? replay(one) : replayBackend(one)))
    }
  })
}
