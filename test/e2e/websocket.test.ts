/** WebSocket clients and servers of another make (`ws`) with the gateway in between, also while its configuration changes. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { after, test } from 'node:test'
import type { ConnectionOptions } from 'node:tls'
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws'
import { GatewayProcess } from './bed/gateway-process.ts'
import { ingress, service } from './bed/manifests.ts'
import { metric } from './bed/metrics-text.ts'
import { scaled } from './bed/modes.ts'
import { exchangeBytes, RawServer } from './bed/raw-peer.ts'

/** Sends every message back. */
class EchoServer implements AsyncDisposable {
  readonly server: WebSocketServer
  readonly sockets = new Set<WebSocket>()

  private constructor(server: WebSocketServer) {
    this.server = server
    server.on('connection', (socket) => {
      this.sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.sockets.delete(socket))
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
    })
  }

  static async start(): Promise<EchoServer> {
    const server = new WebSocketServer({
      port: 0,
      host: '127.0.0.1',
      perMessageDeflate: { threshold: 1000 },
      handleProtocols: (offered) => (offered.has('chat.v1') ? 'chat.v1' : false),
    })
    await once(server, 'listening')
    return new EchoServer(server)
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as { port: number }).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.terminate()
    this.server.close()
    await once(this.server, 'close')
  }
}

const echo = await EchoServer.start()
const gateway = await GatewayProcess.start({
  manifests: {
    'web.yaml': ingress({ host: 'echo.example', paths: [{ service: 'echo' }] }),
    'services.yaml': service('echo', [echo.address]),
  },
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await echo[Symbol.asyncDispose]()
})

interface Both {
  readonly client: WebSocket
  readonly server: WebSocket
}

async function open(options: ClientOptions = {}, protocols: string[] = []): Promise<Both> {
  const [client, [server]] = await Promise.all([
    dial(`ws://127.0.0.1:${gateway.web}/`, options, protocols),
    once(echo.server, 'connection') as Promise<[WebSocket]>,
  ])
  return { client, server }
}

/** Resolves when it is open; `Host` is that of the echo unless the options say another. */
async function dial(url: string, options: ClientOptions = {}, protocols: string[] = []): Promise<WebSocket> {
  const client = new WebSocket(url, protocols, { headers: { host: 'echo.example' }, ...options })
  await once(client, 'open')
  return client
}

async function answerTo(client: WebSocket, message: string | Buffer): Promise<string | Buffer> {
  const answer = once(client, 'message') as Promise<[Buffer, boolean]>
  client.send(message)
  const [data, isBinary] = await answer
  return isBinary ? data : data.toString('utf8')
}

test('text and binary messages of every length class come back as they were', async () => {
  const { client } = await open({ perMessageDeflate: false })
  for (const bytes of [0, 1, 125, 126, 127, 65_535, 65_536, 1_048_576]) {
    const binary = randomBytes(bytes)
    assert.deepEqual(await answerTo(client, binary), binary)
    const text = 'ü'.repeat(Math.ceil(bytes / 2))
    assert.equal(await answerTo(client, text), text)
  }
  client.terminate()
})

test('twenty messages of 1 MB under way at once come back in order', async () => {
  const { client } = await open({ perMessageDeflate: false })
  const messages = Array.from({ length: 20 }, () => randomBytes(1_048_576))
  const received: Buffer[] = []
  client.on('message', (data: Buffer) => received.push(data))
  for (const message of messages) client.send(message)
  await gateway.until(() => received.length === messages.length)
  received.forEach((data, index) => assert.ok(data.equals(messages[index]!), `message ${index}`))
  client.terminate()
})

test('fragmented messages arrive whole, with pings between the fragments', async () => {
  const { client, server } = await open({ perMessageDeflate: false })
  const pings: string[] = []
  server.on('ping', (data: Buffer) => pings.push(data.toString()))
  const fragments = Array.from({ length: 40 }, () => randomBytes(30_000))
  const answer = once(client, 'message') as Promise<[Buffer, boolean]>
  fragments.forEach((fragment, index) => {
    client.send(fragment, { fin: index === fragments.length - 1 })
    if (index % 10 === 5) client.ping(`ping ${index}`)
  })
  const [data, isBinary] = await answer
  assert.equal(isBinary, true)
  assert.ok(data.equals(Buffer.concat(fragments)))
  assert.deepEqual(pings, ['ping 5', 'ping 15', 'ping 25', 'ping 35'])
  client.terminate()
})

