/**
 * Connections to one API server. A request takes the idle connection used last or opens one; at most so many are under
 * way at a time, further ones wait in order. Streams (watches) are not counted: they last.
 *
 * A request that met a connection which the server had closed meanwhile is sent again, when it can do no harm twice.
 * Connections opened with an older identity (client certificate) are not used again: `generation`.
 */
import type { Socket } from 'node:net'
import { abortError, asKubeError, KubeError } from '../errors.ts'
import type { Timers } from '../timers.ts'
import { HttpConnection, type ConnectionOwner, type HttpRequest } from './http-connection.ts'
import type { HttpResponse } from './http-response.ts'

/** Shorter than what servers wait (API servers: 90 s; balancers in front of them: often 60 s). */
const IDLE_MS = 30_000
const MAX_IDLE = 4

export interface HttpClientOptions {
  /** Opens a connection; `generation` is that of the identity it was opened with. */
  dial(signal: AbortSignal): Promise<Dialled>
  /** The present identity's. Connections of another one are not used again. */
  generation(): number
  readonly timers: Timers
  /** Requests under way at a time. */
  readonly maxRequests: number
}

export interface Dialled {
  readonly socket: Socket
  readonly generation: number
}

export interface SendOptions {
  /** Not counted, and its answer may last. */
  readonly isStream: boolean
  /** Sending it twice is as good as once. */
  readonly isRepeatable: boolean
  readonly signal: AbortSignal
}

interface Idle {
  readonly connection: HttpConnection
  readonly cancelTimer: () => void
}

export class HttpClient implements ConnectionOwner {
  readonly #options: HttpClientOptions
  #idle: Idle[] = []
  readonly #open = new Set<HttpConnection>()
  readonly #waiting: (() => void)[] = []
  #active = 0
  readonly #closing = new AbortController()

  constructor(options: HttpClientOptions) {
    this.#options = options
  }

  get openCount(): number {
    return this.#open.size
  }

  /**
   * Resolves with the head of the answer. Aborting `signal` ends the exchange also afterwards, until the body has ended;
   * the caller aborts it or reads to the end.
   */
  async send(request: HttpRequest, options: SendOptions): Promise<HttpResponse> {
    const release = options.isStream ? undefined : await this.#turn(options.signal)
    try {
      const response = await this.#sendNow(request, options)
      if (release !== undefined) response.whenOver(release)
      return response
    } catch (error) {
      release?.()
      throw error
    }
  }

  /** Ends everything under way. */
  close(): void {
    this.#closing.abort(new KubeError(0, 'Cancelled', 'the client was closed'))
    for (const connection of this.#open) connection.abort(this.#closing.signal.reason as KubeError)
  }

  onIdle(connection: HttpConnection): void {
    if (this.#closing.signal.aborted || this.#idle.length >= MAX_IDLE) {
      connection.abandon()
      return
    }
    const cancelTimer = this.#options.timers.after(IDLE_MS, () => connection.abandon())
    this.#idle.push({ connection, cancelTimer })
    connection.resume()
  }

  onGone(connection: HttpConnection): void {
    this.#open.delete(connection)
    const index = this.#idle.findIndex((idle) => idle.connection === connection)
    if (index === -1) return
    this.#idle[index]!.cancelTimer()
    this.#idle.splice(index, 1)
  }

  async #sendNow(request: HttpRequest, options: SendOptions): Promise<HttpResponse> {
    const { signal, isRepeatable } = options
    const action = request.head.slice(0, request.head.indexOf(' HTTP/'))
    if (signal.aborted) throw abortError(signal, action)
    const reused = this.#takeIdle()
    if (reused !== null) {
      try {
        return await this.#exchange(reused, request, signal, action)
      } catch (error) {
        const isStale = error instanceof KubeError && error.reason === 'Unreachable' && !reused.hasResponded
        if (!isStale || !isRepeatable) throw error
      }
    }
    const connection = await this.#connect(signal, action)
    return this.#exchange(connection, request, signal, action)
  }

  async #exchange(
    connection: HttpConnection,
    request: HttpRequest,
    signal: AbortSignal,
    action: string,
  ): Promise<HttpResponse> {
    const onAbort = (): void => connection.abort(abortError(signal, action))
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const response = await connection.send(request)
      response.whenOver(() => signal.removeEventListener('abort', onAbort))
      return response
    } catch (error) {
      signal.removeEventListener('abort', onAbort)
      throw error
    }
  }

  async #connect(signal: AbortSignal, action: string): Promise<HttpConnection> {
    const either = AbortSignal.any([signal, this.#closing.signal])
    let dialled: Dialled
    try {
      dialled = await this.#options.dial(either)
    } catch (error) {
      throw asKubeError(error, action)
    }
    const connection = new HttpConnection(dialled.socket, dialled.generation, this)
    this.#open.add(connection)
    return connection
  }

  #takeIdle(): HttpConnection | null {
    for (;;) {
      const idle = this.#idle.pop()
      if (idle === undefined) return null
      idle.cancelTimer()
      const { connection } = idle
      if (connection.generation === this.#options.generation() && !connection.socket.destroyed)
        return connection
      connection.abandon()
    }
  }

  /** Waits for a place among the requests under way; the returned function gives it back. */
  async #turn(signal: AbortSignal): Promise<() => void> {
    if (this.#active >= this.#options.maxRequests) {
      await new Promise<void>((resolve, reject) => {
        const onTurn = (): void => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        }
        const onAbort = (): void => {
          this.#waiting.splice(this.#waiting.indexOf(onTurn), 1)
          reject(abortError(signal, 'waiting for other requests'))
        }
        if (signal.aborted) {
          reject(abortError(signal, 'waiting for other requests'))
          return
        }
        signal.addEventListener('abort', onAbort, { once: true })
        this.#waiting.push(onTurn)
      })
    } else {
      this.#active++
    }
    return () => {
      const next = this.#waiting.shift()
      // The place is handed on as it is.
      if (next === undefined) this.#active--
      else next()
    }
  }
}
