/**
 * Reads a TLS ClientHello from the first bytes of a connection, however they are cut: into TCP segments and into
 * TLS records (RFC 8446 §5.1). Sans-I/O; the accept pipeline feeds it and hands `bytes` to TLS afterwards.
 *
 * Invariants: nothing is decided before the whole message is there; memory is bounded by `MAX_WIRE_BYTES` plus one
 * read; work is linear in the bytes, also when they come one at a time; nothing throws.
 */
import { type ClientHello, parseClientHello } from './client-hello.ts'
import {
  COMPLETE,
  MALFORMED,
  MAX_HELLO_BYTES,
  MAX_WIRE_BYTES,
  NEED_MORE,
  NOT_TLS,
  TOO_LONG,
} from './result.ts'

const RECORD_HANDSHAKE = 22
const RECORD_HEADER_BYTES = 5
/** RFC 8446 §5.1: a plain text record holds at most 2^14 bytes. */
const MAX_RECORD_BYTES = 16384
const HANDSHAKE_CLIENT_HELLO = 1
const HANDSHAKE_HEADER_BYTES = 4

const NO_BYTES = Buffer.alloc(0)
const NO_HELLO: ClientHello = {
  serverName: '',
  alpn: [],
  versions: [],
  cipherSuites: [],
  signatureSchemes: [],
  groups: [],
  ticketKeyName: null,
  hasEarlyData: false,
}

/** Whether a connection that starts with this byte can be TLS: it is the record type of a handshake. */
export function looksLikeTls(firstByte: number): boolean {
  return firstByte === RECORD_HANDSHAKE
}

/** One per connection, for one hello. After a result other than `NEED_MORE` it must not be fed again. */
export class ClientHelloReader {
  /** Meaningful after `COMPLETE`; its `ticketKeyName` is a view into memory of this reader. */
  hello: ClientHello = NO_HELLO
  /** Everything fed so far, with whatever followed the hello in the last read. */
  bytes: Buffer = NO_BYTES

  /** Storage behind `bytes`; longer than it only while the hello is incomplete. */
  #storage: Buffer = NO_BYTES
  /** Start of the first record that has not been taken whole. */
  #recordStart = 0
  /** The handshake message without record headers, once it is known to span records. */
  #message: Buffer = NO_BYTES
  #messageBytes = 0

  /** Appends `buffer[start, end)` (copied) and returns `COMPLETE`, `NEED_MORE` or a negative code of result.ts. */
  read(buffer: Buffer, start: number, end: number): number {
    this.#append(buffer, start, end)
    const bytes = this.bytes
    for (;;) {
      const recordStart = this.#recordStart
      const available = bytes.length - recordStart
      // Refuse by the first bytes already: a client that speaks something else will send no more.
      if (available > 0 && bytes[recordStart] !== RECORD_HANDSHAKE) return this.#wrongRecord()
      if (available > 1 && bytes[recordStart + 1] !== 3) return this.#wrongRecord()
      if (available < RECORD_HEADER_BYTES) break
      const length = bytes.readUInt16BE(recordStart + 3)
      // RFC 8446 §5.1: no zero-length fragments of handshake messages.
      if (length === 0 || length > MAX_RECORD_BYTES) return MALFORMED
      const bodyStart = recordStart + RECORD_HEADER_BYTES
      if (this.#messageBytes === 0) {
        if (available > RECORD_HEADER_BYTES && bytes[bodyStart] !== HANDSHAKE_CLIENT_HELLO) return MALFORMED
        if (available >= RECORD_HEADER_BYTES + HANDSHAKE_HEADER_BYTES && length >= HANDSHAKE_HEADER_BYTES) {
          if (bytes.readUIntBE(bodyStart + 1, 3) > MAX_HELLO_BYTES) return TOO_LONG
        }
      }
      if (available < RECORD_HEADER_BYTES + length) break
      const result = this.#takeRecord(bodyStart, bodyStart + length)
      if (result !== NEED_MORE) return result
      this.#recordStart = bodyStart + length
    }
    return bytes.length >= MAX_WIRE_BYTES ? TOO_LONG : NEED_MORE
  }

  #append(buffer: Buffer, start: number, end: number): void {
    const held = this.bytes.length
    const total = held + (end - start)
    if (total > this.#storage.length) {
      // The usual hello comes in one read and gets a buffer of its size; later reads double it.
      const grown = Buffer.allocUnsafe(held === 0 ? total : Math.max(total, this.#storage.length * 2))
      this.bytes.copy(grown)
      this.#storage = grown
    }
    buffer.copy(this.#storage, held, start, end)
    this.bytes = this.#storage.subarray(0, total)
  }

  /** In the middle of a hello anything but its next record is an error in TLS, not another protocol. */
  #wrongRecord(): number {
    return this.#recordStart === 0 ? NOT_TLS : MALFORMED
  }

  #takeRecord(start: number, end: number): number {
    const bytes = this.bytes
    if (this.#messageBytes === 0 && end - start >= HANDSHAKE_HEADER_BYTES) {
      const messageEnd = start + HANDSHAKE_HEADER_BYTES + bytes.readUIntBE(start + 1, 3)
      if (messageEnd <= end) return this.#parse(bytes, start, messageEnd, end)
    }
    this.#collect(start, end)
    const message = this.#message
    if (this.#messageBytes < HANDSHAKE_HEADER_BYTES) return NEED_MORE
    const bodyBytes = message.readUIntBE(1, 3)
    if (bodyBytes > MAX_HELLO_BYTES) return TOO_LONG
    const messageEnd = HANDSHAKE_HEADER_BYTES + bodyBytes
    if (this.#messageBytes < messageEnd) return NEED_MORE
    return this.#parse(message, 0, messageEnd, this.#messageBytes)
  }

  #collect(start: number, end: number): void {
    const total = this.#messageBytes + (end - start)
    if (total > this.#message.length) {
      const grown = Buffer.allocUnsafe(Math.max(total, this.#message.length * 2, 512))
      this.#message.copy(grown, 0, 0, this.#messageBytes)
      this.#message = grown
    }
    this.bytes.copy(this.#message, this.#messageBytes, start, end)
    this.#messageBytes = total
  }

  #parse(message: Buffer, start: number, messageEnd: number, recordEnd: number): number {
    // The client has to wait for the answer, so no further handshake message can share the record.
    if (messageEnd !== recordEnd) return MALFORMED
    const hello = parseClientHello(message, start + HANDSHAKE_HEADER_BYTES, messageEnd)
    if (typeof hello === 'number') return hello
    this.hello = hello
    return COMPLETE
  }
}
