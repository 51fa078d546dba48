/**
 * IP addresses: text to bytes and back (RFC 4291 §2.2, RFC 5952, RFC 6943 §3.1.1). Called wherever an address
 * comes in: sockets, headers, configuration.
 *
 * Invariants: an IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) IS the IPv4 address; a zone (`%eth0`) is dropped;
 * IPv4 is four plain decimal numbers, because octal and short forms have been used to get past address lists.
 */

/** Not an IPv4 address, in the results of `parseIPv4`. */
export const NOT_IPV4 = -1

/** An IPv4 address as an unsigned 32-bit number, or NOT_IPV4. `text[start, end)`; no allocation. */
export function parseIPv4(text: string, start = 0, end = text.length): number {
  // "1.1.1.1" to "255.255.255.255"
  if (end - start < 7 || end - start > 15) return NOT_IPV4
  let result = 0
  let part = 0
  let digits = 0
  let dots = 0
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x2e) {
      if (digits === 0 || ++dots > 3) return NOT_IPV4
      result = result * 256 + part
      part = 0
      digits = 0
    } else {
      if (code < 0x30 || code > 0x39) return NOT_IPV4
      if (digits > 0 && part === 0) return NOT_IPV4
      part = part * 10 + code - 0x30
      if (++digits > 3 || part > 255) return NOT_IPV4
    }
  }
  return dots === 3 && digits > 0 ? result * 256 + part : NOT_IPV4
}

/**
 * Four bytes, sixteen bytes, or null when the text is not an address. Brackets are not part of an address
 * and not accepted.
 */
export function parseAddress(text: string): Uint8Array | null {
  const v4 = parseIPv4(text)
  if (v4 !== NOT_IPV4) return Uint8Array.of(v4 >>> 24, (v4 >>> 16) & 255, (v4 >>> 8) & 255, v4 & 255)
  const bytes = parseIPv6(text)
  if (bytes === null) return null
  return isMapped(bytes) ? bytes.subarray(12) : bytes
}

/** The first ten bytes zero and the next two ones: RFC 4291 §2.5.5.2. */
export function isMapped(bytes: Uint8Array): boolean {
  if (bytes.length !== 16 || bytes[10] !== 0xff || bytes[11] !== 0xff) return false
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false
  return true
}

/** Sixteen bytes as written, also for mapped addresses; null when the text is not an IPv6 address. */
export function parseIPv6(text: string): Uint8Array | null {
  const zone = text.indexOf('%')
  if (zone === text.length - 1) return null
  const end = zone === -1 ? text.length : zone
  if (end < 2 || end > 45) return null
  const bytes = new Uint8Array(16)
  let filled = 0
  let gap = -1
  let i = 0
  if (text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return null
    gap = 0
    i = 2
  }
  while (i < end) {
    if (filled >= 16) return null
    let value = 0
    let digits = 0
    const groupStart = i
    while (i < end && digits <= 4) {
      const digit = hexDigit(text.charCodeAt(i))
      if (digit < 0) break
      value = value * 16 + digit
      digits++
      i++
    }
    if (i < end && text.charCodeAt(i) === DOT) {
      // Dotted quad in the last 32 bits: RFC 4291 §2.2 (3).
      const v4 = parseIPv4(text, groupStart, end)
      if (v4 === NOT_IPV4 || filled > 12) return null
      writeWord(bytes, filled, v4)
      filled += 4
      i = end
      break
    }
    if (digits === 0 || digits > 4) return null
    bytes[filled] = value >>> 8
    bytes[filled + 1] = value & 255
    filled += 2
    if (i === end) break
    if (text.charCodeAt(i) !== COLON) return null
    i++
    if (i === end) return null
    if (text.charCodeAt(i) === COLON) {
      if (gap !== -1) return null
      gap = filled
      i++
    }
  }
  if (gap === -1) return filled === 16 ? bytes : null
  // "::" stands for at least one group.
  if (filled > 14) return null
  bytes.copyWithin(16 - (filled - gap), gap, filled)
  bytes.fill(0, gap, 16 - (filled - gap))
  return bytes
}

/** Text of four or sixteen bytes in the form of RFC 5952; a mapped address comes out as IPv4. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`
  if (isMapped(bytes)) return `${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0))
  // RFC 5952 §4.2: the longest run of at least two zero groups, the first of equals.
  let bestStart = -1
  let bestLength = 1
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > bestLength) {
      bestStart = start
      bestLength = length
    }
  }
  if (bestStart === -1) return groups.map(hex).join(':')
  const head = groups.slice(0, bestStart).map(hex).join(':')
  const tail = groups
    .slice(bestStart + bestLength)
    .map(hex)
    .join(':')
  return `${head}::${tail}`
}

/** The one text form of an address, null when it is none. Plain IPv4 text comes back as it is, uncopied. */
export function canonicalAddress(text: string): string | null {
  if (parseIPv4(text) !== NOT_IPV4) return text
  const bytes = parseAddress(text)
  return bytes === null ? null : formatAddress(bytes)
}

const COLON = 0x3a
const DOT = 0x2e

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function writeWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word >>> 24
  bytes[at + 1] = (word >>> 16) & 255
  bytes[at + 2] = (word >>> 8) & 255
  bytes[at + 3] = word & 255
}

function hex(group: number): string {
  return group.toString(16)
}
