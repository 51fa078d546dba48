import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertSame, nextTurn, pattern } from '#net/transport/transport.fixture.ts'
import { ClientBed, RecordingSink, sendGet, TIMEOUTS, type RawConnection } from './client.fixture.ts'
import {
  FAIL_CLOSED,
  FAIL_CUT,
  FAIL_GAP_TIMEOUT,
  FAIL_HEAD_TIMEOUT,
  FAIL_PROTOCOL,
  FAIL_SEND_TIMEOUT,
} from './failure.ts'
import type { Http1Client } from './http1-client.ts'

const OK = 'HTTP/1.1 200 OK\r\n'

interface Case {
  readonly name: string
  readonly method?: string
  readonly response: string
  /** The server sends its FIN behind the response. */
  readonly fin?: boolean
  readonly events: readonly string[]
  /** The connection is pooled afterwards. */
  readonly isPooled: boolean
}

const cases: readonly Case[] = [
  {
    name: 'a body of a known length',
    response: `${OK}Content-Length: 5\r\n\r\nhello`,
    events: ['head 200 length', 'body hello', 'end'],
    isPooled: true,
  },
  {
    name: 'a length of nothing',
    response: `${OK}Content-Length: 0\r\n\r\n`,
    events: ['head 200 none', 'end'],
    isPooled: true,
  },
  {
    name: 'chunks',
    response: `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n`,
    events: ['head 200 chunked', 'body hello!', 'end'],
    isPooled: true,
  },
  {
    name: 'chunks with trailers',
    response: `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n`,
    events: ['head 200 chunked', 'body x', 'end A|b|C|d'],
    isPooled: true,
  },
  {
    name: 'the answer to HEAD has no body whatever it says',
    method: 'HEAD',
    response: `${OK}Content-Length: 5\r\n\r\n`,
    events: ['head 200 none', 'end'],
    isPooled: true,
  },
  {
    name: 'the answer to HEAD announces chunks',
    method: 'HEAD',
    response: `${OK}Transfer-Encoding: chunked\r\n\r\n`,
    events: ['head 200 none', 'end'],
    isPooled: true,
  },
  {
    name: '204',
    response: 'HTTP/1.1 204 No Content\r\n\r\n',
    events: ['head 204 none', 'end'],
    isPooled: true,
  },
  {
    name: '304 with the length of what it did not send',
    response: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
    events: ['head 304 none', 'end'],
    isPooled: true,
  },
  {
    name: 'interim answers come before the final one',
    response: `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}Content-Length: 1\r\n\r\nx`,
    events: ['interim 100', 'interim 103', 'head 200 length', 'body x', 'end'],
    isPooled: true,
  },
  {
    name: 'HTTP/1.0 with keep-alive',
    response: 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx',
    events: ['head 200 length', 'body x', 'end'],
    isPooled: true,
  },
  {
    name: 'HTTP/1.0 without it',
    response: 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx',
    events: ['head 200 length', 'body x', 'end'],
    isPooled: false,
  },
  {
    name: 'Connection: close',
    response: `${OK}Connection: close\r\nContent-Length: 1\r\n\r\nx`,
    events: ['head 200 length', 'body x', 'end'],
    isPooled: false,
  },
  {
    name: 'a body that ends with the connection',
    response: `${OK}\r\nall of it`,
    fin: true,
    events: ['head 200 until-close', 'body all of it', 'end'],
    isPooled: false,
  },
  {
    name: 'an empty body that ends with the connection',
    response: `${OK}\r\n`,
    fin: true,
    events: ['head 200 until-close', 'end'],
    isPooled: false,
  },
  {
    name: 'bytes behind the body',
    response: `${OK}Content-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n`,
    events: ['head 200 length', 'body x', 'end'],
    isPooled: false,
  },
  {
    name: 'a body behind the answer to HEAD',
    method: 'HEAD',
    response: `${OK}Content-Length: 1\r\n\r\nx`,
    events: ['head 200 none', 'end'],
    isPooled: false,
  },
  {
    name: 'a body behind 204',
    response: 'HTTP/1.1 204 No Content\r\n\r\nx',
    events: ['head 204 none', 'end'],
    isPooled: false,
  },
  {
    name: 'cut in the body',
    response: `${OK}Content-Length: 5\r\n\r\nhel`,
    fin: true,
    events: ['head 200 length', 'body hel', `failure ${FAIL_CUT}`],
    isPooled: false,
  },
  {
    name: 'cut between chunks',
    response: `${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n`,
    fin: true,
    events: ['head 200 chunked', 'body hel', `failure ${FAIL_CUT}`],
    isPooled: false,
  },
  {
    name: 'cut before the end of the trailers',
    response: `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n`,
    fin: true,
    events: ['head 200 chunked', `failure ${FAIL_CUT}`],
    isPooled: false,
  },
  {
    name: 'cut in the head',
    response: 'HTTP/1.1 200 OK\r\nContent-',
    fin: true,
    events: [`failure ${FAIL_CUT}`],
    isPooled: false,
  },
  {
    name: 'cut behind an interim answer',
    response: 'HTTP/1.1 100 Continue\r\n\r\n',
    fin: true,
    events: ['interim 100', `failure ${FAIL_CUT}`],
    isPooled: false,
  },
  {
    name: 'closed without a byte',
    response: '',
    fin: true,
    events: [`failure ${FAIL_CLOSED}`],
    isPooled: false,
  },
  {
    name: 'no HTTP',
    response: 'SSH-2.0-OpenSSH_9.9\r\n',
    events: [`failure ${FAIL_PROTOCOL}`],
    isPooled: false,
  },
  {
    name: 'two lengths that differ',
    response: `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx`,
    events: [`failure ${FAIL_PROTOCOL}`],
    isPooled: false,
  },
  {
    name: 'a length and chunks',
    response: `${OK}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`,
    events: [`failure ${FAIL_PROTOCOL}`],
    isPooled: false,
  },
  {
    name: 'a chunk size that is none, behind content',
    response: `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\nzz\r\n`,
    events: ['head 200 chunked', 'body x', `failure ${FAIL_PROTOCOL}`],
    isPooled: false,
  },
  {
    name: 'interim answers without end',
    response: 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(65),
    events: [...Array.from({ length: 64 }, () => 'interim 103'), `failure ${FAIL_PROTOCOL}`],
    isPooled: false,
  },
]

