/** Caps: connections of the process and of one client, descriptors, buffer memory. What is over waits or is told so. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { namedServer } from './bed/backends.ts'
import { GatewayProcess, type GatewayOptions } from './bed/gateway-process.ts'
import { ingress, service } from './bed/manifests.ts'
import { metric } from './bed/metrics-text.ts'
import { exchangeBytes, rawClient, RawServer, type RawConnection } from './bed/raw-peer.ts'

const REQUEST = 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n'
const LAST_REQUEST = 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n'

function start(server: RawServer, options: Partial<GatewayOptions>): Promise<GatewayProcess> {
  return GatewayProcess.start({
    manifests: {
      'web.yaml': ingress({ host: 'a.example', paths: [{ service: 'a' }] }),
      'services.yaml': service('a', [server.address]),
    },
    ...options,
  })
}

/** Connections that have sent `bytes`. */
async function clients(
  port: number,
  count: number,
  bytes: string,
  localAddress?: string,
): Promise<RawConnection[]> {
  const all: RawConnection[] = []
  for (let i = 0; i < count; i++) {
    const client = await rawClient(port, '127.0.0.1', localAddress)
    client.send(bytes)
    all.push(client)
  }
  return all
}

function answered(list: readonly RawConnection[]): RawConnection[] {
  return list.filter((client) => client.received.endsWith('ok'))
}

function reset(list: readonly RawConnection[]): RawConnection[] {
  return list.filter((client) => client.errorCode !== '' || (client.isClosed && client.received === ''))
}

function destroyAll(list: readonly RawConnection[]): void {
  for (const { socket } of list) socket.destroy()
}

async function openAt(gateway: GatewayProcess): Promise<number> {
  return metric(await gateway.metrics(), 'traefik_open_connections', { entrypoint: 'web' })
}

function occurrences(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].length
}

for (const workers of [1, 2]) {
  test(`over maxConnections accepting pauses and who waits is served when there is room, ${workers} worker(s)`, async () => {
    await using server = await namedServer('ok')
    await using gateway = await start(server, { workers, flags: ['--limits.maxConnections=20'] })
    const first = await clients(gateway.web, 20, REQUEST)
    await gateway.until(() => answered(first).length === 20)
    await gateway.logged(/WRN accepting pauses: as many connections as this worker may hold .*maxConnections/)
    const waiting = await clients(gateway.web, 15, REQUEST)
    await gateway.until(async () => (await openAt(gateway)) === 20)
    // Health checks and metrics do not wait with them, and those that are in go on.
    for (let i = 0; i < 5; i++) assert.equal(await openAt(gateway), 20)
    first[0]!.send(REQUEST)
    await first[0]!.until((each) => occurrences(each.received, /HTTP\/1\.1 200/g) === 2)
    assert.equal(answered(waiting).length, 0)
    // Who goes lets others in; accepting goes on when less than 95 % are in use, so one place may stay free.
    destroyAll(first.slice(0, 10))
    await gateway.until(() => answered(waiting).length >= 9)
    assert.ok((await openAt(gateway)) <= 20)
    destroyAll(first.slice(10))
    await gateway.until(() => answered(waiting).length === 15)
    assert.equal(reset(waiting).length, 0)
    destroyAll(waiting)
    await gateway.until(async () => (await openAt(gateway)) === 0)
    await gateway.until(
      async () =>
        metric(await gateway.metrics(), 'sekisho_accept_pauses_total', { reason: 'cap' }) >= workers,
    )
    assert.match(await exchangeBytes(gateway.web, LAST_REQUEST), /^HTTP\/1\.1 200/)
  })
}

test('over maxConnectionsPerClient a client is reset and counted; others and its own earlier ones are not touched', async () => {
  await using server = await namedServer('ok')
  await using gateway = await start(server, { workers: 2, flags: ['--limits.maxConnectionsPerClient=5'] })
  const greedy = await clients(gateway.web, 5, REQUEST, '127.0.0.11')
  await gateway.until(() => answered(greedy).length === 5)
  for (let i = 0; i < 4; i++) await assertRefused(gateway, '127.0.0.11')
  const other = await clients(gateway.web, 5, REQUEST, '127.0.0.12')
  await gateway.until(() => answered(other).length === 5)
  await assertRefused(gateway, '127.0.0.12')
  await gateway.until(async () => (await refusals(gateway)) === 5)
  await gateway.until(async () => (await openAt(gateway)) === 10)
  for (const client of greedy) client.send(REQUEST)
  for (const client of greedy) await client.until((each) => occurrences(each.received, /200 OK/g) === 2)
  greedy.pop()!.socket.destroy()
  await gateway.until(async () => (await openAt(gateway)) === 9)
  const [again] = await clients(gateway.web, 1, REQUEST, '127.0.0.11')
  await again!.until((each) => each.received.endsWith('ok'))
  await assertRefused(gateway, '127.0.0.11')
  destroyAll([...greedy, ...other, again!])
  await gateway.until(async () => (await openAt(gateway)) === 0)
})

