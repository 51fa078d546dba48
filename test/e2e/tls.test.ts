/** TLS of a running gateway: certificates by name, versions, resumption over workers, rotation, and clients that misbehave. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { createServer, type ConnectionOptions, type TLSSocket, type TlsOptions } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { TestAuthority, type LeafOptions } from '#certs/testdata/authority.ts'
import { namedServer } from './bed/backends.ts'
import { GatewayProcess, type GatewayOptions } from './bed/gateway-process.ts'
import { Inspector, INSPECTED } from './bed/inspector.ts'
import { ingress, service } from './bed/manifests.ts'
import { metric } from './bed/metrics-text.ts'
import { exchangeBytes, rawClient, RawServer } from './bed/raw-peer.ts'
import { tlsClient, tlsSecret, type TlsConnection } from './bed/tls-peer.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/sekisho', import.meta.url))
const LAST_REQUEST = 'GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n'
const root = new TestAuthority('Test Root')

/** An Ingress for one TLS host, with the Secret of that name. */
function tlsHost(host: string, secretName: string, name = secretName): string {
  return ingress({ name, host, paths: [{ service: 'web' }], tls: { hosts: [host], secretName } })
}

function start(
  server: RawServer,
  manifests: Readonly<Record<string, string>>,
  options: Partial<GatewayOptions> = {},
): Promise<GatewayProcess> {
  return GatewayProcess.start({
    manifests: { 'web.yaml': service('web', [server.address]), ...manifests },
    ...options,
  })
}

/** Answer to one request; the connection is closed behind it. */
async function ask(client: TlsConnection, request = LAST_REQUEST): Promise<string> {
  client.send(request)
  await client.until((each) => each.isEnded || each.isClosed)
  return client.received
}

/** Common name of the certificate that a client is shown. */
function shown(client: TlsConnection): string {
  const { CN } = client.socket.getPeerCertificate().subject
  return String(CN)
}

