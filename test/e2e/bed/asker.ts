/** Asks one request after the other on a kept connection, plain or over TLS, and reads each answer. */
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'

export interface AskerOptions {
  readonly port: number
  /** TLS; the server name may be empty: none is sent. */
  readonly tls?: { readonly serverName: string }
}

export interface AskedAnswer {
  readonly status: number
  readonly head: string
  readonly body: string
}

const TIMEOUT_MS = 20_000

export class Asker implements Disposable {
  readonly #options: AskerOptions
  #socket: Socket | undefined
  #text = ''
  #settle: ((error?: Error) => void) | undefined

  constructor(options: AskerOptions) {
    this.#options = options
  }

  /** SHA-256 fingerprint of the certificate that the server showed; '' without TLS or connection. */
  get fingerprint(): string {
    const socket = this.#socket as TLSSocket | undefined
    return this.#options.tls === undefined ? '' : (socket?.getPeerCertificate().fingerprint256 ?? '')
  }

  /** `request` is latin1 text; answers need a Content-Length. */
  async ask(request: string): Promise<AskedAnswer> {
    const socket = (this.#socket ??= this.#connect())
    socket.write(request, 'latin1')
    for (;;) {
      const answer = this.#take()
      if (answer !== undefined) {
        if (/^connection: close/im.test(answer.head)) this[Symbol.dispose]()
        return answer
      }
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => this.#settle?.(new Error(`no answer to ${request}`)), TIMEOUT_MS)
        this.#settle = (error) => {
          this.#settle = undefined
          clearTimeout(timer)
          if (error === undefined) resolve()
          else reject(error)
        }
      })
    }
  }

  [Symbol.dispose](): void {
    const socket = this.#socket
    this.#socket = undefined
    this.#text = ''
    socket?.destroy()
  }

  header(answer: AskedAnswer, name: string): string | undefined {
    return new RegExp(`^${name}: (.*)\\r$`, 'im').exec(answer.head)?.[1]
  }

  #take(): AskedAnswer | undefined {
    const end = this.#text.indexOf('\r\n\r\n') + 4
    if (end < 4) return undefined
    const head = this.#text.slice(0, end)
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
    if (this.#text.length < end + length) return undefined
    const body = this.#text.slice(end, end + length)
    this.#text = this.#text.slice(end + length)
    return { status: Number(head.slice(9, 12)), head, body }
  }

  #connect(): Socket {
    const { port, tls } = this.#options
    const to = { host: '127.0.0.1', port }
    const socket =
      tls === undefined
        ? connectPlain({ ...to, noDelay: true })
        : connectTls({ ...to, rejectUnauthorized: false, servername: tls.serverName })
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      if (this.#socket !== socket) return
      this.#text += text
      this.#settle?.()
    })
    let reason = 'closed'
    socket.on('error', (error: NodeJS.ErrnoException) => {
      reason = error.code ?? error.message
    })
    socket.on('close', () => {
      if (this.#socket !== socket) return
      this.#socket = undefined
      this.#settle?.(new Error(`connection ended: ${reason}; received ${JSON.stringify(this.#text)}`))
    })
    return socket
  }
}
