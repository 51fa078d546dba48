/** How a gateway gets its ports, and what it says and answers when it cannot start. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { sekisho, type Outcome } from '../cli/run.ts'
import { namedServer } from './bed/backends.ts'
import { GatewayProcess, type GatewayOptions } from './bed/gateway-process.ts'
import { HttpReader } from './bed/http-reader.ts'
import { ingress, service } from './bed/manifests.ts'
import { IS_PLAIN } from './bed/modes.ts'
import { exchangeBytes, rawClient, RawServer } from './bed/raw-peer.ts'

const REQUEST = 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n'
const HAS_IPV6 = Object.values(networkInterfaces())
  .flat()
  .some((each) => each?.address === '::1')

let server: RawServer
/** An empty directory of manifests. */
let dir: string
before(async () => {
  server = await namedServer('ok')
  dir = await mkdtemp(join(tmpdir(), 'sekisho-ports-'))
})
after(async () => {
  await server[Symbol.asyncDispose]()
  await rm(dir, { recursive: true })
})

function start(options: Partial<GatewayOptions>): Promise<GatewayProcess> {
  return GatewayProcess.start({
    manifests: {
      'web.yaml': ingress({ host: 'a.example', paths: [{ service: 'a' }] }),
      'services.yaml': service('a', [server.address]),
    },
    ...options,
  })
}

async function answerOf(port: number, host: string): Promise<string> {
  const client = await rawClient(port, host)
  client.send(REQUEST)
  await client.until((each) => each.isEnded || each.isClosed)
  client.socket.destroy()
  return client.received.slice(0, 'HTTP/1.1 200'.length)
}

/** Flags of a gateway that needs nothing but a port for `web`. */
function only(address: string, ...more: readonly string[]): string[] {
  return [
    'up',
    dir,
    `--entryPoints.web.address=${address}`,
    '--entryPoints.traefik.address=127.0.0.1:0',
    '--workers=1',
    ...more,
  ]
}

test('a port that is taken: said with the address and a way out, exit code 1, nothing left behind', async () => {
  await using taken = await RawServer.start()
  const { code, stderr } = await sekisho(only(taken.address))
  assert.equal(code, 1)
  assert.match(
    stderr,
    new RegExp(
      `ERR entrypoint web: ${taken.address} is in use by another program; end that one, or --entryPoints\\.web\\.address=HOST:PORT`,
    ),
  )
  assert.equal(stderr.trim().split('\n').length, 1, stderr)
})

test('one of several ports that is taken ends it too, before anything is served', async () => {
  await using taken = await RawServer.start()
  const flag = `--entryPoints.other.address=${taken.address}`
  const { code, stderr } = await sekisho(only('127.0.0.1:0', flag))
  assert.equal(code, 1)
  assert.match(stderr, /ERR entrypoint other: .* is in use by another program/)
  assert.doesNotMatch(stderr, /serving/)
})

test('addresses that cannot be: each with its reason', async (t) => {
  for (const [address, expected] of [
    ['192.0.2.1:0', /entrypoint web: 192\.0\.2\.1:0 is no address of this machine/],
    ['nothing.invalid:80', /entrypoint web: the name nothing\.invalid does not resolve/],
  ] as const) {
    await t.test(address, async () => {
      const { code, stderr } = await sekisho(only(address))
      assert.equal(code, 1)
      assert.match(stderr, expected)
    })
  }
})

test('every address family and several entrypoints, each on a port of its own', async () => {
  await using gateway = await start({
    flags: [
      '--entryPoints.web.address=:0',
      '--entryPoints.second.address=127.0.0.1:0',
      '--entryPoints.third.address=localhost:0',
      ...(HAS_IPV6 ? ['--entryPoints.six.address=[::1]:0', '--entryPoints.all.address=[::]:0'] : []),
    ],
  })
  const hosts: Readonly<Record<string, readonly string[]>> = {
    web: HAS_IPV6 ? ['127.0.0.1', '::1', '127.0.0.2'] : ['127.0.0.1', '127.0.0.2'],
    second: ['127.0.0.1'],
    third: ['localhost'],
    ...(HAS_IPV6 ? { six: ['::1'], all: ['::1', '127.0.0.1'] } : {}),
  }
  const ports = Object.keys(hosts).map((name) => gateway.ports[name])
  assert.equal(new Set(ports).size, ports.length)
  for (const [name, list] of Object.entries(hosts)) {
    for (const host of list) {
      assert.equal(await answerOf(gateway.ports[name]!, host), 'HTTP/1.1 200', `${name} at ${host}`)
    }
  }
  if (HAS_IPV6) await assert.rejects(answerOf(gateway.ports['six']!, '127.0.0.1'), { code: 'ECONNREFUSED' })
  await assert.rejects(answerOf(gateway.ports['second']!, '127.0.0.2'), { code: 'ECONNREFUSED' })
})

