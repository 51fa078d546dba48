/**
 * Every timeout and limit of docs/reference/limits.md that concerns a request, set low, through the running gateway: what
 * exceeds it ends as documented, what stays below does not. Times are checked from below exactly and from above by
 * the patience of the test bed.
 */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { accessLine, JSON_ACCESS_LOG } from './bed/access-line.ts'
import { FullBacklog } from './bed/full-backlog.ts'
import type { GatewayProcess } from './bed/gateway-process.ts'
import { CutError } from './bed/http-reader.ts'
import { Lane, Lanes, ok, Peer } from './bed/lanes.ts'
import { ingress, service } from './bed/manifests.ts'
import { rawClient, RawServer } from './bed/raw-peer.ts'

const LIMIT_MS = 2000
/** Clocks of the gateway are coarse, and read once per turn of its loop: under load a timer is early by a turn. */
const EARLY_SHARE = 0.3
/** Between two pieces of what is slow but goes on; `STEPS` of them take longer than the limit. */
const STEP_MS = 250
const STEPS = 10
const HEAD_BYTES = 2048
const FIELDS = 20

const limit = `${LIMIT_MS}ms`
const full = await FullBacklog.start()
const patient = await RawServer.start()
const PROXY = 'nginx.ingress.kubernetes.io/proxy'
const lanes = await Lanes.start({
  count: 60,
  flags: [
    ...JSON_ACCESS_LOG,
    ...['headTimeout', 'responseHeadTimeout', 'responseGapTimeout', 'requestSendTimeout'].map(
      (name) => `--limits.${name}=${limit}`,
    ),
    `--limits.connectTimeout=500ms`,
    `--limits.tunnelIdleTimeout=${limit}`,
    `--limits.upstreamIdleTimeout=${limit}`,
    '--limits.maxIdlePerServer=2',
    `--limits.maxHeaderFields=${FIELDS}`,
    '--limits.maxResponseHeadBytes=2KiB',
    '--entryPoints.web.http.maxHeaderBytes=2KiB',
    ...['idleTimeout', 'readTimeout', 'writeTimeout'].map(
      (name) => `--entryPoints.web.transport.respondingTimeouts.${name}=${limit}`,
    ),
    '--entryPoints.calm.address=127.0.0.1:0',
    '--entryPoints.endless.address=127.0.0.1:0',
    ...['idleTimeout', 'readTimeout', 'writeTimeout'].map(
      (name) => `--entryPoints.endless.transport.respondingTimeouts.${name}=0`,
    ),
    '--entryPoints.worn.address=127.0.0.1:0',
    '--entryPoints.worn.transport.keepAliveMaxRequests=3',
    '--entryPoints.aged.address=127.0.0.1:0',
    `--entryPoints.aged.transport.keepAliveMaxTime=${limit}`,
    '--entryPoints.proxied.address=127.0.0.1:0',
    '--entryPoints.proxied.proxyProtocol.trustedIPs=127.0.0.1',
  ],
  manifests: {
    'special.yaml': [
      ingress({ name: 'silent', host: 'silent.example', paths: [{ service: 'silent' }] }),
      service('silent', [full.address]),
      ingress({
        name: 'silent-longer',
        host: 'silent-longer.example',
        paths: [{ service: 'silent' }],
        annotations: { [`${PROXY}-connect-timeout`]: '2' },
      }),
      ingress({
        name: 'patient',
        host: 'patient.example',
        paths: [{ service: 'patient' }],
        annotations: { [`${PROXY}-read-timeout`]: '30', [`${PROXY}-send-timeout`]: '30' },
      }),
      service('patient', [patient.address]),
    ].join('\n---\n'),
  },
})
/** Timeouts of a second by annotation, where the flags leave a minute. */
const brief = await Lanes.start({
  count: 6,
  flags: JSON_ACCESS_LOG,
  ingress: {
    annotations: {
      [`${PROXY}-connect-timeout`]: '1',
      [`${PROXY}-read-timeout`]: '1',
      [`${PROXY}-send-timeout`]: '1',
    },
  },
  manifests: {
    'silent.yaml': [
      ingress({
        name: 'silent',
        host: 'silent.example',
        paths: [{ service: 'silent' }],
        annotations: { [`${PROXY}-connect-timeout`]: '1' },
      }),
      service('silent', [full.address]),
    ].join('\n---\n'),
  },
})
/** With the habits of nginx, a limit of bodies among them. */
const nginx = await Lanes.start({ count: 6, flags: JSON_ACCESS_LOG, ingress: { className: 'nginx' } })
const { gateway } = lanes
after(async () => {
  await full[Symbol.asyncDispose]()
  await patient[Symbol.asyncDispose]()
})

