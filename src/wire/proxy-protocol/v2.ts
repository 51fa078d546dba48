/** Version 2 of the PROXY protocol: binary (§2.2). Called by `ProxyProtocolReader` with the whole header. */
import { formatAddress } from '#lib/ip/address.ts'
import { crc32c } from './crc32c.ts'
import {
  BAD_CHECKSUM,
  MALFORMED,
  MAX_TLVS,
  PP2_TYPE_CRC32C,
  PP2_TYPE_NOOP,
  type ProxyAddress,
  type ProxyHeader,
  type ProxyTlv,
  TOO_LONG,
  V2_HEADER_BYTES,
} from './header.ts'

const VERSION_2 = 2
const COMMAND_LOCAL = 0
const COMMAND_PROXY = 1
const FAMILY_UNSPECIFIED = 0
const FAMILY_INET = 1
const FAMILY_INET6 = 2
const FAMILY_UNIX = 3
const TRANSPORT_DATAGRAM = 2
const UNIX_ADDRESS_BYTES = 216

/** `bytes[start, end)` is the header from its signature on; the caller has checked signature and length. */
export function parseV2(bytes: Buffer, start: number, end: number): ProxyHeader | number {
  const versionAndCommand = byteAt(bytes, start + 12)
  const command = versionAndCommand & 15
  if (versionAndCommand >> 4 !== VERSION_2 || command > COMMAND_PROXY) return MALFORMED
  // §2.2: for LOCAL the receiver takes the whole block for padding.
  if (command === COMMAND_LOCAL) return { version: 2, command: 'LOCAL', tlvs: [] }

  const family = byteAt(bytes, start + 13) >> 4
  if (family > FAMILY_UNIX || (byteAt(bytes, start + 13) & 15) > TRANSPORT_DATAGRAM) return MALFORMED
  if (family === FAMILY_UNSPECIFIED) return { version: 2, command: 'PROXY', tlvs: [] }

  const block = start + V2_HEADER_BYTES
  const addressBytes = family === FAMILY_INET ? 4 : family === FAMILY_INET6 ? 16 : UNIX_ADDRESS_BYTES / 2
  const tlvStart = block + 2 * addressBytes + (family === FAMILY_UNIX ? 0 : 4)
  if (tlvStart > end) return MALFORMED
  const tlvs = parseTlvs(bytes, start, tlvStart, end)
  if (typeof tlvs === 'number') return tlvs
  // A socket path is no address that anything here could use; the connection's own ones hold.
  if (family === FAMILY_UNIX) return { version: 2, command: 'PROXY', tlvs }
  return {
    version: 2,
    command: 'PROXY',
    source: addressAt(bytes, block, addressBytes, block + 2 * addressBytes),
    destination: addressAt(bytes, block + addressBytes, addressBytes, block + 2 * addressBytes + 2),
    tlvs,
  }
}

function parseTlvs(bytes: Buffer, start: number, tlvStart: number, end: number): ProxyTlv[] | number {
  const tlvs: ProxyTlv[] = []
  let position = tlvStart
  let isChecked = false
  while (position < end) {
    if (position + 3 > end) return MALFORMED
    const type = byteAt(bytes, position)
    const valueStart = position + 3
    const valueEnd = valueStart + bytes.readUInt16BE(position + 1)
    if (valueEnd > end) return MALFORMED
    position = valueEnd
    if (type === PP2_TYPE_NOOP) continue
    if (type === PP2_TYPE_CRC32C) {
      // §2.2.3: over the whole header, the checksum itself taken as zero.
      if (valueEnd - valueStart !== 4 || isChecked) return MALFORMED
      isChecked = true
      if (crc32c(bytes, start, end, valueStart, valueEnd) !== bytes.readUInt32BE(valueStart))
        return BAD_CHECKSUM
    }
    if (tlvs.length === MAX_TLVS) return TOO_LONG
    tlvs.push({ type, value: Buffer.from(bytes.subarray(valueStart, valueEnd)) })
  }
  return tlvs
}

function addressAt(bytes: Buffer, at: number, length: number, portAt: number): ProxyAddress {
  return { address: formatAddress(bytes.subarray(at, at + length)), port: bytes.readUInt16BE(portAt) }
}

function byteAt(bytes: Buffer, index: number): number {
  return bytes[index] ?? 0
}