describe('a response', () => {
  for (const { name, method = 'GET', response, fin = false, events, isPooled } of cases) {
    for (const way of ['whole', 'byte by byte'] as const) {
      it(`${name}, ${way}`, async () => {
        using bed = new ClientBed()
        const server = await bed.server()
        const pool = bed.pool(server.port)
        const sink = new RecordingSink((client) =>
          client.sendHead(method, `${method} / HTTP/1.1\r\n\r\n`, false, false),
        )
        const client = pool.request(sink, false)
        const peer = await server.connection(0)
        await peer.hears('\r\n\r\n')
        if (way === 'whole') peer.says(response)
        else await dribble(peer, response, sink)
        if (fin) peer.socket.end()
        await sink.over()
        assert.deepEqual(sink.events, ['ready', ...events])
        // Bytes behind the end may come later than the end when they come one by one.
        if (!isPooled) await peer.gone()
        assert.equal(pool.idleCount, isPooled ? 1 : 0)
        assert.equal(client.isClosed, !isPooled)
        assert.deepEqual(bed.counters, {
          created: 1,
          reused: 0,
          idle: isPooled ? 1 : 0,
          open: isPooled ? 1 : 0,
        })
        // The next one gets this connection, or another.
        const second = new RecordingSink()
        pool.request(second, false)
        await second.saw('ready')
        assert.equal(second.client === client, isPooled)
        assert.equal(second.client?.served, isPooled ? 1 : 0)
        await closeAll(pool, second)
      })
    }
  }

  it('a reset in the middle of it is a cut, one before it is not', async () => {
    for (const [response, failure] of [
      [`${OK}Content-Length: 5\r\n\r\nhel`, FAIL_CUT],
      ['', FAIL_CLOSED],
    ] as const) {
      using bed = new ClientBed()
      const server = await bed.server()
      const pool = bed.pool(server.port)
      const sink = new RecordingSink()
      pool.request(sink, false)
      const peer = await server.connection(0)
      await peer.hears('\r\n\r\n')
      if (response !== '') {
        peer.says(response)
        await sink.saw('body')
      }
      peer.socket.resetAndDestroy()
      await sink.over()
      assert.equal(sink.failure, failure)
      assert.match(sink.detail, /ECONNRESET/)
      assert.equal(bed.counters.open, 0)
    }
  })

  it('one that answers a request which is still being sent ends the connection', async () => {
    using bed = new ClientBed()
    const server = await bed.server()
    const pool = bed.pool(server.port)
    const sink = new RecordingSink((client) =>
      client.sendHead('POST', 'POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n', true, false),
    )
    pool.request(sink, false)
    const peer = await server.connection(0)
    await peer.hears('\r\n\r\n')
    peer.says('HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno')
    await sink.over()
    assert.deepEqual(sink.events, ['ready', 'head 413 length', 'body no', 'end'])
    await peer.gone()
    assert.deepEqual(bed.counters, { created: 1, reused: 0, idle: 0, open: 0 })
  })

  it('bytes before the request was written belong to nobody', async () => {
    using bed = new ClientBed()
    const server = await bed.server((connection) => connection.says(`${OK}Content-Length: 0\r\n\r\n`))
    const pool = bed.pool(server.port)
    // The request is held back, as one whose body is still awaited may be.
    const sink = new RecordingSink(() => {})
    pool.request(sink, false)
    await sink.over()
    assert.equal(sink.failure, FAIL_PROTOCOL)
    assert.equal(bed.counters.open, 0)
  })

  it('can be paused and resumed, which stops its clock', async () => {
    using bed = new ClientBed()
    const server = await bed.server()
    const pool = bed.pool(server.port)
    const sink = new RecordingSink()
    const client = pool.request(sink, false)
    const peer = await server.connection(0)
    await peer.hears('\r\n\r\n')
    sink.onHeadHook = () => client.pauseResponse()
    peer.says(`${OK}Content-Length: 8000000\r\n\r\n`)
    await sink.saw('head')
    peer.socket.write(pattern(8_000_000))
    for (let turn = 0; turn < 20; turn++) await nextTurn()
    assert.ok(sink.bodyBytes < 1_000_000, `${sink.bodyBytes} bytes while paused`)
    bed.advancePast(10 * TIMEOUTS.gapMs)
    assert.equal(sink.failure, 0)
    client.resumeResponse()
    await sink.over()
    assert.equal(sink.bodyBytes, 8_000_000)
    assert.equal(pool.idleCount, 1)
    await closeAll(pool, null)
    await bed.bed.settled()
  })
})

