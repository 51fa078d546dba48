/**
 * What is written around body bytes: chunk framing and trailers (RFC 9112 §7.1). Called by both sides of the proxy when a body
 * of unknown length goes out; chunk extensions that came in are not passed on.
 */

/** Ends a chunked body; the trailer section and a CRLF follow. */
export const LAST_CHUNK = '0\r\n'

/** Sizes repeat: whole read buffers, and the small messages of one stream. */
let lastBytes = 0
let lastLine = ''

/** The line before a chunk of `bytes` > 0 bytes; CRLF follows the chunk. */
export function chunkSizeLine(bytes: number): string {
  if (bytes !== lastBytes) {
    lastBytes = bytes
    lastLine = `${bytes.toString(16)}\r\n`
  }
  return lastLine
}

/** Field lines of a flat list name, value, …; the CRLF that ends the body follows. */
export function trailerText(flat: readonly string[]): string {
  let text = ''
  for (let i = 0; i + 1 < flat.length; i += 2) text += `${flat[i]}: ${flat[i + 1]}\r\n`
  return text
}
