import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { connect, type ConnectionOptions } from 'node:tls'
import { ClientHelloReader, looksLikeTls } from './client-hello-reader.ts'
import type { ClientHello } from './client-hello.ts'
import {
  BAD_SERVER_NAME,
  COMPLETE,
  MALFORMED,
  MAX_WIRE_BYTES,
  NEED_MORE,
  NOT_TLS,
  TOO_LONG,
} from './result.ts'

/** Bytes that a real client sends first, until it waits for an answer. */
async function capture(start: (port: number) => () => void): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stop = start((server.address() as AddressInfo).port)
  const [socket] = (await once(server, 'connection')) as [Socket]
  const chunks: Buffer[] = []
  const isComplete = (): boolean => {
    const bytes = Buffer.concat(chunks)
    return bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt16BE(3)
  }
  while (!isComplete()) chunks.push(((await once(socket, 'data')) as [Buffer])[0])
  socket.destroy()
  server.close()
  stop()
  return Buffer.concat(chunks)
}

function captureNode(options: ConnectionOptions): Promise<Buffer> {
  return capture((port) => {
    const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
    client.on('error', () => {})
    return () => client.destroy()
  })
}

function captureOpenssl(...args: string[]): Promise<Buffer> {
  return capture((port) => {
    const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args], {
      stdio: 'ignore',
    })
    return () => child.kill()
  })
}

function readAll(bytes: Buffer): { result: number; hello: ClientHello } {
  const reader = new ClientHelloReader()
  const result = reader.read(bytes, 0, bytes.length)
  return { result, hello: reader.hello }
}

/** The same handshake message in records of the given body sizes, the last size repeated. */
function inRecords(hello: Buffer, sizes: readonly number[]): Buffer {
  const records: Buffer[] = []
  let position = 5
  for (let i = 0; position < hello.length; i++) {
    const size = Math.min(sizes[Math.min(i, sizes.length - 1)] ?? 1, hello.length - position)
    records.push(Buffer.from([22, 3, 1, size >> 8, size & 255]), hello.subarray(position, position + size))
    position += size
  }
  return Buffer.concat(records)
}

const u16 = (n: number): Buffer => Buffer.from([(n >> 8) & 255, n & 255])
const vector16 = (...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  return Buffer.concat([u16(body.length), body])
}
const extension = (type: number, ...parts: Buffer[]): Buffer => Buffer.concat([u16(type), vector16(...parts)])
const serverName = (name: string | Buffer, type = 0): Buffer =>
  extension(0, vector16(Buffer.from([type]), vector16(Buffer.from(name))))

interface HelloParts {
  legacyVersion?: number
  sessionId?: Buffer
  cipherSuites?: Buffer
  compression?: Buffer
  /** Undefined: no extension block at all. */
  extensions?: readonly Buffer[] | undefined
  tail?: Buffer
}

function buildHello(parts: HelloParts): Buffer {
  const body = Buffer.concat([
    u16(parts.legacyVersion ?? 0x0303),
    Buffer.alloc(32, 7),
    parts.sessionId ?? Buffer.from([0]),
    parts.cipherSuites ?? vector16(u16(0x1301), u16(0xc02f)),
    parts.compression ?? Buffer.from([1, 0]),
    parts.extensions === undefined ? Buffer.alloc(0) : vector16(...parts.extensions),
    parts.tail ?? Buffer.alloc(0),
  ])
  const message = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body])
  return Buffer.concat([Buffer.from([22, 3, 1]), u16(message.length), message])
}

test('the hello of a TLS 1.3 client of Node is understood', async () => {
  const bytes = await captureNode({
    servername: 'Shop.Example',
    ALPNProtocols: ['h2', 'http/1.1'],
    minVersion: 'TLSv1.2',
    ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256',
    ecdhCurve: 'X25519:P-256',
    sigalgs: 'ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256',
  })
  const { result, hello } = readAll(bytes)
  assert.equal(result, COMPLETE)
  assert.equal(hello.serverName, 'shop.example')
  assert.deepEqual(hello.alpn, ['h2', 'http/1.1'])
  assert.deepEqual(hello.versions, [0x0304, 0x0303])
  assert.deepEqual(hello.cipherSuites.slice(0, 2), [0x1301, 0xc02f])
  assert.deepEqual(hello.groups, [0x001d, 0x0017])
  assert.deepEqual(hello.signatureSchemes, [0x0403, 0x0804])
  assert.equal(hello.ticketKeyName, null)
  assert.equal(hello.hasEarlyData, false)
})

