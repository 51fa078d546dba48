/** Pieces of a start line that are recognised as a whole (RFC 9112 §3). Called by the head reader. */
import { latin1Slice } from '#lib/latin1.ts'
import { wordOf } from './words.ts'

const WORD_HTTP = wordOf('HTTP')
const WORD_1_1 = wordOf('/1.1')
const SHORT_CRLF = 0x0a0d

/** `HTTP/1.1` CR LF stands at `at`. */
export function isUsualVersion(view: DataView, at: number): boolean {
  return (
    view.getInt32(at, true) === WORD_HTTP &&
    view.getInt32(at + 4, true) === WORD_1_1 &&
    view.getUint16(at + 8, true) === SHORT_CRLF
  )
}

/** One shared string for the methods that come all the time. */
export function methodOf(buffer: Buffer, start: number, end: number): string {
  const first = buffer[start]!
  const second = buffer[start + 1]!
  let candidate = ''
  switch (end - start) {
    case 3:
      candidate = first === 0x47 ? 'GET' : 'PUT'
      break
    case 4:
      candidate = first === 0x48 ? 'HEAD' : 'POST'
      break
    case 5:
      candidate = first === 0x50 ? 'PATCH' : 'TRACE'
      break
    case 6:
      candidate = 'DELETE'
      break
    case 7:
      candidate = second === 0x50 ? 'OPTIONS' : 'CONNECT'
      break
    default:
      return latin1Slice(buffer, start, end)
  }
  for (let i = 0; i < candidate.length; i++) {
    if (buffer[start + i] !== candidate.charCodeAt(i)) return latin1Slice(buffer, start, end)
  }
  return candidate
}