test('pings are answered by the other end, not by the gateway', async () => {
  const { client, server } = await open()
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    const pinged = once(to, 'ping') as Promise<[Buffer]>
    const ponged = once(from, 'pong') as Promise<[Buffer]>
    from.ping('are you there')
    assert.equal((await pinged)[0].toString(), 'are you there')
    assert.equal((await ponged)[0].toString(), 'are you there')
  }
  client.terminate()
})

const CLOSES: readonly [code: number, reason: string][] = [
  [1000, ''],
  [1000, 'done'],
  [1001, 'going away'],
  [1011, 'broken, ünfortunately'],
  [3000, 'of a library'],
  [4999, 'x'.repeat(123)],
]

for (const from of ['client', 'server'] as const) {
  test(`close codes and reasons of the ${from} arrive unchanged`, async () => {
    for (const [code, reason] of CLOSES) {
      const both = await open()
      const ends = Promise.all([once(both.client, 'close'), once(both.server, 'close')])
      both[from].close(code, reason)
      for (const [seenCode, seenReason] of (await ends) as unknown as [number, Buffer][]) {
        assert.equal(seenCode, code)
        assert.equal(seenReason.toString(), reason)
      }
    }
  })

  test(`a close frame of the ${from} without a code, and an end without a frame, are seen as such`, async () => {
    for (const [end, code] of [
      ['close', 1005],
      ['terminate', 1006],
    ] as const) {
      const both = await open()
      const ended = once(both[from === 'client' ? 'server' : 'client'], 'close') as Promise<[number, Buffer]>
      both[from][end]()
      const [seen, reason] = await ended
      assert.equal(seen, code)
      assert.equal(reason.length, 0)
    }
  })
}

test('the subprotocol that the server picks is the client’s', async () => {
  const { client, server } = await open({}, ['chat.v2', 'chat.v1'])
  assert.equal(client.protocol, 'chat.v1')
  assert.equal(server.protocol, 'chat.v1')
  client.terminate()
})

test('compression is negotiated between the ends, and frames pass compressed', async () => {
  const text = 'again and again '.repeat(65_536)
  for (const perMessageDeflate of [true, false]) {
    const { client, server } = await open({ perMessageDeflate })
    assert.equal(client.extensions, perMessageDeflate ? 'permessage-deflate' : '')
    assert.equal(await answerTo(client, text), text)
    const { bytesRead } = (server as unknown as { _socket: Socket })._socket
    if (perMessageDeflate) assert.ok(bytesRead < text.length / 50, `${bytesRead} bytes`)
    else assert.ok(bytesRead > text.length)
    client.terminate()
  }
})

test('wss: the gateway ends TLS, the server sees plain WebSocket', async () => {
  const options: ClientOptions & ConnectionOptions = { rejectUnauthorized: false, servername: 'echo.example' }
  const client = await dial(`wss://127.0.0.1:${gateway.websecure}/`, options)
  const binary = randomBytes(3_000_000)
  assert.deepEqual(await answerTo(client, binary), binary)
  const ended = once(client, 'close') as Promise<[number, Buffer]>
  client.close(4001, 'over tls')
  const [code, reason] = await ended
  assert.deepEqual([code, reason.toString()], [4001, 'over tls'])
})

test('a refused handshake reaches the client with the server’s status', async () => {
  const client = new WebSocket(`ws://127.0.0.1:${gateway.web}/`, {
    headers: { host: 'echo.example' },
    protocolVersion: 8,
  })
  echo.server.options.verifyClient = (_info, answer) => answer(false, 403, 'Not you')
  const [error] = (await once(client, 'error')) as [Error]
  delete echo.server.options.verifyClient
  assert.match(error.message, /403/)
})

const SOCKETS = scaled(500)
const RELOADS = scaled(100)

