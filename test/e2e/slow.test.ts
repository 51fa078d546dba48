/**
 * Peers that are slow, idle or gone: they cost what is theirs, are cut when that is documented and not before, and nobody
 * else notices. One byte every 10 ms stands for one a second, with the timeouts scaled accordingly.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { namedServer } from './bed/backends.ts'
import { GatewayProcess } from './bed/gateway-process.ts'
import { CutError, HttpReader } from './bed/http-reader.ts'
import { Load } from './bed/load.ts'
import { Inspector, INSPECTED } from './bed/inspector.ts'
import { ingress, service } from './bed/manifests.ts'
import { IS_PLAIN, scaled } from './bed/modes.ts'
import { rawClient, RawServer, type RawConnection } from './bed/raw-peer.ts'

const PER_BYTE_MS = 10
const HEAD_TIMEOUT_MS = 3000
const PAUSE_MS = 2500
/** A cut may come this much later on a busy machine, never earlier. */
const LATE_MS = 10_000
const HOST = 'Host: slow.example\r\n'

function manifests(quick: RawServer, slow: readonly RawServer[]): Record<string, string> {
  return {
    'web.yaml': [
      ingress({ name: 'quick', host: 'quick.example', paths: [{ service: 'quick' }] }),
      ingress({ name: 'slow', host: 'slow.example', paths: [{ service: 'slow' }] }),
    ].join('\n---\n'),
    'services.yaml': [
      service('quick', [quick.address]),
      service(
        'slow',
        slow.map((server) => server.address),
      ),
    ].join('\n---\n'),
  }
}

/** Sends a text at its pace, however late timers are, until the other side closes. */
function trickle(peer: RawConnection, text: string): Promise<void> {
  const startedAt = performance.now()
  let sent = 0
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(text.length, Math.ceil((performance.now() - startedAt) / PER_BYTE_MS))
      if (due > sent && !peer.isEnded && !peer.isClosed) peer.send(text.slice(sent, due))
      sent = due
      if (sent < text.length && !peer.isEnded && !peer.isClosed) return
      clearInterval(timer)
      resolve()
    }, PER_BYTE_MS)
  })
}

/** Milliseconds until the other side has closed. */
async function msUntilCut(peer: RawConnection, since: number): Promise<number> {
  await peer.until((each) => each.isEnded || each.isClosed, PAUSE_MS + HEAD_TIMEOUT_MS + LATE_MS)
  return performance.now() - since
}

function assertCutAt(tookMs: number, limitMs: number, what: string): void {
  assert.ok(tookMs >= limitMs - 50 && tookMs < limitMs + LATE_MS, `${what}: cut after ${tookMs} ms`)
}