async function refusals(gateway: GatewayProcess): Promise<number> {
  const labels = { entrypoint: 'web', reason: 'client-cap' }
  return metric(await gateway.metrics(), 'sekisho_connections_refused_total', labels)
}

async function assertRefused(gateway: GatewayProcess, localAddress: string, bytes = REQUEST): Promise<void> {
  // A reset can be faster than the news that the connection stands.
  const client = await rawClient(gateway.web, '127.0.0.1', localAddress).catch(
    (error: NodeJS.ErrnoException) => error,
  )
  if (client instanceof Error) {
    assert.equal(client.code, 'ECONNRESET')
    return
  }
  client.send(bytes)
  await client.until((each) => each.isClosed)
  assert.equal(client.received, '')
  assert.notEqual(client.errorCode, '')
}

test('behind PROXY each client counts by its own address, and the proxy by none', async () => {
  await using server = await namedServer('ok')
  await using gateway = await start(server, {
    workers: 2,
    flags: ['--limits.maxConnectionsPerClient=3', '--entryPoints.web.proxyProtocol.trustedIPs=127.0.0.1'],
  })
  const proxied = (address: string) => `PROXY TCP4 ${address} 192.0.2.9 1000 80\r\n${REQUEST}`
  const all: RawConnection[] = []
  for (const address of ['198.51.100.1', '198.51.100.2', '198.51.100.3', '198.51.100.4']) {
    const list = await clients(gateway.web, 3, proxied(address))
    await gateway.until(() => answered(list).length === 3)
    all.push(...list)
  }
  await assertRefused(gateway, '127.0.0.1', proxied('198.51.100.2'))
  // The same client by the other version of the protocol.
  await assertRefused(gateway, '127.0.0.1', `PROXY TCP6 ::ffff:198.51.100.3 ::1 1000 80\r\n${REQUEST}`)
  await gateway.until(async () => (await refusals(gateway)) === 2)
  all.splice(0, 1)[0]!.socket.destroy()
  await gateway.until(async () => (await openAt(gateway)) === 11)
  all.push(...(await clients(gateway.web, 1, proxied('198.51.100.1'))))
  await gateway.until(() => answered(all).length === 12)
  destroyAll(all)
})

test('a trusted proxy has as many connections as it likes, and whom it names does not matter to the cap', async () => {
  await using server = await namedServer('ok')
  await using gateway = await start(server, {
    flags: ['--limits.maxConnectionsPerClient=3', '--entryPoints.web.forwardedHeaders.trustedIPs=127.0.0.1'],
  })
  const list = await clients(gateway.web, 10, REQUEST)
  await gateway.until(() => answered(list).length === 10)
  const strangers = await clients(gateway.web, 3, REQUEST, '127.0.0.2')
  await gateway.until(() => answered(strangers).length === 3)
  await assertRefused(gateway, '127.0.0.2')
  destroyAll([...list, ...strangers])
})

test('descriptors run short: accepting pauses with one warning, nobody is refused, and it goes on by itself', async (t) => {
  await using server = await RawServer.start()
  // Few enough that connections to servers use them up before the cap on clients is reached.
  await using gateway = await start(server, { under: ['prlimit', '--nofile=128'], workers: 1 })
  const all = await clients(gateway.web, 60, REQUEST)
  await gateway.logged(/WRN accepting pauses: the process is about to run out of descriptors .*limit=128/)
  const used = () => readdirSync(`/proc/${gateway.child.pid}/fd`).length
  t.diagnostic(`${used()} of 128 descriptors in use with ${server.connections.length} requests at the server`)
  for (let i = 0; i < 5; i++) assert.equal((await fetch(gateway.internalUrl('/ping'))).status, 200)
  assert.ok(used() < 128)
  assert.equal(reset(all).length, 0)
  // Answered ones go, and so in the end everybody has been served.
  const served = new Set<RawConnection>()
  await gateway.until(() => {
    for (const connection of server.connections) {
      if (served.has(connection) || !connection.received.endsWith('\r\n\r\n')) continue
      served.add(connection)
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
      connection.socket.end()
    }
    for (const client of answered(all)) client.socket.destroy()
    return answered(all).length === all.length
  })
  assert.equal(occurrences(gateway.log, /WRN/g), occurrences(gateway.log, /WRN accepting pauses/g))
  // One for each time that they run short, not for each connection.
  assert.ok(occurrences(gateway.log, /WRN/g) <= 4, gateway.log)
  await gateway.until(
    async () =>
      metric(await gateway.metrics(), 'sekisho_accept_pauses_total', { reason: 'descriptors' }) >= 1,
  )
  await gateway.until(async () => (await openAt(gateway)) === 0)
})

