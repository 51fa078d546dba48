/**
 * Bodies far larger than anything the gateway may hold: they pass byte for byte, a slow side holds the fast one back, and
 * the gateway's memory does not grow with them. The peers are Node's own HTTP.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import {
  createServer,
  request as plainRequest,
  type ClientRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex, Readable, Writable } from 'node:stream'
import { after, before, test, type TestContext } from 'node:test'
import { GatewayProcess } from './bed/gateway-process.ts'
import { ingress, service } from './bed/manifests.ts'
import { metric } from './bed/metrics-text.ts'
import { IS_PLAIN, scaled } from './bed/modes.ts'

const TOTAL = scaled(200) * 1_000_000
/** V8 collects buffers that nobody holds any more when 64 MB of them have come since the last time. */
const GROWTH_MAX = 100_000_000
/** From a gateway that has served nothing; most of it is code, and garbage that is not worth collecting yet. */
const GROWTH_OF_ALL_MAX = 150_000_000
/** What a worker may buffer of one exchange whose reader stands still. */
const HELD_MAX = 2_000_000
/** That long without a further byte sent: the sender is held back. */
const STALL_MS = 250
/** Written in turn, so that pieces meet every path: text, copies, buffers handed over. */
const PIECES = [65_536, 1, 16_384, 300_000, 10, 17_000, 65_536, 65_536, 1_000_000]
/** Repeated; its length is prime, so that no loss or shift of a round number of bytes goes unseen. */
const CONTENT = randomBytes(1_000_003)

const waiting: ((exchange: Incoming) => void)[] = []

/** The server's side of an exchange. */
interface Incoming {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

const server = createServer((request, response) => waiting.shift()!({ request, response }))
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const gateway = await GatewayProcess.start({
  manifests: {
    'web.yaml': ingress({ host: 'a.example', paths: [{ service: 'a' }] }),
    'services.yaml': service('a', [`127.0.0.1:${(server.address() as AddressInfo).port}`]),
  },
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  server.closeAllConnections()
  server.close()
})

/** Bytes `from` to `to` of the repeated content. */
function contentAt(from: number, bytes: number): Buffer {
  const at = from % CONTENT.length
  return at + bytes <= CONTENT.length
    ? CONTENT.subarray(at, at + bytes)
    : Buffer.concat([CONTENT.subarray(at), CONTENT.subarray(0, at + bytes - CONTENT.length)])
}

/** Writes the content as fast as it is taken. */
async function pour(to: Writable, total = TOTAL): Promise<void> {
  for (let at = 0, piece = 0; at < total; piece++) {
    const bytes = Math.min(PIECES[piece % PIECES.length]!, total - at)
    if (!to.write(contentAt(at, bytes))) await once(to, 'drain')
    at += bytes
  }
  to.end()
}

/** Compares what it reads with the content, byte for byte. */
class Check {
  bytes = 0
  isEnded = false
  readonly stream: Readable
  /** Where to stop reading until `goOn`. */
  #stops: number[]

  constructor(stream: Readable, stops: readonly number[] = []) {
    this.stream = stream
    this.#stops = [...stops]
    stream.on('data', (data: Buffer) => {
      if (!data.equals(contentAt(this.bytes, data.length))) {
        stream.destroy(
          new Error(`other bytes than were sent between ${this.bytes} and ${this.bytes + data.length}`),
        )
      }
      this.bytes += data.length
      if (this.isStopped) stream.pause()
    })
    stream.once('end', () => {
      this.isEnded = true
    })
    if (this.isStopped) stream.pause()
  }

  get isStopped(): boolean {
    return this.#stops.length > 0 && this.bytes >= this.#stops[0]!
  }

  goOn(): void {
    this.#stops.shift()
    this.stream.resume()
  }

