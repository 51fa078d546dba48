/**
 * A WebSocket echo (RFC 6455, server side) for the quickstart's backend: what a client sends comes back, fragments
 * as they came. Written for that one purpose; the gateway itself only passes WebSocket bytes through.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

const OPCODE_CLOSE = 8
const OPCODE_PING = 9
const OPCODE_PONG = 10
const MAX_PAYLOAD_BYTES = 1024 * 1024
const CLOSE_PROTOCOL_ERROR = 1002
const CLOSE_TOO_BIG = 1009
// RFC 6455 §1.3
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Answers the upgrade and echoes until the client closes. `head` is what the client sent behind its request. */
export function acceptEcho(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const key = request.headers['sec-websocket-key']
  if (key === undefined || request.headers['sec-websocket-version'] !== '13') {
    socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
    return
  }
  const accept = createHash('sha1').update(`${key}${ACCEPT_GUID}`).digest('base64')
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
  let pending = head
  const consume = (): void => {
    for (;;) {
      const frame = readFrame(pending)
      if (frame === null) return
      if (typeof frame === 'number') {
        close(socket, frame)
        return
      }
      pending = pending.subarray(frame.bytes)
      if (!answer(frame, socket)) return
    }
  }
  socket.on('error', () => socket.destroy())
  socket.on('end', () => socket.end())
  socket.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    consume()
  })
  consume()
}

interface Frame {
  readonly isFinal: boolean
  readonly opcode: number
  /** Unmasked. */
  readonly payload: Buffer
  /** Length with header. */
  readonly bytes: number
}

/** Null: incomplete. A number: the close code of what is wrong. RFC 6455 §5.2. */
function readFrame(buffer: Buffer): Frame | number | null {
  if (buffer.length < 2) return null
  const first = buffer.readUInt8(0)
  const second = buffer.readUInt8(1)
  // No extension was agreed on, so reserved bits are errors; a client has to mask.
  if ((first & 0x70) !== 0 || (second & 0x80) === 0) return CLOSE_PROTOCOL_ERROR
  const opcode = first & 0x0f
  let length = second & 0x7f
  let at = 2
  if (length === 126) {
    if (buffer.length < 4) return null
    length = buffer.readUInt16BE(2)
    at = 4
  } else if (length === 127) {
    if (buffer.length < 10) return null
    const long = buffer.readBigUInt64BE(2)
    if (long > BigInt(MAX_PAYLOAD_BYTES)) return CLOSE_TOO_BIG
    length = Number(long)
    at = 10
  }
  if (opcode >= OPCODE_CLOSE && (length > 125 || (first & 0x80) === 0)) return CLOSE_PROTOCOL_ERROR
  if (buffer.length < at + 4 + length) return null
  const mask = buffer.subarray(at, at + 4)
  const payload = Buffer.from(buffer.subarray(at + 4, at + 4 + length))
  for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0)
  return { isFinal: (first & 0x80) !== 0, opcode, payload, bytes: at + 4 + length }
}

/** False when the connection is over. */
function answer(frame: Frame, socket: Duplex): boolean {
  if (frame.opcode === OPCODE_CLOSE) {
    // The same code comes back: RFC 6455 §5.5.1.
    writeFrame(socket, true, OPCODE_CLOSE, frame.payload.subarray(0, 2))
    socket.end()
    return false
  }
  if (frame.opcode === OPCODE_PONG) return true
  writeFrame(socket, frame.isFinal, frame.opcode === OPCODE_PING ? OPCODE_PONG : frame.opcode, frame.payload)
  return true
}

function close(socket: Duplex, code: number): void {
  const payload = Buffer.alloc(2)
  payload.writeUInt16BE(code)
  writeFrame(socket, true, OPCODE_CLOSE, payload)
  socket.end()
}

function writeFrame(socket: Duplex, isFinal: boolean, opcode: number, payload: Buffer): void {
  const first = (isFinal ? 0x80 : 0) | opcode
  let header: Buffer
  if (payload.length < 126) {
    header = Buffer.of(first, payload.length)
  } else if (payload.length < 65_536) {
    header = Buffer.of(first, 126, 0, 0)
    header.writeUInt16BE(payload.length, 2)
  } else {
    header = Buffer.alloc(10)
    header.writeUInt8(first, 0)
    header.writeUInt8(127, 1)
    header.writeBigUInt64BE(BigInt(payload.length), 2)
  }
  socket.cork()
  socket.write(header)
  socket.write(payload)
  socket.uncork()
}
