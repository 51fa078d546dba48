import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { describe, test, type TestContext } from 'node:test'
import type { ClientCertificate, ClusterAccess, Credentials, TlsTrust } from '../access.ts'
import { KubeError } from '../errors.ts'
import { FakeApiServer } from '../fake-api-server.fixture.ts'
import { proxyOfUrl, type Proxy } from './tunnel.ts'

function testdata(name: string): string {
  return readFileSync(new URL(`../testdata/${name}.pem`, import.meta.url), 'utf8')
}

const CA = testdata('ca')
const SERVER = testdata('server')

function trust(changes: Partial<TlsTrust> = {}): TlsTrust {
  return { serverName: undefined, verify: true, authorities: () => CA, ...changes }
}

async function secureServer(t: TestContext): Promise<FakeApiServer> {
  const options = { cert: SERVER, key: SERVER, ca: CA, requestCert: true, rejectUnauthorized: false }
  const server = await new FakeApiServer(options).start()
  t.after(() => server[Symbol.asyncDispose]())
  return server
}

async function problem(promise: Promise<unknown>): Promise<KubeError> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  assert.ok(error instanceof KubeError, `not a KubeError: ${String(error)}`)
  return error
}

class Certificates implements Credentials {
  generation = 0
  certificate: ClientCertificate | undefined
  authorization(): Promise<undefined> {
    return Promise.resolve(undefined)
  }
  clientCertificate(): Promise<ClientCertificate | undefined> {
    return Promise.resolve(this.certificate)
  }
  rejected(): boolean {
    return false
  }
}

