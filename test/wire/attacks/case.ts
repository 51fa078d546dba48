/**
 * One hostile, malformed or merely unusual byte stream and what becomes of it. The cases are data: the codec test runs them against
 * wire/http1, the differential test sends the client side to other servers, and the gateway is tested with the same bytes.
 *
 * Every class is described in docs/internals/attacks.md; a test holds the two together.
 */

/**
 * - `accept`: every byte belongs to complete messages; `messages` of them.
 * - `reject`: after `messages` good messages comes one that is refused with `code`; nothing behind it is read.
 * - `close`: after `messages` good messages no further one is read, because one of them ends the connection, or because the bytes
 *   end inside of a message.
 */
export type Expectation = 'accept' | 'reject' | 'close'

export interface AttackCase {
  /** Heading in docs/internals/attacks.md. */
  readonly group: string
  readonly name: string
  readonly side: 'client' | 'backend'
  /** Latin1, complete: everything the peer sends on one connection. */
  readonly bytes: string
  readonly expect: Expectation
  /** `reject`: name of the wire error. */
  readonly code?: string
  /** Default 1, for `reject` 0. A backend's interim responses do not count. */
  readonly messages?: number
  /** Content of all bodies together, when the case is about bodies. */
  readonly body?: string
  /** Authority that the last message is for, when the case is about that. */
  readonly host?: string
  /** Method of the request that a backend's bytes answer; default GET. */
  readonly method?: string
  /** The gateway answers good messages of this case itself: no backend may see them. */
  readonly isAnsweredByGateway?: true
}

type Rest = Partial<Pick<AttackCase, 'messages' | 'body' | 'host' | 'method' | 'isAnsweredByGateway'>>

/** Makes the cases of one class. */
export class Group {
  readonly cases: AttackCase[] = []
  readonly #group: string
  readonly #side: 'client' | 'backend'

  constructor(side: 'client' | 'backend', group: string) {
    this.#group = group
    this.#side = side
  }

  reject(name: string, code: string, bytes: string, rest: Rest = {}): this {
    return this.#add({ name, expect: 'reject', code, bytes, messages: 0, ...rest })
  }

  accept(name: string, bytes: string, rest: Rest = {}): this {
    return this.#add({ name, expect: 'accept', bytes, ...rest })
  }

  close(name: string, bytes: string, rest: Rest = {}): this {
    return this.#add({ name, expect: 'close', bytes, ...rest })
  }

  #add(one: Omit<AttackCase, 'group' | 'side'>): this {
    this.cases.push({ group: this.#group, side: this.#side, ...one })
    return this
  }
}

export const HOST = 'Host: a.example\r\n'

/** A GET with these field lines (each with its CRLF) behind Host. */
export function get(lines = '', target = '/'): string {
  return `GET ${target} HTTP/1.1\r\n${HOST}${lines}\r\n`
}

/** A POST with these field lines behind Host, and what follows the head. */
export function post(lines: string, rest: string): string {
  return `POST / HTTP/1.1\r\n${HOST}${lines}\r\n${rest}`
}

/** A chunked POST: `body` is the whole chunked coding. */
export function chunked(body: string, lines = ''): string {
  return post(`Transfer-Encoding: chunked\r\n${lines}`, body)
}

/** A 200 with these field lines, and what follows the head. */
export function ok(lines: string, rest = ''): string {
  return `HTTP/1.1 200 OK\r\n${lines}\r\n${rest}`
}

/** What an attacker would like to be read as a request of its own. */
export const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: b.example\r\n\r\n'
