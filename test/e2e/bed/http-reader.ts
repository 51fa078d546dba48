/**
 * Reads HTTP/1.1 messages one after the other from what a RawConnection has received. A plain reader of its own, so that
 * the tests do not judge the product's codec by itself; strict where a test would otherwise miss a difference.
 */
import type { RawConnection } from './raw-peer.ts'

export class MessageHead {
  /** Complete, with the empty line. */
  readonly text: string
  readonly startLine: string
  /** Names as sent. */
  readonly fields: readonly (readonly [name: string, value: string])[]

  constructor(text: string) {
    this.text = text
    const lines = text.split('\r\n').slice(0, -2)
    this.startLine = lines[0]!
    this.fields = lines.slice(1).map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
    })
  }

  /** All values of a field joined with `, `; undefined when there is none. */
  get(name: string): string | undefined {
    const values = this.getEach(name)
    return values.length === 0 ? undefined : values.join(', ')
  }

  /** Values in order. */
  getEach(name: string): string[] {
    return this.fields.filter(([each]) => each.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
  }

  /** Of a response. */
  get status(): number {
    return Number(this.startLine.split(' ')[1])
  }
}

export interface Message {
  readonly head: MessageHead
  readonly body: string
  /** Lines of the trailer section. */
  readonly trailers: readonly string[]
}

/** The connection ended inside of a message. */
export class CutError extends Error {
  /** What of the body had arrived. */
  readonly body: string

  constructor(where: string, body: string) {
    super(`cut ${where}`)
    this.body = body
  }
}

export class HttpReader {
  readonly connection: RawConnection
  /** Where the next message starts in what was received. */
  at = 0

  constructor(connection: RawConnection) {
    this.connection = connection
  }

  /** What has arrived and was not read. */
  get rest(): string {
    return this.connection.received.slice(this.at)
  }

  async head(): Promise<MessageHead> {
    const end = await this.#find('\r\n\r\n', 'in a head')
    const text = this.connection.received.slice(this.at, end + 4)
    this.at = end + 4
    return new MessageHead(text)
  }

  /** Head and whole body of a request. */
  async request(): Promise<Message> {
    const head = await this.head()
    if (isChunked(head)) return this.#chunked(head)
    return { head, body: await this.#bytes(Number(head.get('content-length') ?? 0)), trailers: [] }
  }

  /** Head and whole body of a final response to a request with this method; interim ones are returned as such. */
  async response(method = 'GET'): Promise<Message> {
    const head = await this.head()
    const { status } = head
    if (method === 'HEAD' || status < 200 || status === 204 || status === 304) {
      return { head, body: '', trailers: [] }
    }
    if (isChunked(head)) return this.#chunked(head)
    const length = head.get('content-length')
    if (length !== undefined) return { head, body: await this.#bytes(Number(length)), trailers: [] }
    await this.connection.until((each) => each.isEnded || each.isClosed)
    if (this.connection.errorCode !== '') throw new CutError('by a reset', this.rest)
    const body = this.rest
    this.at = this.connection.received.length
    return { head, body, trailers: [] }
  }

  async #chunked(head: MessageHead): Promise<Message> {
    let body = ''
    for (;;) {
      const lineEnd = await this.#find('\r\n', 'in a chunk size', body)
      const size = this.connection.received.slice(this.at, lineEnd)
      if (!/^[0-9a-f]+$/i.test(size)) throw new Error(`chunk size ${JSON.stringify(size)}`)
      this.at = lineEnd + 2
      const bytes = Number.parseInt(size, 16)
      if (bytes === 0) break
      body += await this.#bytes(bytes, body)
      if ((await this.#bytes(2, body)) !== '\r\n') throw new Error('no line end behind a chunk')
    }
    const trailers: string[] = []
    for (;;) {
      const lineEnd = await this.#find('\r\n', 'in the trailers', body)
      const line = this.connection.received.slice(this.at, lineEnd)
      this.at = lineEnd + 2
      if (line === '') return { head, body, trailers }
      trailers.push(line)
    }
  }

  async #bytes(count: number, before = ''): Promise<string> {
    const end = this.at + count
    await this.connection.until((each) => each.received.length >= end || each.isEnded || each.isClosed)
    const { received } = this.connection
    if (received.length < end) throw new CutError('in a body', before + received.slice(this.at))
    const text = received.slice(this.at, end)
    this.at = end
    return text
  }

  async #find(text: string, where: string, body = ''): Promise<number> {
    await this.connection.until(
      (each) => each.received.indexOf(text, this.at) >= 0 || each.isEnded || each.isClosed,
    )
    const index = this.connection.received.indexOf(text, this.at)
    if (index < 0) throw new CutError(where, body)
    return index
  }
}

function isChunked(head: MessageHead): boolean {
  return head.get('transfer-encoding') === 'chunked'
}