test('not one descriptor is left: nothing crashes, and with the first ones back requests are answered', async () => {
  await using server = await namedServer('ok')
  await using gateway = await start(server, { workers: 2 })
  const pid = String(gateway.child.pid)
  const kept = await clients(gateway.web, 4, REQUEST)
  await gateway.until(() => answered(kept).length === 4)
  const before = readdirSync(`/proc/${pid}/fd`).length
  // Taken away behind its back, so that no watch can have known.
  execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${before}:`])
  const late = await clients(gateway.web, 8, REQUEST)
  // What is open works on, with connections to servers that there are already.
  for (let i = 0; i < 3; i++) {
    for (const client of kept) client.send(REQUEST)
    for (const client of kept)
      await client.until((each) => occurrences(each.received, /HTTP\/1\.1 /g) === i + 2)
  }
  execFileSync('prlimit', [`--pid=${pid}`, '--nofile=1024:'])
  await gateway.until(async () => (await exchangeBytes(gateway.web, LAST_REQUEST)).startsWith('HTTP/1.1 200'))
  assert.equal(gateway.child.exitCode, null)
  assert.doesNotMatch(gateway.log, /a worker ended/)
  destroyAll([...kept, ...late])
  await gateway.until(async () => (await openAt(gateway)) === 0)
})

test('over the memory budget new requests get 503 until buffers are free again, and nothing stays charged', async (t) => {
  const length = 64 * 1024 * 1024
  const piece = Buffer.alloc(256 * 1024, 'x')
  await using server = await RawServer.start(0, ({ socket }) => {
    let left = length
    const fill = (): void => {
      while (left > 0) {
        left -= piece.length
        if (!socket.write(piece)) return
      }
    }
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`)
      socket.on('drain', fill)
      fill()
    })
    socket.on('error', () => {})
  })
  await using quick = await namedServer('ok')
  await using gateway = await start(server, {
    flags: ['--limits.memoryBudget=1MiB'],
    manifests: {
      'web.yaml': ingress({
        host: 'a.example',
        paths: [{ service: 'a' }, { path: '/big', service: 'big' }],
      }),
      'services.yaml': `${service('a', [quick.address])}\n---\n${service('big', [server.address])}`,
    },
  })
  const used = async (): Promise<number> =>
    metric(await gateway.metrics(), 'sekisho_memory_budget_used_bytes')
  assert.equal(metric(await gateway.metrics(), 'sekisho_memory_budget_limit_bytes') % 1048576, 0)
  const kept = (await clients(gateway.web, 1, REQUEST))[0]!
  await kept.until((each) => each.received.endsWith('ok'))
  // Clients that ask for much and read nothing.
  const slow: RawConnection[] = []
  for (let i = 0; i < 40; i++) {
    const client = await rawClient(gateway.web)
    client.socket.pause()
    client.send('GET /big HTTP/1.1\r\nHost: a.example\r\n\r\n')
    slow.push(client)
  }
  let refused = ''
  await gateway.until(async () => {
    refused = await exchangeBytes(gateway.web, LAST_REQUEST)
    return refused.startsWith('HTTP/1.1 503')
  })
  assert.match(refused, /out of buffer memory/)
  await gateway.until(async () => (await used()) > 1048576)
  t.diagnostic(
    `${((await used()) / 1048576).toFixed(1)} MiB charged of 1 MiB, by 40 clients that read nothing`,
  )
  assert.ok((await used()) < 8 * 1048576)
  // An open connection stays, only its requests are refused.
  kept.send(REQUEST)
  await kept.until((each) => each.received.includes('HTTP/1.1 503'))
  assert.equal(kept.isEnded, false)
  await gateway.until(async () => metric(await gateway.metrics(), 'sekisho_memory_budget_refused_total') >= 2)
  destroyAll(slow)
  await gateway.until(async () => (await exchangeBytes(gateway.web, LAST_REQUEST)).startsWith('HTTP/1.1 200'))
  kept.send(REQUEST)
  await kept.until((each) => occurrences(each.received, /HTTP\/1\.1 200/g) === 2)
  kept.socket.destroy()
  await gateway.until(async () => (await used()) === 0)
})