test('heads, bodies, answers and readers at a trickle: alive while they go on, cut when they pause too long', async (t) => {
  await using quick = await namedServer('ok')
  /** Answers as the path says. */
  await using slow = await RawServer.start(0, (connection) => void serve(connection))
  await using gateway = await GatewayProcess.start({
    workers: 2,
    manifests: manifests(quick, [slow]),
    flags: [
      `--limits.headTimeout=${HEAD_TIMEOUT_MS}ms`,
      `--limits.responseGapTimeout=${PAUSE_MS}ms`,
      `--entryPoints.web.transport.respondingTimeouts.readTimeout=${PAUSE_MS}ms`,
      `--entryPoints.web.transport.respondingTimeouts.writeTimeout=${PAUSE_MS}ms`,
    ],
  })
  using load = new Load({
    port: gateway.web,
    connections: 8,
    perSecond: scaled(400),
    host: () => 'quick.example',
  })
  await load.more(8)

  const slowHead = async (): Promise<void> => {
    const client = await rawClient(gateway.web)
    await trickle(client, `GET /echo HTTP/1.1\r\n${HOST}X-Fill: ${'x'.repeat(50)}\r\n\r\n`)
    const { head, body } = await new HttpReader(client).response()
    assert.deepEqual([head.status, body], [200, ''])
    client.socket.destroy()
  }
  const endlessHead = async (): Promise<void> => {
    const startedAt = performance.now()
    const client = await rawClient(gateway.web)
    void trickle(client, `GET / HTTP/1.1\r\n${HOST}X-Fill: ${'x'.repeat(2000)}\r\n\r\n`)
    assertCutAt(await msUntilCut(client, startedAt), HEAD_TIMEOUT_MS, 'a head without end')
    assert.match(client.received, /^HTTP\/1\.1 408 /)
    client.socket.destroy()
  }
  // Longer than a pause may be: what counts is the pause.
  const slowBody = async (framing: 'length' | 'chunked'): Promise<void> => {
    const client = await rawClient(gateway.web)
    const text = 'y'.repeat(300)
    client.send(
      `POST /echo HTTP/1.1\r\n${HOST}${framing === 'length' ? 'Content-Length: 300' : 'Transfer-Encoding: chunked'}\r\n\r\n`,
    )
    await trickle(client, framing === 'length' ? text : `12c\r\n${text}\r\n0\r\n\r\n`)
    const { head, body } = await new HttpReader(client).response()
    assert.deepEqual([head.status, body], [200, text])
    client.socket.destroy()
  }
  const stalledBody = async (): Promise<void> => {
    const client = await rawClient(gateway.web)
    client.send(`POST /echo HTTP/1.1\r\n${HOST}Content-Length: 300\r\n\r\nabc`)
    assertCutAt(await msUntilCut(client, performance.now()), PAUSE_MS, 'a body that stalls')
    assert.match(client.received, /^HTTP\/1\.1 408 /)
    client.socket.destroy()
  }
  const slowAnswer = async (): Promise<void> => {
    const client = await rawClient(gateway.web)
    client.send(`GET /trickle HTTP/1.1\r\n${HOST}\r\n`)
    const { body } = await new HttpReader(client).response()
    assert.equal(body, 'z'.repeat(300))
    client.socket.destroy()
  }
  const stalledAnswer = async (): Promise<void> => {
    const client = await rawClient(gateway.web)
    // The pause begins later than this.
    const startedAt = performance.now()
    client.send(`GET /stall HTTP/1.1\r\n${HOST}\r\n`)
    const reader = new HttpReader(client)
    await assert.rejects(reader.response(), CutError)
    assertCutAt(performance.now() - startedAt, PAUSE_MS, 'an answer that stalls')
    client.socket.destroy()
  }
  /** What is there, and then a while of nothing: progress all the same. */
  const slowReader = async (): Promise<void> => {
    const socket = await requestAndPause(gateway.web, '/big')
    let bytes = 0
    const startedAt = performance.now()
    while (bytes < BIG_BYTES) {
      const part = socket.read() as Buffer | null
      if (part !== null) {
        bytes += part.length
        if (performance.now() - startedAt < 2 * PAUSE_MS) await later(PAUSE_MS / 8)
      } else if (socket.readableEnded || socket.destroyed) break
      else await readable(socket)
    }
    // Head included.
    assert.ok(bytes >= BIG_BYTES, `a slow reader got ${bytes} of ${BIG_BYTES} bytes`)
    socket.destroy()
  }
  const noReader = async (index: number): Promise<void> => {
    const startedAt = performance.now()
    const socket = await requestAndPause(gateway.web, `/big?${index}`)
    // A socket that is not read is told nothing; but with its client the request to the server is over.
    const isOver = (): boolean =>
      slow.connections.some(
        (connection) => connection.isClosed && connection.received.includes(`/big?${index} `),
      )
    await gateway.until(isOver, PAUSE_MS + LATE_MS)
    assertCutAt(performance.now() - startedAt, PAUSE_MS, 'a client that reads nothing')
    socket.destroy()
  }

  const each = IS_PLAIN ? 5 : 2
  // All of them come to their end before the gateway does.
  const outcomes = await Promise.allSettled(
    Array.from({ length: each }, (_, index) => [
      slowHead(),
      endlessHead(),
      slowBody('length'),
      slowBody('chunked'),
      stalledBody(),
      slowAnswer(),
      stalledAnswer(),
      slowReader(),
      noReader(index),
    ]).flat(),
  )
  await load.stop()
  t.diagnostic(
    `${each * 9} slow peers; meanwhile ${load.ok} quick requests, ${load.failures.length} failed, ` +
      `slowest ${load.slowestMs.toFixed(0)} ms`,
  )
  assert.deepEqual(
    outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason)] : [])),
    [],
  )
  assert.deepEqual(load.failures, [])
})

