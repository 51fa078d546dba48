/**
 * What probes and hooks do: ask by HTTP or gRPC, connect, run a command, wait. Asked from the node's network, as a
 * kubelet does. Each ends by itself when its time is over.
 */
import { connect as connectHttp2 } from 'node:http2'
import { request as httpRequest, type OutgoingHttpHeaders } from 'node:http'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { endGroup, type ContainerProcess } from './container-process.ts'
import type { NodeNetwork } from './node-network.ts'
import type { ContainerSpec, Handler, HttpGet } from './pod.ts'

export interface HandlerTarget {
  readonly container: ContainerSpec
  /** Of the pod. */
  readonly address: string
  readonly network: NodeNetwork
  readonly process: ContainerProcess
  /** What comes before a program that runs in the container: identity, directory, environment. */
  readonly prefix: readonly string[]
}

/** Undefined: it went well; otherwise what went wrong, for people. */
export type Outcome = string | undefined

const MAX_TEXT = 1024
const USER_AGENT = 'kube-probe/1.37'

/** Never rejects. */
export async function runHandler(
  handler: Handler,
  target: HandlerTarget,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Outcome> {
  const timeout = AbortSignal.timeout(timeoutMs)
  const either = signal === undefined ? timeout : AbortSignal.any([timeout, signal])
  try {
    return await act(handler, target, either)
  } catch (error) {
    if (timeout.aborted) return `timed out after ${timeoutMs} ms`
    return error instanceof Error ? error.message : String(error)
  }
}

async function act(handler: Handler, target: HandlerTarget, signal: AbortSignal): Promise<Outcome> {
  const { httpGet, tcpSocket, exec, grpc, sleep } = handler
  if (httpGet !== undefined) return askHttp(httpGet, target, signal)
  if (exec !== undefined) return runCommand(exec.command ?? [], target, signal)
  if (grpc !== undefined) return askHealth(grpc.port, grpc.service ?? '', target, signal)
  if (sleep !== undefined) return waitFor(sleep.seconds, signal)
  if (tcpSocket === undefined) return 'it says nothing to do'
  const host = tcpSocket.host || target.address
  const socket = await connected(target, host, portNumber(tcpSocket.port, target.container), signal)
  socket.destroy()
  return undefined
}

async function connected(
  target: HandlerTarget,
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted()
  const socket = target.network.connect(host, port)
  socket.on('error', () => {})
  signal.addEventListener('abort', () => socket.destroy(), { once: true })
  await once(socket, 'connect', { signal })
  return socket
}

async function askHttp(get: HttpGet, target: HandlerTarget, signal: AbortSignal): Promise<Outcome> {
  const host = get.host || target.address
  const port = portNumber(get.port, target.container)
  const tcp = await connected(target, host, port, signal)
  let socket = tcp
  if (get.scheme === 'HTTPS') {
    // Kubelets do not verify: the certificate is for the service's name, not for the pod's address.
    const secure = connectTls({ socket: tcp, rejectUnauthorized: false })
    secure.on('error', () => {})
    await once(secure, 'secureConnect', { signal })
    socket = secure
  }
  const headers: OutgoingHttpHeaders = { 'user-agent': USER_AGENT, accept: '*/*', connection: 'close' }
  headers['host'] = `${host.includes(':') ? `[${host}]` : host}:${port}`
  for (const { name, value } of get.httpHeaders ?? []) headers[name.toLowerCase()] = value
  const path = get.path || '/'
  const request = httpRequest({
    path: path.startsWith('/') ? path : `/${path}`,
    headers,
    signal,
    createConnection: () => socket,
  })
  request.on('error', () => {})
  request.end()
  const [response] = (await once(request, 'response', { signal })) as [import('node:http').IncomingMessage]
  const status = response.statusCode ?? 0
  response.destroy()
  return status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`
}

async function runCommand(
  command: readonly string[],
  target: HandlerTarget,
  signal: AbortSignal,
): Promise<Outcome> {
  const child = target.process.exec([...target.prefix, ...command])
  child.stdin.on('error', () => {}).end()
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (piece: Buffer) => {
      if (text.length < MAX_TEXT) text += piece.toString('utf8')
    })
  const kill = (): void => endGroup(child)
  if (signal.aborted) kill()
  else signal.addEventListener('abort', kill, { once: true })
  const [code] = (await once(child, 'close')) as [number | null]
  signal.removeEventListener('abort', kill)
  signal.throwIfAborted()
  if (code === 0) return undefined
  return `command exited with ${code ?? 'a signal'}: ${text.slice(0, MAX_TEXT).trim()}`
}

/** grpc.health.v1.Health/Check: one field in, one field out. */
async function askHealth(
  port: number,
  service: string,
  target: HandlerTarget,
  signal: AbortSignal,
): Promise<Outcome> {
  const socket = await connected(target, target.address, port, signal)
  const session = connectHttp2(`http://${target.address}`, { createConnection: () => socket })
  session.on('error', () => {})
  try {
    const stream = session.request(
      {
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        ':authority': `${target.address}:${port}`,
        'content-type': 'application/grpc',
        'user-agent': USER_AGENT,
        te: 'trailers',
      },
      { signal },
    )
    const name = Buffer.from(service)
    const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name])
    const frame = Buffer.alloc(5)
    frame.writeUInt32BE(message.length, 1)
    stream.end(Buffer.concat([frame, message]))
    const pieces: Buffer[] = []
    stream.on('data', (piece: Buffer) => pieces.push(piece))
    let code = ''
    for (const event of ['response', 'trailers'])
      stream.on(event, (headers: Record<string, unknown>) => {
        code = typeof headers['grpc-status'] === 'string' ? headers['grpc-status'] : code
      })
    await once(stream, 'close', { signal })
    // Field 1 of the answer: 1 is SERVING.
    const answer = Buffer.concat(pieces).subarray(5)
    if (code === '0' && answer[0] === 0x08 && answer[1] === 1) return undefined
    return code === '0'
      ? `service unhealthy (responded with ${answer[1] ?? 0})`
      : `gRPC status ${code || 'missing'}`
  } finally {
    session.destroy()
  }
}

async function waitFor(seconds: number, signal: AbortSignal): Promise<Outcome> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
  return undefined
}

/** A number, or the name of one of the container's ports. Throws an Error for a name that is none. */
export function portNumber(port: number | string, container: ContainerSpec): number {
  if (typeof port === 'number') return port
  const named = container.ports?.find(({ name }) => name === port)
  if (named !== undefined) return named.containerPort
  if (/^[0-9]+$/.test(port)) return Number(port)
  throw new Error(`container ${container.name} has no port named ${port}`)
}