test('the hello of a TLS 1.2 client without server name is understood', async () => {
  const { result, hello } = readAll(await captureOpenssl('-tls1_2', '-noservername'))
  assert.equal(result, COMPLETE)
  assert.equal(hello.serverName, '')
  assert.deepEqual(hello.alpn, [])
  assert.deepEqual(hello.versions, [0x0303])
  assert.ok(hello.cipherSuites.includes(0xc02f))
})

test('every split of captured bytes gives the same hello', async () => {
  const bytes = await captureNode({ servername: 'a.example', ALPNProtocols: ['http/1.1'] })
  const expected = readAll(bytes)
  assert.equal(expected.result, COMPLETE)
  for (const wire of [bytes, inRecords(bytes, [1, 2, 100]), inRecords(bytes, [3, 1, 5])]) {
    for (let cut = 1; cut < wire.length; cut++) {
      const reader = new ClientHelloReader()
      const first = Buffer.from(wire.subarray(0, cut))
      assert.equal(reader.read(first, 0, cut), NEED_MORE, `cut at ${cut}`)
      first.fill(0xaa)
      assert.equal(reader.read(wire, cut, wire.length), COMPLETE, `cut at ${cut}`)
      assert.deepEqual(reader.hello, expected.hello)
      assert.deepEqual(reader.bytes, wire)
    }
    const reader = new ClientHelloReader()
    for (let i = 0; i < wire.length; i++)
      assert.equal(reader.read(wire, i, i + 1), i === wire.length - 1 ? COMPLETE : NEED_MORE)
    assert.deepEqual(reader.hello, expected.hello)
    assert.deepEqual(reader.bytes, wire)
  }
})

test('every size of records gives the same hello', async () => {
  const bytes = await captureOpenssl('-servername', 'b.example')
  const expected = readAll(bytes)
  for (let size = 1; size < 60; size++) {
    const { result, hello } = readAll(inRecords(bytes, [size]))
    assert.equal(result, COMPLETE, `records of ${size}`)
    assert.deepEqual(hello, expected.hello)
  }
})

test('what follows the hello in the same read is kept for TLS', () => {
  const wire = Buffer.concat([buildHello({ extensions: [extension(42)] }), Buffer.alloc(40_000, 23)])
  const reader = new ClientHelloReader()
  assert.equal(reader.read(wire, 0, wire.length), COMPLETE)
  assert.equal(reader.hello.hasEarlyData, true)
  assert.deepEqual(reader.bytes, wire)
})

test('server names are normalised, ignored or refused', async (t) => {
  const cases: readonly [string, Buffer, number, string][] = [
    ['upper case', serverName('WWW.Example'), COMPLETE, 'www.example'],
    ['trailing dot', serverName('www.example.'), COMPLETE, 'www.example'],
    ['underscore', serverName('_x.example'), COMPLETE, '_x.example'],
    ['digits that are no address', serverName('1.2.3'), COMPLETE, '1.2.3'],
    ['IPv4 address', serverName('192.0.2.1'), COMPLETE, ''],
    ['IPv6 address', serverName('2001:db8::1'), COMPLETE, ''],
    [
      '253 bytes',
      serverName(`${'a'.repeat(49)}.`.repeat(5) + 'abc'),
      COMPLETE,
      `${'a'.repeat(49)}.`.repeat(5) + 'abc',
    ],
    ['254 bytes', serverName(`${'a'.repeat(49)}.`.repeat(5) + 'abcd'), BAD_SERVER_NAME, ''],
    ['a label of 64 bytes', serverName('a'.repeat(64)), BAD_SERVER_NAME, ''],
    ['empty label', serverName('a..example'), BAD_SERVER_NAME, ''],
    ['two trailing dots', serverName('a.example..'), BAD_SERVER_NAME, ''],
    ['only a dot', serverName('.'), BAD_SERVER_NAME, ''],
    ['a wildcard', serverName('*.example'), BAD_SERVER_NAME, ''],
    ['NUL inside', serverName('a.example\0.evil'), BAD_SERVER_NAME, ''],
    ['a path', serverName('../../etc'), BAD_SERVER_NAME, ''],
    ['letters beyond ASCII', serverName('bücher.example'), BAD_SERVER_NAME, ''],
    ['an empty name', serverName(''), MALFORMED, ''],
    ['an empty extension', extension(0), MALFORMED, ''],
    ['another name type', serverName('a.example', 1), MALFORMED, ''],
    [
      'two names',
      extension(
        0,
        vector16(Buffer.from([0]), vector16(Buffer.from('a')), Buffer.from([0]), vector16(Buffer.from('b'))),
      ),
      MALFORMED,
      '',
    ],
    ['the extension twice', Buffer.concat([serverName('a'), serverName('a')]), MALFORMED, ''],
  ]
  for (const [name, bytes, expected, text] of cases) {
    await t.test(name, () => {
      const { result, hello } = readAll(buildHello({ extensions: [bytes] }))
      assert.equal(result, expected)
      assert.equal(hello.serverName, text)
    })
  }
})

