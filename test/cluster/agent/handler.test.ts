import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { createSelfSigned } from '#certs/self-signed.ts'
import { portNumber, runHandler, type HandlerTarget, type Outcome } from './handler.ts'
import { NodeNetwork } from './node-network.ts'
import type { Handler } from './pod.ts'

const network = new NodeNetwork('/proc/self/ns/net')
const { certificate, key } = createSelfSigned({ now: Date.now() })
let seen: readonly unknown[] = []
const answer: Parameters<typeof createServer>[1] = (request, response) => {
  const { url, headers } = request
  seen = [url, headers.host, headers['x-probe'], headers['user-agent']]
  // `/hang` is never answered.
  if (url === '/moved') response.writeHead(302, { location: '/elsewhere' }).end()
  else if (url !== '/hang') response.writeHead(Number(url?.slice(1)) || 200).end('text')
}
const plain = createServer(answer)
const secure = createTlsServer({ cert: certificate, key }, answer)
/** Health by the name of the service: the first byte of its message is a tag, the second the verdict. */
const health = createHttp2Server().on('stream', (stream: ServerHttp2Stream) => {
  const pieces: Buffer[] = []
  stream.on('data', (piece: Buffer) => pieces.push(piece))
  stream.on('end', () => {
    const name = Buffer.concat(pieces).subarray(7).toString()
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': name === 'unknown' ? '5' : '0' }))
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.end(name === 'unknown' ? undefined : Buffer.of(0, 0, 0, 0, 2, 8, name === 'bad' ? 2 : 1))
  })
})
const servers = [plain, secure, health]

before(async () => {
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening')
})
after(() => {
  for (const server of [plain, secure]) server.closeAllConnections()
  for (const server of servers) server.close()
  network.close()
})

function portOf(server: Server | Http2Server): number {
  return (server.address() as AddressInfo).port
}

async function run(handler: Handler, timeoutMs = 5000, signal?: AbortSignal): Promise<Outcome> {
  const ports = [{ name: 'web', containerPort: portOf(plain) }]
  const container = { name: 'main', image: 'x', ports }
  const target = { container, address: '127.0.0.1', network, prefix: [] } as unknown as HandlerTarget
  return runHandler(handler, target, timeoutMs, signal)
}

test('an answer below 400 is well', async () => {
  const httpHeaders = [
    { name: 'X-Probe', value: 'yes' },
    { name: 'Host', value: 'shop.example' },
  ]
  assert.equal(await run({ httpGet: { path: '/healthz?a=b', port: 'web', httpHeaders } }), undefined)
  assert.deepEqual(seen, ['/healthz?a=b', 'shop.example', 'yes', 'kube-probe/1.37'])
  assert.equal(await run({ httpGet: { path: 'no-slash', port: portOf(plain) } }), undefined)
  assert.deepEqual(seen[0], '/no-slash')
  assert.equal(await run({ httpGet: { path: '/moved', port: 'web' } }), undefined)
})

test('other answers are not', async () => {
  for (const status of [400, 404, 503])
    assert.equal(
      await run({ httpGet: { path: `/${status}`, port: 'web' } }),
      `HTTP probe failed with statuscode: ${status}`,
    )
})

test('certificates are not verified', async () => {
  assert.equal(await run({ httpGet: { path: '/', port: portOf(secure), scheme: 'HTTPS' } }), undefined)
  assert.match((await run({ httpGet: { path: '/503', port: portOf(secure), scheme: 'HTTPS' } })) ?? '', /503/)
})

test('who does not answer in time is not well', async () => {
  assert.equal(await run({ httpGet: { path: '/hang', port: 'web' } }, 50), 'timed out after 50 ms')
})

test('who is stopped does not wait', async () => {
  const stop = new AbortController()
  const outcome = run({ httpGet: { path: '/hang', port: 'web' } }, 60_000, stop.signal)
  stop.abort()
  assert.match((await outcome) ?? '', /abort/)
})

test('connections', async () => {
  assert.equal(await run({ tcpSocket: { port: 'web' } }), undefined)
  const closed = createServer()
  await once(closed.listen(0, '127.0.0.1'), 'listening')
  const port = portOf(closed)
  closed.close()
  await once(closed, 'close')
  assert.match((await run({ tcpSocket: { port } })) ?? '', /ECONNREFUSED/)
  assert.match((await run({ httpGet: { port } })) ?? '', /ECONNREFUSED/)
})

test('health by gRPC', async () => {
  const port = portOf(health)
  assert.equal(await run({ grpc: { port } }), undefined)
  assert.equal(await run({ grpc: { port, service: 'good' } }), undefined)
  assert.equal(await run({ grpc: { port, service: 'bad' } }), 'service unhealthy (responded with 2)')
  assert.equal(await run({ grpc: { port, service: 'unknown' } }), 'gRPC status 5')
})

test('waiting', async () => {
  assert.equal(await run({ sleep: { seconds: 0 } }), undefined)
  const stop = new AbortController()
  const outcome = run({ sleep: { seconds: 1000 } }, 2 ** 31 - 1, stop.signal)
  stop.abort()
  await outcome
})

test('ports by name, number, and number as text', () => {
  const container = { name: 'main', image: 'x', ports: [{ name: 'web', containerPort: 80 }] }
  assert.deepEqual(
    [portNumber('web', container), portNumber(81, container), portNumber('82', container)],
    [80, 81, 82],
  )
  assert.throws(() => portNumber('none', container), { message: 'container main has no port named none' })
})
