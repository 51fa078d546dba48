/**
 * Other servers in front of a recording backend, for comparison: nginx, HAProxy, and Node's own parser. Each has several slots (a port, with a
 * backend of its own), so that cases run side by side and it is known which request came from which. Their timeouts are
 * short: a case is over when the peer closes the connection.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SeenRequest {
  readonly host: string
  readonly body: string
}

export interface Slot {
  readonly port: number
  /** Complete requests that reached the backend since the last call. */
  take(): readonly SeenRequest[]
}

export interface Peer {
  readonly name: PeerName
  readonly version: string
  readonly slots: readonly Slot[]
  stop(): Promise<void>
}

export type PeerName = 'nginx' | 'haproxy' | 'node'

const TIMEOUT_MS = 600

/** Takes one request from each connection, answers it and closes. Reads only what well-behaved proxies send. */
class RecordingBackend {
  readonly server: Server
  seen: SeenRequest[] = []

  constructor() {
    this.server = createServer((socket) => this.#serve(socket))
  }

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    return (this.server.address() as AddressInfo).port
  }

  #serve(socket: Socket): void {
    let text = ''
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      const request = completeRequest(text)
      if (request === null) return
      this.seen.push(request)
      socket.removeAllListeners('data')
      socket.resume()
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
    })
  }
}

function completeRequest(text: string): SeenRequest | null {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd === -1) return null
  const head = text.slice(0, headEnd)
  const rest = text.slice(headEnd + 4)
  const host = /\r\nHost:[ \t]*(.*)/i.exec(head)?.[1] ?? ''
  if (/\r\nTransfer-Encoding:/i.test(head)) {
    let body = ''
    let at = 0
    for (;;) {
      const line = /^([0-9a-f]+).*?\r\n/i.exec(rest.slice(at))
      if (line === null) return null
      const size = Number.parseInt(line[1]!, 16)
      at += line[0].length
      if (size === 0) return rest.includes('\r\n', at) ? { host, body } : null
      if (rest.length < at + size + 2) return null
      body += rest.slice(at, at + size)
      at += size + 2
    }
  }
  const length = Number(/\r\nContent-Length:[ \t]*([0-9]+)/i.exec(head)?.[1] ?? 0)
  return rest.length < length ? null : { host, body: rest.slice(0, length) }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

/** Resolves when something accepts connections on the port. */
async function accepts(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}`)
    const socket = connect(port, '127.0.0.1')
    const isUp = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.destroy()
    if (isUp) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function nginxConfig(dir: string, ports: readonly number[], backends: readonly number[]): string {
  const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${dir}/${name};`,
  )
  const servers = ports.map(
    (port, i) =>
      `server { listen 127.0.0.1:${port}; server_name _; location / { proxy_pass http://127.0.0.1:${backends[i]}; } }`,
  )
  return `daemon off; master_process off; pid ${dir}/nginx.pid; error_log ${dir}/error.log crit;
events { worker_connections 1024; }
http {
  access_log off; merge_slashes off; ${temps.join(' ')}
  client_header_buffer_size 64k; large_client_header_buffers 8 64k; client_max_body_size 0;
  client_header_timeout ${TIMEOUT_MS}ms; client_body_timeout ${TIMEOUT_MS}ms; keepalive_timeout ${TIMEOUT_MS}ms;
  lingering_close off; proxy_ignore_client_abort on; proxy_set_header Host $host;
  ${servers.join('\n  ')}
}
`
}

function haproxyConfig(ports: readonly number[], backends: readonly number[]): string {
  const slots = ports.map(
    (port, i) => `listen slot${i}\n  bind 127.0.0.1:${port}\n  server backend 127.0.0.1:${backends[i]}\n`,
  )
  return `global
  nbthread 1
  maxconn 500
  tune.bufsize 131072
defaults
  mode http
  option http-server-close
  http-reuse never
  timeout client ${TIMEOUT_MS}ms
  timeout http-request ${TIMEOUT_MS}ms
  timeout http-keep-alive ${TIMEOUT_MS}ms
  timeout connect 5s
  timeout server 5s
${slots.join('')}`
}

