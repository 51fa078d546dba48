/**
 * Writes PROXY protocol headers, for connections to backends that expect one and for tests. The caller gives
 * addresses that are addresses; a mixed pair is written as IPv6 with the IPv4 one mapped.
 */
import { parseAddress } from '#lib/ip/address.ts'
import { crc32c } from './crc32c.ts'
import { PP2_TYPE_CRC32C, type ProxyAddress, V2_HEADER_BYTES, V2_SIGNATURE } from './header.ts'

const VERSION_AND_LOCAL = 0x20
const VERSION_AND_PROXY = 0x21
const TCP_OVER_IPV4 = 0x11
const TCP_OVER_IPV6 = 0x21
const CRC_TLV_BYTES = 7

export interface ProxyV2Options {
  readonly tlvs?: readonly { readonly type: number; readonly value: Uint8Array }[]
  /** Appends a CRC32C of the whole header. */
  readonly hasChecksum?: boolean
}

/** One line of text; UNKNOWN when `source` is undefined. */
export function encodeProxyV1(source?: ProxyAddress, destination?: ProxyAddress): string {
  if (source === undefined || destination === undefined) return 'PROXY UNKNOWN\r\n'
  const from = addressBytes(source.address)
  const to = addressBytes(destination.address)
  if (from.length === 4 && to.length === 4)
    return `PROXY TCP4 ${source.address} ${destination.address} ${source.port} ${destination.port}\r\n`
  const left = from.length === 4 ? `::ffff:${source.address}` : source.address
  const right = to.length === 4 ? `::ffff:${destination.address}` : destination.address
  return `PROXY TCP6 ${left} ${right} ${source.port} ${destination.port}\r\n`
}

/** Binary; command LOCAL when `source` is undefined. */
export function encodeProxyV2(
  source?: ProxyAddress,
  destination?: ProxyAddress,
  options: ProxyV2Options = {},
): Buffer {
  const addresses =
    source === undefined || destination === undefined ? Buffer.alloc(0) : addressBlock(source, destination)
  const tlvs = (options.tlvs ?? []).map(({ type, value }) => {
    const head = Buffer.from([type, value.length >> 8, value.length & 255])
    return Buffer.concat([head, value])
  })
  if (options.hasChecksum === true) tlvs.push(Buffer.from([PP2_TYPE_CRC32C, 0, 4, 0, 0, 0, 0]))
  const head = Buffer.alloc(V2_HEADER_BYTES)
  V2_SIGNATURE.copy(head)
  if (addresses.length === 0) {
    head[12] = VERSION_AND_LOCAL
  } else {
    head[12] = VERSION_AND_PROXY
    head[13] = addresses.length === 12 ? TCP_OVER_IPV4 : TCP_OVER_IPV6
  }
  const header = Buffer.concat([head, addresses, ...tlvs])
  header.writeUInt16BE(header.length - V2_HEADER_BYTES, 14)
  if (options.hasChecksum === true) {
    const checksumAt = header.length - CRC_TLV_BYTES + 3
    header.writeUInt32BE(crc32c(header, 0, header.length), checksumAt)
  }
  return header
}

function addressBlock(source: ProxyAddress, destination: ProxyAddress): Buffer {
  let from = addressBytes(source.address)
  let to = addressBytes(destination.address)
  if (from.length !== to.length) {
    from = mapped(from)
    to = mapped(to)
  }
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(source.port, 0)
  ports.writeUInt16BE(destination.port, 2)
  return Buffer.concat([from, to, ports])
}

function addressBytes(text: string): Uint8Array {
  const bytes = parseAddress(text)
  if (bytes === null) throw new TypeError(`'${text}' is not an IP address`)
  return bytes
}

function mapped(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 16) return bytes
  const wide = new Uint8Array(16)
  wide[10] = 0xff
  wide[11] = 0xff
  wide.set(bytes, 12)
  return wide
}
