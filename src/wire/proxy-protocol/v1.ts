/** Version 1 of the PROXY protocol: one line of text (§2.1). Called by `ProxyProtocolReader` with the whole line. */
import { formatAddress, isMapped, NOT_IPV4, parseIPv4, parseIPv6 } from '#lib/ip/address.ts'
import { MALFORMED, type ProxyAddress, type ProxyHeader } from './header.ts'

/** `line` is what stands between `PROXY ` and the line end. */
export function parseV1(line: string): ProxyHeader | number {
  // §2.1: whatever follows UNKNOWN is ignored.
  if (line === 'UNKNOWN' || line.startsWith('UNKNOWN ')) return { version: 1, command: 'PROXY', tlvs: [] }
  const parts = line.split(' ')
  if (parts.length !== 5) return MALFORMED
  const [family, sourceText = '', destinationText = '', sourcePort = '', destinationPort = ''] = parts
  if (family !== 'TCP4' && family !== 'TCP6') return MALFORMED
  const source = parseEnd(family === 'TCP4', sourceText, sourcePort)
  const destination = parseEnd(family === 'TCP4', destinationText, destinationPort)
  if (source === null || destination === null) return MALFORMED
  return { version: 1, command: 'PROXY', source, destination, tlvs: [] }
}

function parseEnd(isIPv4: boolean, address: string, portText: string): ProxyAddress | null {
  const port = parsePort(portText)
  if (port < 0) return null
  if (isIPv4) return parseIPv4(address) === NOT_IPV4 ? null : { address, port }
  // A zone means something on the proxy's host only.
  if (address.includes('%')) return null
  const bytes = parseIPv6(address)
  if (bytes === null) return null
  return { address: formatAddress(isMapped(bytes) ? bytes.subarray(12) : bytes), port }
}

/** §2.1: decimal, 0 to 65535, no leading zeros. Negative when it is not. */
function parsePort(text: string): number {
  if (text.length === 0 || text.length > 5 || (text.length > 1 && text.charCodeAt(0) === 0x30)) return -1
  let port = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return -1
    port = port * 10 + digit
  }
  return port <= 65535 ? port : -1
}