if (HAS_IPV6)
  test('an IPv4 client of a [::] address has its IPv4 address', async () => {
    await using seen = await RawServer.start()
    await using gateway = await start({
      manifests: {
        'web.yaml': ingress({ host: 'a.example', paths: [{ service: 'a' }] }),
        'services.yaml': service('a', [seen.address]),
      },
      flags: ['--entryPoints.web.address=[::]:0'],
    })
    for (const [index, [host, expected]] of [
      ['127.0.0.1', '127.0.0.1'],
      ['::1', '::1'],
    ].entries() as ArrayIterator<[number, [string, string]]>) {
      const client = await rawClient(gateway.web, host)
      client.send(REQUEST)
      const reader = new HttpReader(await seen.connection(index))
      const { head } = await reader.request()
      assert.equal(head.get('x-forwarded-for'), expected)
      assert.equal(head.get('x-real-ip'), expected)
      client.socket.destroy()
    }
  })

/** A listening socket that a service manager would pass, and how it tells. */
async function passed(): Promise<{ fd: number; port: number } & AsyncDisposable> {
  const listening = createServer().listen(0, '127.0.0.1')
  await once(listening, 'listening')
  return {
    fd: (listening as unknown as { _handle: { fd: number } })._handle.fd,
    port: (listening.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      listening.close()
      await once(listening, 'close')
    },
  }
}

function activated(names: string, count = 1): readonly string[] {
  const variables = `LISTEN_PID=$$ LISTEN_FDS=${count}${names === '' ? '' : ` LISTEN_FDNAMES=${names}`}`
  return ['sh', '-c', `${variables} exec "$0" "$@"`]
}

test('sockets passed by LISTEN_FDS are served, with their own port', async () => {
  await using seen = await RawServer.start()
  const socket = await passed()
  await using gateway = await start({
    under: activated('web'),
    descriptors: [socket.fd],
    workers: 2,
    manifests: {
      'web.yaml': ingress({ host: 'a.example', paths: [{ service: 'a' }] }),
      'services.yaml': service('a', [seen.address]),
    },
    // Another one than the socket has: what is passed wins.
    flags: ['--entryPoints.web.address=127.0.0.1:1'],
  })
  await socket[Symbol.asyncDispose]()
  assert.equal(gateway.web, socket.port)
  const client = await rawClient(socket.port)
  client.send(REQUEST)
  const reader = new HttpReader(await seen.connection())
  const { head } = await reader.request()
  assert.equal(head.get('x-forwarded-port'), String(socket.port))
  reader.connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  await client.until((each) => each.received.endsWith('ok'))
  gateway.signal('SIGTERM')
  assert.equal(await gateway.exited, 0)
})

for (const [what, names, count, expected] of [
  [
    'a socket named for no entrypoint',
    'wbe',
    1,
    /named "wbe", which is no entrypoint; name it .* as one of: web/,
  ],
  ['a socket without a name', '', 1, /named "0", which is no entrypoint/],
  ['a name that two have', 'web:web', 2, /descriptor 4 .* is named "web", which another one has too/],
  ['a descriptor that is not there', 'web:websecure', 2, /websecure: descriptor 4, .* is no listening TCP/],
] as const) {
  test(`LISTEN_FDS with ${what} is an error`, async () => {
    const socket = await passed()
    try {
      await assert.rejects(
        start({ under: activated(names, count), descriptors: [socket.fd] }),
        (error: Error) => {
          assert.match(error.message, /ended with 1/)
          assert.match(error.message, expected)
          return true
        },
      )
    } finally {
      await socket[Symbol.asyncDispose]()
    }
  })
}

