/**
 * The backend that tests put behind Services: answers each request with what it saw and who it is, as JSON, and ends as it is
 * told. Settings by environment:
 *
 *   PORT         default 8080
 *   SHUTDOWN_MS  after SIGTERM it serves on for this long, then closes; default 0: it exits at once
 *   DELAY_MS     before each answer; default 0
 *
 * `POST /healthz/off` makes `/healthz` answer 503, `POST /healthz/on` 200 again. `/delay/MS` answers after that time.
 * `/status/CODE` answers with that status. Bodies of requests are counted, not kept.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'

const { env } = process
const port = Number(env['PORT'] ?? 8080)
const shutdownMs = Number(env['SHUTDOWN_MS'] ?? 0)
const delayMs = Number(env['DELAY_MS'] ?? 0)
const identity = {
  pod: env['POD_NAME'] ?? hostname(),
  ...(env['POD_NAMESPACE'] === undefined ? {} : { namespace: env['POD_NAMESPACE'] }),
}
let isHealthy = true
let isEnding = false

const server = createServer((request, response) => {
  answer(request, response).catch((error: Error) => {
    console.error(error.message)
    response.destroy()
  })
})

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url ?? '/'
  let bodyBytes = 0
  for await (const piece of request) bodyBytes += (piece as Buffer).length
  if (path.startsWith('/healthz')) {
    if (request.method === 'POST') isHealthy = path.endsWith('/on')
    send(response, isHealthy ? 200 : 503, { ...identity, isHealthy })
    return
  }
  const [, kind, value] = path.split(/[/?]/)
  await wait(kind === 'delay' ? Number(value) : delayMs)
  const { method, headers, socket } = request
  const seen = { method, path, headers, bodyBytes, from: socket.remoteAddress, to: socket.localAddress }
  send(response, kind === 'status' ? Number(value) : 200, { ...identity, ...seen, isEnding })
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = Buffer.from(`${JSON.stringify(body)}\n`)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': text.length }).end(text)
}

async function wait(ms: number): Promise<void> {
  if (ms > 0) await delay(ms)
}

process.on('SIGTERM', () => {
  isEnding = true
  console.log(`SIGTERM: ending in ${shutdownMs} ms`)
  if (shutdownMs === 0) process.exit(0)
  void wait(shutdownMs).then(() => {
    server.close(() => process.exit(0))
    server.closeIdleConnections()
  })
})

server.keepAliveTimeout = 75_000
server.listen(port, () => console.log(`${identity.pod} listens on ${port}`))