describe('TLS', () => {
  const accepted: readonly [string, TlsTrust, string?][] = [
    ['a certificate for the address', trust()],
    ['a certificate for the name that is asked for', trust({ serverName: 'api.example' })],
    ['any certificate where nothing is verified', trust({ verify: false, authorities: () => undefined, serverName: 'other.example' })],
  ] // prettier-ignore
  for (const [name, tls] of accepted) {
    test(`accepts ${name}`, async (t) => {
      const server = await secureServer(t)
      assert.equal((await server.client({}, { tls }).version()).gitVersion, 'v1.37.1')
    })
  }

  const refused: readonly [string, TlsTrust, RegExp][] = [
    ['a certificate for another name', trust({ serverName: 'other.example' }), /ERR_TLS_CERT_ALTNAME_INVALID/],
    ['a certificate for another address', trust({ serverName: '10.0.0.1' }), /ERR_TLS_CERT_ALTNAME_INVALID/],
    ['a certificate of an unknown authority', trust({ authorities: () => undefined }), /SELF_SIGNED_CERT_IN_CHAIN/],
    ['authorities that are none', trust({ authorities: () => '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }), /TLS to 127/],
  ] // prettier-ignore
  for (const [name, tls, message] of refused) {
    test(`refuses ${name}`, async (t) => {
      const server = await secureServer(t)
      const error = await problem(server.client({}, { tls }).version())
      assert.match(error.message, message)
      assert.equal(server.seen.length, 0, 'nothing was said to it')
    })
  }

  test('a client certificate is shown, and another one on another connection', async (t) => {
    const server = await secureServer(t)
    const shown: string[] = []
    server.intercept = (_, response) => {
      shown.push(String((response.socket as TLSSocket).getPeerCertificate().subject?.CN))
      return false
    }
    const credentials = new Certificates()
    const client = server.client({}, { tls: trust(), credentials })
    await client.version()
    for (const name of ['client-a', 'client-b']) {
      const pem = testdata(name)
      credentials.certificate = { certificate: pem, key: pem }
      credentials.generation++
      await client.version()
      await client.version()
    }
    assert.deepEqual(shown, ['undefined', 'a', 'a', 'b', 'b'])
    assert.equal(server.connections, 3)
  })

  test('a key that is none is told without quoting it', async (t) => {
    const server = await secureServer(t)
    const credentials = new Certificates()
    credentials.certificate = {
      certificate: testdata('client-a'),
      key: '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n',
    }
    const error = await problem(server.client({}, { tls: trust(), credentials }).version())
    assert.equal(error.reason, 'Credentials')
    assert.doesNotMatch(error.message, /c2VjcmV0/)
  })

  test('a server that never finishes its handshake ends with the request', async (t) => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    t.after(() => silent.close())
    const sockets: Socket[] = []
    silent.on('connection', (socket) => sockets.push(socket))
    const server = await secureServer(t)
    const { port } = silent.address() as AddressInfo
    const address = { isTls: true, host: '127.0.0.1', port, basePath: '' }
    const controller = new AbortController()
    const late = problem(
      server.client({}, { tls: trust(), server: address }).version({ signal: controller.signal }),
    )
    await once(silent, 'connection')
    controller.abort()
    assert.equal((await late).reason, 'Cancelled')
    if (!sockets[0]!.destroyed) await once(sockets[0]!.resume(), 'close')
  })
})

/** A proxy that answers from `script`, then passes on to the port asked for, and writes down what it heard. */
class FakeProxy {
  readonly heard: string[] = []
  readonly #server = createServer((socket) => {
    socket.on('error', () => {})
    this.serve(socket)
  })
  readonly #sockets = new Set<Socket>()
  serve: (socket: Socket) => void = () => {}

  async start(t: TestContext): Promise<this> {
    this.#server.on('connection', (socket) => this.#sockets.add(socket))
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    t.after(() => {
      this.#server.close()
      for (const socket of this.#sockets) socket.destroy()
    })
    return this
  }

  url(scheme: string, login = ''): Proxy {
    const { port } = this.#server.address() as AddressInfo
    return proxyOfUrl(new URL(`${scheme}://${login}127.0.0.1:${port}`))!
  }

  /** What comes until `enough`; then `next`. */
  hear(socket: Socket, enough: (bytes: Buffer) => boolean, next: (bytes: Buffer) => void): void {
    let bytes = Buffer.alloc(0)
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk])
      if (!enough(bytes)) return
      socket.off('data', onData)
      next(bytes)
    }
    socket.on('data', onData)
  }

  pass(socket: Socket, port: number): void {
    const to = connect(port, '127.0.0.1')
    to.on('error', () => {})
    this.#sockets.add(to)
    socket.pipe(to).pipe(socket)
  }

  /** CONNECT: answers with `answer`, and passes on to `port`. */
  connects(port: number, answer: string): void {
    this.serve = (socket) => {
      this.hear(socket, (bytes) => bytes.includes('\r\n\r\n'), (bytes) => {
        this.heard.push(bytes.toString('latin1'))
        socket.write(answer)
        this.pass(socket, port)
      }) // prettier-ignore
    }
  }

  /** SOCKS 5: `method` and `reply` are its answers. */
  socks(port: number, method: number, reply: number): void {
    this.serve = (socket) => {
      const ask = (): void => {
        this.hear(socket, (bytes) => bytes.length >= 10, (bytes) => {
          this.heard.push(bytes.toString('hex'))
          socket.write(Buffer.from([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]))
          this.pass(socket, port)
        }) // prettier-ignore
      }
      this.hear(socket, (bytes) => bytes.length >= 3, (bytes) => {
        this.heard.push(bytes.toString('hex'))
        socket.write(Buffer.from([5, method]))
        if (method !== 2) ask()
        else this.hear(socket, (login) => login.length >= 3, (login) => {
          this.heard.push(login.toString('latin1'))
          socket.write(Buffer.from([1, 0]))
          ask()
        })
      }) // prettier-ignore
    }
  }
}