describe('a request', () => {
  it('with a length passes bodies through, large and small', async () => {
    const content = pattern(300_000)
    const sent = await receivedBody((client) => {
      client.sendHead('POST', `POST / HTTP/1.1\r\nContent-Length: 300010\r\n\r\n`, true, false)
      client.sendBody(Buffer.from('0123456789'), 0, 10, client.connection!)
      client.sendBody(content, 0, content.length, client.connection!)
      client.endRequest(null)
    }, 300_010)
    assertSame(Buffer.from(sent, 'latin1'), Buffer.concat([Buffer.from('0123456789'), content]))
  })

  it('in chunks is framed here, with or without trailers', async () => {
    const large = 'y'.repeat(20_000)
    for (const [trailers, end] of [
      [null, '0\r\n\r\n'],
      [['A', 'b'], '0\r\nA: b\r\n\r\n'],
    ] as const) {
      const expected = `3\r\nabc\r\n4e20\r\n${large}\r\n${end}`
      const sent = await receivedBody((client) => {
        client.sendHead('POST', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n', true, true)
        client.sendBody(Buffer.from('xabcx'), 1, 4, client.connection!)
        client.sendBody(Buffer.from(large), 0, large.length, client.connection!)
        client.endRequest(trailers)
        client.endRequest(trailers)
      }, expected.length)
      assert.equal(sent, expected)
    }
  })

  it('tells when the server takes more', async () => {
    using bed = new ClientBed()
    const server = await bed.server((connection) => connection.socket.pause())
    const pool = bed.pool(server.port)
    const content = pattern(16 << 20)
    let isSent = true
    const sink = new RecordingSink((client) => {
      client.sendHead('POST', `POST / HTTP/1.1\r\nContent-Length: ${content.length}\r\n\r\n`, true, false)
      isSent = client.sendBody(content, 0, content.length, client.connection!)
      client.endRequest(null)
    })
    pool.request(sink, false)
    const peer = await server.connection(0)
    await sink.saw('ready')
    assert.equal(isSent, false)
    assert.deepEqual(sink.events, ['ready'])
    peer.socket.resume()
    await sink.saw('drain')
    assert.deepEqual(sink.events, ['ready', 'drain'])
    await closeAll(pool, sink)
    await bed.bed.settled()
  })

  it('nobody waits for any more closes its connection without a word', async () => {
    for (const at of ['connecting', 'sent', 'head', 'body'] as const) {
      using bed = new ClientBed()
      const server = await bed.server()
      const pool = bed.pool(server.port)
      const sink = new RecordingSink()
      const client = pool.request(sink, false)
      if (at === 'connecting') client.cancel()
      const expected: string[] = at === 'connecting' ? [] : ['ready']
      if (at !== 'connecting') {
        const peer = await server.connection(0)
        await peer.hears('\r\n\r\n')
        if (at === 'sent') client.cancel()
        else {
          expected.push('head 200 length')
          if (at === 'head') sink.onHeadHook = () => client.cancel()
          else {
            expected.push('body hel')
            sink.onBodyHook = () => client.cancel()
          }
          peer.says(`${OK}Content-Length: 5\r\n\r\nhel`)
          await sink.saw(expected.at(-1)!)
        }
        await peer.gone()
      }
      assert.equal(client.isClosed, true)
      assert.deepEqual(sink.events, expected, at)
      assert.deepEqual(bed.counters, { created: 1, reused: 0, idle: 0, open: 0 })
      client.cancel()
      assert.equal(bed.counters.open, 0)
    }
  })
})

describe('an upgrade', () => {
  it('hands the connection over with what stands behind the 101', async () => {
    using bed = new ClientBed()
    const server = await bed.server()
    const pool = bed.pool(server.port)
    const sink = new RecordingSink()
    const client = pool.request(sink, false)
    const peer = await server.connection(0)
    await peer.hears('\r\n\r\n')
    peer.says('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x00')
    await sink.saw('upgrade')
    assert.deepEqual(sink.events, ['ready', 'upgrade 101'])
    assert.equal(sink.upgraded?.rest, '\x81\x00')
    assert.equal(sink.upgraded.client, client)
    assert.equal(client.connection!.isClosed, false)
    assert.deepEqual(bed.counters, { created: 1, reused: 0, idle: 0, open: 0 })
    // No deadline of a request is left.
    bed.advancePast(1_000_000)
    assert.equal(client.connection!.isClosed, false)
    // Whoever gives up later does not count it twice.
    client.cancel()
    assert.equal(bed.counters.open, 0)
    await peer.gone()
  })
})

describe('time', () => {
  interface TimeCase {
    readonly name: string
    readonly send?: (client: Http1Client) => void
    readonly says?: string
    readonly until?: string
    readonly limitMs: number
    readonly failure: number
  }
  const post = (client: Http1Client): void => {
    client.sendHead('POST', 'POST / HTTP/1.1\r\nContent-Length: 33554432\r\n\r\n', true, false)
  }
  const timeCases: readonly TimeCase[] = [
    { name: 'no answer', limitMs: TIMEOUTS.headMs, failure: FAIL_HEAD_TIMEOUT },
    {
      name: 'a piece of a head',
      says: 'HTTP/1.1 200 OK\r\nA: b',
      limitMs: TIMEOUTS.headMs,
      failure: FAIL_HEAD_TIMEOUT,
    },
    {
      name: 'only interim answers',
      says: 'HTTP/1.1 100 Continue\r\n\r\n',
      until: 'interim',
      limitMs: TIMEOUTS.headMs,
      failure: FAIL_HEAD_TIMEOUT,
    },
    {
      name: 'no byte of the body',
      says: `${OK}Content-Length: 5\r\n\r\n`,
      until: 'head',
      limitMs: TIMEOUTS.gapMs,
      failure: FAIL_GAP_TIMEOUT,
    },
    {
      name: 'no further byte of the body',
      says: `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhel`,
      until: 'body hel',
      limitMs: TIMEOUTS.gapMs,
      failure: FAIL_GAP_TIMEOUT,
    },
    {
      name: 'a server that does not take the request',
      send: (client) => {
        post(client)
        const content = pattern(32 << 20)
        assert.equal(client.sendBody(content, 0, content.length, client.connection!), false)
      },
      limitMs: TIMEOUTS.sendMs,
      failure: FAIL_SEND_TIMEOUT,
    },
  ]
  for (const { name, send = sendGet, says, until, limitMs, failure } of timeCases) {
    it(`${name} fails after its limit and not before`, async () => {
      using bed = new ClientBed()
      const isSlowServer = failure === FAIL_SEND_TIMEOUT
      const server = await bed.server((connection) => {
        if (isSlowServer) connection.socket.pause()
      })
      const pool = bed.pool(server.port)
      const sink = new RecordingSink(send)
      const client = pool.request(sink, false)
      const peer = await server.connection(0)
      await sink.saw('ready')
      if (!isSlowServer) await peer.hears('\r\n\r\n')
      if (says !== undefined) {
        peer.says(says)
        if (until !== undefined) await sink.saw(until)
        else await bytesRead(client, says.length)
      }
      if (isSlowServer) {
        // Looked at once a second; the first look is what the others are compared with.
        for (let second = 0; second < limitMs / 1000; second++) {
          assert.equal(sink.failure, 0, `after ${second} s`)
          bed.advancePast(1000)
        }
        bed.advancePast(1000)
      } else {
        bed.advance(limitMs - 1)
        assert.equal(sink.failure, 0)
        bed.advancePast(1)
      }
      assert.equal(sink.failure, failure)
      assert.deepEqual(bed.counters, { created: 1, reused: 0, idle: 0, open: 0 })
      assert.equal(bed.wheel.size, 0)
      peer.socket.resume()
      await peer.gone()
      await bed.bed.settled()
    })
  }

  it('every piece of a body starts the gap anew', async () => {
    using bed = new ClientBed()
    const server = await bed.server()
    const pool = bed.pool(server.port)
    const sink = new RecordingSink()
    pool.request(sink, false)
    const peer = await server.connection(0)
    await peer.hears('\r\n\r\n')
    peer.says(`${OK}Content-Length: 10\r\n\r\n`)
    await sink.saw('head')
    for (let piece = 1; piece <= 10; piece++) {
      bed.advance(TIMEOUTS.gapMs - 1000)
      peer.says('x')
      await sink.until(() => sink.bodyBytes === piece || sink.failure !== 0, `byte ${piece}`)
    }
    await sink.over()
    assert.equal(sink.failure, 0)
    await closeAll(pool, null)
  })

  it('a client that sends its body slowly is no fault of the server', async () => {
    using bed = new ClientBed()
    const server = await bed.server()
    const pool = bed.pool(server.port)
    const sink = new RecordingSink(post)
    const client = pool.request(sink, false)
    const peer = await server.connection(0)
    await peer.hears('\r\n\r\n')
    bed.advancePast(10 * TIMEOUTS.sendMs)
    client.sendBody(Buffer.from('x'), 0, 1, client.connection!)
    bed.advancePast(10 * TIMEOUTS.sendMs)
    assert.equal(sink.failure, 0)
    await closeAll(pool, sink)
  })

  it('the limit for the head counts from the end of the request', async () => {
    using bed = new ClientBed()
    const server = await bed.server()
    const pool = bed.pool(server.port)
    const sink = new RecordingSink((client) =>
      client.sendHead('POST', 'POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n', true, false),
    )
    const client = pool.request(sink, false)
    const peer = await server.connection(0)
    await peer.hears('\r\n\r\n')
    bed.advancePast(TIMEOUTS.headMs * 2)
    client.sendBody(Buffer.from('x'), 0, 1, client.connection!)
    client.endRequest(null)
    bed.advance(TIMEOUTS.headMs - 1)
    assert.equal(sink.failure, 0)
    bed.advancePast(1)
    assert.equal(sink.failure, FAIL_HEAD_TIMEOUT)
    await peer.gone()
  })

  it('a request on a reused connection starts with clocks of its own', async () => {
    using bed = new ClientBed()
    const server = await bed.server()
    const pool = bed.pool(server.port)
    const first = new RecordingSink()
    pool.request(first, false)
    const peer = await server.connection(0)
    await peer.hears('\r\n\r\n')
    peer.says(`${OK}Content-Length: 0\r\n\r\n`)
    await first.over()
    bed.advance(10_000)
    const second = new RecordingSink()
    pool.request(second, false)
    bed.advance(TIMEOUTS.headMs - 1)
    assert.equal(second.failure, 0)
    bed.advancePast(1)
    assert.equal(second.failure, FAIL_HEAD_TIMEOUT)
    await peer.gone()
  })
})

/** What a server receives behind the head of a request. */
async function receivedBody(send: (client: Http1Client) => void, bytes: number): Promise<string> {
  using bed = new ClientBed()
  const server = await bed.server()
  const pool = bed.pool(server.port)
  const sink = new RecordingSink(send)
  pool.request(sink, false)
  const peer = await server.connection(0)
  await peer.hears('\r\n\r\n')
  const start = peer.text.indexOf('\r\n\r\n') + 4
  await peer.until(() => peer.text.length - start >= bytes, `${bytes} bytes of body`)
  peer.says(`${OK}Content-Length: 0\r\n\r\n`)
  await sink.over()
  assert.equal(pool.idleCount, 1, 'a request that was sent whole left its connection unclean')
  pool.close()
  return peer.text.slice(start)
}

/** Each byte in a segment of its own, read before the next one is sent. */
async function dribble(peer: RawConnection, text: string, sink: RecordingSink): Promise<void> {
  const { client } = sink
  for (let at = 0; at < text.length && !sink.isOver; at++) {
    peer.says(text[at]!)
    await bytesRead(client!, at + 1, sink)
  }
  // What stands behind the end still goes out.
  const read = client!.connection!.bytesRead
  if (read < text.length && !peer.socket.destroyed) peer.says(text.slice(read))
}

async function bytesRead(client: Http1Client, bytes: number, sink?: RecordingSink): Promise<void> {
  while (client.connection!.bytesRead < bytes) {
    if (sink?.isOver === true) return
    await nextTurn()
  }
}

async function closeAll(pool: { close(): void }, sink: RecordingSink | null): Promise<void> {
  sink?.client?.cancel()
  pool.close()
  await nextTurn()
}
