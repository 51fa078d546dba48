/**
 * The client's side of an exchange, whatever the protocol. The proxy writes the response through it; the protocol
 * engine calls the exchange with what the client sends.
 */
import type { Connection } from '#net/connection.ts'
import type { Head } from '#wire/http1/head.ts'
import type { Http1Client } from '#client/http1-client.ts'
import type { OutgoingFields } from './field-list.ts'

export interface Downstream {
  /** Where request body chunks are borrowed from. */
  readonly connection: Connection
  /** 1xx, when the client's protocol has them. */
  sendInformational(head: Head): void
  /**
   * Final head. `statusLine` is complete HTTP/1.1 text or '' to have it made. `length`: bytes of the body that follow,
   * 0 for none (also HEAD and 304, whose fields may tell a length), -1 when unknown.
   */
  sendHead(statusLine: string, status: number, fields: OutgoingFields, length: number): void
  /** Borrowed body bytes. False: pause the source until the exchange's onDownstreamDrain. */
  sendBody(buffer: Buffer, start: number, end: number, from: Connection): boolean
  /** Body text of our own, latin1. */
  sendText(text: string): void
  /** Response complete. The exchange is over for this side. */
  endResponse(trailers: readonly string[] | null): void
  /** Writes what has been gathered. */
  flush(): void
  /** The response cannot be completed: end so that the client sees that it is cut. */
  abort(): void
  pauseRequest(): void
  resumeRequest(): void
  /** 101 was matched: sends the head and joins both connections. `buffer[start, end)` came behind the server's head. */
  becomeTunnel(head: Head, client: Http1Client, buffer: Buffer, start: number, end: number): void
}