describe('a proxy', () => {
  for (const isTls of [true, false]) {
    test(`is asked for a tunnel to ${isTls ? 'a TLS' : 'a plain'} server`, async (t) => {
      const server = isTls ? await secureServer(t) : await new FakeApiServer().start()
      if (!isTls) t.after(() => server[Symbol.asyncDispose]())
      const proxy = await new FakeProxy().start(t)
      proxy.connects(server.port, 'HTTP/1.1 200 Connection established\r\n\r\n')
      // A name that only the proxy knows.
      const address = { isTls, host: 'api.example', port: 6443, basePath: '' }
      const changes: Partial<ClusterAccess> = {
        tls: trust(),
        server: address,
        proxy: proxy.url('http', 'me:s%40cret@'),
      }
      assert.equal((await server.client({}, changes).version()).gitVersion, 'v1.37.1')
      const login = Buffer.from('me:s@cret').toString('base64')
      assert.deepEqual(proxy.heard, [
        `CONNECT api.example:6443 HTTP/1.1\r\nHost: api.example:6443\r\nProxy-Authorization: Basic ${login}\r\n\r\n`,
      ])
      assert.equal(server.seen[0]?.headers['proxy-authorization'], undefined)
    })
  }

  const failures: readonly [string, string, RegExp][] = [
    ['refuses', 'HTTP/1.1 403 Forbidden\r\n\r\n', /^GET \/version: proxy 127\.0\.0\.1:\d+ refuses the tunnel to api\.example:6443 with 403$/],
    ['speaks something else', 'hello\r\n\r\n', /answers no HTTP$/],
    ['says more than its answer', 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n', /sends more than its answer$/],
    ['answers without end', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(4000)}`, /answers without end$/],
  ] // prettier-ignore
  for (const [name, answer, message] of failures) {
    test(`that ${name} is a failure that says so`, async (t) => {
      const server = await secureServer(t)
      const proxy = await new FakeProxy().start(t)
      proxy.connects(server.port, answer)
      const address = { isTls: true, host: 'api.example', port: 6443, basePath: '' }
      const error = await problem(
        server.client({}, { tls: trust(), server: address, proxy: proxy.url('http') }).version(),
      )
      assert.match(error.message, message)
      assert.equal(error.isTransient, true)
    })
  }

  test('that closes is a failure that says so', async (t) => {
    const server = await secureServer(t)
    const proxy = await new FakeProxy().start(t)
    proxy.serve = (socket) => socket.destroy()
    const error = await problem(server.client({}, { tls: trust(), proxy: proxy.url('http') }).version())
    assert.match(error.message, /proxy 127\.0\.0\.1:\d+ (closes the connection|fails: .*)$/)
  })

  test('of the SOCKS kind gets the name, and a login where there is one', async (t) => {
    const server = await secureServer(t)
    const address = { isTls: true, host: 'api.example', port: 6443, basePath: '' }
    const proxy = await new FakeProxy().start(t)
    proxy.socks(server.port, 0, 0)
    await server.client({}, { tls: trust(), server: address, proxy: proxy.url('socks5') }).version()
    const name = Buffer.from('api.example').toString('hex')
    assert.deepEqual(proxy.heard, ['050100', `050100030b${name}192b`])
    proxy.heard.length = 0
    proxy.socks(server.port, 2, 0)
    await server.client({}, { tls: trust(), server: address, proxy: proxy.url('socks5', 'me:pw@') }).version()
    assert.deepEqual(proxy.heard.slice(0, 2), ['05020002', '\x01\x02me\x02pw'])
  })

  for (const [host, bytes] of [
    ['127.0.0.1', '017f000001'],
    ['2001:db8::1:ff00', '0420010db800000000000000000001ff00'],
    ['::1', `04${'0'.repeat(31)}1`],
  ] as const) {
    test(`of the SOCKS kind gets the address ${host} as such`, async (t) => {
      const server = await secureServer(t)
      const proxy = await new FakeProxy().start(t)
      proxy.socks(server.port, 0, 0)
      const address = { isTls: true, host, port: 1, basePath: '' }
      const tls = trust({ serverName: 'api.example' })
      await server.client({}, { tls, server: address, proxy: proxy.url('socks5') }).version()
      assert.equal(proxy.heard[1], `050100${bytes}0001`)
    })
  }

  test('of the SOCKS kind that refuses is a failure that says why', async (t) => {
    const server = await secureServer(t)
    const proxy = await new FakeProxy().start(t)
    const connectWith = (method: number, reply: number): Promise<KubeError> => {
      proxy.socks(server.port, method, reply)
      return problem(server.client({}, { tls: trust(), proxy: proxy.url('socks5') }).version())
    }
    assert.match(
      (await connectWith(0, 5)).message,
      /refuses the tunnel to 127\.0\.0\.1:\d+: connection refused$/,
    )
    assert.match((await connectWith(255, 0)).message, /accepts none of the ways to log in$/)
  })

  test('is known by its URL', () => {
    assert.deepEqual(proxyOfUrl(new URL('http://[::1]')), {
      kind: 'connect',
      isTls: false,
      host: '::1',
      port: 80,
      username: '',
      password: '',
    })
    assert.deepEqual(
      [proxyOfUrl(new URL('https://p'))?.isTls, proxyOfUrl(new URL('https://p'))?.port],
      [true, 443],
    )
    assert.equal(proxyOfUrl(new URL('socks5://p'))?.port, 1080)
    assert.equal(proxyOfUrl(new URL('ftp://p')), undefined)
    assert.equal(proxyOfUrl(new URL('http://a%zz@p'))?.username, 'a%zz')
  })
})
