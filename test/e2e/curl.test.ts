/** What people do with curl, by the real one: uploads, Expect, old versions, ranges, compression, TLS, server-sent events. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { GatewayProcess, until } from './bed/gateway-process.ts'
import { ingress, service } from './bed/manifests.ts'

const HAS_CURL = spawnSync('curl', ['--version']).status === 0
const TEXT = 'the same line again\n'.repeat(5000)
const UPLOAD = randomBytes(5_000_003)

const skip = HAS_CURL || process.env['CI'] === 'true' ? false : 'curl is missing: apt-get install curl'

test('curl is there', { skip }, () => {
  assert.ok(HAS_CURL, 'curl is missing: apt-get install curl')
})

const handlers: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>> = {
  '/facts': (request, response) => {
    const hash = createHash('sha256')
    let bytes = 0
    request.on('data', (data: Buffer) => {
      hash.update(data)
      bytes += data.length
    })
    request.on('end', () => {
      const { method, httpVersion, headers } = request
      const facts: Facts = { method: method!, httpVersion, headers, bytes, sha256: hash.digest('hex') }
      response.end(JSON.stringify(facts))
    })
  },
  '/chunks': (_request, response) => {
    for (let at = 0; at < TEXT.length; at += 1000) response.write(TEXT.slice(at, at + 1000))
    response.end()
  },
  '/file': (request, response) => {
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
    response.setHeader('Accept-Ranges', 'bytes')
    if (range === null) {
      response.setHeader('Content-Length', UPLOAD.length)
      response.end(UPLOAD)
      return
    }
    const from = Number(range[1])
    const to = range[2] === '' ? UPLOAD.length - 1 : Number(range[2])
    response.writeHead(206, {
      'Content-Range': `bytes ${from}-${to}/${UPLOAD.length}`,
      'Content-Length': to + 1 - from,
    })
    response.end(UPLOAD.subarray(from, to + 1))
  },
  '/text': (request, response) => {
    response.setHeader('Vary', 'Accept-Encoding')
    if (!/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) {
      response.end(TEXT)
      return
    }
    response.setHeader('Content-Encoding', 'gzip')
    response.end(gzipSync(TEXT))
  },
  '/events': (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.flushHeaders()
    eventStreams.push(response)
  },
}

interface Facts {
  readonly method: string
  readonly httpVersion: string
  readonly headers: IncomingMessage['headers']
  readonly bytes: number
  readonly sha256: string
}

const eventStreams: ServerResponse[] = []
const server = createServer((request, response) => {
  const handler = handlers[request.url!.split('?')[0]!]
  if (handler === undefined) response.writeHead(404).end()
  else handler(request, response)
})
server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
  if (request.url === '/full') {
    response.writeHead(413, { 'Content-Length': 4 })
    response.end('full')
    return
  }
  response.writeContinue()
  server.emit('request', request, response)
})

let gateway: GatewayProcess
let dir = ''
before(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  dir = await mkdtemp(join(tmpdir(), 'sekisho-curl-'))
  await writeFile(join(dir, 'upload'), UPLOAD)
  gateway = await GatewayProcess.start({
    manifests: {
      'web.yaml': ingress({ host: 'shop.example', paths: [{ service: 'a' }] }),
      'services.yaml': service('a', [`127.0.0.1:${(server.address() as AddressInfo).port}`]),
    },
  })
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  server.closeAllConnections()
  server.close()
  await rm(dir, { recursive: true, force: true })
})

interface Outcome {
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs it without the user's settings and proxies; `shop.example` is the gateway. */
async function curl(...args: readonly string[]): Promise<Outcome> {
  const { child, outcome } = start(args)
  child.stdin.end()
  return outcome
}

function start(args: readonly string[]) {
  const own = ['-q', '-sS', '--max-time', '30']
  for (const port of [gateway.web, gateway.websecure]) own.push('--resolve', `shop.example:${port}:127.0.0.1`)
  const child = spawn('curl', [...own, ...args], { stdio: 'pipe', env: { PATH: process.env['PATH'] } })
  const stdout: Buffer[] = []
  let stderr = ''
  child.stdout.on('data', (data: Buffer) => stdout.push(data))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const outcome = once(child, 'close').then(([code]: (number | null)[]): Outcome => ({
    code: code ?? -1,
    stdout: Buffer.concat(stdout),
    stderr,
  }))
  return { child, outcome, printed: (): string => Buffer.concat(stdout).toString() }
}

