/**
 * `sekisho quickstart` (npm start): the gateway on examples/quickstart, with small backends that it starts itself.
 * Prints commands to try as soon as they answer, and serves until it is told to end.
 */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { object } from '#lib/schema/composites.ts'
import { integer } from '#lib/schema/scalars.ts'
import { accessLogSchema, logSchema } from '#config/static/observability.ts'
import { decodeStatic } from '#config/static/static.ts'
import { EXIT_FAILED, UsageError } from '../command.ts'
import type { Command } from '../command.ts'
import { PACKAGE_ROOT } from '../package-info.ts'
import type { BackendPorts } from './backend-process.ts'
import { tourText } from './tour.ts'
import type { TourPorts } from './tour.ts'

const READY_TIMEOUT_MS = 15_000
const READY_POLL_MS = 20

const port = () => integer({ min: 1, max: 65_535 }).optional()

const schema = object({
  port: port().describe('Port for HTTP. Without it: 8080, or a free one.'),
  tlsPort: port().describe('Port for HTTPS. Without it: 8443, or a free one.'),
  internalPort: port().describe('Port for /ping, /ready and /metrics. Without it: 8081, or a free one.'),
  workers: integer({ min: 1, max: 48 })
    .optional()
    .describe('Threads that serve. Without it: as many as there are cores.'),
  log: logSchema.optional().describe('The log, as for sekisho up.'),
  accessLog: accessLogSchema.optional().describe('Write a line per request, as for sekisho up.'),
})

export const quickstartCommand: Command = {
  name: 'quickstart',
  summary: 'serve the example of examples/quickstart, backends included',
  description:
    'Starts a few small backends and serves the manifests of examples/quickstart in front of them: host names, path\n' +
    'rules, TLS, a WebSocket. Prints commands to try with the answers they give, and serves until Ctrl-C.',
  positionals: [],
  schema,
  run: async ({ flags }) => {
    const parsed = schema.parse(flags, { isText: true, ignoreCase: true })
    if (!parsed.ok) throw new UsageError(parsed.issues)
    const options = parsed.value
    const ports: TourPorts = {
      web: options.port ?? (await freePort(8080)),
      websecure: options.tlsPort ?? (await freePort(8443)),
      internal: options.internalPort ?? (await freePort(8081)),
    }
    const dir = fileURLToPath(new URL('examples/quickstart', PACKAGE_ROOT))
    const backends = fork(new URL('./backend-process.ts', import.meta.url))
    try {
      return await serve(dir, ports, await portsOf(backends), flags)
    } finally {
      if (backends.connected) backends.disconnect()
    }
  },
}

async function serve(dir: string, ports: TourPorts, backends: BackendPorts, flags: object): Promise<number> {
  const {
    port: _port,
    tlsPort: _tlsPort,
    internalPort: _internalPort,
    ...rest
  } = flags as Record<string, unknown>
  const result = decodeStatic({
    ...rest,
    entryPoints: {
      web: { address: `127.0.0.1:${ports.web}` },
      websecure: { address: `127.0.0.1:${ports.websecure}`, http: { tls: 'true' } },
      traefik: { address: `127.0.0.1:${ports.internal}` },
    },
    ping: 'true',
    metrics: { prometheus: 'true' },
    backend: Object.entries(backends).map(
      ([name, numbers]) => `quickstart/${name}=${numbers.map((number) => `127.0.0.1:${number}`).join(',')}`,
    ),
  })
  if (!result.ok) throw new UsageError(result.issues)
  const { manifestProvider } = await import('../manifest-provider.ts')
  const { runGateway } = await import('../gateway/gateway.ts')
  const ended = runGateway({ static: result.config, provider: manifestProvider(dir, result.config, true) })
  let isReady: boolean
  try {
    isReady = await Promise.race([answers(ports.web), ended.then(() => false)])
  } catch (error) {
    // Still running, without an answer: end it as Ctrl-C would.
    process.kill(process.pid, 'SIGTERM')
    await ended.catch(() => undefined)
    throw error
  }
  if (isReady) {
    const shown = relative(process.cwd(), dir)
    process.stdout.write(tourText(ports, shown.startsWith('..') ? dir : shown))
  }
  const code = await ended
  return isReady || code !== 0 ? code : EXIT_FAILED
}

/** Waits for the message with the ports; a child that ends before is an error. */
async function portsOf(child: ChildProcess): Promise<BackendPorts> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as BackendPorts))
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the example backends ended with code ${code ?? 'none'}`)))
  })
}

/** The preferred port when nothing listens there, otherwise any free one. */
async function freePort(preferred: number): Promise<number> {
  for (const candidate of [preferred, 0]) {
    const server = createServer()
    server.listen(candidate, '127.0.0.1')
    try {
      await once(server, 'listening')
      const { port: found } = server.address() as AddressInfo
      server.close()
      await once(server, 'close')
      return found
    } catch {
      // Taken: the next candidate.
    }
  }
  throw new Error('there is no free port on 127.0.0.1')
}

/** Resolves true once the example's first host answers 200; an error after READY_TIMEOUT_MS. */
async function answers(web: number): Promise<boolean> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (performance.now() < deadline) {
    if ((await statusOf(web)) === 200) return true
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS))
  }
  throw new Error(
    `http://127.0.0.1:${web}/ did not answer within ${READY_TIMEOUT_MS / 1000} s; see the log above`,
  )
}

async function statusOf(web: number): Promise<number> {
  return new Promise((resolve) => {
    const options = {
      host: '127.0.0.1',
      port: web,
      path: '/',
      headers: { host: 'shop.localhost' },
      agent: false,
    }
    const asked = request(options, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    asked.on('error', () => resolve(0))
    asked.end()
  })
}
