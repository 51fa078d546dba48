/**
 * The server_name extension (RFC 6066 §3): one host_name in its ASCII form. Called by the ClientHello parser and, for
 * names in configuration, by certificate checks.
 */
import { parseAddress } from '#lib/ip/address.ts'
import { BAD_SERVER_NAME, MALFORMED } from './result.ts'

const NAME_TYPE_HOST_NAME = 0
/** RFC 1035 §2.3.4, without the root label. */
const MAX_NAME_BYTES = 253
const MAX_LABEL_BYTES = 63
const DOT = 0x2e

/**
 * Reads extension data `bytes[start, end)`: the name in lower case without trailing dot, `''` for an IP address (RFC
 * 6066 permits none, some clients send one and mean no name), or a negative code.
 */
export function readServerName(bytes: Buffer, start: number, end: number): string | number {
  // ServerNameList length, name_type, HostName length.
  if (end - start < 6) return MALFORMED
  if (start + 2 + bytes.readUInt16BE(start) !== end) return MALFORMED
  if (bytes[start + 2] !== NAME_TYPE_HOST_NAME) return MALFORMED
  const nameStart = start + 5
  // One name only: RFC 6066 forbids two of a type, and no second type exists.
  if (nameStart + bytes.readUInt16BE(start + 3) !== end) return MALFORMED
  // RFC 6066 says that the name has no trailing dot; resolvers hand it over with one all the same.
  const nameEnd = bytes[end - 1] === DOT ? end - 1 : end
  if (nameEnd - nameStart > MAX_NAME_BYTES) return BAD_SERVER_NAME
  const name = bytes.toString('latin1', nameStart, nameEnd).toLowerCase()
  if (isHostName(name)) return isAllNumeric(name) && isAddress(name) ? '' : name
  return isAddress(name) ? '' : BAD_SERVER_NAME
}

/** Lower-case labels of letters, digits, hyphen and underscore, 1 to 63 of them each, 253 in all. */
export function isHostName(name: string): boolean {
  if (name.length === 0 || name.length > MAX_NAME_BYTES) return false
  let labelStart = 0
  for (let i = 0; i <= name.length; i++) {
    const code = i === name.length ? DOT : name.charCodeAt(i)
    if (code === DOT) {
      if (i === labelStart || i - labelStart > MAX_LABEL_BYTES) return false
      labelStart = i + 1
    } else if (!isLabelByte(code)) {
      return false
    }
  }
  return true
}

/** Underscore is no host name character, but such names resolve and are in use. */
function isLabelByte(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x5f
}

function isAllNumeric(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code !== DOT && (code < 0x30 || code > 0x39)) return false
  }
  return true
}

function isAddress(name: string): boolean {
  return parseAddress(name) !== null
}