/** Code of the failure, when the handshake fails. */
async function failure(port: number, options: ConnectionOptions): Promise<string> {
  try {
    using client = await tlsClient(port, options)
    return `connected with ${client.socket.getProtocol()}`
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}

function handshakeFailures(text: string, reason: string): number {
  return metric(text, 'sekisho_tls_handshake_failures_total', { entrypoint: 'websecure', reason })
}

test('certificates by server name, and what clients can agree on', async (t) => {
  await using server = await namedServer('ok')
  await using gateway = await start(
    server,
    {
      'hosts.yaml': [
        tlsHost('shop.example', 'shop-ec'),
        tlsHost('shop.example', 'shop-rsa'),
        tlsHost('*.wild.example', 'wild'),
        tlsHost('named.wild.example', 'named'),
        ingress({ name: 'bare', host: 'bare.example', paths: [{ service: 'web' }] }),
        tlsSecret('shop-ec', root.issue(['shop.example'])),
        tlsSecret('shop-rsa', root.issue(['shop.example'], { keyType: 'rsa' })),
        tlsSecret('wild', root.issue(['*.wild.example'])),
        tlsSecret('named', root.issue(['named.wild.example'])),
      ].join('\n---\n'),
    },
    { workers: 2 },
  )
  const names: readonly (readonly [string, string | undefined, string])[] = [
    ['exact', 'shop.example', 'shop.example'],
    ['in capitals', 'SHOP.Example', 'shop.example'],
    ['wildcard', 'any.wild.example', '*.wild.example'],
    ['exact before wildcard', 'named.wild.example', 'named.wild.example'],
    ['two labels are not one', 'a.b.wild.example', 'default'],
    ['host without a certificate', 'bare.example', 'default'],
    ['unknown', 'other.example', 'default'],
    ['none', undefined, 'default'],
  ]
  for (const [name, servername, expected] of names) {
    await t.test(`name: ${name}`, async () => {
      using client = await tlsClient(gateway.websecure, servername === undefined ? {} : { servername })
      const subject = shown(client)
      if (expected === 'default') {
        assert.ok(!subject.endsWith('.example'), subject)
        assert.equal(client.socket.getPeerCertificate().issuer.CN, subject)
      } else {
        assert.equal(subject, expected)
      }
      const answer = await ask(client, LAST_REQUEST.replace('shop.example', servername ?? 'shop.example'))
      const isServed = !['other.example', 'a.b.wild.example'].includes(servername ?? '')
      assert.match(answer, isServed ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 404 /)
    })
  }
  await t.test('the default certificate is one for all workers', async () => {
    // At once, so that they spread over both.
    const clients = await Promise.all(Array.from({ length: 8 }, () => tlsClient(gateway.websecure)))
    const seen = new Set(clients.map(({ socket }) => socket.getPeerCertificate().fingerprint256))
    for (const client of clients) client[Symbol.dispose]()
    assert.equal(seen.size, 1)
  })
  const kinds: readonly (readonly [string, ConnectionOptions, string, string])[] = [
    ['1.3', { minVersion: 'TLSv1.3' }, 'TLSv1.3', 'EC'],
    ['1.2', { maxVersion: 'TLSv1.2' }, 'TLSv1.2', 'EC'],
    ['1.3, RSA alone', { minVersion: 'TLSv1.3', sigalgs: 'rsa_pss_rsae_sha256' }, 'TLSv1.3', 'RSA'],
    ['1.2, RSA alone', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }, 'TLSv1.2', 'RSA'],
    [
      '1.2, ECDSA alone',
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
      'TLSv1.2',
      'EC',
    ],
  ]
  for (const [name, options, version, kind] of kinds) {
    await t.test(`TLS ${name}`, async () => {
      using client = await tlsClient(gateway.websecure, {
        servername: 'shop.example',
        rejectUnauthorized: true,
        ca: root.certificate,
        ...options,
      })
      assert.equal(client.socket.getProtocol(), version)
      const { asn1Curve } = client.socket.getPeerCertificate() as { asn1Curve?: string }
      assert.equal(asn1Curve === undefined ? 'RSA' : 'EC', kind)
      assert.match(await ask(client), /^HTTP\/1\.1 200 /)
    })
  }
  await t.test('TLS 1.1 and CBC are refused', async () => {
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    assert.equal(await failure(gateway.websecure, old), 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
    const cbc = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' } as const
    assert.match(await failure(gateway.websecure, cbc), /HANDSHAKE_FAILURE/)
    // The client hears of it before the worker counts it.
    for (const reason of ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'ERR_SSL_NO_SHARED_CIPHER']) {
      await gateway.until(async () => handshakeFailures(await gateway.metrics(), reason) === 1)
    }
  })
  await t.test('ALPN: http/1.1 of what is offered; nothing in common is refused', async () => {
    for (const [offered, expected] of [
      [['h2', 'http/1.1'], 'http/1.1'],
      [['http/1.1'], 'http/1.1'],
    ] as const) {
      using client = await tlsClient(gateway.websecure, { ALPNProtocols: [...offered] })
      assert.equal(client.socket.alpnProtocol, expected)
    }
    using client = await tlsClient(gateway.websecure)
    assert.equal(client.socket.alpnProtocol, false)
    assert.match(await failure(gateway.websecure, { ALPNProtocols: ['h2'] }), /NO_APPLICATION_PROTOCOL/)
  })
  await t.test('WebSocket', async () => {
    await using backend = await RawServer.start()
    await gateway.replace('web.yaml', service('web', [backend.address]))
    using client = await tlsClient(gateway.websecure, { servername: 'shop.example' })
    await gateway.until(async () => (await gateway.metrics()).includes(`url="http://${backend.address}"`))
    client.send('GET /ws HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    const origin = await backend.connection()
    assert.match(await origin.head(), /\r\nUpgrade: websocket\r\n/)
    assert.match(origin.received, /X-Forwarded-Proto: https\r\n/)
    origin.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello')
    await client.until((each) => each.received.endsWith('\r\n\r\nhello'))
    client.send('from the client')
    await origin.until((each) => each.received.endsWith('from the client'))
    client.socket.end()
    await origin.until((each) => each.isEnded)
    origin.send('late')
    origin.socket.end()
    await client.until((each) => each.isEnded)
    assert.match(client.received, /late$/)
    await gateway.replace('web.yaml', service('web', [server.address]))
  })
})

/** A ClientHello as Node sends it. */
async function clientHello(servername: string): Promise<Buffer> {
  await using far = await RawServer.start()
  void tlsClient(far.port, { servername }).catch(() => {})
  const connection = await far.connection()
  await connection.until(({ received }) => {
    const bytes = Buffer.from(received, 'latin1')
    return bytes.length > 5 && bytes.length >= 5 + bytes.readUInt16BE(3)
  })
  return Buffer.from(connection.received, 'latin1')
}

/** The same handshake message in records of `size` bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size)
    records.push(Buffer.from([0x16, 3, 1, piece.length >> 8, piece.length & 255]), piece)
  }
  return Buffer.concat(records)
}

/** A relay that passes what a client sends through `change`, piece by piece, until the hello is over. */
async function throughRelay(
  gateway: GatewayProcess,
  pieces: (hello: Buffer) => readonly Buffer[],
): Promise<string> {
  await using relay = await RawServer.start(0, (near) => {
    const far = connect({ port: gateway.websecure, host: '127.0.0.1', noDelay: true })
    let held = Buffer.alloc(0)
    let isOver = false
    near.socket.removeAllListeners('data')
    near.socket.on('data', (bytes: Buffer) => {
      if (isOver) return void far.write(bytes)
      held = Buffer.concat([held, bytes])
      if (held.length < 5 || held.length < 5 + held.readUInt16BE(3)) return
      isOver = true
      void (async () => {
        for (const piece of pieces(held)) {
          far.write(piece)
          await new Promise((resolve) => setImmediate(resolve))
        }
      })()
    })
    far.on('data', (bytes) => near.socket.write(bytes))
    far.on('end', () => near.socket.end())
    far.on('error', () => near.socket.destroy())
    near.socket.on('close', () => far.destroy())
    near.socket.on('error', () => far.destroy())
  })
  using client = await tlsClient(relay.port, { servername: 'shop.example' })
  assert.equal(shown(client), 'shop.example')
  return await ask(client)
}

test('a ClientHello may come in any pieces; what is none is refused, and nothing leaks', async (t) => {
  await using server = await namedServer('ok')
  await using gateway = await start(
    server,
    {
      'hosts.yaml': [tlsHost('shop.example', 'shop'), tlsSecret('shop', root.issue(['shop.example']))].join(
        '\n---\n',
      ),
    },
    { workers: 2, flags: ['--limits.headTimeout=1s'] },
  )
  const byteByByte = (bytes: Buffer): Buffer[] => Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))
  const pieces: readonly (readonly [string, (hello: Buffer) => readonly Buffer[]])[] = [
    ['at once', (hello) => [hello]],
    ['byte by byte', byteByByte],
    ['in two, inside of the record head', (hello) => [hello.subarray(0, 3), hello.subarray(3)]],
  ]
  for (const [name, cut] of pieces) {
    await t.test(name, async () => {
      assert.match(await throughRelay(gateway, cut), /^HTTP\/1\.1 200 [^]*ok$/)
    })
  }
  // OpenSSL takes a hello in several records for its transcript as it is: the message is the same.
  for (const size of [100, 50, 37]) {
    await t.test(`in records of ${size} bytes`, async () => {
      assert.match(
        await throughRelay(gateway, (hello) => [inRecords(hello, size)]),
        /^HTTP\/1\.1 200 [^]*ok$/,
      )
    })
  }
  await t.test('in records, byte by byte', async () => {
    const cut = (hello: Buffer): Buffer[] => byteByByte(inRecords(hello, 64))
    assert.match(await throughRelay(gateway, cut), /^HTTP\/1\.1 200 [^]*ok$/)
  })
  const hello = await clientHello('shop.example')
  const bad: readonly (readonly [string, string, Buffer])[] = [
    [
      'garbage of the right type',
      'client-hello',
      Buffer.concat([Buffer.from([0x16, 3, 1, 0, 100]), Buffer.alloc(100, 0xee)]),
    ],
    ['an empty record', 'client-hello', Buffer.from([0x16, 3, 1, 0, 0])],
    ['a record that is too long', 'client-hello', Buffer.from([0x16, 3, 1, 0xff, 0xff, 1])],
    [
      'a hello without end',
      'client-hello',
      Buffer.concat([Buffer.from([0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff]), Buffer.alloc(16_380)]),
    ],
    [
      'a hello that is cut and followed by an alert',
      'client-hello',
      Buffer.concat([inRecords(hello, 60).subarray(0, 65), Buffer.from([0x15, 3, 3, 0, 2, 1, 0])]),
    ],
    ['a hello that stops', 'timeout', hello.subarray(0, 100)],
    ['silence behind the hello', 'timeout', hello],
  ]
  for (const [name, reason, bytes] of bad) {
    await t.test(name, async () => {
      const before = handshakeFailures(await gateway.metrics(), reason)
      const client = await rawClient(gateway.websecure)
      client.send(bytes)
      await client.until((each) => each.isEnded || each.isClosed)
      client.socket.destroy()
      await gateway.until(async () => handshakeFailures(await gateway.metrics(), reason) === before + 1, 3000)
    })
  }
  await t.test('plain HTTP is told so', async () => {
    const answer = await exchangeBytes(gateway.websecure, LAST_REQUEST)
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n[^]*plain HTTP on a TLS port/)
  })
  await t.test('connections that end at every byte of the handshake', async () => {
    const before = handshakeFailures(await gateway.metrics(), 'closed')
    const count = 60
    for (let index = 0; index < count; index++) {
      const client = await rawClient(gateway.websecure)
      client.send(hello.subarray(0, 1 + Math.floor((index * hello.length) / count)))
      if (index % 3 === 0) client.socket.resetAndDestroy()
      else client.socket.destroy()
    }
    await gateway.until(
      async () =>
        metric(await gateway.metrics(), 'traefik_open_connections', { entrypoint: 'websecure' }) === 0,
    )
    const text = await gateway.metrics()
    assert.ok(handshakeFailures(text, 'closed') > before)
  })
  await t.test('and it serves on', async () => {
    using client = await tlsClient(gateway.websecure, { servername: 'shop.example' })
    assert.match(await ask(client), /^HTTP\/1\.1 200 /)
  })
})