function web(path: string): string {
  return `http://shop.example:${gateway.web}${path}`
}

function secure(path: string): string {
  return `https://shop.example:${gateway.websecure}${path}`
}

/** What the server saw. */
async function facts(...args: readonly string[]): Promise<Facts> {
  const { code, stdout, stderr } = await curl(...args)
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout.toString()) as Facts
}

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

test('-T: a file is uploaded with its length, after the server said 100', { skip }, async () => {
  const seen = await facts('-T', join(dir, 'upload'), web('/facts'))
  assert.equal(seen.method, 'PUT')
  assert.equal(seen.headers['content-length'], String(UPLOAD.length))
  assert.equal(seen.headers.expect, '100-continue')
  assert.equal(seen.sha256, sha256(UPLOAD))
})

test('-T -: standard input is uploaded in chunks', { skip }, async () => {
  const { child, outcome } = start(['-T', '-', web('/facts')])
  child.stdin.end(UPLOAD)
  const seen = JSON.parse((await outcome).stdout.toString()) as Facts
  assert.equal(seen.headers['transfer-encoding'], 'chunked')
  assert.equal(seen.headers['content-length'], undefined)
  assert.equal(seen.sha256, sha256(UPLOAD))
})

test(
  'Expect: 100-continue: the server’s 100 reaches curl, and only then the body comes',
  { skip },
  async () => {
    // Without the 100 it would wait until its time is over.
    const wait = ['-H', 'Expect: 100-continue', '--expect100-timeout', '25', '-v']
    const { stdout, stderr } = await curl(...wait, '-d', 'a=1', web('/facts'))
    assert.match(stderr, /< HTTP\/1\.1 100 Continue[^]*< HTTP\/1\.1 200 OK/)
    const seen = JSON.parse(stdout.toString()) as Facts
    assert.deepEqual([seen.method, seen.bytes], ['POST', 3])
    const refused = await curl(...wait, '-d', 'a=1', '-w', ' %{http_code} %{size_upload}', web('/full'))
    assert.equal(refused.stdout.toString(), 'full 413 0')
  },
)

test('-d and -F: forms arrive', { skip }, async () => {
  const form = await facts('-d', 'a=1&b=%20', web('/facts'))
  assert.equal(form.headers['content-type'], 'application/x-www-form-urlencoded')
  assert.equal(form.sha256, sha256('a=1&b=%20'))
  const parts = await facts('-F', `file=@${join(dir, 'upload')}`, web('/facts'))
  assert.match(parts.headers['content-type']!, /^multipart\/form-data; boundary=/)
  assert.ok(parts.bytes > UPLOAD.length)
})

test('--http1.0: chunks of the server arrive as a body that ends with its connection', { skip }, async () => {
  const { code, stdout, stderr } = await curl('--http1.0', '-v', web('/chunks'))
  assert.equal(code, 0)
  assert.equal(stdout.toString(), TEXT)
  assert.match(stderr, /> GET \/chunks HTTP\/1\.0/)
  assert.doesNotMatch(stderr, /transfer-encoding/i)
  assert.equal((await facts('--http1.0', web('/facts'))).httpVersion, '1.1')
})

test('-r: ranges are the server’s to answer', { skip }, async () => {
  const { stdout } = await curl('-i', '-r', '1000-1999', web('/file'))
  const end = stdout.indexOf('\r\n\r\n') + 4
  const head = stdout.toString('latin1', 0, end)
  assert.match(head, /^HTTP\/1\.1 206 Partial Content\r\n/)
  assert.match(head, new RegExp(`^Content-Range: bytes 1000-1999/${UPLOAD.length}\r$`, 'm'))
  assert.ok(stdout.subarray(end).equals(UPLOAD.subarray(1000, 2000)))
})

test('-C: a download that was broken off is continued', { skip }, async () => {
  const path = join(dir, 'download')
  await writeFile(path, UPLOAD.subarray(0, 1_234_567))
  const { code } = await curl('-C', '-', '-o', path, web('/file'))
  assert.equal(code, 0)
  assert.ok((await readFile(path)).equals(UPLOAD))
})

