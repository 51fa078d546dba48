/**
 * Peers that go at the worst moment: after hundreds of aborts at each stage of an exchange, from clients and from servers,
 * connections, buffers, descriptors and counts of requests in flight are back where they were. And what operators do to a
 * program: output that nobody reads, log files that cannot be opened, files that are no manifests.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { GatewayProcess, until } from './bed/gateway-process.ts'
import { ingress, service } from './bed/manifests.ts'
import { scaled } from './bed/modes.ts'
import { exchangeBytes, rawClient, RawServer, type RawConnection } from './bed/raw-peer.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/sekisho', import.meta.url))
const ABORTS = scaled(300)
const AT_ONCE = 50
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
const WEBSOCKET = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'

type Behaviour = (server: RawConnection) => void

interface Stage {
  readonly name: string
  /** What the client sends. */
  readonly send: string
  readonly server: Behaviour
  /** What the client waits for before it goes; without it: until every request has reached the server. */
  readonly until?: (client: RawConnection) => boolean
  readonly entryPoint?: 'websecure'
  /** Nothing of it reaches a server. */
  readonly isUnseen?: boolean
}

function request(method = 'GET', lines = '', body = ''): string {
  return `${method} / HTTP/1.1\r\nHost: a.example\r\n${lines}\r\n${body}`
}

/** Once for each head that arrives. */
function onHead(server: RawConnection, act: (head: string) => void): void {
  let seen = 0
  server.socket.on('data', () => {
    const heads = server.received.split('\r\n\r\n').slice(0, -1)
    for (; seen < heads.length; seen++) act(heads[seen]!)
  })
}

const silent: Behaviour = () => {}
const answering =
  (bytes: string): Behaviour =>
  (server) =>
    onHead(server, () => server.send(bytes))
/** Half-closed tunnels live: a server that is told of the end ends, too. */
const switching: Behaviour = (server) => {
  onHead(server, () => server.send(SWITCH))
  server.socket.on('end', () => server.socket.end())
}
const resetting =
  (bytes: string): Behaviour =>
  (server) =>
    onHead(server, () => server.socket.write(bytes, () => server.socket.resetAndDestroy()))
const has = (text: string) => (client: RawConnection) => client.received.includes(text)
const isOver = (client: RawConnection): boolean => client.isEnded || client.isClosed

const CLIENT_STAGES: readonly Stage[] = [
  { name: 'before a head', send: '', server: silent, isUnseen: true },
  { name: 'inside a head', send: 'GET / HTTP/1.1\r\nHost: a.ex', server: silent, isUnseen: true },
  { name: 'inside a ClientHello', send: '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03abc', server: silent, isUnseen: true, entryPoint: 'websecure' },
  { name: 'inside a body', send: request('POST', 'Content-Length: 9999\r\n', 'begun'), server: silent },
  { name: 'inside a chunk', send: request('POST', 'Transfer-Encoding: chunked\r\n', '1000\r\nabc'), server: silent },
  { name: 'with a body that the server does not take', send: request('POST', 'Content-Length: 1000000\r\n', 'x'.repeat(100_000)), server: (server) => server.socket.pause() },
  { name: 'after Expect', send: request('POST', 'Expect: 100-continue\r\nContent-Length: 5\r\n'), server: silent },
  { name: 'while it waits', send: request(), server: silent },
  { name: 'after an interim answer', send: request(), server: answering('HTTP/1.1 103 Early Hints\r\n\r\n'), until: has(' 103 ') },
  { name: 'while the server is inside its head', send: request(), server: answering('HTTP/1.1 200 OK\r\nConte') },
  { name: 'inside a response with a length', send: request(), server: answering('HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nbegun'), until: has('begun') },
  { name: 'inside a chunked response', send: request(), server: answering('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nbegun'), until: has('begun') },
  { name: 'inside a response that ends with the connection', send: request(), server: answering('HTTP/1.1 200 OK\r\n\r\nbegun'), until: has('begun') },
  { name: 'inside a pipelined batch', send: request() + request('GET', 'X-Wait: yes\r\n').repeat(19), server: (server) => onHead(server, (head) => head.includes('X-Wait') || server.send(OK)), until: has('ok') },
  { name: 'while an upgrade is decided', send: request('GET', WEBSOCKET, 'early'), server: silent },
  { name: 'inside a tunnel', send: request('GET', WEBSOCKET), server: switching, until: has(' 101 ') },
] // prettier-ignore