const identity = (name: Buffer): Buffer => Buffer.concat([vector16(name), Buffer.alloc(4)])
const binder = Buffer.concat([Buffer.from([32]), Buffer.alloc(32)])
const ticket = Buffer.from('0123456789abcdef-and-the-rest')

test('the key name comes from the ticket that will be used', async (t) => {
  const psk = extension(41, vector16(identity(ticket), identity(Buffer.from('x'))), vector16(binder, binder))
  const oldTicket = extension(35, Buffer.from('fedcba9876543210...'))
  const cases: readonly [string, readonly Buffer[], string | null][] = [
    ['none', [], null],
    ['TLS 1.3 identity', [psk], '0123456789abcdef'],
    ['TLS 1.2 ticket', [oldTicket], 'fedcba9876543210'],
    ['both', [oldTicket, psk], '0123456789abcdef'],
    ['empty TLS 1.2 ticket asks for one', [extension(35)], null],
    ['a ticket too short to have a name', [extension(35, Buffer.alloc(15))], null],
  ]
  for (const [name, extensions, expected] of cases) {
    await t.test(name, () => {
      const { result, hello } = readAll(buildHello({ extensions }))
      assert.equal(result, COMPLETE)
      assert.equal(hello.ticketKeyName?.toString() ?? null, expected)
    })
  }
})

