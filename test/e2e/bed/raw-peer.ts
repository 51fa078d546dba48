/** Both ends of the wire for tests: a server whose answers are byte scripts, and a client that sends bytes and reads all. */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { once } from 'node:events'

/** What arrived on one connection of a RawServer, and the socket to answer on. */
export class RawConnection {
  readonly socket: Socket
  received = ''
  isEnded = false
  isClosed = false
  /** `ECONNRESET` and the like; '' after an orderly end. */
  errorCode = ''
  #waiting: (() => void)[] = []

  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes) => {
      this.received += bytes.toString('latin1')
      this.#wake()
    })
    socket.on('end', () => {
      this.isEnded = true
      this.#wake()
    })
    socket.on('close', () => {
      this.isClosed = true
      this.#wake()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.errorCode = error.code ?? 'unknown'
    })
  }

  send(text: string | Buffer): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)
  }

  /** Resolves when the condition on what has arrived holds. */
  async until(condition: (connection: this) => boolean, timeoutMs = 10_000): Promise<void> {
    const deadline = performance.now() + timeoutMs
    while (!condition(this)) {
      const left = deadline - performance.now()
      if (left <= 0) {
        const { length } = this.received
        const text = JSON.stringify(length > 1000 ? this.received.slice(-1000) : this.received)
        throw new Error(`condition not met; received ${length} bytes, at the end ${text}`)
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  /** A complete head has arrived. */
  async head(): Promise<string> {
    await this.until((connection) => connection.received.includes('\r\n\r\n'))
    return this.received.slice(0, this.received.indexOf('\r\n\r\n') + 4)
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const each of waiting) each()
  }
}

export class RawServer implements AsyncDisposable {
  readonly connections: RawConnection[] = []
  readonly #server: Server
  #waiting: (() => void)[] = []

  private constructor(server: Server, onConnection?: (connection: RawConnection) => void) {
    this.#server = server
    server.on('connection', (socket) => {
      const connection = new RawConnection(socket)
      this.connections.push(connection)
      onConnection?.(connection)
      for (const each of this.#waiting.splice(0)) each()
    })
  }

  static async start(
    port = 0,
    onConnection?: (connection: RawConnection) => void,
    host = '127.0.0.1',
  ): Promise<RawServer> {
    const server = createServer({ allowHalfOpen: true })
    const raw = new RawServer(server, onConnection)
    server.listen(port, host)
    await once(server, 'listening')
    return raw
  }

  /** Answers every request head with the same bytes. */
  static async answering(
    answer: string | ((head: string) => string),
    port = 0,
    host = '127.0.0.1',
  ): Promise<RawServer> {
    const raw = await RawServer.start(port, undefined, host)
    raw.#server.on('connection', (socket: Socket) => {
      let text = ''
      socket.on('data', (bytes) => {
        text += bytes.toString('latin1')
        for (;;) {
          const end = text.indexOf('\r\n\r\n')
          if (end < 0) return
          const head = text.slice(0, end + 4)
          text = text.slice(end + 4)
          socket.write(Buffer.from(typeof answer === 'string' ? answer : answer(head), 'latin1'))
        }
      })
    })
    return raw
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get address(): string {
    return `${(this.#server.address() as AddressInfo).address}:${this.port}`
  }

  /** The n-th connection, now or when it comes. */
  async connection(index = 0, timeoutMs = 10_000): Promise<RawConnection> {
    const deadline = performance.now() + timeoutMs
    while (this.connections.length <= index) {
      if (performance.now() > deadline) throw new Error(`connection ${index} did not come`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100)
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
    return this.connections[index]!
  }

  /** A second time it does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return
    for (const { socket } of this.connections) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** Connects, from `localAddress` where that is given; the caller closes it. */
export async function rawClient(
  port: number,
  host = '127.0.0.1',
  localAddress?: string,
): Promise<RawConnection> {
  const socket = connect({
    port,
    host,
    allowHalfOpen: true,
    ...(localAddress === undefined ? {} : { localAddress }),
  })
  const connection = new RawConnection(socket)
  await once(socket, 'connect')
  return connection
}

/** Sends the bytes on a connection of their own and resolves with all that came back until the other side closed. */
export async function exchangeBytes(
  port: number,
  bytes: string | Buffer,
  timeoutMs = 10_000,
): Promise<string> {
  const client = await rawClient(port)
  client.send(bytes)
  try {
    await client.until((each) => each.isEnded || each.isClosed, timeoutMs)
    return client.received
  } finally {
    client.socket.destroy()
  }
}