const SERVER_STAGES: readonly Stage[] = [
  { name: 'at once', send: request(), server: (server) => server.socket.resetAndDestroy(), until: has(' 502 ') },
  { name: 'after the head', send: request(), server: resetting(''), until: has(' 502 ') },
  { name: 'inside a request body', send: request('POST', 'Content-Length: 9999\r\n', 'begun'), server: resetting(''), until: has(' 502 ') },
  { name: 'inside its head', send: request(), server: resetting('HTTP/1.1 200 O'), until: has(' 502 ') },
  { name: 'inside a response', send: request(), server: resetting('HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nbegun'), until: isOver },
  { name: 'inside a chunk', send: request(), server: resetting('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nbegun'), until: isOver },
  { name: 'inside a tunnel', send: request('GET', WEBSOCKET), server: resetting(SWITCH), until: isOver },
] // prettier-ignore

/** Servers that behave as the present stage says; several, so that one set aside leaves others. */
let behave: Behaviour = silent
const servers = await Promise.all(
  Array.from({ length: 2 }, () => RawServer.start(0, (connection) => behave(connection))),
)
const gateway = await GatewayProcess.start({
  manifests: {
    'a.yaml': [
      ingress({
        host: 'a.example',
        paths: [{ service: 'a' }],
        annotations: { 'nginx.ingress.kubernetes.io/load-balance': 'least_conn' },
      }),
      service(
        'a',
        servers.map((server) => server.address),
      ),
    ].join('\n---\n'),
  },
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  for (const server of servers) await server[Symbol.asyncDispose]()
})

interface Held {
  readonly clients: number
  readonly upstream: number
  readonly bufferedBytes: number
  readonly descriptors: number
}

async function held(): Promise<Held> {
  const text = await gateway.metrics()
  const sum = (pattern: RegExp): number => {
    let total = 0
    for (const match of text.matchAll(pattern)) total += Number(match[1])
    return total
  }
  return {
    clients: sum(/^traefik_open_connections\{entrypoint="web(?:secure)?",[^}]*\} (\S+)$/gm),
    upstream: sum(/^sekisho_upstream_connections_open\{[^}]*\} (\S+)$/gm),
    bufferedBytes: sum(/^sekisho_memory_budget_used_bytes\{[^}]*\} (\S+)$/gm),
    descriptors: sum(/^process_open_fds (\S+)$/gm),
  }
}

function seenByServers(): number {
  return servers.reduce((sum, server) => sum + server.connections.length, 0)
}

async function abort(stage: Stage, how: 'close' | 'reset'): Promise<void> {
  behave = stage.server
  for (let left = ABORTS; left > 0; left -= AT_ONCE) {
    const count = Math.min(left, AT_ONCE)
    const before = seenByServers()
    const clients = await Promise.all(
      Array.from({ length: count }, () => rawClient(gateway.ports[stage.entryPoint ?? 'web']!)),
    )
    for (const client of clients) client.send(stage.send)
    const condition = stage.until
    try {
      if (condition !== undefined) await Promise.all(clients.map((client) => client.until(condition)))
      else if (stage.isUnseen !== true) await until(() => seenByServers() >= before + count)
    } finally {
      for (const { socket } of clients) {
        if (how === 'reset') socket.resetAndDestroy()
        else socket.destroy()
      }
    }
  }
}

/** Everything but idle connections to servers is given back without their help, and those go when they close. */
async function assertGivenBack(base: Held): Promise<void> {
  let now = await held()
  const settled = async (condition: () => boolean): Promise<void> => {
    await until(async () => {
      now = await held()
      return condition()
    }).catch(() => assert.fail(`left: ${JSON.stringify(now)}, at the start: ${JSON.stringify(base)}`))
  }
  await settled(() => now.clients === 0 && now.bufferedBytes === 0)
  for (const server of servers) {
    for (const { socket } of server.connections.splice(0)) socket.destroy()
  }
  // Connections of the test's own requests to the internal entrypoint come and go.
  await settled(() => now.upstream === 0 && now.descriptors <= base.descriptors + 5)
}

/** Requests in flight are counted per server: a count that stays too high would bend the balance for ever. */
async function assertBalanced(): Promise<void> {
  behave = silent
  const clients: RawConnection[] = []
  for (let sent = 1; sent <= 20; sent++) {
    const client = await rawClient(gateway.web)
    client.send(request())
    clients.push(client)
    await until(() => seenByServers() === sent)
  }
  assert.deepEqual(
    servers.map((server) => server.connections.length),
    [10, 10],
  )
  for (const { socket } of clients) socket.destroy()
}

describe('aborts leave nothing behind', () => {
  for (const stage of CLIENT_STAGES) {
    for (const how of ['close', 'reset'] as const) {
      it(`of clients that ${how} ${stage.name}`, async () => {
        const base = await held()
        await abort(stage, how)
        await assertGivenBack(base)
      })
    }
  }

  for (const stage of SERVER_STAGES) {
    it(`of servers that reset ${stage.name}`, async () => {
      const base = await held()
      await abort(stage, 'close')
      await assertGivenBack(base)
    })
  }

  it('in flight at any server, once those that were set aside are back', async () => {
    const base = await held()
    behave = answering(OK)
    await gateway.until(async () => {
      await exchangeBytes(gateway.web, request('GET', 'Connection: close\r\n'))
      const ups = (await gateway.metrics()).matchAll(/^traefik_service_server_up\{[^}]*\} (\S+)$/gm)
      return [...ups].every(([, value]) => value === '1')
    })
    await assertGivenBack(base)
    await assertBalanced()
    await assertGivenBack(base)
    assert.doesNotMatch(gateway.log, /a worker ended/)
  })
})

