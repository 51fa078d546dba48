/** Many keep-alive connections that made one request each and then wait. */
import { connect, type Socket } from 'node:net'
import { HttpResponseReader } from './response-reader.ts'

const AT_A_TIME = 100
const TIMEOUT_MS = 10_000

export class IdleConnections {
  readonly #sockets: Socket[]
  #lost = 0

  private constructor(sockets: Socket[]) {
    this.#sockets = sockets
    for (const socket of sockets) socket.once('close', () => this.#lost++)
  }

  /** Throws when one of them gets no complete answer with status 200. */
  static async open(port: number, host: string, path: string, count: number): Promise<IdleConnections> {
    const sockets: Socket[] = []
    while (sockets.length < count) {
      const length = Math.min(AT_A_TIME, count - sockets.length)
      sockets.push(...(await Promise.all(Array.from({ length }, () => openOne(port, host, path)))))
    }
    return new IdleConnections(sockets)
  }

  /** Closed since by the other side. */
  get lost(): number {
    return this.#lost
  }

  close(): void {
    for (const socket of this.#sockets) {
      socket.removeAllListeners('close')
      socket.resetAndDestroy()
    }
  }
}

function openOne(port: number, host: string, path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const reader = new HttpResponseReader()
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    })
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no answer')))
    socket.on('error', reject)
    socket.on('data', (chunk: Buffer) => {
      if (!reader.read(chunk, chunk.length)) return
      socket.setTimeout(0)
      if (reader.status === 200) resolve(socket)
      else reject(new Error(`status ${reader.status}`))
    })
  })
}
