/** Fields that a proxy removes, adds and keeps (RFC 9110 §7.6), what it believes of a client, and the PROXY protocol. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { MessageHead } from './bed/http-reader.ts'
import { Lanes, ok, Peer, type Lane } from './bed/lanes.ts'
import { RawConnection } from './bed/raw-peer.ts'

/** The address that is trusted; the ordinary client comes from 127.0.0.1. */
const TRUSTED = '127.0.0.2'

const lanes = await Lanes.start({
  count: 30,
  flags: [
    '--entryPoints.trusting.address=127.0.0.1:0',
    `--entryPoints.trusting.forwardedHeaders.trustedIPs=${TRUSTED},192.0.2.0/24`,
    '--entryPoints.insecure.address=127.0.0.1:0',
    '--entryPoints.insecure.forwardedHeaders.insecure=true',
    '--entryPoints.frozen.address=127.0.0.1:0',
    `--entryPoints.frozen.forwardedHeaders.trustedIPs=${TRUSTED}`,
    '--entryPoints.frozen.forwardedHeaders.notAppendXForwardedFor=true',
    '--entryPoints.keeping.address=127.0.0.1:0',
    '--entryPoints.keeping.forwardedHeaders.connection=X-Kept',
    '--entryPoints.proxied.address=127.0.0.1:0',
    `--entryPoints.proxied.proxyProtocol.trustedIPs=${TRUSTED}`,
    '--entryPoints.mapped.address=[::]:0',
    '--entryPoints.mapped.forwardedHeaders.trustedIPs=127.0.0.2',
    '--entryPoints.both.address=127.0.0.1:0',
    `--entryPoints.both.proxyProtocol.trustedIPs=${TRUSTED}`,
    '--entryPoints.both.forwardedHeaders.trustedIPs=192.0.2.0/24',
  ],
})
const nginx = await Lanes.start({
  count: 2,
  ingress: { className: 'nginx' },
  flags: [
    '--entryPoints.trusting.address=127.0.0.1:0',
    `--entryPoints.trusting.forwardedHeaders.trustedIPs=${TRUSTED}`,
  ],
})

async function client(lane: Lane, entryPoint = 'web', from = '127.0.0.1'): Promise<Peer> {
  const socket = connect({
    port: lane.gateway.ports[entryPoint]!,
    host: '127.0.0.1',
    localAddress: from,
    allowHalfOpen: true,
  })
  const connection = new RawConnection(socket)
  await once(socket, 'connect')
  return new Peer(connection)
}

/** What the server gets when a client sends these field lines. */
async function passed(lane: Lane, lines: string, entryPoint = 'web', from?: string): Promise<MessageHead> {
  const peer = await client(lane, entryPoint, from)
  const before = lane.server.connections.length
  peer.send(lane.request('GET', '/', `${lines}Connection: close\r\n`))
  const backend = await lane.backend(before)
  const { head } = await backend.serve(ok('', 'Connection: close\r\n'))
  await peer.response()
  return head
}

function each(head: MessageHead, names: readonly string[]): Record<string, string[]> {
  return Object.fromEntries(names.map((name) => [name, head.getEach(name)]))
}

test('hop-by-hop fields and those that Connection names stay with the client', async () => {
  const lane = lanes.take()
  const head = await passed(
    lane,
    'Connection: X-One, keep-alive, x-TWO\r\nX-One: 1\r\nX-Two: 2\r\nX-two: 3\r\nX-Three: 3\r\nKeep-Alive: timeout=9\r\n' +
      'Proxy-Connection: keep-alive\r\nTE: gzip\r\nTrailer: X-T\r\nUpgrade: h2c\r\nCookie: a=b\r\n',
  )
  for (const name of [
    'connection',
    'keep-alive',
    'proxy-connection',
    'te',
    'trailer',
    'upgrade',
    'x-one',
    'x-two',
  ]) {
    assert.equal(head.get(name), undefined, name)
  }
  assert.equal(head.get('x-three'), '3')
  assert.equal(head.get('cookie'), 'a=b')
})