async function isResumed(port: number, session: Buffer, version: 'TLSv1.2' | 'TLSv1.3'): Promise<boolean> {
  using client = await tlsClient(port, {
    servername: 'shop.example',
    session,
    minVersion: version,
    maxVersion: version,
  })
  await ask(client)
  return client.socket.isSessionReused()
}

test('sessions resume at every worker, after changes, after a renewed certificate, and after crashes', async (t) => {
  await using server = await namedServer('ok')
  const secret = (): string => tlsSecret('shop', root.issue(['shop.example']))
  await using gateway = await start(
    server,
    { 'hosts.yaml': tlsHost('shop.example', 'shop'), 'secret.yaml': secret() },
    { workers: 3, env: INSPECTED },
  )
  using inspector = await Inspector.attach(gateway, 3)
  const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const
  const sessions = new Map<string, Buffer>()
  for (const version of VERSIONS) {
    using client = await tlsClient(gateway.websecure, {
      servername: 'shop.example',
      minVersion: version,
      maxVersion: version,
    })
    await ask(client)
    assert.equal(client.socket.isSessionReused(), false)
    assert.ok(client.session !== undefined)
    sessions.set(version, client.session)
  }
  /** Connections spread evenly, so these many meet every worker. */
  const resumesEverywhere = async (): Promise<void> => {
    for (const version of VERSIONS) {
      for (let i = 0; i < 6; i++) {
        assert.ok(await isResumed(gateway.websecure, sessions.get(version)!, version), `${version}, ${i}`)
      }
    }
  }
  await t.test('at every worker', resumesEverywhere)
  await t.test('after a change of routes', async () => {
    await gateway.replace(
      'hosts.yaml',
      [
        tlsHost('shop.example', 'shop'),
        ingress({ name: 'b', host: 'b.example', paths: [{ service: 'web' }] }),
      ].join('\n---\n'),
    )
    await gateway.until(
      async () => metric(await gateway.metrics(), 'sekisho_config_objects', { kind: 'routers' }) === 2,
    )
    await resumesEverywhere()
  })
  await t.test('after a renewed certificate', async () => {
    const expiry = async (): Promise<string> => /serial="\w+"/.exec(await gateway.metrics())![0]
    const before = await expiry()
    await gateway.replace('secret.yaml', secret())
    await gateway.until(async () => (await expiry()) !== before)
    await resumesEverywhere()
  })
  await t.test('after all workers crashed', async () => {
    for (const [index, name] of ['worker-0', 'worker-1', 'worker-2'].entries()) {
      await gateway.until(() => inspector.workers.has(name))
      await inspector.crash(name)
      await gateway.until(() => gateway.log.split('a worker ended').length - 2 === index)
    }
    await gateway.until(async () => metric(await gateway.metrics(), 'sekisho_workers') === 3)
    await resumesEverywhere()
  })
})

