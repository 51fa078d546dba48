/**
 * The HTTPS endpoint of a node, which the API server asks for logs and commands on behalf of kubectl: /containerLogs,
 * /exec (WebSocket only), /pods, /healthz. It listens in the node's network; who has no certificate of the
 * authority that the API server's is from gets nothing but 401.
 */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { WebSocketServer } from 'ws'
import type { Container } from './container.ts'
import { EXEC_PROTOCOL, runExec } from './exec-session.ts'
import { parseLogQuery } from './log-query.ts'
import { sendLog } from './log-stream.ts'
import type { NodeNetwork } from './node-network.ts'
import type { Pod } from './pod.ts'

export interface ServedPods {
  /** With their present status. */
  pods(): readonly Pod[]
  container(namespace: string, pod: string, name: string): Container | undefined
}

/** PEM. */
export interface KubeletTls {
  /** Shown to the API server; for the addresses of the node. */
  readonly certificate: string
  readonly key: string
  /** Of the certificate that the API server shows (`--kubelet-client-certificate`). */
  readonly clientAuthority: string
}

/** What a request is answered with instead of what it wants. */
class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export class KubeletServer {
  readonly #served: ServedPods
  readonly #server: Server
  readonly #sockets: WebSocketServer

  constructor(served: ServedPods, { certificate, key, clientAuthority }: KubeletTls) {
    this.#served = served
    const tls = { cert: certificate, key, ca: clientAuthority, requestCert: true, rejectUnauthorized: false }
    this.#server = createServer(tls, (request, response) => this.#answer(request, response))
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
    this.#sockets = new WebSocketServer({
      noServer: true,
      handleProtocols: (offered) => (offered.has(EXEC_PROTOCOL) ? EXEC_PROTOCOL : false),
    })
  }

  async start(network: NodeNetwork, port: number): Promise<void> {
    network.listen(this.#server, port)
    if (!this.#server.listening) await once(this.#server, 'listening')
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    try {
      checkClient(request)
      const { pathname, searchParams } = urlOf(request)
      const [kind, ...rest] = partsOf(pathname)
      if (kind === 'healthz') response.end('ok')
      else if (kind === 'pods') {
        response.setHeader('content-type', 'application/json')
        response.end(
          JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: this.#served.pods() }),
        )
      } else if (kind === 'containerLogs') {
        const query = parseLogQuery(searchParams, Date.now())
        if (typeof query === 'string') throw new Refusal(400, query)
        const container = this.#container(rest)
        const log = query.previous ? container.previousLog : container.log
        if (log === undefined) throw new Refusal(400, `container ${container.spec.name} has not run before`)
        sendLog(log, query, response)
      } else if (kind === 'exec')
        throw new Refusal(400, 'this node takes commands by WebSocket only (kubectl 1.31 or newer)')
      else throw new Refusal(404, `this node has no ${pathname}`)
    } catch (error) {
      const status = error instanceof Refusal ? error.status : 500
      response.writeHead(status, { 'content-type': 'text/plain' }).end((error as Error).message)
    }
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // The asker may be gone before the answer.
    socket.on('error', () => {})
    try {
      checkClient(request)
      const { pathname, searchParams } = urlOf(request)
      const [kind, ...rest] = partsOf(pathname)
      if (kind !== 'exec') throw new Refusal(404, `this node has no ${pathname} by WebSocket`)
      if (searchParams.get('tty') === 'true' || searchParams.get('tty') === '1')
        throw new Refusal(400, 'this node has no terminals: leave out --tty')
      const container = this.#container(rest)
      const { run } = container
      if (run === undefined) throw new Refusal(400, `container ${container.spec.name} does not run`)
      const command = searchParams.getAll('command')
      this.#sockets.handleUpgrade(request, socket, head, (client) => runExec(client, run, command))
    } catch (error) {
      const status = error instanceof Refusal ? error.status : 500
      const { message } = error as Error
      const length = Buffer.byteLength(message)
      socket.end(
        `HTTP/1.1 ${status} Refused\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${message}`,
      )
    }
  }

  /** `namespace/pod/container`; with the pod's uid between the last two as well. */
  #container(parts: readonly string[]): Container {
    const [namespace = '', pod = ''] = parts
    const name = parts.at(-1) ?? ''
    const container = this.#served.container(namespace, pod, name)
    if (container === undefined)
      throw new Refusal(404, `this node has no container ${name} of ${namespace}/${pod}`)
    return container
  }
}

function checkClient(request: IncomingMessage): void {
  if (!(request.socket as TLSSocket).authorized) throw new Refusal(401, 'a client certificate is needed')
}

function urlOf(request: IncomingMessage): URL {
  const url = URL.parse(request.url ?? '', 'https://node')
  if (url === null) throw new Refusal(400, 'the request has no path')
  return url
}

function partsOf(path: string): string[] {
  try {
    return path.split('/').slice(1).map(decodeURIComponent)
  } catch {
    throw new Refusal(400, 'the path is not well-formed')
  }
}
