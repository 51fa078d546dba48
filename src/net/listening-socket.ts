/**
 * Listening sockets as control holds them. Control never accepts: it keeps the socket, so that connections queue
 * while workers come and go, and every worker accepts on a descriptor of its own of the same socket
 * (docs/design/0002-sharing-a-port.md). Sockets may be bound here or inherited from whoever started the process.
 */
import * as net from 'node:net'
import { closeDescriptor, duplicate, listenOn } from './ffi.ts'
import { newListeningHandle, type NativeAddress } from './native.ts'

export const LISTEN_BACKLOG = 4096
const FIRST_PASSED_DESCRIPTOR = 3

export interface InheritedDescriptor {
  readonly name: string
  readonly fd: number
}

interface BoundSocket {
  fd(): number
  address(): { address: string; port: number; family: string }
  close(): void
}

const { BoundSocket } = net as unknown as {
  BoundSocket: new (options: { host: string; port: number; ipv6Only?: boolean }) => BoundSocket
}

export class ListeningSocket {
  readonly host: string
  readonly port: number
  readonly #bound: BoundSocket | null
  readonly #fd: number

  private constructor(fd: number, host: string, port: number, bound: BoundSocket | null) {
    this.#fd = fd
    this.host = host
    this.port = port
    this.#bound = bound
  }

  /**
   * Binds and listens. Host `''` is every address: IPv6 with IPv4 mapped, or IPv4 alone where there is no IPv6.
   * Throws an Error with `code` (`EADDRINUSE`, `EACCES`, …).
   */
  static bind(host: string, port: number): ListeningSocket {
    const bound = bind(host, port)
    const { address, port: actualPort } = bound.address()
    if (!listenOn(bound.fd(), LISTEN_BACKLOG)) {
      bound.close()
      throw Object.assign(new Error(`listen on ${host}:${port} failed`), { code: 'EADDRINUSE' })
    }
    return new ListeningSocket(bound.fd(), address, actualPort, bound)
  }

  /**
   * Takes over a TCP socket that was bound by somebody else, as passed by `LISTEN_FDS`. Null when the descriptor is
   * none.
   */
  static inherit(fd: number): ListeningSocket | null {
    const name = socketName(fd)
    if (name === null || !listenOn(fd, LISTEN_BACKLOG)) return null
    return new ListeningSocket(fd, name.address, name.port, null)
  }

  /** A descriptor for a worker, which then owns it. */
  duplicate(): number {
    const fd = duplicate(this.#fd)
    if (fd < 0)
      throw Object.assign(new Error('no descriptor left for a listening socket'), { code: 'EMFILE' })
    return fd
  }

  /** Refuses new connections once the workers have closed theirs; what is queued and not accepted is reset. */
  close(): void {
    if (this.#bound === null) closeDescriptor(this.#fd)
    else this.#bound.close()
  }
}

/** Address of a TCP socket; null for anything else. */
function socketName(fd: number): { readonly address: string; readonly port: number } | null {
  const copy = duplicate(fd)
  if (copy < 0) return null
  const handle = newListeningHandle()
  if (handle.open(copy) !== 0) {
    closeDescriptor(copy)
    return null
  }
  const name: NativeAddress = {}
  const status = handle.getsockname(name)
  handle.close()
  const { address, port } = name
  return status !== 0 || address === undefined || port === undefined ? null : { address, port }
}

function bind(host: string, port: number): BoundSocket {
  if (host !== '') return new BoundSocket({ host, port })
  try {
    return new BoundSocket({ host: '::', port })
  } catch (error) {
    const { code } = error as { code?: string }
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL' && code !== 'EINVAL') throw error
    return new BoundSocket({ host: '0.0.0.0', port })
  }
}

/**
 * Sockets passed by the service manager: `LISTEN_FDS` descriptors from 3 on, if `LISTEN_PID` is this process
 * (sd_listen_fds(3)). `LISTEN_FDNAMES` gives the entrypoint of each; without it they are named by their number.
 */
export function inheritedDescriptors(env: NodeJS.ProcessEnv, pid: number): readonly InheritedDescriptor[] {
  if (env['LISTEN_PID'] !== String(pid)) return []
  const count = Number(env['LISTEN_FDS'] ?? '0')
  const names = (env['LISTEN_FDNAMES'] ?? '').split(':')
  const found: InheritedDescriptor[] = []
  for (let index = 0; index < count; index++) {
    const name = names[index] ?? ''
    found.push({ name: name === '' ? String(index) : name, fd: FIRST_PASSED_DESCRIPTOR + index })
  }
  return found
}
