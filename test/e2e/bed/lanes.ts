/**
 * One gateway with many hosts, each leading to a raw server of its own: every test of a file takes a lane, so none sees
 * another's connections, and the gateway starts once.
 */
import { after } from 'node:test'
import { GatewayProcess, type GatewayOptions } from './gateway-process.ts'
import { HttpReader, type Message } from './http-reader.ts'
import { ingress, service, type IngressOptions } from './manifests.ts'
import { rawClient, RawServer, type RawConnection } from './raw-peer.ts'

export interface LanesOptions extends Partial<Omit<GatewayOptions, 'manifests'>> {
  readonly count: number
  /** For every Ingress. */
  readonly ingress?: Partial<IngressOptions>
  /** Servers of each lane; default 1. */
  readonly servers?: number
  readonly manifests?: Readonly<Record<string, string>>
}

export class Lane {
  readonly host: string
  readonly gateway: GatewayProcess
  readonly servers: readonly RawServer[]

  constructor(host: string, gateway: GatewayProcess, servers: readonly RawServer[]) {
    this.host = host
    this.gateway = gateway
    this.servers = servers
  }

  get server(): RawServer {
    return this.servers[0]!
  }

  /** A connection to the gateway. */
  async client(): Promise<Peer> {
    return new Peer(await rawClient(this.gateway.web))
  }

  /** The n-th connection that the (first) server got. */
  async backend(index = 0, server = 0): Promise<Peer> {
    return new Peer(await this.servers[server]!.connection(index))
  }

  /** `GET` and the like, to this host; `lines` with their CRLF. */
  request(method = 'GET', target = '/', lines = '', body = ''): string {
    return `${method} ${target} HTTP/1.1\r\nHost: ${this.host}\r\n${lines}\r\n${body}`
  }
}

/** A raw connection with a reader on it. */
export class Peer extends HttpReader {
  send(text: string | Buffer): this {
    this.connection.send(text)
    return this
  }

  /** Reads a request and answers it. */
  async serve(answer: string): Promise<Message> {
    const request = await this.request()
    this.send(answer)
    return request
  }

  /** The other side has closed, orderly or not. */
  async closed(timeoutMs?: number): Promise<RawConnection> {
    await this.connection.until((each) => each.isEnded || each.isClosed, timeoutMs)
    return this.connection
  }

  /** FIN. */
  end(): void {
    this.connection.socket.end()
  }

  reset(): void {
    this.connection.socket.resetAndDestroy()
  }

  destroy(): void {
    this.connection.socket.destroy()
  }
}

export class Lanes {
  readonly gateway: GatewayProcess
  readonly #lanes: readonly Lane[]
  #next = 0

  private constructor(gateway: GatewayProcess, lanes: readonly Lane[]) {
    this.gateway = gateway
    this.#lanes = lanes
  }

  /** Call at the top level of a test file; ends with its tests. */
  static async start(options: LanesOptions): Promise<Lanes> {
    const { count, servers: serverCount = 1, ingress: more = {}, manifests = {}, ...rest } = options
    const names = Array.from({ length: count }, (_, index) => `lane-${index}`)
    const servers = await Promise.all(
      names.map(() => Promise.all(Array.from({ length: serverCount }, () => RawServer.start()))),
    )
    const documents = names.flatMap((name, index) => [
      ingress({ name, host: `${name}.example`, paths: [{ service: name }], ...more }),
      service(
        name,
        servers[index]!.map((server) => server.address),
      ),
    ])
    const gateway = await GatewayProcess.start({
      ...rest,
      manifests: { 'lanes.yaml': documents.join('\n---\n'), ...manifests },
    })
    const lanes = new Lanes(
      gateway,
      names.map((name, index) => new Lane(`${name}.example`, gateway, servers[index]!)),
    )
    after(async () => {
      await gateway[Symbol.asyncDispose]()
      for (const server of servers.flat()) await server[Symbol.asyncDispose]()
    })
    return lanes
  }

  take(): Lane {
    const lane = this.#lanes[this.#next++]
    if (lane === undefined) throw new Error('too few lanes')
    return lane
  }
}

/** A response with a counted body. */
export function ok(body = '', lines = ''): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${lines}\r\n${body}`
}
