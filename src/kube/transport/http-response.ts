/**
 * One answer of an API server while it arrives: status, header fields, and a body that is pulled. Between the reader and
 * the socket stands a queue with a bound: a reader that is slow stops the socket, and so the server.
 */
import type { Head } from '#wire/http1/head.ts'
import { KubeError } from '../errors.ts'

/** Queued bytes above which the socket is not read. One read of a socket is up to 64 kB. */
const HIGH_WATER_BYTES = 131_072

/** The connection that the answer comes over. */
export interface ResponseSource {
  pause(): void
  resume(): void
  /** Closes the connection: nobody wants the rest. */
  abandon(): void
}

export class HttpResponse {
  readonly #source: ResponseSource
  readonly #head: Head
  #queue: Buffer[] = []
  #queuedBytes = 0
  #isPaused = false
  #isDone = false
  #error: KubeError | null = null
  #onOver: (() => void)[] = []
  #reader: { resolve(pieces: Buffer[] | null): void; reject(error: KubeError): void } | null = null

  constructor(source: ResponseSource, head: Head) {
    this.#source = source
    this.#head = head
  }

  get status(): number {
    return this.#head.status
  }

  /** Value of a header field, several joined with commas; `name` in lower case. */
  header(name: string): string | undefined {
    return this.#head.get(name)
  }

  /** All bytes that have arrived since the last call, at least one piece; null at the end. Throws a KubeError when the answer was cut. */
  read(): Promise<Buffer[] | null> {
    if (this.#queue.length > 0) return Promise.resolve(this.#takeQueue())
    if (this.#error !== null) return Promise.reject(this.#error)
    if (this.#isDone) return Promise.resolve(null)
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
    })
  }

  /** The whole body as text. */
  async text(maxBytes: number): Promise<string> {
    const pieces: Buffer[] = []
    let bytes = 0
    for (;;) {
      const more = await this.read()
      if (more === null) break
      for (const piece of more) {
        bytes += piece.length
        pieces.push(piece)
      }
      if (bytes > maxBytes) {
        this.cancel()
        throw new KubeError(0, 'BadAnswer', `the answer is longer than ${maxBytes} bytes`)
      }
    }
    const [only] = pieces
    return pieces.length === 1 ? only!.toString('utf8') : Buffer.concat(pieces, bytes).toString('utf8')
  }

  /** Nobody reads on. Does nothing when the answer is complete. */
  cancel(): void {
    if (this.#isDone || this.#error !== null) return
    this.fail(new KubeError(0, 'Cancelled', 'the answer is not wanted any more'))
    this.#source.abandon()
  }

  /** Calls back once when nothing more will arrive; at once when that is so already. */
  whenOver(callback: () => void): void {
    if (this.#isDone || this.#error !== null) callback()
    else this.#onOver.push(callback)
  }

  /** For the connection: a piece of the body; it is kept. */
  push(piece: Buffer): void {
    this.#queue.push(piece)
    this.#queuedBytes += piece.length
  }

  /** For the connection: all pieces that came together have been pushed. */
  flush(): void {
    const reader = this.#reader
    if (this.#queue.length > 0 && reader !== null) {
      this.#reader = null
      reader.resolve(this.#takeQueue())
    } else if (this.#queuedBytes > HIGH_WATER_BYTES && !this.#isPaused && !this.#isDone) {
      this.#isPaused = true
      this.#source.pause()
    }
  }

  /** For the connection: the body is complete. */
  end(): void {
    this.#isDone = true
    this.#over()
    if (this.#isPaused) {
      // The connection is for others now.
      this.#isPaused = false
      this.#source.resume()
    }
    this.flush()
    const reader = this.#reader
    this.#reader = null
    reader?.resolve(null)
  }

  /** For the connection: there will be no more. What is queued can still be read. */
  fail(error: KubeError): void {
    if (this.#isDone || this.#error !== null) return
    this.#error = error
    this.#over()
    const reader = this.#reader
    this.#reader = null
    reader?.reject(error)
  }

  #over(): void {
    const callbacks = this.#onOver
    this.#onOver = []
    for (const callback of callbacks) callback()
  }

  #takeQueue(): Buffer[] {
    const pieces = this.#queue
    this.#queue = []
    this.#queuedBytes = 0
    if (this.#isPaused) {
      this.#isPaused = false
      if (this.#error === null) this.#source.resume()
    }
    return pieces
  }
}