async function startProgram(name: 'nginx' | 'haproxy', slotCount: number): Promise<Peer> {
  const backends = Array.from({ length: slotCount }, () => new RecordingBackend())
  const backendPorts = await Promise.all(backends.map((backend) => backend.listen()))
  const dir = mkdtempSync(join(tmpdir(), `sekisho-${name}-`))
  const ports = await freePorts(slotCount)
  const file = join(dir, `${name}.conf`)
  writeFileSync(
    file,
    name === 'nginx' ? nginxConfig(dir, ports, backendPorts) : haproxyConfig(ports, backendPorts),
  )
  const args =
    name === 'nginx' ? ['-p', dir, '-e', join(dir, 'error.log'), '-c', file] : ['-db', '-q', '-f', file]
  const child = spawn(name, args, { stdio: 'ignore' })
  await accepts(ports[0]!, child)
  const versionText = spawnSync(name, ['-v'], { encoding: 'utf8' })
  return {
    name,
    version: /[0-9]+\.[0-9]+\.[0-9]+/.exec(versionText.stdout + versionText.stderr)?.[0] ?? '',
    slots: ports.map((port, i) => ({ port, take: () => backends[i]!.seen.splice(0) })),
    async stop() {
      if (child.exitCode === null) {
        const ended = once(child, 'exit')
        child.kill('SIGKILL')
        await ended
      }
      for (const backend of backends) backend.server.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** Node's parser as users meet it: `node:http` with its defaults, heads as long as ours. */
async function startNode(slotCount: number): Promise<Peer> {
  const seen: SeenRequest[][] = Array.from({ length: slotCount }, () => [])
  const servers: HttpServer[] = seen.map((list) => {
    const server = createHttpServer(
      {
        maxHeaderSize: 65536,
        headersTimeout: TIMEOUT_MS,
        requestTimeout: TIMEOUT_MS,
        connectionsCheckingInterval: 100,
      },
      (request, response) => {
        let body = ''
        request.setEncoding('latin1')
        request.on('data', (text: string) => (body += text))
        request.on('error', () => {})
        request.on('end', () => {
          list.push({ host: request.headers.host ?? '', body })
          response.end('ok')
        })
      },
    )
    server.keepAliveTimeout = TIMEOUT_MS
    return server.listen(0, '127.0.0.1')
  })
  await Promise.all(servers.map((server) => once(server, 'listening')))
  return {
    name: 'node',
    version: process.versions.node,
    slots: servers.map((server, i) => ({
      port: (server.address() as AddressInfo).port,
      take: () => seen[i]!.splice(0),
    })),
    async stop() {
      for (const server of servers) server.closeAllConnections()
      await Promise.all(servers.map((server) => once(server.close(), 'close')))
    },
  }
}

/** Null when the program is not there and cannot be installed. */
export async function startPeer(name: PeerName, slotCount: number): Promise<Peer | null> {
  if (name === 'node') return startNode(slotCount)
  if (!isInstalled(name) && process.getuid?.() === 0) {
    spawnSync(
      'apt-get',
      ['install', '-y', '--no-install-recommends', name === 'nginx' ? 'nginx-light' : name],
      {
        stdio: 'ignore',
        timeout: 120_000,
      },
    )
  }
  return isInstalled(name) ? startProgram(name, slotCount) : null
}

function isInstalled(name: string): boolean {
  return spawnSync(name, ['-v'], { stdio: 'ignore' }).error === undefined
}

/** Sends the bytes and resolves with what came back once the peer has closed the connection. */
export async function exchangeBytes(port: number, bytes: Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')))
  socket.on('error', () => {})
  socket.write(bytes)
  // `once` would reject on a reset, which is an answer here.
  await new Promise((resolve) => socket.once('close', resolve))
  return answer
}
