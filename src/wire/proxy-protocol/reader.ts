/**
 * Reads the PROXY protocol header, version 1 or 2, that a load balancer puts in front of a connection. Sans-I/O; the
 * accept pipeline feeds it, for peers that are trusted to send one only.
 *
 * Invariants: bounded by `MAX_V1_BYTES` and `MAX_V2_BYTES`; strict (the header decides who the client is); linear in
 * the bytes however they are cut; a header that arrives in one piece is not copied; nothing throws.
 */
import {
  MALFORMED,
  MAX_V1_BYTES,
  MAX_V2_BYTES,
  NEED_MORE,
  NO_SIGNATURE,
  type ProxyHeader,
  TOO_LONG,
  V2_HEADER_BYTES,
  V2_SIGNATURE,
} from './header.ts'
import { parseV1 } from './v1.ts'
import { parseV2 } from './v2.ts'

const V1_SIGNATURE = Buffer.from('PROXY ', 'latin1')
const CR = 0x0d
const LF = 0x0a
const NO_BYTES = Buffer.alloc(0)
const NO_HEADER: ProxyHeader = { version: 2, command: 'LOCAL', tlvs: [] }

/** One per connection. After a result other than `NEED_MORE` it must not be fed again. */
export class ProxyProtocolReader {
  /** Meaningful after a positive result. */
  header: ProxyHeader = NO_HEADER

  /** Header bytes of earlier reads; empty while everything is in the first one. */
  #held: Buffer = NO_BYTES
  #heldBytes = 0
  /** How far version 1 has been searched for its line end. */
  #searched = 0

  /**
   * Takes `buffer[start, end)`. Positive: the header is complete and what follows it starts at that index of
   * `buffer`. `NEED_MORE`: all of it belongs to the header (copied). Negative: a code of header.ts.
   */
  read(buffer: Buffer, start: number, end: number): number {
    if (this.#heldBytes === 0) {
      const consumed = this.#parse(buffer, start, end)
      if (consumed === NEED_MORE) this.#hold(buffer, start, end)
      return consumed
    }
    const before = this.#heldBytes
    this.#hold(buffer, start, Math.min(end, start + MAX_V2_BYTES - before))
    const consumed = this.#parse(this.#held, 0, this.#heldBytes)
    return consumed > 0 ? start + (consumed - before) : consumed
  }

  #hold(buffer: Buffer, start: number, end: number): void {
    const total = this.#heldBytes + (end - start)
    if (total > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(total, this.#held.length * 2, MAX_V1_BYTES))
      this.#held.copy(grown, 0, 0, this.#heldBytes)
      this.#held = grown
    }
    buffer.copy(this.#held, this.#heldBytes, start, end)
    this.#heldBytes = total
  }

  /** As `read`, on bytes that start with the header. */
  #parse(bytes: Buffer, start: number, end: number): number {
    if (start === end) return NEED_MORE
    const isV1 = bytes[start] === V1_SIGNATURE[0]
    const signature = isV1 ? V1_SIGNATURE : V2_SIGNATURE
    const known = Math.min(signature.length, end - start)
    for (let i = 0; i < known; i++) if (bytes[start + i] !== signature[i]) return NO_SIGNATURE
    if (known < signature.length) return NEED_MORE
    return isV1 ? this.#parseLine(bytes, start, end) : this.#parseBinary(bytes, start, end)
  }

  #parseLine(bytes: Buffer, start: number, end: number): number {
    const limit = Math.min(end, start + MAX_V1_BYTES)
    let position = start + Math.max(V1_SIGNATURE.length, this.#searched)
    // Printable ASCII and the line end only: nothing else can be part of a header.
    while (position < limit && isTextByte(bytes[position] ?? 0)) position++
    this.#searched = position - start
    if (position === limit) return limit - start === MAX_V1_BYTES ? TOO_LONG : NEED_MORE
    if (bytes[position] !== CR) return MALFORMED
    if (position + 1 === limit) return limit - start === MAX_V1_BYTES ? TOO_LONG : NEED_MORE
    if (bytes[position + 1] !== LF) return MALFORMED
    return this.#finish(
      parseV1(bytes.toString('latin1', start + V1_SIGNATURE.length, position)),
      position + 2,
    )
  }

  #parseBinary(bytes: Buffer, start: number, end: number): number {
    if (end - start < V2_HEADER_BYTES) return NEED_MORE
    const total = V2_HEADER_BYTES + bytes.readUInt16BE(start + 14)
    if (total > MAX_V2_BYTES) return TOO_LONG
    if (end - start < total) return NEED_MORE
    return this.#finish(parseV2(bytes, start, start + total), start + total)
  }

  #finish(header: ProxyHeader | number, consumed: number): number {
    if (typeof header === 'number') return header
    this.header = header
    return consumed
  }
}

function isTextByte(code: number): boolean {
  return code >= 0x20 && code < 0x7f
}
