/**
 * `npm run soak`: everything at once for minutes. Steady load on kept and fresh connections, slow clients, WebSockets,
 * configuration changes, and a worker that crashes every so often. Prints what the gateway uses over time; fails when
 * anything was lost that no crash explains, when something has grown, or when something stays behind at the end.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { WebSocketServer } from 'ws'
import { endAll, namedServers } from '../e2e/bed/backends.ts'
import { GatewayProcess } from '../e2e/bed/gateway-process.ts'
import { Inspector, INSPECTED } from '../e2e/bed/inspector.ts'
import { Load } from '../e2e/bed/load.ts'
import { ingress, service } from '../e2e/bed/manifests.ts'
import { metric } from '../e2e/bed/metrics-text.ts'
import { RawServer } from '../e2e/bed/raw-peer.ts'
import { Changes, moving } from './changes.ts'
import { CrashWindows } from './crash-windows.ts'
import { growth, sampleText, takeSample, type Sample } from './samples.ts'
import { SlowClients } from './slow-clients.ts'
import { WebSockets } from './web-sockets.ts'

const HELP = `usage: npm run soak -- [--minutes N]

Load, changes, crashes, slow clients and WebSockets for N minutes (default 5). Exit code 1 when something was lost
that no crash explains, when memory, descriptors or metrics have grown, or when something stays behind.
`

const WORKERS = 2
const BODY_BYTES = 512 * 1024
const SAMPLE_MS = 5000
const CRASH_MS = 15_000
const WARM_UP_MS = 10_000

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const minutes = Number(values.minutes)
if (values.help) process.stdout.write(HELP)
else if (!(minutes > 0)) {
  process.stderr.write(`soak: --minutes needs a number above 0\n${HELP}`)
  process.exitCode = 2
} else process.exitCode = (await soak(minutes * 60_000)) ? 0 : 1

async function soak(durationMs: number): Promise<boolean> {
  const servers = await namedServers(['a', 'b'])
  const [a, b] = servers.map((server) => server.address) as [string, string]
  const large = await RawServer.answering(
    `HTTP/1.1 200 OK\r\nContent-Length: ${BODY_BYTES}\r\n\r\n${'x'.repeat(BODY_BYTES)}`,
  )
  const echo = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  echo.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }))
    // A worker's crash resets them.
    socket.on('error', () => undefined)
  })
  await once(echo, 'listening')
  try {
    return await run(durationMs, [a, b], large.address, `127.0.0.1:${(echo.address() as AddressInfo).port}`)
  } finally {
    for (const socket of echo.clients) socket.terminate()
    echo.close()
    await endAll([...servers, large])
  }
}

async function run(
  durationMs: number,
  pair: readonly [string, string],
  large: string,
  echo: string,
): Promise<boolean> {
  const route = (name: string, endpoints: readonly string[]): string =>
    [ingress({ name, host: `${name}.example`, paths: [{ service: name }] }), service(name, endpoints)].join(
      '\n---\n',
    )
  await using gateway = await GatewayProcess.start({
    workers: WORKERS,
    env: INSPECTED,
    manifests: {
      'steady.yaml': route('steady', pair),
      'slow.yaml': route('slow', [large]),
      'echo.yaml': route('echo', [echo]),
      'moving.yaml': moving(pair[0], 30),
    },
  })
  using inspector = await Inspector.attach(gateway, WORKERS)
  const atRest = await takeSample(gateway, inspector, 0)
  process.stdout.write(`${sampleText(atRest)}  (nothing has come yet)\n`)
  const windows = new CrashWindows()
  const port = gateway.web
  const host = (index: number): string => (index % 2 === 0 ? 'steady.example' : 'moving.example')
  const loads = [
    new Load({ port, connections: 16, perSecond: 400, host }),
    new Load({ port, connections: 8, perSecond: 80, host, lines: 'Connection: close\r\n' }),
  ]
  const slow = new SlowClients({ port, count: 20, host: 'slow.example', bodyBytes: BODY_BYTES }, windows)
  const sockets = new WebSockets({ port, count: 30, host: 'echo.example' }, windows)
  const changes = new Changes(gateway, pair, windows)
  const noteFailures = (): void => {
    for (const load of loads) for (const failure of load.failures.splice(0)) windows.lost(failure)
  }

  const startedAt = performance.now()
  const elapsed = (): number => performance.now() - startedAt
  const samples: Sample[] = []
  let crashes = 0
  let nextSample = WARM_UP_MS
  let nextCrash = CRASH_MS
  while (elapsed() < durationMs) {
    const next = Math.min(nextSample, nextCrash, durationMs)
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - elapsed())))
    noteFailures()
    if (elapsed() >= nextCrash) {
      nextCrash = elapsed() + CRASH_MS
      windows.isOpen = true
      const name = `worker-${crashes++ % WORKERS}`
      await inspector.crash(name)
      await gateway.until(() => gateway.log.split('a worker ended').length - 1 === crashes)
      await gateway.until(() => inspector.workers.size === WORKERS && sockets.isComplete)
      // Whatever was broken has been noticed when every connection has had further answers.
      await Promise.all(loads.map((load) => load.more(4 * load.options.connections)))
      noteFailures()
      windows.isOpen = false
      process.stdout.write(
        `${(elapsed() / 1000).toFixed(0).padStart(5)} s  ${name} crashed, ${windows.explained} lost to crashes so far\n`,
      )
    } else if (elapsed() >= nextSample) {
      nextSample = elapsed() + SAMPLE_MS
      const sample = await takeSample(gateway, inspector, elapsed() / 1000)
      samples.push(sample)
      process.stdout.write(`${sampleText(sample)}\n`)
    }
  }

  await changes.stop()
  for (const load of loads) await load.stop()
  noteFailures()
  changes[Symbol.dispose]()
  slow[Symbol.dispose]()
  sockets[Symbol.dispose]()
  const problems = [...(await leftBehind(gateway)), ...growth(samples)]
  const rest = await takeSample(gateway, inspector, elapsed() / 1000)
  process.stdout.write(`${sampleText(rest)}  (all have gone)\n`)
  process.stdout.write(
    `${loads[0]!.ok} answers on kept connections, ${loads[1]!.ok} on fresh ones, ${slow.ok} to slow clients, ` +
      `${sockets.echoes} echoes, ${changes.count} changes (slowest ${changes.slowestMs.toFixed(0)} ms), ${crashes} crashes\n` +
      `lost to crashes: ${windows.explained}; lost otherwise: ${windows.unexplained}\n`,
  )
  if (windows.unexplained > 0) problems.push(`lost without a crash: ${windows.reasons.join('\n  ')}`)
  for (const problem of problems) process.stdout.write(`FAIL ${problem}\n`)
  return problems.length === 0
}

/** What does not come back to nothing when all clients have gone. */
async function leftBehind(gateway: GatewayProcess): Promise<string[]> {
  const gauges = [
    ['traefik_open_connections', { entrypoint: 'web' }],
    ['sekisho_memory_budget_used_bytes', {}],
  ] as const
  const left = async (): Promise<string[]> => {
    const text = await gateway.metrics()
    return gauges.flatMap(([name, labels]) => {
      const value = metric(text, name, labels)
      return value === 0 ? [] : [`${name} is ${value} after the end`]
    })
  }
  await gateway.until(async () => (await left()).length === 0, 20_000).catch(() => undefined)
  return left()
}