async function clientOf(entryPoint: string, of: GatewayProcess = gateway): Promise<Peer> {
  return new Peer(await rawClient(of.ports[entryPoint]!))
}

/** Started before what starts the time in the gateway. */
class Stopwatch {
  readonly #startedAt = performance.now()

  get ms(): number {
    return performance.now() - this.#startedAt
  }

  /** The gateway has just acted. */
  checkNotBefore(limitMs = LIMIT_MS): void {
    const { ms } = this
    assert.ok(ms >= limitMs * (1 - EARLY_SHARE), `after ${ms} ms instead of ${limitMs}`)
  }
}

/** Where time has to pass because time is what is tested. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Calls it `STEPS` times, one step apart. */
async function paced(step: (index: number) => unknown): Promise<void> {
  for (let i = 0; i < STEPS; i++) {
    await pause(STEP_MS)
    await step(i)
  }
}

let paths = 0
function newPath(): string {
  return `/path-${++paths}`
}

/** Endless pieces until all buffers on the way are full and some wait here. */
function flood(peer: Peer): void {
  const piece = Buffer.from(`10000\r\n${'x'.repeat(65_536)}\r\n`)
  while (peer.connection.socket.writableLength < 8_000_000) peer.connection.socket.write(piece)
}

/** Takes about 64 KiB in each of `STEPS` steps, then everything. */
async function readSlowly({ connection }: Peer): Promise<void> {
  const { socket } = connection
  const pauseAgain = (): void => void socket.pause()
  socket.on('data', pauseAgain)
  await paced(() => socket.resume())
  socket.off('data', pauseAgain)
  socket.resume()
}