test('a certificate is replaced, taken away, and one that is no good does not count; no connection is lost', async (t) => {
  await using server = await namedServer('ok')
  const first = root.issue(['shop.example'], { commonName: 'first' })
  const second = root.issue(['shop.example'], { commonName: 'second' })
  await using gateway = await start(
    server,
    { 'hosts.yaml': tlsHost('shop.example', 'shop'), 'secret.yaml': tlsSecret('shop', first) },
    { workers: 2 },
  )
  const shownNow = async (): Promise<string> => {
    using client = await tlsClient(gateway.websecure, { servername: 'shop.example' })
    return shown(client)
  }
  const kept: TlsConnection[] = []
  for (let i = 0; i < 8; i++) kept.push(await tlsClient(gateway.websecure, { servername: 'shop.example' }))
  const allServe = async (): Promise<void> => {
    for (const client of kept) {
      const before = client.received.length
      client.send(LAST_REQUEST.replace('Connection: close\r\n', ''))
      await client.until((each) => each.received.length > before && each.received.endsWith('ok'))
      assert.equal(client.isEnded, false)
    }
  }
  await allServe()
  assert.equal(await shownNow(), 'first')
  await t.test('replaced', async () => {
    await gateway.replace('secret.yaml', tlsSecret('shop', second))
    await gateway.until(async () => (await shownNow()) === 'second')
    await allServe()
  })
  const broken: readonly (readonly [string, string, string])[] = [
    [
      'the key of another',
      'certificate-key-mismatch',
      tlsSecret('shop', { certificate: first.certificate, key: second.key }),
    ],
    ['no PEM', 'certificate-unreadable', tlsSecret('shop', { certificate: 'nothing', key: first.key })],
    [
      'no key',
      'certificate-key-unreadable',
      tlsSecret('shop', { certificate: first.certificate, key: 'nothing' }),
    ],
  ]
  for (const [name, code, secret] of broken) {
    await t.test(`${name}: the one before stays`, async () => {
      await gateway.replace('secret.yaml', secret)
      await gateway.logged(
        new RegExp(`finding=${code} object="Secret default/shop" place=\\S*secret.yaml:1:1`),
      )
      await gateway.until(
        async () => metric(await gateway.metrics(), 'sekisho_config_findings', { severity: 'error' }) === 1,
      )
      assert.equal(await shownNow(), 'second')
    })
  }
  await t.test('removed: the default', async () => {
    await gateway.remove('secret.yaml')
    await gateway.logged(/finding=tls-secret-not-found/)
    await gateway.until(async () => !['first', 'second'].includes(await shownNow()))
    await allServe()
  })
  await t.test('there again', async () => {
    await gateway.replace('secret.yaml', tlsSecret('shop', first))
    await gateway.until(async () => (await shownNow()) === 'first')
    await allServe()
    await gateway.until(
      async () => metric(await gateway.metrics(), 'sekisho_config_findings', { severity: 'error' }) === 0,
    )
  })
  for (const client of kept) client.socket.destroy()
})

