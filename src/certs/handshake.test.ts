import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'
import { DEFAULT_COMMON_NAME } from './self-signed.ts'
import { CertificateStore } from './store.ts'
import { configOf, TestAuthority } from './testdata/authority.ts'
import { request } from './testdata/tls-client.ts'
import { type Answer, startTlsServer, type TestTlsServer } from './testdata/tls-server.ts'

const run = promisify(execFile)
const root = new TestAuthority('Handshake Root')
const intermediate = new TestAuthority('Handshake Intermediate', root)
const store = new CertificateStore()
let server: TestTlsServer

before(async () => {
  const ec = intermediate.issue(['shop.example'])
  store.set('shop-ec', configOf('shop-ec', { ...ec, certificate: ec.certificate + intermediate.certificate }))
  store.set('shop-rsa', configOf('shop-rsa', root.issue(['shop.example'], { keyType: 'rsa' })))
  store.set('wild', configOf('wild', root.issue(['*.wild.example'])))
  store.set('deep', configOf('deep', root.issue(['named.wild.example'])))
  store.set('ed', configOf('ed', root.issue(['ed.example'], { keyType: 'ed25519' })))
  server = await startTlsServer(store)
})
after(() => server.close())

test('the server name chooses the certificate', async (t) => {
  const cases: readonly [string, string | undefined, string, readonly string[]][] = [
    ['exact', 'shop.example', 'exact', ['shop-ec', 'shop-rsa']],
    ['exact, in capitals', 'SHOP.Example', 'exact', ['shop-ec', 'shop-rsa']],
    ['wildcard', 'any.wild.example', 'wildcard', ['wild']],
    ['exact before wildcard', 'named.wild.example', 'exact', ['deep']],
    ['two labels are not one', 'a.b.wild.example', 'default', ['default@internal']],
    ['the parent of a wildcard', 'wild.example', 'default', ['default@internal']],
    ['unknown', 'other.example', 'default', ['default@internal']],
    ['none', undefined, 'default', ['default@internal']],
  ]
  for (const [name, servername, matched, certificates] of cases) {
    await t.test(name, async () => {
      const { answer, peer } = await request(server.port, servername === undefined ? {} : { servername })
      assert.equal(answer.matched, matched)
      assert.deepEqual(answer.certificates, certificates)
      assert.equal(peer.subject.CN === DEFAULT_COMMON_NAME, matched === 'default')
    })
  }
})

test('curl verifies the chain and gets an answer', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sekisho-tls-'))
  try {
    const rootFile = join(folder, 'root.pem')
    writeFileSync(rootFile, root.certificate)
    for (const [host, certificate] of [
      ['shop.example', 'shop-ec'],
      ['any.wild.example', 'wild'],
    ] as const) {
      const address = `${host}:${server.port}`
      const { stdout } = await run('curl', [
        '-sS',
        '--cacert',
        rootFile,
        '--resolve',
        `${address}:127.0.0.1`,
        `https://${address}/`,
      ])
      const answer = JSON.parse(stdout) as Answer
      assert.equal(answer.certificates[0], certificate)
      assert.equal(answer.alpn, 'http/1.1')
      assert.equal(answer.protocol, 'TLSv1.3')
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a client gets the kind of certificate that it can verify', async (t) => {
  const cases: readonly [string, object, 'RSA' | 'EC'][] = [
    ['TLS 1.2, RSA only', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }, 'RSA'],
    ['TLS 1.2, ECDSA only', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }, 'EC'],
    ['TLS 1.3, RSA only', { minVersion: 'TLSv1.3', sigalgs: 'rsa_pss_rsae_sha256' }, 'RSA'],
    ['TLS 1.3, ECDSA only', { minVersion: 'TLSv1.3', sigalgs: 'ecdsa_secp256r1_sha256' }, 'EC'],
    ['TLS 1.3, both', { minVersion: 'TLSv1.3' }, 'EC'],
  ]
  for (const [name, options, expected] of cases) {
    await t.test(name, async () => {
      const { peer } = await request(server.port, { servername: 'shop.example', ...options })
      assert.equal(peer.bits === 2048 ? 'RSA' : 'EC', expected)
    })
  }
})

test('an Ed25519 certificate is served', async () => {
  const { answer } = await request(server.port, { servername: 'ed.example' })
  assert.deepEqual(answer.certificates, ['ed'])
})