  async whole(total = TOTAL): Promise<void> {
    if (!this.isEnded) await once(this.stream, 'end')
    assert.equal(this.bytes, total)
  }
}

interface Upload {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | number>>
}

interface Exchange extends Incoming {
  readonly client: ClientRequest
}

/** Begins a request and resolves when its head has reached the server. */
async function begin(options: Upload = {}, isTls = false): Promise<Exchange> {
  const arrived = new Promise<Incoming>((resolve) => waiting.push(resolve))
  const all = { host: '127.0.0.1', ...options, headers: { host: 'a.example', ...options.headers } }
  const client = isTls
    ? tlsRequest({ ...all, port: gateway.websecure, servername: 'a.example', rejectUnauthorized: false })
    : plainRequest({ ...all, port: gateway.web })
  client.flushHeaders()
  if (all.method === undefined) client.end()
  return { client, ...(await arrived) }
}

async function responseTo(client: ClientRequest): Promise<IncomingMessage> {
  return ((await once(client, 'response')) as [IncomingMessage])[0]
}

type Framing = 'content-length' | 'chunked' | 'until close'

function respond({ response }: Incoming, framing: Framing): void {
  if (framing === 'content-length') response.setHeader('Content-Length', TOTAL)
  // Node then says nothing about the length and closes behind the body.
  if (framing === 'until close') response.removeHeader('Transfer-Encoding')
  response.flushHeaders()
}

function upload(framing: Framing): Upload {
  const headers =
    framing === 'content-length' ? { 'Content-Length': TOTAL } : { 'Transfer-Encoding': 'chunked' }
  return { method: 'PUT', headers }
}

/** Resident memory of the gateway: now, or the highest since `resetPeak`. */
async function memory(field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${gateway.child.pid}/status`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)![1]) * 1024
}

async function resetPeak(): Promise<void> {
  await writeFile(`/proc/${gateway.child.pid}/clear_refs`, '5')
}

/** Runs it and asserts that the gateway's memory stayed within its bound meanwhile. */
async function bounded(t: TestContext, run: () => Promise<string>): Promise<void> {
  const baseline = await memory('VmRSS')
  await resetPeak()
  const startedAt = performance.now()
  const words = await run()
  const seconds = (performance.now() - startedAt) / 1000
  const peak = await memory('VmHWM')
  const growth = peak - baseline
  t.diagnostic(
    `${TOTAL / 1e6} MB in ${seconds.toFixed(2)} s, memory of the gateway ${mb(baseline)} MB (${mb(idle)} at the start), ${mb(growth)} MB more at its peak${words}`,
  )
  assert.ok(growth < GROWTH_MAX, `memory grew by ${mb(growth)} MB`)
  assert.ok(peak - idle < GROWTH_OF_ALL_MAX, `memory is ${mb(peak - idle)} MB above that of the start`)
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

/** The sender writes as fast as it can, the reader stands still at its stops. Returns what to say about it. */
async function held(sender: Socket, check: Check): Promise<string> {
  const figures: string[] = []
  const before = sender.bytesWritten
  for (;;) {
    await gateway.until(() => check.isStopped || check.isEnded)
    if (check.isEnded) break
    const sent = await stalled(() => sender.bytesWritten - sender.writableLength - before)
    const used = metric(await gateway.metrics(), 'sekisho_memory_budget_used_bytes')
    figures.push(`${mb(sent)} sent, ${mb(check.bytes)} read, ${mb(used)} in the gateway`)
    assert.ok(used < HELD_MAX, `the gateway holds ${used} bytes`)
    // What else is under way stands in the kernel's buffers, into which a tenth of the bytes may well fit.
    const isHeld = sent - check.bytes < TOTAL / 2
    if (IS_PLAIN) assert.ok(isHeld, `the sender was not held back: ${sent} bytes sent, ${check.bytes} read`)
    check.goOn()
  }
  return `; at the stops (MB): ${figures.join('; ')}`
}

/** Where a number stands when it has not grown for a while. */
async function stalled(value: () => number): Promise<number> {
  let last = -1
  let since = 0
  await gateway.until(() => {
    const now = value()
    if (now !== last) since = performance.now()
    last = now
    return performance.now() - since > STALL_MS
  })
  return last
}

const STOPS = [0, TOTAL * 0.1, TOTAL * 0.2]

let idle = 0
before(async () => {
  idle = await memory('VmRSS')
  // Code and buffers that any large body needs are there before memory is measured.
  for (const framing of ['content-length', 'chunked'] as const) {
    const exchange = await begin(upload(framing))
    const check = new Check(exchange.request)
    await Promise.all([pour(exchange.client), check.whole()])
    respond(exchange, framing)
    const response = new Check(await responseTo(exchange.client))
    await Promise.all([pour(exchange.response), response.whole()])
  }
})

for (const isTls of [false, true]) {
  const over = isTls ? ' over TLS' : ''
  for (const framing of ['content-length', 'chunked', 'until close'] as const) {
    test(`a response (${framing}) passes whole${over}`, async (t) => {
      await bounded(t, async () => {
        const exchange = await begin({}, isTls)
        respond(exchange, framing)
        const response = await responseTo(exchange.client)
        await Promise.all([pour(exchange.response), new Check(response).whole()])
        return ''
      })
    })
  }

  for (const framing of ['content-length', 'chunked'] as const) {
    test(`a request body (${framing}) passes whole${over}`, async (t) => {
      await bounded(t, async () => {
        const exchange = await begin(upload(framing), isTls)
        await Promise.all([pour(exchange.client), new Check(exchange.request).whole()])
        exchange.response.end()
        assert.equal((await responseTo(exchange.client)).resume().statusCode, 200)
        return ''
      })
    })

    test(`a client that reads slowly holds back the server (${framing})${over}`, async (t) => {
      await bounded(t, async () => {
        const exchange = await begin({}, isTls)
        respond(exchange, framing)
        const check = new Check(await responseTo(exchange.client), STOPS)
        const { socket } = exchange.response
        const [words] = await Promise.all([held(socket!, check), pour(exchange.response)])
        await check.whole()
        return words
      })
    })

    test(`a server that reads slowly holds back the client (${framing})${over}`, async (t) => {
      await bounded(t, async () => {
        const exchange = await begin(upload(framing), isTls)
        const check = new Check(exchange.request, STOPS)
        const { socket } = exchange.client
        const [words] = await Promise.all([held(socket!, check), pour(exchange.client)])
        await check.whole()
        exchange.response.end()
        assert.equal((await responseTo(exchange.client)).resume().statusCode, 200)
        return words
      })
    })
  }
}

test('a request body and its response pass at the same time', async (t) => {
  await bounded(t, async () => {
    const exchange = await begin(upload('chunked'))
    respond(exchange, 'chunked')
    const response = await responseTo(exchange.client)
    exchange.request.pipe(exchange.response)
    await Promise.all([pour(exchange.client), new Check(response).whole()])
    return ''
  })
})

for (const from of ['client', 'server'] as const) {
  test(`through a tunnel the ${from} is held back by a slow other side, and all arrives`, async (t) => {
    await bounded(t, async () => {
      const arrived = once(server, 'upgrade') as Promise<[IncomingMessage, Duplex]>
      const client = plainRequest({
        host: '127.0.0.1',
        port: gateway.web,
        headers: { host: 'a.example', connection: 'upgrade', upgrade: 'websocket' },
      })
      client.end()
      const [, far] = await arrived
      far.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
      const [, near] = (await once(client, 'upgrade')) as [IncomingMessage, Socket]
      const [sender, reader] = from === 'client' ? [near, far as Socket] : [far as Socket, near]
      const check = new Check(reader, STOPS)
      const [words] = await Promise.all([held(sender, check), pour(sender)])
      await check.whole()
      reader.end()
      return words
    })
  })
}