test('LISTEN_FDS with something that is no listening socket is an error', async () => {
  const other = await passed()
  const peer = await rawClient(other.port)
  try {
    const { fd } = (peer.socket as unknown as { _handle: { fd: number } })._handle
    await assert.rejects(
      start({ under: activated('web'), descriptors: [fd] }),
      /entrypoint web: descriptor 3, passed by LISTEN_FDS, is no listening TCP socket/,
    )
  } finally {
    peer.socket.destroy()
    await other[Symbol.asyncDispose]()
  }
})

test('LISTEN_FDS of another process is none of ours', async () => {
  await using gateway = await start({ env: { LISTEN_PID: '1', LISTEN_FDS: '1', LISTEN_FDNAMES: 'web' } })
  assert.match(await exchangeBytes(gateway.web, REQUEST), /^HTTP\/1\.1 200 /)
})

test('workers that cannot start: the reason, exit code 1, and no process that serves nobody', async () => {
  const preload = join(dir, 'fail.mjs')
  await writeFile(
    preload,
    `import { isMainThread } from 'node:worker_threads'\nif (!isMainThread) throw new Error('planted fault')\n`,
  )
  await assert.rejects(
    start({ workers: 2, env: { NODE_OPTIONS: `--import=${preload}` } }),
    (error: Error) => {
      assert.match(error.message, /ended with 1/)
      assert.match(error.message, /ERR no worker can start error="planted fault" hint=/)
      return true
    },
  )
})

/** Arguments behind `up DIR`, and what is said about them. */
const WRONG: readonly (readonly [args: readonly string[], expected: RegExp])[] = [
  [['--worker=2'], /--worker: is not a known flag \(did you mean --workers\?\)/],
  [['--entryPoints.web.adress=:0'], /did you mean --entryPoints\.web\.address\?/],
  [['--entryPoints.web.address=:99999'], /--entryPoints\.web\.address: .*65535/],
  [['--entryPoints.web.address=::1:80'], /--entryPoints\.web\.address: /],
  [['--entryPoints.mine.http.tls'], /--entryPoints\.mine\.address: required, but not given \(such as /],
  [
    ['--entryPoints.a.address=:7001', '--entryPoints.b.address=:7001'],
    /--entryPoints\.b\.address: :7001 is also the address of a/,
  ],
  [['--workers=0'], /--workers: must be a whole number from 1 to 48, not 0/],
  [['--workers=many'], /--workers: must be a whole number/],
  [['--limits.headTimeout=5x'], /--limits\.headTimeout: must be a duration.*such as 10s/],
  [['--limits.memoryBudget=12'], /--limits\.memoryBudget: /],
  [['--limits.maxConnections=0'], /--limits\.maxConnections: /],
  [['--entryPoints.web.proxyProtocol.trustedIPs=10.0.0.0/33'], /trustedIPs/],
  [['--providers.docker'], /--providers: is not available/],
  [['--backend=web=127.0.0.1:80'], /has no namespace.*for example shop\/web:80=127\.0\.0\.1:3000/],
  [['--backend=a/web=127.0.0.1'], /has no port in "127\.0\.0\.1"/],
  [['--backend=a/web=http://127.0.0.1:80'], /has a URL .* where HOST:PORT belongs/],
  [['--backend=a/web=127.0.0.1:0'], /has "0" where a port from 1 to 65535 belongs/],
  [['--backend=a/web=::1:80'], /write \[::1:80\]:PORT/],
  [['more'], /"more" is one argument too many \(usage: sekisho up DIR \[flags\]\)/],
]

function assertUsage({ code, stdout, stderr }: Outcome, expected: RegExp): void {
  assert.equal(code, 2, stderr)
  assert.equal(stdout, '')
  assert.match(stderr, expected)
  assert.match(stderr, /\ntry: sekisho up --help\n$/)
}

test('wrong arguments: exit code 2, what is wrong, and what to write', async (t) => {
  // Flags are read the same way in every mode.
  for (const [args, expected] of IS_PLAIN ? WRONG : []) {
    await t.test(args.join(' '), async () => {
      assertUsage(await sekisho(['up', dir, ...args]), expected)
    })
  }
})

test('a DIR that is missing or cannot be read', async () => {
  assertUsage(await sekisho(['up']), /DIR is missing/)
  assertUsage(await sekisho(['up', join(dir, 'none')]), /none" does not exist; give a directory/)
  assertUsage(await sekisho(['up', '/etc/passwd/x']), /has a file where a directory should be/)
})
