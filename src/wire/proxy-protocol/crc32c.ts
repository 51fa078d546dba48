/** CRC32C (Castagnoli, RFC 3720 appendix B.4), which PROXY protocol headers carry. `zlib.crc32` is another polynomial. */

const REVERSED_POLYNOMIAL = 0x82f63b78

const table = new Uint32Array(256)
for (let n = 0; n < 256; n++) {
  let remainder = n
  for (let bit = 0; bit < 8; bit++)
    remainder = remainder & 1 ? (remainder >>> 1) ^ REVERSED_POLYNOMIAL : remainder >>> 1
  table[n] = remainder
}

/** Unsigned checksum of `bytes[start, end)`, where the bytes in `[zeroStart, zeroEnd)` count as zero. */
export function crc32c(bytes: Buffer, start: number, end: number, zeroStart = -1, zeroEnd = -1): number {
  let crc = 0xffffffff
  for (let i = start; i < end; i++) {
    const byte = i >= zeroStart && i < zeroEnd ? 0 : (bytes[i] ?? 0)
    crc = (crc >>> 8) ^ (table[(crc ^ byte) & 255] ?? 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}