test('hop-by-hop fields and those that Connection names stay with the server', async () => {
  const lane = lanes.take()
  const peer = await client(lane)
  peer.send(lane.request())
  await (
    await lane.backend()
  ).serve(
    'HTTP/1.1 200 OK\r\nConnection: X-One\r\nX-One: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\n' +
      'Upgrade: h2c\r\nTE: x\r\nX-Two: 2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n',
  )
  const { head } = await peer.response()
  for (const name of ['connection', 'keep-alive', 'proxy-connection', 'upgrade', 'te', 'x-one']) {
    assert.equal(head.get(name), undefined, name)
  }
  assert.equal(head.get('x-two'), '2')
  assert.deepEqual(head.getEach('set-cookie'), ['a', 'b'])
})

test('TE: trailers is said anew to the server', async () => {
  const head = await passed(lanes.take(), 'TE: trailers\r\nConnection: te\r\n')
  assert.deepEqual(head.getEach('te'), ['trailers'])
  assert.deepEqual(head.getEach('connection'), ['TE'])
})

test('the server is told about the client', async () => {
  const lane = lanes.take()
  const head = await passed(lane, '')
  assert.equal(head.get('host'), lane.host)
  assert.deepEqual(
    each(head, ['x-real-ip', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-proto']),
    {
      'x-real-ip': ['127.0.0.1'],
      'x-forwarded-for': ['127.0.0.1'],
      'x-forwarded-host': [lane.host],
      'x-forwarded-port': [String(lane.gateway.web)],
      'x-forwarded-proto': ['http'],
    },
  )
  assert.match(head.get('x-request-id') ?? '', /^[0-9a-f]{32}$/)
})

test('Host is kept as it was sent, with its port', async () => {
  const lane = lanes.take()
  const peer = await client(lane)
  peer.send(`GET / HTTP/1.1\r\nHost: ${lane.host.toUpperCase()}:8443\r\n\r\n`)
  const { head } = await (await lane.backend()).serve(ok())
  assert.deepEqual(head.getEach('host'), [`${lane.host.toUpperCase()}:8443`])
  assert.deepEqual(head.getEach('x-forwarded-host'), [`${lane.host.toUpperCase()}:8443`])
})

const FORGED =
  'X-Forwarded-For: 198.51.100.1\r\nx-forwarded-FOR: 198.51.100.2\r\nX_Forwarded_For: 198.51.100.3\r\nX-Forwarded_For: 198.51.100.4\r\n' +
  'X-Real-IP: 198.51.100.5\r\nX_Real_IP: 198.51.100.6\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Proto: https\r\n' +
  'X_Forwarded_Proto: https\r\nX-Forwarded-Prefix: /evil\r\nX-Forwarded-Server: evil\r\nX-Forwarded-Scheme: https\r\nX-Scheme: https\r\n' +
  'X-Original-URI: /evil\r\nX-Forwarded-Uri: /evil\r\nX-Forwarded-Method: POST\r\nX-Forwarded-Tls-Client-Cert: evil\r\n' +
  'X-Forwarded-Tls-Client-Cert-Info: evil\r\nForwarded: for=198.51.100.7\r\nX-Request-ID: forged\r\nProxy: http://evil.example\r\n'

test('forwarding fields of a client that is not trusted are gone, in every spelling', async () => {
  const lane = lanes.take()
  const head = await passed(lane, FORGED)
  assert.doesNotMatch(head.text, /198\.51\.100|evil|https|forged/)
  for (const [name] of head.fields)
    assert.doesNotMatch(name, /_|^proxy$|^forwarded$|prefix|server|scheme|uri|method/i)
  assert.deepEqual(head.getEach('x-forwarded-for'), ['127.0.0.1'])
  assert.deepEqual(head.getEach('x-real-ip'), ['127.0.0.1'])
})

test('Connection cannot remove what the gateway tells the server, nor the framing of the request', async () => {
  const names =
    'x-forwarded-for, X-FORWARDED-HOST, x-forwarded-port, x-forwarded-proto, x-real-ip, x-request-id, host, content-length, transfer-encoding'
  for (const entryPoint of ['web', 'trusting']) {
    const lane = lanes.take()
    const peer = await client(lane, entryPoint, TRUSTED)
    peer.send(lane.request('POST', '/', `Connection: ${names}\r\nContent-Length: 5\r\n`, 'hello'))
    const { head, body } = await (await lane.backend()).serve(ok())
    assert.equal(body, 'hello')
    for (const name of ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-proto']) {
      assert.equal(head.getEach(name).length, 1, name)
    }
    for (const name of ['x-real-ip', 'x-request-id', 'host', 'content-length']) {
      assert.equal(head.getEach(name).length, 1, name)
    }
    assert.equal(head.get('connection'), undefined)
  }
})

test('Connection of a trusted peer cannot remove its forwarding fields either', async () => {
  const head = await passed(
    lanes.take(),
    'X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-Proto: https\r\nConnection: X-Forwarded-For, X-Forwarded-Proto\r\n',
    'trusting',
    TRUSTED,
  )
  assert.equal(head.get('x-forwarded-for'), `203.0.113.1, ${TRUSTED}`)
  assert.equal(head.get('x-forwarded-proto'), 'https')
})

test('fields named by forwardedHeaders.connection pass although Connection lists them', async () => {
  const head = await passed(
    lanes.take(),
    'Connection: X-Kept, X-Gone\r\nX-Kept: 1\r\nX-Gone: 1\r\n',
    'keeping',
  )
  assert.equal(head.get('x-kept'), '1')
  assert.equal(head.get('x-gone'), undefined)
})

test('a trusted peer is believed; gaps are filled', async () => {
  const lane = lanes.take()
  const head = await passed(
    lane,
    'X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\nX-Request-ID: from-outside\r\n',
    'trusting',
    TRUSTED,
  )
  assert.deepEqual(
    each(head, [
      'x-forwarded-for',
      'x-real-ip',
      'x-forwarded-proto',
      'x-forwarded-host',
      'x-forwarded-port',
      'x-request-id',
    ]),
    {
      'x-forwarded-for': [`203.0.113.1, 192.0.2.9, ${TRUSTED}`],
      // The rightmost address that is not trusted itself.
      'x-real-ip': ['203.0.113.1'],
      'x-forwarded-proto': ['https'],
      'x-forwarded-host': ['shop.example'],
      'x-forwarded-port': [String(lane.gateway.ports['trusting'])],
      'x-request-id': ['from-outside'],
    },
  )
})

test('what stands left of an untrusted address in X-Forwarded-For is not believed', async () => {
  const head = await passed(lanes.take(), 'X-Forwarded-For: 10.0.0.1, 203.0.113.1\r\n', 'trusting', TRUSTED)
  assert.equal(head.get('x-real-ip'), '203.0.113.1')
})

test('another peer of the same entrypoint is not believed', async () => {
  const head = await passed(lanes.take(), FORGED, 'trusting')
  assert.doesNotMatch(head.text, /198\.51\.100|evil|https|forged/)
  assert.equal(head.get('x-real-ip'), '127.0.0.1')
})

test('underscore variants and Proxy of a trusted peer are gone all the same', async () => {
  const head = await passed(
    lanes.take(),
    'X_Forwarded_For: 198.51.100.3\r\nX_Real_IP: 198.51.100.6\r\nProxy: http://evil.example\r\n',
    'trusting',
    TRUSTED,
  )
  assert.doesNotMatch(head.text, /198\.51\.100|evil/)
})

test('a request id of a trusted peer that is no good is replaced, not doubled', async () => {
  const head = await passed(lanes.take(), 'X-Request-ID: not good\r\n', 'trusting', TRUSTED)
  assert.equal(head.getEach('x-request-id').length, 1)
  assert.match(head.get('x-request-id')!, /^[0-9a-f]{32}$/)
})

test('insecure: everybody is believed, the first address of the chain is the client', async () => {
  const head = await passed(lanes.take(), 'X-Forwarded-For: 203.0.113.1, 203.0.113.2\r\n', 'insecure')
  assert.equal(head.get('x-real-ip'), '203.0.113.1')
  assert.equal(head.get('x-forwarded-for'), '203.0.113.1, 203.0.113.2, 127.0.0.1')
})

test('notAppendXForwardedFor leaves the chain as it is', async () => {
  const head = await passed(lanes.take(), 'X-Forwarded-For: 203.0.113.1\r\n', 'frozen', TRUSTED)
  assert.equal(head.get('x-forwarded-for'), '203.0.113.1')
})

test('an IPv4 address mapped to IPv6 is the IPv4 address, of the peer and in X-Forwarded-For', async () => {
  const plain = await passed(lanes.take(), '', 'mapped')
  assert.equal(plain.get('x-forwarded-for'), '127.0.0.1')
  assert.equal(plain.get('x-real-ip'), '127.0.0.1')
  for (const address of ['::ffff:203.0.113.1', '::FFFF:cb00:7101', '[::ffff:203.0.113.1]:99']) {
    const trusted = await passed(lanes.take(), `X-Forwarded-For: ${address}\r\n`, 'mapped', TRUSTED)
    assert.equal(trusted.get('x-real-ip'), '203.0.113.1', address)
  }
})

test('class nginx: the fields its backends know', async () => {
  const lane = nginx.take()
  const peer = await client(lane)
  peer.send(lane.request('GET', '/a/../b%41?q=1', `${FORGED}Connection: close\r\n`))
  const backend = await lane.backend()
  const { head } = await backend.serve(ok('', 'Connection: close\r\n'))
  assert.deepEqual(
    each(head, ['x-original-uri', 'x-scheme', 'x-forwarded-scheme', 'x-original-forwarded-for']),
    {
      'x-original-uri': ['/a/../b%41?q=1'],
      'x-scheme': ['http'],
      'x-forwarded-scheme': ['http'],
      'x-original-forwarded-for': ['198.51.100.1, 198.51.100.2'],
    },
  )
  assert.equal(head.startLine, 'GET /bA?q=1 HTTP/1.1')

  const trusted = await client(lane, 'trusting', TRUSTED)
  trusted.send(
    lane.request(
      'GET',
      '/x',
      'X-Forwarded-Proto: https\r\nX-Scheme: ftp\r\nX-Forwarded-Scheme: ftp\r\nX-Original-URI: /y\r\nConnection: close\r\n',
    ),
  )
  const second = await (await lane.backend(1)).serve(ok())
  assert.deepEqual(
    each(second.head, ['x-original-uri', 'x-scheme', 'x-forwarded-scheme', 'x-forwarded-proto']),
    {
      'x-original-uri': ['/x'],
      'x-scheme': ['https'],
      'x-forwarded-scheme': ['https'],
      'x-forwarded-proto': ['https'],
    },
  )
})

test('a length is written out as a number, however it was spelled', async () => {
  const lane = lanes.take()
  const peer = await client(lane)
  peer.send(lane.request('POST', '/', 'Content-Length: 010\r\n', '0123456789'))
  const { head, body } = await (
    await lane.backend()
  ).serve('HTTP/1.1 200 OK\r\nContent-Length: 003\r\n\r\nabc')
  assert.deepEqual(head.getEach('content-length'), ['10'])
  assert.equal(body, '0123456789')
  const response = await peer.response()
  assert.deepEqual(response.head.getEach('content-length'), ['3'])
  assert.equal(response.body, 'abc')
})

test('answers of the gateway have date, length, type and request id, and tell no version', async () => {
  const lane = lanes.take()
  const answers = [
    ['GET / HTTP/1.1\r\nHost: nowhere.example\r\n\r\n', 404],
    ['GET / HTTP/1.1\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
    [`TRACE / HTTP/1.1\r\nHost: ${lane.host}\r\n\r\n`, 405],
    [`GET /../x HTTP/1.1\r\nHost: ${lane.host}\r\n\r\n`, 400],
    [`GET / HTTP/3.1\r\nHost: ${lane.host}\r\n\r\n`, 505],
  ] as const
  const ids = new Set<string>()
  const check = async (peer: Peer, status: number): Promise<void> => {
    const { head, body } = await peer.response()
    assert.equal(head.status, status)
    assert.ok(Math.abs(Date.parse(head.get('date') ?? '') - Date.now()) < 3000, head.text)
    assert.match(head.get('date')!, /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)
    assert.equal(head.get('content-length'), String(body.length))
    assert.match(head.get('content-type') ?? '', /^text\/plain/)
    ids.add(head.get('x-request-id') ?? '')
    assert.doesNotMatch(`${head.text}${body}`, /sekisho|node|v?\d+\.\d+\.\d+|server:/i)
  }
  for (const [request, status] of answers) {
    const peer = await client(lane)
    await check(peer.send(request), status)
  }
  await check((await client(lane, 'proxied', TRUSTED)).send('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), 400)
  await check((await client(lane, 'websecure')).send('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), 400)
  assert.equal(ids.size, answers.length + 2)
  assert.ok([...ids].every((id) => /^[0-9a-f]{32}$/.test(id)))
})

test('an answer of the server without Date or Server gets them; the rest is its own', async () => {
  const lane = lanes.take()
  const peer = await client(lane)
  peer.send(lane.request())
  const backend = await lane.backend()
  await backend.serve(ok('', 'Server: mine/1.0\r\nX-Powered-By: me\r\n'))
  const first = await peer.response()
  assert.ok(Math.abs(Date.parse(first.head.get('date') ?? '') - Date.now()) < 3000)
  assert.equal(first.head.get('server'), 'mine/1.0')
  assert.equal(first.head.get('x-powered-by'), 'me')
  peer.send(lane.request())
  await backend.serve(ok('', 'Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n'))
  const second = await peer.response()
  assert.deepEqual(second.head.getEach('date'), ['Thu, 01 Jan 1970 00:00:00 GMT'])
  assert.deepEqual(second.head.getEach('server'), ['sekisho'])
})

/** Version 2: signature, command, family and protocol, length, addresses and TLVs. */
function proxyV2(command: number, family: number, payload: readonly number[]): Buffer {
  return Buffer.from([
    ...[0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a],
    0x20 | command,
    family,
    payload.length >> 8,
    payload.length & 255,
    ...payload,
  ])
}

const V4 = [203, 0, 113, 7, 192, 0, 2, 1, 0x30, 0x39, 0x01, 0xbb]
const V6 = [
  ...[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7],
  ...[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  ...[0x30, 0x39, 0x01, 0xbb],
]
const MAPPED = [
  ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 7],
  ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1],
  ...[0x30, 0x39, 0x01, 0xbb],
]
const TLVS = [0x02, 0, 3, 0x61, 0x2e, 0x62, 0x04, 0, 2, 0, 0, 0xea, 0, 1, 0x78]

const PROXY_HEADERS: readonly [name: string, header: string | Buffer, address: string | null][] = [
  ['version 1, IPv4', 'PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\n', '203.0.113.7'],
  ['version 1, IPv6', 'PROXY TCP6 2001:db8::7 2001:db8::1 12345 443\r\n', '2001:db8::7'],
  ['version 1, mapped', 'PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.1 12345 443\r\n', '203.0.113.7'],
  ['version 1, UNKNOWN', 'PROXY UNKNOWN\r\n', TRUSTED],
  ['version 1, UNKNOWN with more', 'PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n', TRUSTED],
  ['version 2, IPv4', proxyV2(1, 0x11, V4), '203.0.113.7'],
  ['version 2, IPv6', proxyV2(1, 0x21, V6), '2001:db8::7'],
  ['version 2, mapped', proxyV2(1, 0x21, MAPPED), '203.0.113.7'],
  ['version 2, TLVs', proxyV2(1, 0x11, [...V4, ...TLVS]), '203.0.113.7'],
  ['version 2, LOCAL', proxyV2(0, 0x00, []), TRUSTED],
  ['version 2, LOCAL with addresses', proxyV2(0, 0x11, V4), TRUSTED],
  ['version 2, UNSPEC', proxyV2(1, 0x00, TLVS), TRUSTED],
  ['none', '', null],
  ['version 1, too long', `PROXY UNKNOWN ${'x'.repeat(100)}\r\n`, null],
  ['version 1, bad address', 'PROXY TCP4 203.0.113.777 192.0.2.1 12345 443\r\n', null],
  ['version 1, bare LF', 'PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\n', null],
  ['version 2, another command', proxyV2(2, 0x11, V4), null],
  ['version 2, short addresses', proxyV2(1, 0x11, V4.slice(1)), null],
  ['version 2, broken TLV', proxyV2(1, 0x11, [...V4, 0x02, 0, 9, 0x61]), null],
]

test('the PROXY protocol from a trusted peer', async (t) => {
  const lane = lanes.take()
  for (const [name, header, address] of PROXY_HEADERS) {
    for (const isSplit of [false, true]) {
      await t.test(`${name}${isSplit ? ', in pieces' : ''}`, async () => {
        const peer = await client(lane, 'proxied', TRUSTED)
        const before = lane.server.connections.length
        const bytes = Buffer.concat([
          Buffer.from(header as string),
          Buffer.from(lane.request('GET', '/', 'X-Forwarded-For: 198.51.100.1\r\nConnection: close\r\n')),
        ])
        if (isSplit) {
          // The kernel may join them again; what counts is that it may not.
          for (const byte of bytes) {
            peer.send(Buffer.from([byte]))
            await new Promise((resolve) => setImmediate(resolve))
          }
        } else peer.send(bytes)
        if (address === null) {
          assert.equal((await peer.response()).head.status, 400)
          await peer.closed()
          assert.equal(lane.server.connections.length, before)
          return
        }
        const { head } = await (await lane.backend(before)).serve(ok('', 'Connection: close\r\n'))
        assert.deepEqual(head.getEach('x-forwarded-for'), [address])
        assert.deepEqual(head.getEach('x-real-ip'), [address])
        assert.equal((await peer.response()).head.status, 200)
      })
    }
  }
})

test('the PROXY protocol from a peer that is not trusted is a bad request, also where nobody is trusted', async () => {
  const lane = lanes.take()
  for (const entryPoint of ['proxied', 'web']) {
    for (const [name, header] of PROXY_HEADERS.filter(([, , address]) => address !== null)) {
      const peer = await client(lane, entryPoint)
      peer.send(Buffer.concat([Buffer.from(header as string), Buffer.from(lane.request())]))
      assert.equal((await peer.response()).head.status, 400, name)
      await peer.closed()
    }
  }
  assert.equal(lane.server.connections.length, 0)
  // An ordinary request of that peer is served.
  const peer = await client(lane, 'proxied')
  peer.send(lane.request())
  await (await lane.backend()).serve(ok())
  assert.equal((await peer.response()).head.status, 200)
})

test('trust in forwarding fields looks at the address that the PROXY protocol gave', async () => {
  const lane = lanes.take()
  for (const [address, expected] of [
    ['192.0.2.33', '203.0.113.1'],
    ['198.51.100.33', '198.51.100.33'],
  ] as const) {
    const before = lane.server.connections.length
    const peer = await client(lane, 'both', TRUSTED)
    peer.send(
      `PROXY TCP4 ${address} 192.0.2.1 12345 443\r\n${lane.request('GET', '/', 'X-Forwarded-For: 203.0.113.1\r\nConnection: close\r\n')}`,
    )
    const { head } = await (await lane.backend(before)).serve(ok('', 'Connection: close\r\n'))
    assert.equal(head.get('x-real-ip'), expected)
    await peer.response()
  }
})
