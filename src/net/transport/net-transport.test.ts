import assert from 'node:assert/strict'
import { createServer, connect as rawConnect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { connect as rawTlsConnect, createSecureContext } from 'node:tls'
import { READ_BUFFER_BYTES } from '../buffer-pool.ts'
import { NetTransport } from './net-transport.ts'
import { runTransportSuite } from './transport-suite.ts'
import { Bed, pattern, PEM, Recorder, startTlsOnHello } from './transport.fixture.ts'
import type { TransportConnection, TransportHost } from './transport.ts'

const make = (host: TransportHost): NetTransport => new NetTransport(host)

runTransportSuite('net', make, { isLate: false })

describe('net: read buffers', () => {
  it('an own buffer that was never read into goes back', async () => {
    using bed = new Bed(make)
    const pair = await bed.pair()
    for (let round = 0; round < 3; round++) {
      pair.nearEnd.bulk(true)
      pair.nearEnd.bulk(true)
      assert.equal(bed.budget.usedBytes, READ_BUFFER_BYTES)
      pair.nearEnd.bulk(false)
      assert.equal(bed.budget.usedBytes, 0)
    }
    pair.nearEnd.bulk(true)
    await destroyBoth(bed, pair)
  })

  it('an own buffer is read into from the next piece on, and back to the shared one', async () => {
    using bed = new Bed(make)
    const pair = await bed.pair()
    const seen: boolean[] = []
    pair.near.hooks.data = (buffer) => {
      seen.push(buffer === bed.buffers.shared)
      pair.nearEnd.bulk(seen.length < 3)
    }
    for (let piece = 1; piece <= 5; piece++) {
      pair.farEnd.writeLatin1('x')
      await pair.near.has(piece)
    }
    assert.deepEqual(seen, [true, false, false, true, true])
    assert.equal(bed.budget.usedBytes, 0)
    await destroyBoth(bed, pair)
  })

  it('a quiet connection shares its buffer with all others', async () => {
    using bed = new Bed(make)
    const pairs = [await bed.pair(), await bed.pair(), await bed.tlsPair()]
    const seen = new Set<Buffer>()
    for (const pair of pairs) {
      pair.near.hooks.data = (buffer) => seen.add(buffer)
      pair.farEnd.writeLatin1('x')
      await pair.near.has(1)
    }
    assert.deepEqual([...seen], [bed.buffers.shared])
    for (const pair of pairs) await destroyBoth(bed, pair)
  })
})

describe('net: TLS', () => {
  it('both sides know protocol, version and cipher', async () => {
    using bed = new Bed(make)
    const pair = await bed.tlsPair(['h3', 'http/1.1'])
    for (const { facts } of [pair.nearEnd, pair.farEnd]) {
      assert.equal(facts.remoteAddress, '127.0.0.1')
      assert.equal(facts.tls?.alpn, 'http/1.1')
      assert.equal(facts.tls.version, 'TLSv1.3')
      assert.match(facts.tls.cipher, /^TLS_AES/)
      assert.equal(facts.tls.serverName, 'a.example')
      assert.equal(facts.tls.resumed, false)
    }
    assert.equal(pair.nearEnd.facts.remotePort, pair.farEnd.facts.localPort)
    await destroyBoth(bed, pair)
  })

  it('without a common protocol there is none', async () => {
    using bed = new Bed(make)
    const pair = await bed.tlsPair()
    assert.equal(pair.farEnd.facts.tls?.alpn, '')
    await destroyBoth(bed, pair)
  })

  it('begins with any part of the ClientHello read, and reads on by itself', async () => {
    using bed = new Bed(make)
    for (const first of [1, 5, 6, 100]) {
      const far = new Recorder()
      let accepted: TransportConnection | undefined
      const port = bed.listen((connection) => {
        accepted = connection
        startTlsOnHello(connection, far, () => far.happened())
      })
      // Between client and server: gives the first bytes on alone, the rest once they were read.
      const cutter = createServer((client) => {
        const server = rawConnect(port, '127.0.0.1')
        server.setNoDelay(true)
        client.once('data', (hello: Buffer) => {
          server.write(hello.subarray(0, first))
          void far
            .until(() => (accepted?.bytesRead ?? -1) === 0, 'the first bytes to be with TLS')
            .then(() => {
              server.write(hello.subarray(first))
              client.on('data', (bytes) => server.write(bytes))
            })
          poll(far, server)
        })
        server.on('data', (bytes) => client.write(bytes))
        server.on('close', () => client.destroy())
      })
      await listening(cutter)
      const { port: cutterPort } = cutter.address() as AddressInfo
      const client = rawTlsConnect({ port: cutterPort, host: '127.0.0.1', servername: 'a.example', ca: PEM })
      client.write('over TLS')
      await far.has(8)
      assert.equal(far.content().toString(), 'over TLS')
      accepted!.destroy()
      await far.closed()
      client.destroy()
      cutter.close()
    }
  })

  it('what is written with the last flight of the handshake is not lost', async () => {
    using bed = new Bed(make)
    const near = new Recorder()
    const far = new Recorder()
    let accepted: TransportConnection | undefined
    const port = bed.listen((connection) => {
      accepted = connection
      startTlsOnHello(connection, far, () => connection.writeOwned(pattern(200_000)))
    })
    const connection = bed.transport.connect('127.0.0.1', port, trusting(), near)
    near.hooks.connect = () => {
      for (let piece = 0; piece < 10; piece++) connection.writeLatin1(`${piece}`)
    }
    await Promise.all([far.has(10), near.has(200_000)])
    assert.equal(far.content().toString(), '0123456789')
    await destroyBoth(bed, { near, far, nearEnd: connection, farEnd: accepted! })
  })

  it('writes that pile up while TLS is busy go out in few records', async () => {
    using bed = new Bed(make)
    const pair = await bed.tlsPair()
    for (let piece = 0; piece < 1000; piece++) pair.nearEnd.writeLatin1('0123456789')
    assert.ok(pair.nearEnd.queuedBytes >= 9_900)
    await pair.far.has(10_000)
    await pair.near.until(() => pair.near.drains === 1, 'onDrain')
    assert.equal(pair.far.content().toString(), '0123456789'.repeat(1000))
    assert.equal(pair.nearEnd.queuedBytes, 0)
    await destroyBoth(bed, pair)
  })

  const failures: readonly [name: string, options: Partial<ReturnType<typeof trusting>>, code: RegExp][] = [
    ['an unknown issuer', { secureContext: createSecureContext() }, /^DEPTH_ZERO_SELF_SIGNED_CERT$/],
    ['a certificate for another name', { serverName: 'b.example' }, /^ERR_TLS_CERT_ALTNAME_INVALID$/],
  ]
  for (const [name, options, code] of failures) {
    it(`${name} closes the connection before onConnect`, async () => {
      using bed = new Bed(make)
      const far = new Recorder()
      const port = bed.listen((connection) => {
        startTlsOnHello(connection, far, () => {})
        far.hooks.end = () => connection.destroy()
      })
      const near = new Recorder()
      bed.transport.connect('127.0.0.1', port, { ...trusting(), ...options }, near)
      await near.closed()
      assert.deepEqual(near.events, ['close'])
      assert.match(near.closes[0]!.code, code)
      await far.closed()
    })
  }

  it('nothing is verified when that is not asked for, and no name is sent when there is none', async () => {
    using bed = new Bed(make)
    const far = new Recorder()
    const port = bed.listen((connection) => {
      startTlsOnHello(connection, far, () => {})
      far.hooks.end = () => connection.destroy()
    })
    const near = new Recorder()
    const options = { serverName: '', verify: false, alpnProtocols: [] }
    const connection = bed.transport.connect('127.0.0.1', port, options, near)
    await near.connected()
    connection.destroy()
    await Promise.all([near.closed(), far.closed()])
  })

  it('a server that speaks no TLS fails the connection', async () => {
    using bed = new Bed(make)
    const port = bed.listen((connection) => {
      const server = new Recorder()
      connection.handler = server
      connection.writeLatin1('HTTP/1.1 400 Bad Request\r\n\r\n')
      server.hooks.end = () => connection.destroy()
    })
    const near = new Recorder()
    bed.transport.connect('127.0.0.1', port, trusting(), near)
    await near.closed()
    assert.deepEqual(near.events, ['close'])
    assert.match(near.closes[0]!.code, /^ERR_SSL_/)
  })

  it('a client that goes away or errs in the handshake closes the server side once', async () => {
    using bed = new Bed(make)
    for (const act of ['destroy', 'garbage'] as const) {
      const far = new Recorder()
      const port = bed.listen((connection) => {
        startTlsOnHello(connection, far, () => assert.fail('secure'))
        far.hooks.end = () => connection.destroy()
      })
      const client = rawConnect(port, '127.0.0.1')
      client.on('error', () => {})
      client.resume()
      // A ClientHello that promises more than there is.
      client.write(Buffer.from('160301020001000', 'hex'))
      if (act === 'garbage') client.write(Buffer.alloc(2000, 0xff))
      else client.end()
      await far.closed()
      assert.equal(far.closes.length, 1)
      if (act === 'garbage') assert.match(far.events.join(), /tls ERR_SSL_/)
      client.destroy()
    }
  })
})

function trusting() {
  return {
    serverName: 'a.example',
    verify: true,
    alpnProtocols: [] as string[],
    secureContext: createSecureContext({ ca: PEM }),
  }
}

async function destroyBoth(bed: Bed, pair: Awaited<ReturnType<Bed['pair']>>): Promise<void> {
  pair.nearEnd.destroy()
  pair.farEnd.destroy()
  await Promise.all([pair.near.closed(), pair.far.closed()])
  await bed.settled()
}

/** Lets `recorder` look at its conditions in every turn until the socket is gone. */
function poll(recorder: Recorder, socket: { readonly destroyed: boolean }): void {
  recorder.happened()
  if (!socket.destroyed) setImmediate(poll, recorder, socket)
}

function listening(server: ReturnType<typeof createServer>): Promise<void> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
}