/** What `sekisho check` prints, and its exit code. */
function check(dir: string): Promise<{ code: number; output: string }> {
  return new Promise((resolve) =>
    execFile(PROGRAM, ['check', dir], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    ),
  )
}

test('what is wrong with certificates is in the log and in check, and the rest serves', async (t) => {
  await using server = await namedServer('ok')
  const intermediate = new TestAuthority('Test Intermediate', root)
  const past = Date.now() - 86_400_000
  const later = Date.now() + 86_400_000
  const leaf = (host: string, options: LeafOptions = {}): { certificate: string; key: string } =>
    root.issue([host], options)
  const complete = intermediate.issue(['complete.example'])
  const secrets: readonly (readonly [string, string, string | null, { certificate: string; key: string }])[] =
    [
      [
        'expired',
        'expired.example',
        'certificate-expired',
        leaf('expired.example', { notBefore: past - 1000, notAfter: past }),
      ],
      [
        'early',
        'early.example',
        'certificate-not-yet-valid',
        leaf('early.example', { notBefore: later, notAfter: later + 9e9 }),
      ],
      ['soon', 'soon.example', 'certificate-expires-soon', leaf('soon.example', { notAfter: later })],
      [
        'mismatch',
        'mismatch.example',
        'certificate-key-mismatch',
        { certificate: leaf('mismatch.example').certificate, key: leaf('x.example').key },
      ],
      ['name', 'name.example', 'certificate-name-mismatch', leaf('other.example')],
      [
        'incomplete',
        'incomplete.example',
        'certificate-issuer-absent',
        intermediate.issue(['incomplete.example']),
      ],
      [
        'order',
        'order.example',
        'certificate-chain-order',
        (() => {
          const pair = intermediate.issue(['order.example'])
          return { certificate: intermediate.certificate + pair.certificate, key: pair.key }
        })(),
      ],
      [
        'complete',
        'complete.example',
        null,
        { certificate: complete.certificate + intermediate.certificate, key: complete.key },
      ],
    ]
  await using gateway = await start(
    server,
    Object.fromEntries(
      secrets.map(([name, host, , pair]) => [
        `${name}.yaml`,
        [tlsHost(host, name), tlsSecret(name, pair)].join('\n---\n'),
      ]),
    ),
  )
  const { code, output } = await check(gateway.dir)
  assert.equal(code, 1)
  for (const [name, host, finding] of secrets) {
    await t.test(name, async () => {
      const logged = gateway.log.split('\n').filter((line) => line.includes(`Secret default/${name}"`))
      const checked = output.split('\n').filter((line) => line.includes(`Secret default/${name}:`))
      if (finding === null) {
        assert.deepEqual([...logged, ...checked], [])
      } else {
        assert.ok(
          logged.some((line) => line.includes(`finding=${finding} `)),
          gateway.log,
        )
        assert.ok(
          checked.some((line) => line.includes(`${name}.yaml:3:1: `) && line.endsWith(`[${finding}]`)),
          output,
        )
      }
      using client = await tlsClient(gateway.websecure, { servername: host })
      assert.match(await ask(client, LAST_REQUEST.replace('shop.example', host)), /^HTTP\/1\.1 200 /)
      const isDefault = finding === 'certificate-key-mismatch'
      assert.equal(client.socket.getPeerCertificate().issuer.CN === shown(client), isDefault, shown(client))
    })
  }
  await t.test('a chain in the wrong order is served in order', async () => {
    using client = await tlsClient(gateway.websecure, {
      servername: 'order.example',
      rejectUnauthorized: true,
      ca: root.certificate,
    })
    assert.equal(shown(client), 'order.example')
  })
})

