/** Addresses of a connected handle, as the seam gives them out. Made once for each accepted connection. */
import type { ConnectionFacts } from '../connection.ts'
import type { NativeAddress, NativeHandle } from '../native.ts'

/** Facts of a connected handle. Local address is looked up when first asked for: few requests need it. */
export class SocketFacts implements ConnectionFacts {
  readonly remoteAddress: string
  readonly remotePort: number
  #handle: NativeHandle
  #local: NativeAddress | null = null

  constructor(handle: NativeHandle) {
    const peer: NativeAddress = {}
    handle.getpeername(peer)
    this.#handle = handle
    this.remoteAddress = withoutMapping(peer.address ?? '')
    this.remotePort = peer.port ?? 0
  }

  get localAddress(): string {
    return withoutMapping(this.#localName().address ?? '')
  }

  get localPort(): number {
    return this.#localName().port ?? 0
  }

  #localName(): NativeAddress {
    if (this.#local === null) {
      this.#local = {}
      this.#handle.getsockname(this.#local)
    }
    return this.#local
  }
}

/** `::ffff:192.0.2.1` is 192.0.2.1 everywhere; a zone is no part of an identity. */
function withoutMapping(address: string): string {
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice(7)
  const zone = address.indexOf('%')
  return zone < 0 ? address : address.slice(0, zone)
}