test('what is old or not offered is refused with an alert', async (t) => {
  const cases: readonly [string, object, RegExp][] = [
    // Level 0, so that the client itself would speak it.
    [
      'TLS 1.1',
      { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      /alert protocol version/,
    ],
    [
      'TLS 1.2 without forward secrecy',
      { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' },
      /handshake failure/,
    ],
    [
      'TLS 1.2 with CBC',
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256' },
      /handshake failure/,
    ],
    ['h2 alone', { ALPNProtocols: ['h2'] }, /no application protocol/],
  ]
  for (const [name, options, expected] of cases) {
    await t.test(name, async () => {
      await assert.rejects(request(server.port, { servername: 'shop.example', ...options }), expected)
    })
  }
})

test('the server chooses the cipher, except that ChaCha20 first is kept', async () => {
  const options = { servername: 'shop.example', maxVersion: 'TLSv1.2' } as const
  const aes = 'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256'
  assert.equal(
    (await request(server.port, { ...options, ciphers: aes })).cipher,
    'ECDHE-ECDSA-AES128-GCM-SHA256',
  )
  const chacha = `ECDHE-ECDSA-CHACHA20-POLY1305:${aes}`
  assert.equal(
    (await request(server.port, { ...options, ciphers: chacha })).cipher,
    'ECDHE-ECDSA-CHACHA20-POLY1305',
  )
})

test('a hello in single bytes and one in three records lead to the same answer', async (t) => {
  const cut: Readonly<Record<string, (hello: Buffer) => Buffer[]>> = {
    'single bytes': (hello) => Array.from(hello, (byte) => Buffer.from([byte])),
    'three records in one segment': (hello) => [threeRecords(hello)],
    'three records in single bytes': (hello) =>
      Array.from(threeRecords(hello), (byte) => Buffer.from([byte])),
  }
  for (const [name, pieces] of Object.entries(cut)) {
    await t.test(name, async () => {
      const relay = await startRelay(server.port, pieces)
      try {
        const { port } = relay.address() as AddressInfo
        const { answer } = await request(port, { servername: 'any.wild.example' })
        assert.deepEqual(answer.certificates, ['wild'])
      } finally {
        relay.close()
      }
    })
  }
})

test('bytes that are no hello end the connection, and the server goes on', async () => {
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00']) {
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(bytes, 'latin1')
    await once(socket, 'close')
  }
  assert.equal((await request(server.port, { servername: 'shop.example' })).answer.matched, 'exact')
})

test('a certificate replaced meanwhile serves the next connection and leaves the open ones alone', async () => {
  store.set('rotating', configOf('rotating', root.issue(['rotating.example'])))
  const open = connectTls({
    port: server.port,
    host: '127.0.0.1',
    servername: 'rotating.example',
    rejectUnauthorized: false,
  })
  await once(open, 'secureConnect')
  const serial = open.getPeerCertificate().serialNumber
  store.set('rotating', configOf('rotating', root.issue(['rotating.example'])))
  const next = await request(server.port, { servername: 'rotating.example' })
  assert.notEqual(next.peer.serialNumber, serial)
  open.write('GET / HTTP/1.1\r\n\r\n')
  const [bytes] = (await once(open, 'data')) as [Buffer]
  assert.match(bytes.toString(), /^HTTP\/1\.1 200/)
  open.destroy()
})

test('a client cannot renegotiate', async () => {
  const client = connectTls({
    port: server.port,
    host: '127.0.0.1',
    servername: 'shop.example',
    maxVersion: 'TLSv1.2',
    rejectUnauthorized: false,
  })
  await once(client, 'secureConnect')
  const failure = await new Promise<Error | null>((resolve) => {
    client.on('error', resolve)
    client.renegotiate({}, (error) => resolve(error))
  })
  client.destroy()
  assert.match(failure?.message ?? 'renegotiated', /no renegotiation/)
})

function threeRecords(hello: Buffer): Buffer {
  const third = Math.floor((hello.length - 5) / 3)
  const bodies = [hello.subarray(5, 8), hello.subarray(8, 8 + third), hello.subarray(8 + third)]
  return Buffer.concat(
    bodies.flatMap((body) => [Buffer.from([22, 3, 1, body.length >> 8, body.length & 255]), body]),
  )
}

/** Sends the client's first bytes on in pieces, each in a write of its own; afterwards everything as it comes. */
async function startRelay(target: number, pieces: (hello: Buffer) => Buffer[]): Promise<Server> {
  const relay = createServer((client) => {
    const upstream = new Socket()
    upstream.setNoDelay(true)
    upstream.connect(target, '127.0.0.1')
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
    client.once('data', (hello: Buffer) => {
      client.pause()
      void sendAll(upstream, pieces(hello)).then(() => client.pipe(upstream))
    })
    upstream.pipe(client)
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  return relay
}

async function sendAll(socket: Socket, parts: readonly Buffer[]): Promise<void> {
  for (const part of parts) await new Promise<void>((resolve) => socket.write(part, () => resolve()))
}
