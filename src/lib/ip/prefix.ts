/**
 * One IP prefix (`10.0.0.0/8`, `2001:db8::/32`, or a bare address), RFC 4632 §3.1 and RFC 4291 §2.3.
 * Host bits are cleared, not refused, as Go's net.ParseCIDR and with it Traefik do.
 */
import { formatAddress, isMapped, parseAddress, parseIPv6 } from './address.ts'

export interface Prefix {
  /** Four or sixteen bytes, host bits zero. */
  readonly bytes: Uint8Array
  /** Leading bits that count: 0 to 32, or 0 to 128. */
  readonly bits: number
}

/** Null when the text is neither a prefix nor an address. A prefix below `::ffff:0:0/96` is an IPv4 prefix. */
export function parsePrefix(text: string): Prefix | null {
  const slash = text.indexOf('/')
  if (slash === -1) {
    const bytes = parseAddress(text)
    return bytes === null ? null : { bytes, bits: bytes.length * 8 }
  }
  const lengthText = text.slice(slash + 1)
  const addressText = text.slice(0, slash)
  if (!/^(0|[1-9]\d{0,2})$/.test(lengthText) || addressText.includes('%')) return null
  const written = parseIPv6(addressText)
  let bits = Number(lengthText)
  let bytes = written ?? parseAddress(addressText)
  if (bytes === null || bits > bytes.length * 8) return null
  if (written !== null && bits >= 96 && isMapped(written)) {
    bytes = written.slice(12)
    bits -= 96
  }
  return { bytes: clearHostBits(bytes, bits), bits }
}

/** `10.0.0.0/8`. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.bytes)}/${prefix.bits}`
}

function clearHostBits(bytes: Uint8Array, bits: number): Uint8Array {
  const cleared = Uint8Array.from(bytes)
  for (let i = 0; i < cleared.length; i++) {
    const kept = Math.min(8, Math.max(0, bits - i * 8))
    cleared[i] = (cleared[i] ?? 0) & (0xff00 >> kept)
  }
  return cleared
}