/** More than the kernel keeps for a connection (4 MB for the sender, 6 MB at most for the receiver). */
const BIG_BYTES = 12 * 1024 * 1024

async function serve(connection: RawConnection): Promise<void> {
  connection.socket.on('error', () => {})
  const reader = new HttpReader(connection)
  try {
    for (;;) {
      const { head, body } = await reader.request()
      const target = head.startLine.split(' ')[1]
      if (target === '/trickle') {
        connection.send('HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n')
        await trickle(connection, 'z'.repeat(300))
      } else if (target === '/stall') {
        connection.send('HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\nzzz')
      } else if (target?.startsWith('/big') === true) {
        connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${BIG_BYTES}\r\n\r\n`)
        connection.send(Buffer.alloc(BIG_BYTES, 'b'))
      } else {
        connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
      }
    }
  } catch {
    // The gateway has closed: that is what several of these are about.
    connection.socket.destroy()
  }
}

/** A client that has asked for the big answer and reads only when it is told to. */
function requestAndPause(port: number, target: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', highWaterMark: 1024 * 1024 } as never)
    socket.pause()
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.on('error', () => {})
      socket.write(`GET ${target} HTTP/1.1\r\n${HOST}\r\n`)
      resolve(socket)
    })
  })
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function readable(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ['readable', 'end', 'close']) socket.off(event, done)
      resolve()
    }
    for (const event of ['readable', 'end', 'close']) socket.on(event, done)
  })
}

test('a server that dies in the middle of its bodies: its own answers are cut, visibly, and nothing else', async (t) => {
  await using quick = await namedServer('ok')
  await using dying = await RawServer.start()
  await using living = await RawServer.start()
  await using gateway = await GatewayProcess.start({
    workers: 2,
    manifests: manifests(quick, [dying, living]),
  })
  using load = new Load({
    port: gateway.web,
    connections: 8,
    perSecond: scaled(400),
    host: () => 'quick.example',
  })
  await load.more(8)
  const HEADS = ['Content-Length: 1000', 'Transfer-Encoding: chunked']
  for (const [round, how] of ['reset', 'end', 'reset'].entries()) {
    const count = 20
    const clients = await Promise.all(
      Array.from({ length: count }, async () => {
        const client = await rawClient(gateway.web)
        client.send(`GET / HTTP/1.1\r\n${HOST}\r\n`)
        return client
      }),
    )
    const open = (server: RawServer) =>
      server.connections.filter(
        (each) => !each.isClosed && !each.isEnded && each.received.endsWith('\r\n\r\n'),
      )
    const half = count / 2
    await gateway.until(() => open(dying).length === half && open(living).length === half)
    for (const [name, server] of [
      ['dying', dying],
      ['living', living],
    ] as const) {
      open(server).forEach((connection, index) => {
        const head = HEADS[index % 2]!
        const piece = `${name}${'.'.repeat(500 - name.length)}`
        connection.send(
          `HTTP/1.1 200 OK\r\n${head}\r\n\r\n${index % 2 === 0 ? piece : `1f4\r\n${piece}\r\n`}`,
        )
      })
    }
    await gateway.until(() => clients.every((client) => client.received.includes('...')))
    for (const { socket } of open(dying)) {
      if (how === 'reset') socket.resetAndDestroy()
      else socket.end()
    }
    const results = clients.map(async (client) => {
      const name = client.received.includes('dying') ? 'dying' : 'living'
      const outcome = await new HttpReader(client).response().then(
        ({ body }) => `whole ${body.length}`,
        (error: Error) => (error instanceof CutError ? 'cut' : error.message),
      )
      return `${name} ${outcome}`
    })
    await gateway.until(
      () =>
        clients.filter((client) => client.received.includes('dying') && (client.isEnded || client.isClosed))
          .length === half,
    )
    // The others are still in the middle, and end well.
    assert.equal(clients.filter((client) => client.isEnded || client.isClosed).length, half)
    open(living).forEach((connection, index) => {
      connection.send(index % 2 === 0 ? '!'.repeat(500) : `1f4\r\n${'!'.repeat(500)}\r\n0\r\n\r\n`)
    })
    const outcomes = await Promise.all(results)
    assert.equal(outcomes.filter((each) => each === 'dying cut').length, half, `${round}: ${outcomes.join()}`)
    assert.equal(outcomes.filter((each) => each === 'living whole 1000').length, half, outcomes.join())
    for (const client of clients) client.socket.destroy()
    for (const server of [dying, living]) {
      for (const connection of server.connections.splice(0)) connection.socket.destroy()
    }
  }
  await load.stop()
  t.diagnostic(
    `60 answers, 30 cut with their server; meanwhile ${load.ok} requests, ${load.failures.length} failed`,
  )
  assert.deepEqual(load.failures, [])
})

/** Resident memory without garbage, bytes: the least of a few looks. */
async function residentBytes(gateway: GatewayProcess, inspector: Inspector): Promise<number> {
  await inspector.heapAfterCollection()
  let least = Infinity
  for (let look = 0; look < 10; look++) {
    const text = readFileSync(`/proc/${gateway.child.pid}/status`, 'latin1')
    least = Math.min(least, Number(/^VmRSS:\s+(\d+) kB/m.exec(text)![1]) * 1024)
    await later(100)
  }
  return least
}

function descriptorLimit(): number {
  return Number(
    /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? 1_048_576,
  )
}

test('5,000 idle connections cost little memory, requests go on beside them, and all can still be used', async (t) => {
  await using quick = await namedServer('ok')
  await using gateway = await GatewayProcess.start({
    workers: 2,
    manifests: manifests(quick, [quick]),
    env: INSPECTED,
  })
  using inspector = await Inspector.attach(gateway, 2)
  // Each may need two descriptors in the gateway. Node has raised the soft limit to the hard one.
  const count = Math.min(scaled(5000), Math.floor((descriptorLimit() - 600) / 2))
  using load = new Load({
    port: gateway.web,
    connections: 8,
    perSecond: 200,
    host: () => 'quick.example',
  })
  const idle: IdleClient[] = []
  const open = async (upTo: number): Promise<void> => {
    const run = async (): Promise<void> => {
      while (idle.length < upTo) {
        const client = new IdleClient(gateway.web)
        idle.push(client)
        await client.ask()
      }
    }
    await Promise.all(Array.from({ length: 16 }, run))
  }
  try {
    // Code and heap are warm before, so that what is measured is the connections.
    await open(20)
    for (let round = 0; round < 100; round++) await Promise.all(idle.map((client) => client.ask()))
    const warm = idle.length
    const before = await residentBytes(gateway, inspector)
    await open(count)
    const after = await residentBytes(gateway, inspector)
    const perConnection = (after - before) / (idle.length - warm)
    t.diagnostic(
      `${idle.length} idle connections: ${(perConnection / 1024).toFixed(1)} kB each, ` +
        `${(after / 1048576).toFixed(0)} MB resident in all`,
    )
    if (IS_PLAIN) assert.ok(perConnection <= 10 * 1024, `${perConnection} bytes per idle connection`)
    const at = load.ok
    await load.more(100)
    assert.ok(load.ok >= at + 100)
    await Promise.all(idle.map((client) => client.ask()))
    await load.stop()
    t.diagnostic(
      `meanwhile ${load.ok} requests, ${load.failures.length} failed, slowest ${load.slowestMs.toFixed(0)} ms`,
    )
    assert.deepEqual(load.failures, [])
  } finally {
    for (const client of idle) client.close()
  }
})

/** As light as can be: this process holds as many of them as the gateway. */
class IdleClient {
  readonly #socket: Socket
  #settle: ((error?: Error) => void) | null = null

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (bytes) => {
      if (bytes.toString('latin1').endsWith('ok')) this.#settle?.()
    })
    this.#socket.on('error', (error) => this.#settle?.(error))
    this.#socket.on('close', () => this.#settle?.(new Error('closed')))
  }

  ask(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settle = (error) => {
        this.#settle = null
        if (error === undefined) resolve()
        else reject(error)
      }
      this.#socket.write('GET / HTTP/1.1\r\nHost: quick.example\r\n\r\n')
    })
  }

  close(): void {
    this.#settle = null
    this.#socket.destroy()
  }
}
