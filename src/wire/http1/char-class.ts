/**
 * Byte classes of RFC 9110 §5.6.2 and RFC 9112 as 256-entry tables, so that the readers decide each byte with one load.
 * Used only inside wire/http1.
 */

export const TAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20
export const COLON = 0x3a

/** Not 0 for bytes of a token (RFC 9110 §5.6.2): field names, methods, connection options. 2 for `_`, which some backends read as `-`. */
export const TOKEN = new Uint8Array(256)
/** ASCII lower case of every byte. */
export const LOWER = new Uint8Array(256)
/** Like LOWER, but `_` becomes `-`: how CGI and its heirs see a field name. */
export const FOLD = new Uint8Array(256)
/** 1 for bytes of a field value or reason phrase: HTAB, SP, VCHAR, obs-text (RFC 9110 §5.5). */
export const VALUE = new Uint8Array(256)
/** 1 for visible ASCII of a request target, 2 for `?`. `#` (a fragment), controls and raw bytes >= 0x80 are 0. */
export const TARGET = new Uint8Array(256)
/** Value of a hexadecimal digit, 255 for any other byte. */
export const HEX = new Uint8Array(256)

for (let byte = 0; byte < 256; byte++) {
  const char = String.fromCharCode(byte)
  TOKEN[byte] = char === '_' ? 2 : /[!#$%&'*+\-.^`|~0-9A-Za-z]/.test(char) ? 1 : 0
  LOWER[byte] = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte
  FOLD[byte] = char === '_' ? 0x2d : LOWER[byte]!
  VALUE[byte] = byte === TAB || (byte >= SPACE && byte !== 0x7f) ? 1 : 0
  TARGET[byte] = byte > SPACE && byte < 0x7f && char !== '#' ? (char === '?' ? 2 : 1) : 0
  HEX[byte] = /[0-9A-Fa-f]/.test(char) ? Number.parseInt(char, 16) : 255
}

/** True when `buffer[start, end)` is `lowerCase` in any case. */
export function equalsIgnoreCase(buffer: Uint8Array, start: number, end: number, lowerCase: string): boolean {
  if (end - start !== lowerCase.length) return false
  for (let i = 0; i < lowerCase.length; i++) {
    if (LOWER[buffer[start + i]!] !== lowerCase.charCodeAt(i)) return false
  }
  return true
}