/** An HTTPS server that answers with the server name it was asked for. */
class TlsBackend implements AsyncDisposable {
  readonly names: (string | false | undefined)[] = []
  readonly port: number
  readonly #close: () => Promise<void>

  private constructor(server: ReturnType<typeof createServer>) {
    const sockets = new Set<TLSSocket>()
    server.on('secureConnection', (socket) => {
      sockets.add(socket)
      this.names.push((socket as TLSSocket & { servername?: string | false }).servername)
      socket.on('error', () => {})
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecure'))
    })
    server.on('tlsClientError', () => {})
    this.port = (server.address() as AddressInfo).port
    this.#close = async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    }
  }

  static async start(options: TlsOptions): Promise<TlsBackend> {
    const server = createServer(options)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new TlsBackend(server)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close()
  }
}

test('backends over TLS: not verified, as nginx does; what is no TLS, or too old, is 502', async () => {
  const { certificate, key } = root.issue(['backend.example'], {
    notBefore: Date.now() - 2e9,
    notAfter: Date.now() - 1e9,
  })
  await using expired = await TlsBackend.start({ cert: certificate, key })
  await using old = await TlsBackend.start({
    cert: certificate,
    key,
    minVersion: 'TLSv1.1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  })
  await using plain = await RawServer.start(0, (connection) =>
    connection.send('HTTP/1.1 400 Bad Request\r\n\r\n'),
  )
  const https = { 'nginx.ingress.kubernetes.io/backend-protocol': 'HTTPS' }
  const hosts = { expired: `127.0.0.1:${expired.port}`, old: `127.0.0.1:${old.port}`, plain: plain.address }
  await using gateway = await GatewayProcess.start({
    flags: ['--accessLog', '--limits.connectTimeout=3s'],
    manifests: {
      'hosts.yaml': Object.entries(hosts)
        .flatMap(([name, address]) => [
          ingress({ name, host: `${name}.example`, paths: [{ service: name }], annotations: https }),
          service(name, [address]),
        ])
        .join('\n---\n'),
    },
  })
  const get = (name: string): Promise<string> =>
    exchangeBytes(gateway.web, LAST_REQUEST.replace('shop.example', `${name}.example`))
  assert.match(await get('expired'), /^HTTP\/1\.1 200 [^]*secure$/)
  assert.match(await get('expired'), /secure$/)
  // One connection, kept; nobody said which name to ask for.
  assert.deepEqual(expired.names, [false])
  assert.match(await get('old'), /^HTTP\/1\.1 502 /)
  assert.match(await get('plain'), /^HTTP\/1\.1 502 /)
  const text = await gateway.metrics()
  for (const name of ['old', 'plain']) {
    assert.equal(
      metric(text, 'sekisho_upstream_connect_errors_total', {
        service: `default-${name}-80@kubernetes`,
        reason: 'upstream-tls',
      }),
      1,
      text.match(/^sekisho_upstream_connect.*$/gm)?.join('\n') ?? '',
    )
  }
  await gateway.printed(new RegExp(`https://127\\.0\\.0\\.1:${expired.port}"`))
})

test('PROXY protocol before TLS: the client it names is who the request is from', async () => {
  await using server = await RawServer.start()
  await using gateway = await start(
    server,
    {
      'hosts.yaml': [tlsHost('shop.example', 'shop'), tlsSecret('shop', root.issue(['shop.example']))].join(
        '\n---\n',
      ),
    },
    {
      flags: [
        '--entryPoints.proxied.address=127.0.0.1:0',
        '--entryPoints.proxied.http.tls=true',
        '--entryPoints.proxied.proxyProtocol.trustedIPs=127.0.0.0/8',
      ],
    },
  )
  const line = 'PROXY TCP4 192.0.2.9 198.51.100.1 40000 443\r\n'
  // With the hello behind it at once, in a segment of its own, and cut.
  for (const [index, pieces] of [[line], [line, ''], [line.slice(0, 9), line.slice(9), '']].entries()) {
    const socket = connect({ port: gateway.ports['proxied']!, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    for (const piece of pieces) {
      // The one worker has read what came before when it has answered.
      if (piece !== pieces[0]) await gateway.metrics()
      if (piece !== '') socket.write(piece)
    }
    using client = await tlsClient(0, { socket, servername: 'shop.example' })
    assert.equal(shown(client), 'shop.example')
    client.send(LAST_REQUEST)
    const head = await (await server.connection(index)).head()
    assert.match(head, /X-Forwarded-For: 192\.0\.2\.9\r\n/)
    assert.match(head, /X-Forwarded-Port: 443\r\n/)
    assert.match(head, /X-Forwarded-Proto: https\r\n/)
  }
})