test(`${SOCKETS} sockets over ${RELOADS} changes of the configuration: none closed, none deaf`, async (t) => {
  await using own = await EchoServer.start()
  await using other = await RawServer.answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  // The hosts and paths beside the echo's are different ones after every change.
  const manifest = (change: number): string =>
    [
      ingress({ name: 'echo', host: 'echo.example', paths: [{ service: 'echo' }] }),
      ingress({
        name: 'other',
        host: 'other.example',
        paths: [{ path: `/${change}`, pathType: 'Exact', service: 'other' }],
      }),
    ].join('\n---\n')
  await using many = await GatewayProcess.start({
    workers: 2,
    manifests: {
      'web.yaml': manifest(0),
      'services.yaml': `${service('echo', [own.address])}\n---\n${service('other', [other.address])}`,
    },
  })
  const url = `ws://127.0.0.1:${many.web}/`
  const closed: string[] = []
  const clients: WebSocket[] = []
  while (clients.length < SOCKETS) {
    const some = await Promise.all(Array.from({ length: 25 }, () => dial(url, { perMessageDeflate: false })))
    clients.push(...some)
  }
  for (const client of clients) {
    client.on('close', (code, reason) => closed.push(`${code} ${reason.toString()}`))
    client.on('error', (error) => closed.push(error.message))
  }
  const isInForce = async (change: number): Promise<boolean> => {
    const request = `GET /${change} HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n`
    return (await exchangeBytes(many.web, request)).startsWith('HTTP/1.1 200 ')
  }
  let echoed = 0
  const startedAt = performance.now()
  for (let change = 1; change <= RELOADS; change++) {
    await many.replace('web.yaml', manifest(change))
    const some = clients.slice((change * 5) % clients.length).slice(0, 5)
    for (const client of some) assert.equal(await answerTo(client, `change ${change}`), `change ${change}`)
    echoed += some.length
    await many.until(() => isInForce(change))
  }
  const tookMs = performance.now() - startedAt
  assert.deepEqual(closed, [])
  const answers = await Promise.all(clients.map((client, index) => answerTo(client, `still ${index}`)))
  answers.forEach((answer, index) => assert.equal(answer, `still ${index}`))
  const text = await many.metrics()
  assert.ok(metric(text, 'traefik_config_reloads_total') >= RELOADS)
  assert.equal(metric(text, 'traefik_open_connections', { entrypoint: 'web' }), clients.length)
  assert.equal(own.sockets.size, clients.length)
  assert.deepEqual(closed, [])
  t.diagnostic(
    `${clients.length} sockets, ${RELOADS} changes in ${(tookMs / 1000).toFixed(1)} s: ${closed.length} closed, ` +
      `${echoed} echoes in between, ${answers.length} after`,
  )
  for (const client of clients) client.terminate()
  await many.until(
    async () => metric(await many.metrics(), 'traefik_open_connections', { entrypoint: 'web' }) === 0,
  )
})

test('a socket outlives other services, the endpoints of its own, and its route', async () => {
  await using first = await EchoServer.start()
  await using second = await EchoServer.start()
  await using other = await RawServer.answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  const route = ingress({ name: 'echo', host: 'echo.example', paths: [{ service: 'echo' }] })
  await using changing = await GatewayProcess.start({
    manifests: {
      'echo.yaml': route,
      'echo-service.yaml': service('echo', [first.address]),
      'other.yaml': `${ingress({ name: 'other', host: 'other.example', paths: [{ service: 'other' }] })}\n---\n${service('other', [other.address])}`,
    },
  })
  const url = `ws://127.0.0.1:${changing.web}/`
  const statusOf = async (host: string): Promise<string> => {
    const request = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
    return (await exchangeBytes(changing.web, request)).slice(9, 12)
  }
  const client = await dial(url)
  let isClosed = false
  client.once('close', () => {
    isClosed = true
  })
  const lives = async (what: string): Promise<void> => {
    assert.equal(await answerTo(client, what), what)
    assert.equal(isClosed, false, what)
    assert.equal(first.sockets.size, 1, what)
  }
  await lives('before')

  await changing.until(async () => (await statusOf('other.example')) === '200')
  await changing.remove('other.yaml')
  await changing.until(async () => (await statusOf('other.example')) === '404')
  await lives('another service is gone')

  await changing.replace('echo-service.yaml', service('echo', [second.address]))
  await changing.until(async () => {
    const fresh = await dial(url)
    const isAtSecond = second.sockets.size > 0
    fresh.terminate()
    await changing.until(() => first.sockets.size === 1)
    return isAtSecond
  })
  await lives('its endpoint left the service')

  await changing.replace('echo-service.yaml', service('echo', []))
  await changing.until(async () => (await statusOf('echo.example')) === '503')
  await lives('its service has no endpoint')

  await changing.remove('echo-service.yaml')
  await changing.remove('echo.yaml')
  await changing.until(async () => (await statusOf('echo.example')) === '404')
  await lives('its service and its route are gone')
})