test('-I: the head alone, with the length of the body', { skip }, async () => {
  const { stdout } = await curl('-I', web('/file'))
  assert.match(
    stdout.toString(),
    new RegExp(`^HTTP/1.1 200 OK\r\n[^]*^Content-Length: ${UPLOAD.length}\r$`, 'm'),
  )
  assert.ok(stdout.toString().endsWith('\r\n\r\n'))
})

test('--compressed: encoded by the server, passed as it is, decoded by curl', { skip }, async () => {
  const decoded = await curl('--compressed', web('/text'))
  assert.equal(decoded.stdout.toString(), TEXT)
  const encoded = await curl('-i', '-H', 'Accept-Encoding: gzip', web('/text'))
  const end = encoded.stdout.indexOf('\r\n\r\n') + 4
  assert.match(encoded.stdout.toString('latin1', 0, end), /^Content-Encoding: gzip\r$/m)
  assert.ok(encoded.stdout.subarray(end).equals(gzipSync(TEXT)))
  const plain = await curl('-i', web('/text'))
  assert.doesNotMatch(plain.stdout.toString('latin1', 0, 300), /content-encoding/i)
})

test('several URLs share one connection, plain and over TLS', { skip }, async () => {
  for (const url of [web, secure]) {
    const one = ['-k', '-o', join(dir, 'void'), '-w', '%{http_code} %{num_connects}\n']
    const wants = [
      [url('/text')],
      ['-I', url('/text')],
      ['-T', join(dir, 'upload'), url('/facts')],
      [url('/chunks')],
      ['-r', '0-9', url('/file')],
      [url('/nowhere')],
      ['-H', 'Host: elsewhere.example', url('/')],
      [url('/text')],
    ]
    const { stdout } = await curl(...wants.flatMap((want) => ['--next', ...one, ...want]).slice(1))
    assert.equal(stdout.toString(), '200 1\n200 0\n200 0\n200 0\n206 0\n404 0\n404 0\n200 0\n')
  }
})

test('-Z: fifty downloads at once', { skip }, async () => {
  const { code, stdout } = await curl(
    ...['-Z', '--parallel-max', '50', '-o', '/dev/null', '-w', '%{http_code} %{size_download}\n'],
    web('/text?[1-50]'),
  )
  assert.equal(code, 0)
  assert.equal(stdout.toString(), `200 ${TEXT.length}\n`.repeat(50))
})

test('-k --resolve: HTTPS, whose server sees plain HTTP and is told', { skip }, async () => {
  const { code, stderr } = await curl(secure('/facts'))
  assert.equal(code, 60, `the certificate made by the gateway itself is trusted: ${stderr}`)
  const seen = await facts('-k', secure('/facts'))
  assert.equal(seen.headers['x-forwarded-proto'], 'https')
  assert.equal(seen.headers.host, `shop.example:${gateway.websecure}`)
  const uploaded = await facts('-k', '-T', join(dir, 'upload'), secure('/facts'))
  assert.equal(uploaded.sha256, sha256(UPLOAD))
  for (const version of ['1.2', '1.3']) {
    const { stdout } = await curl(
      ...[
        '-k',
        `--tlsv${version}`,
        '--tls-max',
        version,
        '-o',
        '/dev/null',
        '-w',
        '%{http_code} %{http_version}',
      ],
      secure('/text'),
    )
    assert.equal(stdout.toString(), '200 1.1', version)
  }
})

test('--http2: what asks for HTTP/2 gets HTTP/1.1, by Upgrade as by ALPN', { skip }, async () => {
  for (const url of [web('/text'), secure('/text')]) {
    const { code, stdout } = await curl('-k', '--http2', '-w', '%{http_version}', url)
    assert.equal(code, 0)
    assert.equal(stdout.toString(), `${TEXT}1.1`)
  }
})

for (const isTls of [false, true]) {
  test(`-N: server-sent events arrive one by one${isTls ? ' over TLS' : ''}`, { skip }, async () => {
    const index = eventStreams.length
    const { child, outcome, printed } = start(['-N', '-k', isTls ? secure('/events') : web('/events')])
    await until(() => eventStreams.length > index)
    const stream = eventStreams[index]!
    let expected = ''
    for (let i = 0; i < 20; i++) {
      const event = `id: ${i}\ndata: ${'x'.repeat(i * i)}\n\n`
      stream.write(event)
      expected += event
      // The next one is sent only when this one is there.
      await until(() => printed() === expected)
    }
    const closed = once(stream, 'close')
    child.kill('SIGTERM')
    await outcome
    await closed
  })
}