test('bytes that are no ClientHello are refused', async (t) => {
  const good = buildHello({ extensions: [serverName('a.example')] })
  const change = (index: number, value: number): Buffer => {
    const bytes = Buffer.from(good)
    bytes[index] = value
    return bytes
  }
  const cases: readonly [string, Buffer, number][] = [
    ['HTTP', Buffer.from('G'), NOT_TLS],
    ['SSL 2 hello', Buffer.from([0x80, 0x2e, 1]), NOT_TLS],
    ['record version 2', Buffer.from([22, 2]), NOT_TLS],
    ['an alert', Buffer.from([21, 3, 1, 0, 2, 1, 0]), NOT_TLS],
    [
      'an alert between records',
      Buffer.concat([inRecords(good, [50]).subarray(0, 55), Buffer.from([21, 3])]),
      MALFORMED,
    ],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0]), MALFORMED],
    ['a record over 2^14', Buffer.from([22, 3, 1, 0x40, 1]), MALFORMED],
    ['a ServerHello', change(5, 2), MALFORMED],
    ['a message over 16 KiB', Buffer.from([22, 3, 1, 0x40, 0, 1, 0, 0x40, 1]), TOO_LONG],
    [
      'a message over 16 KiB, in tiny records',
      inRecords(Buffer.concat([Buffer.alloc(5), Buffer.from([1, 1, 0, 0])]), [1]),
      TOO_LONG,
    ],
    [
      'a message behind the hello',
      Buffer.concat([good.subarray(0, 3), u16(good.length - 5 + 4), good.subarray(5), Buffer.alloc(4)]),
      MALFORMED,
    ],
    ['legacy version 0x0200', buildHello({ legacyVersion: 0x0200 }), MALFORMED],
    ['session id of 33 bytes', buildHello({ sessionId: Buffer.from([33, ...Buffer.alloc(33)]) }), MALFORMED],
    ['no cipher suite', buildHello({ cipherSuites: u16(0) }), MALFORMED],
    ['half a cipher suite', buildHello({ cipherSuites: vector16(Buffer.alloc(3)) }), MALFORMED],
    ['no compression method', buildHello({ compression: Buffer.from([0]) }), MALFORMED],
    ['bytes behind the extensions', buildHello({ extensions: [], tail: Buffer.alloc(1) }), MALFORMED],
    ['one byte of extensions', buildHello({ tail: Buffer.alloc(1) }), MALFORMED],
    ['half an extension', buildHello({ extensions: [Buffer.alloc(3)] }), MALFORMED],
    [
      'ALPN with an empty name',
      buildHello({ extensions: [extension(16, vector16(Buffer.from([1, 97, 0])))] }),
      MALFORMED,
    ],
    [
      'ALPN past its end',
      buildHello({ extensions: [extension(16, vector16(Buffer.from([3, 97, 97])))] }),
      MALFORMED,
    ],
    ['ALPN without names', buildHello({ extensions: [extension(16, u16(0))] }), MALFORMED],
    [
      'odd supported_versions',
      buildHello({ extensions: [extension(43, Buffer.from([3, 3, 4, 3]))] }),
      MALFORMED,
    ],
    ['empty supported_versions', buildHello({ extensions: [extension(43)] }), MALFORMED],
    [
      'supported_groups past its end',
      buildHello({ extensions: [extension(10, u16(4), u16(29))] }),
      MALFORMED,
    ],
    ['early_data with content', buildHello({ extensions: [extension(42, Buffer.alloc(4))] }), MALFORMED],
    [
      'an extension behind pre_shared_key',
      buildHello({
        extensions: [extension(41, vector16(identity(ticket)), vector16(binder)), extension(42)],
      }),
      MALFORMED,
    ],
    [
      'more identities than binders',
      buildHello({
        extensions: [extension(41, vector16(identity(ticket), identity(ticket)), vector16(binder))],
      }),
      MALFORMED,
    ],
    ['no identity', buildHello({ extensions: [extension(41, u16(0), u16(0))] }), MALFORMED],
    [
      'an empty identity',
      buildHello({ extensions: [extension(41, vector16(identity(Buffer.alloc(0))), vector16(binder))] }),
      MALFORMED,
    ],
    [
      'a binder of 31 bytes',
      buildHello({
        extensions: [
          extension(41, vector16(identity(ticket)), vector16(Buffer.from([31]), Buffer.alloc(31))),
        ],
      }),
      MALFORMED,
    ],
  ]
  for (const [name, bytes, expected] of cases) {
    await t.test(name, () => {
      assert.equal(readAll(bytes).result, expected)
    })
  }
  assert.equal(readAll(good).result, COMPLETE)
  assert.equal(readAll(buildHello({})).result, COMPLETE)
})

test('a hello in ever more tiny records ends at the bound', () => {
  const reader = new ClientHelloReader()
  const wire = inRecords(
    Buffer.concat([Buffer.alloc(5), Buffer.from([1, 0, 0x40, 0]), Buffer.alloc(16_384)]),
    [1],
  )
  let fed = 0
  let result = NEED_MORE
  while (result === NEED_MORE && fed < wire.length) result = reader.read(wire, fed, ++fed)
  assert.equal(result, TOO_LONG)
  assert.equal(fed, MAX_WIRE_BYTES)
})

test('changed, cut and random bytes never throw', async () => {
  const bytes = await captureOpenssl('-servername', 'c.example', '-alpn', 'h2,http/1.1')
  let refused = 0
  for (let i = 0; i < bytes.length; i++) {
    for (const flip of [0x01, 0x80, 0xff]) {
      const changed = Buffer.from(bytes)
      changed[i] = (changed[i] ?? 0) ^ flip
      if (readAll(changed).result < 0) refused++
    }
  }
  assert.ok(refused > 50, `${refused} refused`)
})

test('only the record type of a handshake looks like TLS', () => {
  assert.equal(looksLikeTls(22), true)
  for (const byte of [0, 0x14, 0x15, 0x17, 0x47, 0x50, 0x80]) assert.equal(looksLikeTls(byte), false)
})
