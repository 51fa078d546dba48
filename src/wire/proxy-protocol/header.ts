/** What a PROXY protocol header says, and the result codes of its reader. Specification: haproxy.org, proxy-protocol.txt. */

export interface ProxyAddress {
  /** IPv4 or RFC 5952 text; an IPv4-mapped IPv6 address is the IPv4 address. */
  readonly address: string
  readonly port: number
}

/** One type-length-value of a version 2 header (§2.2.3–2.2.7), NOOP padding left out. `value` is a copy. */
export interface ProxyTlv {
  readonly type: number
  readonly value: Buffer
}

export interface ProxyHeader {
  readonly version: 1 | 2
  /** LOCAL: the proxy speaks for itself (health check); the connection's own addresses hold. */
  readonly command: 'PROXY' | 'LOCAL'
  /**
   * The addresses the proxy saw. Absent for LOCAL, UNKNOWN, an unspecified family and UNIX sockets: then the
   * connection's own addresses hold.
   */
  readonly source?: ProxyAddress
  readonly destination?: ProxyAddress
  readonly tlvs: readonly ProxyTlv[]
}

export const NEED_MORE = 0
/** The first bytes are neither signature. */
export const NO_SIGNATURE = -1
/** The signature is right and the rest breaks the specification. */
export const MALFORMED = -2
/** Beyond `MAX_V1_BYTES`, `MAX_V2_BYTES` or `MAX_TLVS`. */
export const TOO_LONG = -3
/** The header's CRC32C does not match its bytes. */
export const BAD_CHECKSUM = -4

/** §2.1: the longest possible line of version 1, with its line end. */
export const MAX_V1_BYTES = 107
/** Header, the largest address block (two UNIX paths) and 4 KiB of TLVs. */
export const MAX_V2_BYTES = 16 + 216 + 4096
export const MAX_TLVS = 64

/** §2.2: starts every version 2 header. */
export const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
export const V2_HEADER_BYTES = 16

/** TLV types of §2.2. */
export const PP2_TYPE_ALPN = 0x01
export const PP2_TYPE_AUTHORITY = 0x02
export const PP2_TYPE_CRC32C = 0x03
export const PP2_TYPE_NOOP = 0x04
export const PP2_TYPE_UNIQUE_ID = 0x05
export const PP2_TYPE_SSL = 0x20
export const PP2_TYPE_NETNS = 0x30