interface Finished {
  readonly code: number | null
  readonly errors: string
}

/** Runs the program in a shell, whose exit code is the program's own. */
async function shell(script: string, ...args: readonly string[]): Promise<Finished> {
  const child = spawn('/bin/bash', ['-c', script, PROGRAM, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const { promise, resolve } = Promise.withResolvers<number | null>()
  child.once('close', resolve)
  return { code: await promise, errors }
}

it('what a server said before it failed reaches the client, also when both arrive together', async () => {
  for (const failure of ['ffffffffffffffffff\r\n', 'zz\r\n', '0\r\nbad trailer\r\n\r\n']) {
    behave = answering(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n${failure}`)
    const answer = await exchangeBytes(gateway.web, request())
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n5\r\nbegun\r\n$/)
    for (const server of servers) for (const { socket } of server.connections.splice(0)) socket.destroy()
  }
})

describe('output that nobody takes', () => {
  const hosts = Array.from({ length: 3000 }, (_, index) =>
    ingress({ name: `i${index}`, host: `h${index}.example`, paths: [{ service: 'none' }] }),
  )

  it('is no stack trace when a reader has seen enough', async () => {
    const file = `${gateway.dir}-many.yaml`
    await writeFile(file, hosts.join('\n---\n'))
    const { code, errors } = await shell('"$0" routes "$1" | head -n 1; exit ${PIPESTATUS[0]}', file)
    await rm(file)
    assert.doesNotMatch(errors, /EPIPE|node:|^\s+at /m)
    assert.equal(code, 0)
  })

  it('is said when the disk is full', async () => {
    for (const command of ['version', 'up --help']) {
      const { code, errors } = await shell(`"$0" ${command} > /dev/full`)
      assert.equal(code, 1)
      assert.match(errors, /^sekisho: standard output cannot be written: ENOSPC[^\n]*\n$/)
    }
  })
})

describe('log files that cannot be opened', () => {
  for (const option of ['log.filePath', 'accessLog.filePath']) {
    it(`are told at the start: ${option}`, async () => {
      const flags = ['web', 'traefik'].map((name) => `--entryPoints.${name}.address=127.0.0.1:0`)
      const { code, errors } = await shell(
        'exec "$0" up "$@"',
        gateway.dir,
        ...flags,
        `--${option}=${gateway.dir}`,
      )
      assert.equal(code, 2)
      assert.match(
        errors,
        new RegExp(`^sekisho up: --${option}: ".*" cannot be opened for appending: EISDIR`, 'm'),
      )
    })
  }
})

it('files that are no manifests do not keep the others from being read', async () => {
  const odd = join(gateway.dir, 'odd')
  await mkdir(odd)
  await symlink('..', join(odd, 'up'))
  await symlink('itself.yaml', join(odd, 'itself.yaml'))
  await symlink('/dev/zero', join(odd, 'zero.yaml'))
  await symlink('/nonexistent/file', join(odd, 'dangling.yaml'))
  await shell('mkfifo "$1/pipe.yaml"', odd)
  await writeFile(join(odd, 'random.yaml'), Buffer.from([0xff, 0, 0xfe, 0x80, 1, 2, 3]))
  await writeFile(join(odd, 'nul.yaml'), 'kind: a\0b\n')
  await writeFile(join(odd, 'deep.yaml'), '['.repeat(50_000))
  await writeFile(
    join(odd, 'bomb.yaml'),
    `a: &a [${'x, '.repeat(99)}]\nb: &b [${'*a, '.repeat(99)}]\nc: [${'*b, '.repeat(99)}]\n`,
  )
  await writeFile(
    join(odd, 'prototype.yaml'),
    '{"kind":"__proto__","apiVersion":"constructor","__proto__":{"a":1},"metadata":{"name":"toString"}}',
  )
  await gateway.replace('z.json', ingress({ name: 'late', host: 'late.example', paths: [{ service: 'a' }] }))
  behave = answering(OK)
  const line = 'GET / HTTP/1.1\r\nHost: late.example\r\nConnection: close\r\n\r\n'
  await gateway.until(async () => (await exchangeBytes(gateway.web, line)).startsWith('HTTP/1.1 200 '))
  for (const name of ['random.yaml', 'nul.yaml', 'deep.yaml', 'bomb.yaml', 'zero.yaml', 'pipe.yaml']) {
    await gateway.logged(new RegExp(`ERR .*odd/${name}`))
  }
})
