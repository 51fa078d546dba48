/** Clients that send their request a byte at a time and read the answer in small bites, again and again. */
import { connect, type Socket } from 'node:net'
import type { CrashWindows } from './crash-windows.ts'

export interface SlowClientsOptions {
  readonly port: number
  readonly count: number
  readonly host: string
  /** Of the body that every answer must have. */
  readonly bodyBytes: number
}

const TICK_MS = 20
const BITE_BYTES = 16 * 1024

export class SlowClients implements Disposable {
  ok = 0
  readonly #options: SlowClientsOptions
  readonly #windows: CrashWindows
  readonly #clients: SlowClient[]
  readonly #timer: NodeJS.Timeout
  isStopped = false

  constructor(options: SlowClientsOptions, windows: CrashWindows) {
    this.#options = options
    this.#windows = windows
    this.#clients = Array.from({ length: options.count }, () => this.#newClient())
    this.#timer = setInterval(() => {
      for (const client of this.#clients) client.tick()
    }, TICK_MS)
  }

  [Symbol.dispose](): void {
    this.isStopped = true
    clearInterval(this.#timer)
    for (const client of this.#clients) client.end()
  }

  #newClient(): SlowClient {
    const client: SlowClient = new SlowClient(this.#options, (failure) => {
      if (this.isStopped) return
      if (failure === '') this.ok++
      else this.#windows.lost(failure)
      const index = this.#clients.indexOf(client)
      this.#clients[index] = this.#newClient()
    })
    return client
  }
}

class SlowClient {
  readonly #socket: Socket
  readonly #request: string
  readonly #bodyBytes: number
  readonly #settle: (failure: string) => void
  #sent = 0
  #head = ''
  #bytes = 0
  #error = 'closed'
  #isConnected = false

  constructor({ port, host, bodyBytes }: SlowClientsOptions, settle: (failure: string) => void) {
    this.#request = `GET /slow HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
    this.#bodyBytes = bodyBytes
    this.#settle = settle
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('connect', () => (this.#isConnected = true))
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = `${error.syscall} ${error.code}`
    })
    // Nothing is read by itself: `tick` takes bites.
    this.#socket.pause()
    this.#socket.on('close', () => this.#done())
    this.#socket.on('end', () => this.#socket.destroy())
  }

  tick(): void {
    if (!this.#isConnected) return
    if (this.#sent < this.#request.length) {
      this.#socket.write(this.#request[this.#sent++]!)
      return
    }
    // Without a size it fills its buffer again and gives nothing when there is nothing.
    const size = Math.min(BITE_BYTES, this.#socket.readableLength)
    const bite = this.#socket.read(size === 0 ? undefined : size) as Buffer | null
    if (bite === null) return
    if (this.#bytes === 0) this.#head = bite.toString('latin1', 0, 40)
    this.#bytes += bite.length
  }

  end(): void {
    this.#socket.destroy()
  }

  #done(): void {
    const isWhole = this.#head.startsWith('HTTP/1.1 200 ') && this.#bytes > this.#bodyBytes
    this.#settle(isWhole ? '' : `${this.#error} after ${this.#bytes} bytes: ${JSON.stringify(this.#head)}`)
  }
}