/** Nearly all of it is waiting. */
describe('limits', { concurrency: true }, () => {
  describe('a request head', { concurrency: true }, () => {
    test('that is not complete in time is answered with 408, and the connection ends', async () => {
      const watch = new Stopwatch()
      const client = await clientOf('web')
      client.send('GET / HTTP/1.1\r\nHos')
      await client.closed()
      watch.checkNotBefore()
      const { head } = await client.response()
      assert.equal(head.status, 408)
      assert.equal(head.get('connection'), 'close')
      assert.equal(client.connection.errorCode, '')
    })

    test('does not get more time by coming in pieces', async () => {
      const lane = lanes.take()
      const watch = new Stopwatch()
      const client = await lane.client()
      client.send(lane.request().slice(0, -2))
      const sending = paced((i) => client.connection.isEnded || client.send(`X-${i}: y\r\n`))
      await client.closed()
      watch.checkNotBefore()
      await sending
      assert.equal((await client.response()).head.status, 408)
      assert.equal(lane.server.connections.length, 0)
    })

    test('of a later request has the same time, from its first byte', async () => {
      const lane = lanes.take()
      const client = await lane.client()
      client.send(lane.request())
      await (await lane.backend()).serve(ok('one'))
      await client.response()
      await pause(LIMIT_MS / 2)
      const watch = new Stopwatch()
      client.send('G')
      await client.closed()
      watch.checkNotBefore()
      assert.equal((await client.response()).head.status, 408)
    })

    test('that comes slowly, but in time, is served', async () => {
      const lane = lanes.take()
      const client = await lane.client()
      const request = lane.request()
      const piece = Math.ceil(request.length / 5)
      for (let at = 0; at < request.length; at += piece) {
        client.send(request.slice(at, at + piece))
        await pause(100)
      }
      await (await lane.backend()).serve(ok('served'))
      assert.equal((await client.response()).body, 'served')
    })

    test('that never begins: the connection is closed without a word', async () => {
      const watch = new Stopwatch()
      const client = await clientOf('web')
      await client.closed()
      watch.checkNotBefore()
      assert.equal(client.rest, '')
      assert.equal(client.connection.errorCode, '')
    })

    test('over TLS: a handshake has the same time', async () => {
      const watch = new Stopwatch()
      const hello = await clientOf('websecure')
      hello.send(Buffer.from([22, 3, 1, 1, 0, 1]))
      const silent = await clientOf('websecure')
      await Promise.all([hello.closed(), silent.closed()])
      watch.checkNotBefore()
      assert.equal(hello.rest + silent.rest, '')
    })

    test('behind the PROXY protocol: its header has the same time', async () => {
      const watch = new Stopwatch()
      const begun = await clientOf('proxied')
      begun.send('PROXY TCP4 192.0.2.1 ')
      const silent = await clientOf('proxied')
      await Promise.all([begun.closed(), silent.closed()])
      watch.checkNotBefore()
      assert.equal(begun.rest + silent.rest, '')
    })
  })

  describe('a connection that waits for its next request', { concurrency: true }, () => {
    test('is closed after its time, that of its entrypoint', async () => {
      const lane = lanes.take()
      const kept: Peer[] = []
      const serve = async (client: Peer): Promise<void> => {
        client.send(lane.request())
        await (await lane.backend(kept.length)).serve(ok('one', 'Connection: close\r\n'))
        const { head } = await client.response()
        assert.equal(head.get('connection'), undefined)
      }
      for (const name of ['calm', 'endless']) {
        const client = await clientOf(name)
        await serve(client)
        kept.push(client)
      }
      const client = await lane.client()
      const watch = new Stopwatch()
      await serve(client)
      await client.closed()
      watch.checkNotBefore()
      assert.equal(client.rest, '')
      assert.equal(client.connection.errorCode, '')
      for (const each of kept) assert.equal(each.connection.isEnded, false)
    })

    test('has all of its time behind each answer', async () => {
      const lane = lanes.take()
      const client = await lane.client()
      client.send(lane.request())
      const backend = await lane.backend()
      await backend.serve(ok('served'))
      await client.response()
      let watch = new Stopwatch()
      await paced(async () => {
        watch = new Stopwatch()
        client.send(lane.request())
        await backend.serve(ok('served'))
        assert.equal((await client.response()).body, 'served')
      })
      await client.closed()
      watch.checkNotBefore()
    })

    test('is closed after so many requests', async () => {
      const lane = lanes.take()
      const client = await clientOf('worn')
      client.send(lane.request())
      const backend = await lane.backend()
      for (let i = 1; i <= 3; i++) {
        if (i > 1) client.send(lane.request())
        await backend.serve(ok(`${i}`))
        const { head, body } = await client.response()
        assert.equal(body, `${i}`)
        assert.equal(head.get('connection'), i === 3 ? 'close' : undefined)
      }
      await client.closed()
      assert.equal(client.connection.errorCode, '')
    })

    test('is closed behind the first answer after so much time', async () => {
      const lane = lanes.take()
      const client = await clientOf('aged')
      const answer = async (backend: Peer): Promise<string | undefined> => {
        await backend.serve(ok('served'))
        const { head, body } = await client.response()
        assert.equal(body, 'served')
        return head.get('connection')
      }
      client.send(lane.request())
      const first = await lane.backend()
      assert.equal(await answer(first), undefined)
      await pause(1.2 * LIMIT_MS)
      assert.equal(client.connection.isEnded, false, 'only behind an answer')
      // The connection to the server may have had its idle time by now.
      await first.closed()
      client.send(lane.request())
      assert.equal(await answer(await lane.backend(1)), 'close')
      assert.equal((await client.closed()).errorCode, '')
    })
  })

  describe('a request body', { concurrency: true }, () => {
    for (const [kind, lines, begun] of [
      ['counted', 'Content-Length: 10\r\n', 'hello'],
      ['chunked', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n'],
    ] as const) {
      test(`that stops (${kind}) is answered with 408, on the entrypoint with that limit`, async () => {
        const lane = lanes.take()
        const others = [await clientOf('calm'), await clientOf('endless')]
        for (const each of others) each.send(lane.request('POST', '/', lines, begun))
        const client = await lane.client()
        const path = newPath()
        const watch = new Stopwatch()
        client.send(lane.request('POST', path, lines, begun))
        const { head } = await client.response()
        watch.checkNotBefore()
        assert.equal(head.status, 408)
        assert.equal(head.get('connection'), 'close')
        await client.closed()
        assert.equal((await accessLine(gateway, path)).DownstreamStatus, 408)
        let cut = 0
        for (let i = 0; i < 3; i++) {
          const backend = await lane.backend(i)
          if (!backend.connection.received.startsWith(`POST ${path} `)) continue
          await assert.rejects(backend.request(), CutError)
          cut++
        }
        assert.equal(cut, 1)
        for (const each of others) assert.equal(each.connection.received, '')
      })

      test(`that comes slowly (${kind}) is served`, async () => {
        const lane = lanes.take()
        const client = await lane.client()
        client.send(lane.request('POST', '/', kind === 'counted' ? `Content-Length: ${STEPS}\r\n` : lines))
        await paced((i) => client.send(kind === 'counted' ? `${i}` : `1\r\n${i}\r\n`))
        if (kind === 'chunked') client.send('0\r\n\r\n')
        const { body } = await (await lane.backend()).serve(ok('served'))
        assert.equal(body, '0123456789')
        assert.equal((await client.response()).body, 'served')
      })
    }

    test('that a server does not take: 504', async () => {
      const lane = lanes.take()
      const client = await lane.client()
      const path = newPath()
      client.send(lane.request('POST', path, 'Transfer-Encoding: chunked\r\n'))
      const backend = await lane.backend()
      await backend.head()
      backend.connection.socket.pause()
      const watch = new Stopwatch()
      flood(client)
      const { head } = await client.response()
      watch.checkNotBefore()
      assert.equal(head.status, 504)
      assert.equal(head.get('connection'), 'close')
      assert.equal((await accessLine(gateway, path)).DownstreamStatus, 504)
    })

    test('that a server takes slowly is passed on whole', async () => {
      const lane = lanes.take()
      const client = await lane.client()
      const body = 'x'.repeat(12_000_000)
      client.send(lane.request('POST', '/', `Content-Length: ${body.length}\r\n`, body))
      const backend = await lane.backend()
      backend.connection.socket.pause()
      await readSlowly(backend)
      assert.equal((await backend.serve(ok('served'))).body.length, body.length)
      assert.equal((await client.response()).body, 'served')
    })

    test('that the kernel has and the server still takes: its time for the answer has not begun', async () => {
      const lane = lanes.take()
      const client = await lane.client()
      const body = 'x'.repeat(1_500_000)
      client.send(lane.request('POST', '/', `Content-Length: ${body.length}\r\n`, body))
      const backend = await lane.backend()
      backend.connection.socket.pause()
      await readSlowly(backend)
      assert.equal((await backend.serve(ok('served'))).body.length, body.length)
      assert.equal((await client.response()).body, 'served')
    })
  })

  describe('a response', { concurrency: true }, () => {
    for (const [what, bytes] of [
      ['that does not begin', ''],
      ['whose head is not complete', 'HTTP/1.1 200 OK\r\nA: b'],
    ] as const) {
      test(`${what} in time: 504`, async () => {
        const lane = lanes.take()
        const client = await lane.client()
        const path = newPath()
        const watch = new Stopwatch()
        client.send(lane.request('GET', path))
        const backend = await lane.backend()
        await backend.request()
        backend.send(bytes)
        const { head } = await client.response()
        watch.checkNotBefore()
        assert.equal(head.status, 504)
        assert.equal(head.get('connection'), undefined)
        await backend.closed()
        const { DownstreamStatus, RetryAttempts } = await accessLine(gateway, path)
        assert.deepEqual([DownstreamStatus, RetryAttempts], [504, 0])
      })
    }

    for (const [what, piece] of [
      ['pieces of a head', (i: number) => (i === 0 ? 'HTTP/1.1 200 OK\r\n' : `A-${i}: b\r\n`)],
      ['interim answers', () => 'HTTP/1.1 102 Processing\r\n\r\n'],
    ] as const) {
      test(`does not get more time for its head by ${what}`, async () => {
        const lane = lanes.take()
        const client = await lane.client()
        client.send(lane.request())
        const backend = await lane.backend()
        await backend.request()
        await paced((i) => backend.connection.isEnded || backend.send(piece(i)))
        let { head } = await client.response()
        while (head.status === 102) ({ head } = await client.response())
        assert.equal(head.status, 504)
      })
    }

    for (const [kind, lines, begun] of [
      ['counted', 'Content-Length: 10\r\n', 'hello'],
      ['chunked', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n'],
      ['endless', '', 'hello'],
    ] as const) {
      test(`that stops in the middle (${kind}) is cut`, async () => {
        const lane = lanes.take()
        const client = await lane.client()
        client.send(lane.request())
        const backend = await lane.backend()
        const watch = new Stopwatch()
        await backend.serve(`HTTP/1.1 200 OK\r\n${lines}\r\n${begun}`)
        await client.closed()
        watch.checkNotBefore()
        await assert.rejects(client.response(), CutError)
        await backend.closed()
      })

      test(`that comes slowly (${kind}) lives on`, async () => {
        const lane = lanes.take()
        const client = await lane.client()
        client.send(lane.request('GET', '/', 'Accept: text/event-stream\r\n'))
        const backend = await lane.backend()
        await backend.serve(
          `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n${lines.replace('10', `${STEPS}`)}\r\n`,
        )
        await paced((i) => backend.send(kind === 'chunked' ? `1\r\n${i}\r\n` : `${i}`))
        if (kind === 'chunked') backend.send('0\r\n\r\n')
        if (kind === 'endless') backend.end()
        assert.equal((await client.response()).body, '0123456789')
      })
    }

    test('that the client does not take: its connection is reset, on the entrypoint with that limit', async () => {
      const lane = lanes.take()
      const stuck: { client: Peer; backend: Peer }[] = []
      for (const name of ['calm', 'endless', 'web']) {
        const client = await clientOf(name)
        client.connection.socket.pause()
        client.send(lane.request())
        const backend = await lane.backend(stuck.length)
        await backend.serve('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
        stuck.push({ client, backend })
      }
      const watch = new Stopwatch()
      for (const { backend } of stuck) flood(backend)
      const { client, backend } = stuck.pop()!
      await backend.closed()
      watch.checkNotBefore()
      client.connection.socket.resume()
      await assert.rejects(client.response(), CutError)
      assert.equal(client.connection.errorCode, 'ECONNRESET')
      for (const other of stuck) {
        assert.equal(other.backend.connection.isEnded, false)
        other.client.destroy()
        await other.backend.closed()
      }
    })

    test('that the client takes slowly is passed on whole', async () => {
      const lane = lanes.take()
      const client = await lane.client()
      client.connection.socket.pause()
      client.send(lane.request())
      const body = 'x'.repeat(12_000_000)
      await (await lane.backend()).serve(ok(body))
      await readSlowly(client)
      assert.equal((await client.response()).body.length, body.length)
    })
  })

  describe('a server that cannot be reached', { concurrency: true }, () => {
    const attempts: readonly [name: string, of: GatewayProcess, host: string, limitMs: number][] = [
      ['504 after its time', gateway, 'silent', 500],
      ['a longer time by annotation', gateway, 'silent-longer', 2000],
      ['a shorter time by annotation', brief.gateway, 'silent', 1000],
    ]
    for (const [name, of, host, limitMs] of attempts) {
      test(name, async () => {
        const lane = new Lane(`${host}.example`, of, [])
        const client = await lane.client()
        const path = newPath()
        const watch = new Stopwatch()
        client.send(lane.request('GET', path))
        assert.equal((await client.response()).head.status, 504)
        watch.checkNotBefore(limitMs)
        assert.equal((await accessLine(of, path)).RetryAttempts, 0)
      })
    }
  })

  describe('times by annotation', { concurrency: true }, () => {
    test('shorter ones end what the flags would leave alone', async () => {
      const waits = brief.take()
      const stops = brief.take()
      const full = brief.take()
      const clients = [await waits.client(), await stops.client(), await full.client()] as const
      const watch = new Stopwatch()
      clients[0].send(waits.request())
      clients[1].send(stops.request())
      clients[2].send(full.request('POST', '/', 'Transfer-Encoding: chunked\r\n'))
      const stopping = await stops.backend()
      await stopping.serve('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello')
      const stuck = await full.backend()
      await stuck.head()
      stuck.connection.socket.pause()
      flood(clients[2])
      const answers = await Promise.all([clients[0].response(), clients[2].response()])
      assert.deepEqual(
        answers.map(({ head }) => head.status),
        [504, 504],
      )
      await assert.rejects(clients[1].response(), CutError)
      watch.checkNotBefore(1000)
    })

    test('a tunnel has that of reading', async () => {
      const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
      const lane = brief.take()
      const client = await lane.client()
      client.send(lane.request('GET', '/', UPGRADE))
      const backend = await lane.backend()
      await backend.serve(`HTTP/1.1 101 Switching Protocols\r\n${UPGRADE}\r\n`)
      assert.equal((await client.response()).head.status, 101)
      // Bytes of either side keep it.
      let watch = new Stopwatch()
      await paced((i) => {
        watch = new Stopwatch()
        return (i % 2 === 0 ? client : backend).send('x')
      })
      await Promise.all([client.closed(), backend.closed()])
      watch.checkNotBefore(1000)
      assert.equal(client.rest.length + backend.rest.length, STEPS)
    })

    test('longer ones leave alone what the flags would end', async () => {
      const lane = new Lane('patient.example', gateway, [patient])
      const client = await lane.client()
      client.send(lane.request())
      const backend = await lane.backend()
      await backend.request()
      await pause(LIMIT_MS + 500)
      backend.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello')
      await pause(LIMIT_MS + 500)
      backend.send('world')
      assert.equal((await client.response()).body, 'helloworld')
    })
  })

  describe('connections to servers', { concurrency: true }, () => {
    test('are closed after their idle time', async () => {
      const lane = lanes.take()
      const client = await clientOf('calm')
      client.send(lane.request())
      const backend = await lane.backend()
      const watch = new Stopwatch()
      await backend.serve(ok('one'))
      await client.response()
      await backend.closed()
      watch.checkNotBefore()
      assert.equal(backend.connection.errorCode, '')
      client.send(lane.request())
      await (await lane.backend(1)).serve(ok('two'))
      assert.equal((await client.response()).body, 'two')
    })

    test('are kept up to a number per server', async () => {
      const lane = lanes.take()
      const clients: Peer[] = []
      const backends: Peer[] = []
      for (let i = 0; i < 4; i++) {
        const client = await clientOf('calm')
        client.send(lane.request())
        const backend = await lane.backend(i)
        await backend.request()
        clients.push(client)
        backends.push(backend)
      }
      for (const [index, backend] of backends.entries()) {
        backend.send(ok(`${index}`))
        assert.equal((await clients[index]!.response()).body, `${index}`)
      }
      await Promise.all(backends.slice(2).map((backend) => backend.closed()))
      assert.ok(backends.slice(0, 2).every((backend) => !backend.connection.isEnded))
    })
  })

  describe('sizes', { concurrency: true }, () => {
    /** A request with a head of so many bytes. */
    function sized(lane: Lane, bytes: number): string {
      const fill = bytes - lane.request('GET', '/', 'X-Fill: \r\n').length
      return lane.request('GET', '/', `X-Fill: ${'x'.repeat(fill)}\r\n`)
    }

    test('a head of as many bytes as its entrypoint allows is served, a longer one gets 431', async () => {
      const lane = lanes.take()
      let served = 0
      for (const [name, bytes, status] of [
        ['web', HEAD_BYTES, 200],
        ['web', HEAD_BYTES + 1, 431],
        ['calm', HEAD_BYTES + 1, 200],
        ['calm', 65_536, 200],
        ['calm', 65_537, 431],
      ] as const) {
        const client = await clientOf(name)
        client.send(sized(lane, bytes))
        if (status === 200) await (await lane.backend(served++)).serve(ok('served', 'Connection: close\r\n'))
        const { head } = await client.response()
        assert.equal(head.status, status, `${bytes} bytes on ${name}`)
        assert.equal(head.get('connection'), status === 200 ? undefined : 'close')
        if (status === 431) assert.equal((await client.closed()).errorCode, '')
      }
      assert.equal(lane.server.connections.length, served)
    })

    test('a request line longer than that gets 414', async () => {
      const lane = lanes.take()
      for (const bytes of [HEAD_BYTES, 10 * HEAD_BYTES]) {
        const client = await lane.client()
        client.send(lane.request('GET', `/${'x'.repeat(bytes)}`))
        const { head } = await client.response()
        assert.equal(head.status, 414)
        assert.equal(head.get('connection'), 'close')
      }
      assert.equal(lane.server.connections.length, 0)
    })

    test('as many fields as allowed are served, more get 431', async () => {
      const lane = lanes.take()
      for (const count of [FIELDS, FIELDS + 1]) {
        const client = await lane.client()
        client.send(lane.request('GET', '/', 'X-Field: y\r\n'.repeat(count - 1)))
        if (count === FIELDS) await (await lane.backend()).serve(ok('served'))
        const { head } = await client.response()
        assert.equal(head.status, count === FIELDS ? 200 : 431)
      }
    })

    test('the same for heads of servers: 502', async () => {
      const lane = lanes.take()
      const client = await lane.client()
      const fill = (bytes: number): string =>
        ok('', `X-Fill: ${'x'.repeat(bytes - ok('', 'X-Fill: \r\n').length)}\r\n`)
      const answers: readonly [answer: string, status: number][] = [
        [fill(2048), 200],
        [fill(2049), 502],
        [ok('', 'X-Field: y\r\n'.repeat(FIELDS - 1)), 200],
        [ok('', 'X-Field: y\r\n'.repeat(FIELDS)), 502],
      ]
      let backend: Peer | undefined
      for (const [answer, status] of answers) {
        client.send(lane.request())
        backend ??= await lane.backend(lane.server.connections.length)
        await backend.serve(answer)
        assert.equal((await client.response()).head.status, status)
        if (status === 200) continue
        await backend.closed()
        backend = undefined
      }
      assert.equal(lane.server.connections.length, 2)
    })

    test('names in Connection and the length of a host', async () => {
      const lane = lanes.take()
      const names = (count: number): string => Array.from({ length: count }, (_, i) => `X-${i}`).join(',')
      const label = 'a'.repeat(61)
      const host = (bytes: number): string => `${`${label}.`.repeat(4)}aaaaaaaa`.slice(0, bytes - 1)
      for (const [lines, status] of [
        [`Host: ${lane.host}\r\nConnection: close,${names(32)}\r\n`, 200],
        [`Host: ${lane.host}\r\nConnection: close,${names(33)}\r\n`, 400],
        [`Host: ${host(254)}.\r\nConnection: close\r\n`, 404],
        [`Host: ${host(255)}.\r\nConnection: close\r\n`, 400],
      ] as const) {
        const client = await lane.client()
        client.send(`GET / HTTP/1.1\r\n${lines}\r\n`)
        if (status === 200) await (await lane.backend()).serve(ok('served'))
        assert.equal((await client.response()).head.status, status, lines)
      }
    })

    const MIB = 1 << 20
    test('a body over the limit of the route gets 413 before any server hears of it', async () => {
      const lane = nginx.take()
      const client = await lane.client()
      client.send(lane.request('POST', '/', `Content-Length: ${MIB + 1}\r\n`))
      const { head } = await client.response()
      assert.equal(head.status, 413)
      assert.equal(head.get('connection'), 'close')
      assert.equal((await client.closed()).errorCode, '')
      assert.equal(lane.server.connections.length, 0)
    })

    test('a body of just that size is served, counted or chunked', async () => {
      const lane = nginx.take()
      const body = 'x'.repeat(MIB)
      for (const [lines, sent] of [
        [`Content-Length: ${MIB}\r\n`, body],
        ['Transfer-Encoding: chunked\r\n', `100000\r\n${body}\r\n0\r\n\r\n`],
      ] as const) {
        const client = await lane.client()
        client.send(lane.request('POST', '/', lines, sent))
        const backend = await lane.backend(lane.server.connections.length)
        assert.equal((await backend.serve(ok('served', 'Connection: close\r\n'))).body.length, MIB)
        assert.equal((await client.response()).body, 'served')
      }
    })

    test('a chunked body that grows over it gets 413, and the server sees it cut', async () => {
      const lane = nginx.take()
      const client = await lane.client()
      const path = newPath()
      client.send(lane.request('POST', path, 'Transfer-Encoding: chunked\r\n'))
      client.send(`100000\r\n${'x'.repeat(MIB)}\r\n`)
      const backend = await lane.backend()
      await backend.connection.until((each) => each.received.length > MIB)
      client.send('1\r\nx\r\n0\r\n\r\n')
      const { head } = await client.response()
      assert.equal(head.status, 413)
      assert.equal(head.get('connection'), 'close')
      await assert.rejects(backend.request(), CutError)
      assert.equal((await accessLine(nginx.gateway, path)).DownstreamStatus, 413)
    })
  })
})
