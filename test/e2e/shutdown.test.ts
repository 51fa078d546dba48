/** How a gateway ends: told by a signal, in order, within its deadlines. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayProcess, type GatewayOptions } from './bed/gateway-process.ts'
import { ingress, service } from './bed/manifests.ts'
import { exchangeBytes, rawClient, RawServer, type RawConnection } from './bed/raw-peer.ts'

const REQUEST = 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

function start(server: RawServer, options: Partial<GatewayOptions> = {}): Promise<GatewayProcess> {
  return GatewayProcess.start({
    workers: 2,
    manifests: {
      'web.yaml': ingress({ host: 'a.example', paths: [{ service: 'a' }] }),
      'services.yaml': service('a', [server.address]),
    },
    ...options,
  })
}

function lifeCycle(acceptMs: number, graceMs: number): string[] {
  const flag = '--entryPoints.web.transport.lifeCycle'
  return [`${flag}.requestAcceptGraceTimeout=${acceptMs}ms`, `${flag}.graceTimeOut=${graceMs}ms`]
}

async function status(gateway: GatewayProcess, path: string): Promise<number> {
  return (await fetch(gateway.internalUrl(path))).status
}

async function isRefused(port: number): Promise<boolean> {
  try {
    const client = await rawClient(port)
    client.socket.destroy()
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
  }
}

async function closed(client: RawConnection, timeoutMs?: number): Promise<void> {
  await client.until((each) => each.isEnded || each.isClosed, timeoutMs)
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal}: not ready at once, accepting goes on, then requests in flight end and the exit code is 0`, async () => {
    await using server = await RawServer.start()
    await using gateway = await start(server, {
      flags: [...lifeCycle(1500, 20_000), '--ping.terminatingStatusCode=218'],
    })
    assert.deepEqual([await status(gateway, '/ready'), await status(gateway, '/ping')], [200, 200])
    // One that has served, one that never said anything, one whose request is in flight.
    const served = await rawClient(gateway.web)
    served.send(REQUEST)
    const first = await server.connection(0)
    await first.head()
    first.send(OK)
    await served.until((each) => each.received.endsWith('ok'))
    const silent = await rawClient(gateway.web)
    const waiting = await rawClient(gateway.web)
    waiting.send(REQUEST)
    await gateway.until(() => requests(server) === 2)
    const startedAt = performance.now()
    gateway.signal(signal)
    await gateway.until(async () => (await status(gateway, '/ready')) === 503)
    assert.equal(await status(gateway, '/ping'), 218)
    // Still accepting, and keeping alive: the balancer in front has not noticed yet.
    const late = await rawClient(gateway.web)
    late.send(REQUEST)
    await gateway.until(() => requests(server) === 3)
    const asked = server.connections.filter((each) => requestsOn(each) > (each === first ? 1 : 0))
    for (const each of asked) each.send('HTTP/1.1 103 Early Hints\r\n\r\n')
    await late.until((each) => each.received.includes(' 103 '))
    assert.ok(performance.now() - startedAt < 1500, 'too slow for this test to say anything')
    assert.equal(served.isEnded, false)
    await gateway.until(() => isRefused(gateway.web))
    assert.ok(performance.now() - startedAt >= 1400)
    await closed(served)
    await closed(silent)
    assert.equal(served.errorCode + silent.errorCode, '')
    assert.equal(await status(gateway, '/ready'), 503)
    assert.equal(gateway.child.exitCode, null)
    for (const each of asked) each.send(OK)
    for (const client of [waiting, late]) {
      await closed(client)
      assert.match(client.received, /HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*ok$/)
    }
    assert.equal(await gateway.exited, 0)
    assert.match(gateway.log, new RegExp(`ending signal=${signal}[^]* INF ended`))
  })
}

function requests(server: RawServer): number {
  return server.connections.reduce((sum, each) => sum + requestsOn(each), 0)
}

function requestsOn({ received }: RawConnection): number {
  return received.split('\r\n\r\n').length - 1
}

test('a kept connection is told by its next answer to go, one made since the signal only in the second half', async () => {
  const acceptMs = 3000
  await using server = await RawServer.answering(OK)
  await using gateway = await start(server, { flags: lifeCycle(acceptMs, 20_000) })
  const ask = async (client: RawConnection): Promise<string> => {
    const before = client.received.length
    client.send(REQUEST)
    await client.until((each) => each.received.length > before && each.received.endsWith('ok'))
    return client.received.slice(before)
  }
  const old = await rawClient(gateway.web)
  assert.doesNotMatch(await ask(old), /Connection: close/)
  const startedAt = performance.now()
  gateway.signal('SIGTERM')
  await gateway.until(async () => (await status(gateway, '/ready')) === 503)
  const young = await rawClient(gateway.web)
  assert.doesNotMatch(await ask(young), /Connection: close/)
  assert.ok(performance.now() - startedAt < acceptMs / 2, 'too slow for this test to say anything')
  assert.match(await ask(old), /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*ok$/)
  await closed(old)
  let answer = ''
  while (!answer.includes('Connection: close')) answer = await ask(young)
  await closed(young)
  assert.ok(performance.now() - startedAt >= acceptMs / 2 - 50)
  const late = await rawClient(gateway.web)
  assert.match(await ask(late), /Connection: close/)
  await closed(late)
  assert.equal(old.errorCode + young.errorCode + late.errorCode, '')
  assert.ok(performance.now() - startedAt < acceptMs, 'too slow for this test to say anything')
  assert.equal(await gateway.exited, 0)
})

test('what is not done at the deadline gets 503 or is cut, and is in the access log', async () => {
  await using server = await RawServer.start()
  await using gateway = await start(server, { flags: [...lifeCycle(0, 300), '--accessLog'] })
  const unanswered = await rawClient(gateway.web)
  unanswered.send(REQUEST)
  await (await server.connection(0)).head()
  const halfDone = await rawClient(gateway.web)
  halfDone.send(REQUEST.replace('/', '/half'))
  const backend = await server.connection(1)
  await backend.head()
  backend.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun')
  await halfDone.until((each) => each.received.endsWith('begun'))
  const startedAt = performance.now()
  gateway.signal('SIGTERM')
  await closed(unanswered)
  await closed(halfDone)
  const tookMs = performance.now() - startedAt
  assert.ok(tookMs >= 290, `cut after ${tookMs} ms`)
  assert.match(unanswered.received, /^HTTP\/1\.1 503 [^]*Connection: close\r\n/)
  assert.match(halfDone.received, /begun$/)
  assert.equal(await gateway.exited, 0)
  assert.match(gateway.output, /"GET \/ HTTP\/1\.1" 503 /)
  assert.match(gateway.output, /"GET \/half HTTP\/1\.1" 200 5 /)
})

test('a connection kept alive on the internal entrypoint does not hold up the end', async () => {
  await using server = await RawServer.start()
  await using gateway = await start(server, { flags: lifeCycle(0, 20_000) })
  const probe = await rawClient(gateway.ports['traefik']!)
  probe.send('GET /ready HTTP/1.1\r\nHost: x\r\n\r\n')
  await probe.until((each) => each.received.endsWith('{"ready":true}\n'))
  const startedAt = performance.now()
  gateway.signal('SIGTERM')
  assert.equal(await gateway.exited, 0)
  const tookMs = performance.now() - startedAt
  assert.ok(tookMs < 10_000, `${tookMs} ms`)
})

test('the second signal ends at once', async () => {
  await using server = await RawServer.start()
  await using gateway = await start(server, { flags: lifeCycle(60_000, 60_000) })
  gateway.signal('SIGTERM')
  await gateway.logged(/ending signal=SIGTERM/)
  gateway.signal('SIGINT')
  assert.equal(await gateway.exited, 1)
  assert.match(gateway.log, /ending at once signal=SIGINT/)
})

test('a signal while requests run on: every one sent before the listeners close is answered', async () => {
  await using server = await RawServer.answering(OK)
  await using gateway = await start(server, { flags: lifeCycle(300, 20_000) })
  const wrong: string[] = []
  let isOver = false
  let answered = 0
  const run = async (): Promise<void> => {
    while (!isOver) {
      try {
        const answer = await exchangeBytes(
          gateway.web,
          REQUEST.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'),
        )
        if (answer.startsWith('HTTP/1.1 200 ')) answered++
        else wrong.push(answer)
      } catch (error) {
        // Listeners are closed.
        isOver = true
        if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') wrong.push((error as Error).message)
      }
    }
  }
  const runs = Array.from({ length: 4 }, run)
  await gateway.until(() => answered > 20)
  gateway.signal('SIGTERM')
  await Promise.all(runs)
  assert.equal(await gateway.exited, 0)
  // A connection in the kernel's queue when the listener closes is nobody's; none of the others may fail.
  assert.deepEqual(
    wrong.filter((each) => each !== '' && !each.includes('ECONNRESET')),
    [],
  )
  assert.ok(wrong.length <= runs.length, wrong.join('\n'))
})
