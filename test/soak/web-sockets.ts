/** WebSockets that stay open and have everything echoed; one that ends is lost unless a crash explains it. */
import { WebSocket } from 'ws'
import type { CrashWindows } from './crash-windows.ts'

const ECHO_MS = 500
/** An echo that takes longer is lost. */
const MAX_ECHO_MS = 20_000

export interface WebSocketsOptions {
  readonly port: number
  readonly host: string
  readonly count: number
}

export class WebSockets implements Disposable {
  /** Messages that came back. */
  echoes = 0
  readonly #options: WebSocketsOptions
  readonly #windows: CrashWindows
  readonly #sockets = new Map<WebSocket, Pending>()
  readonly #timer: NodeJS.Timeout
  #isStopped = false

  constructor(options: WebSocketsOptions, windows: CrashWindows) {
    this.#options = options
    this.#windows = windows
    for (let index = 0; index < options.count; index++) this.#open()
    this.#timer = setInterval(() => this.#tick(), ECHO_MS)
  }

  get isComplete(): boolean {
    return [...this.#sockets.keys()].every((socket) => socket.readyState === WebSocket.OPEN)
  }

  [Symbol.dispose](): void {
    this.#isStopped = true
    clearInterval(this.#timer)
    for (const socket of this.#sockets.keys()) socket.terminate()
  }

  #open(): void {
    const { port, host } = this.#options
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers: { Host: host } })
    const pending: Pending = { text: '', sentAt: 0 }
    this.#sockets.set(socket, pending)
    let error = ''
    socket.on('message', (data: Buffer) => {
      if (data.toString() !== pending.text) this.#windows.lost(`echo ${data.toString().slice(0, 50)}`)
      pending.text = ''
      this.echoes++
    })
    socket.on('error', (failure) => {
      error = failure.message
    })
    socket.on('close', (code) => {
      this.#sockets.delete(socket)
      if (this.#isStopped) return
      this.#windows.lost(error === '' ? `${code} on a WebSocket` : error)
      this.#open()
    })
  }

  #tick(): void {
    const now = performance.now()
    for (const [socket, pending] of this.#sockets) {
      if (socket.readyState !== WebSocket.OPEN) continue
      if (pending.text === '') {
        pending.text = `${now} ${'x'.repeat(100)}`
        pending.sentAt = now
        socket.send(pending.text, { binary: false })
      } else if (now - pending.sentAt > MAX_ECHO_MS) {
        this.#windows.lost('no echo')
        pending.text = ''
      }
    }
  }
}

interface Pending {
  /** What was sent and has not come back; '' for nothing. */
  text: string
  sentAt: number
}
