/**
 * Calls into the C library through `node:ffi`, all of them here. Listening sockets: Node cannot
 * duplicate a descriptor, and a worker's listening handle closes what it was given. Connections: how much of what was sent
 * has reached the peer, which Node does not tell. Signals: Node blocks one that it keeps for itself.
 */
import { dlopen } from 'node:ffi'
import { constants } from 'node:os'

const { functions: libc } = dlopen(null, {
  dup: { arguments: ['int32'], return: 'int32' },
  close: { arguments: ['int32'], return: 'int32' },
  listen: { arguments: ['int32', 'int32'], return: 'int32' },
  ioctl: { arguments: ['int32', 'uint64', 'pointer'], return: 'int32' },
  pthread_sigmask: { arguments: ['int32', 'pointer', 'pointer'], return: 'int32' },
} as never) as unknown as {
  functions: {
    dup(fd: number): number
    close(fd: number): number
    listen(fd: number, backlog: number): number
    ioctl(fd: number, request: bigint, out: Int32Array): number
    pthread_sigmask(how: number, set: Uint8Array, old: null): number
  }
}

/** linux/sockios.h; the same on all processors that Node is built for there. */
const SIOCOUTQ = 0x5411n
const count = new Int32Array(1)
const isLinux = process.platform === 'linux'

/** A second descriptor of the same socket, or -1. */
export function duplicate(fd: number): number {
  return libc.dup(fd)
}

export function closeDescriptor(fd: number): void {
  libc.close(fd)
}

/** listen(2) without accepting here. True when it worked. */
export function listenOn(fd: number, backlog: number): boolean {
  return libc.listen(fd, backlog) === 0
}

/** Bytes in the kernel that the peer of this TCP socket has not acknowledged; 0 where the system does not tell. A microsecond. */
export function unacknowledgedBytes(fd: number): number {
  return isLinux && libc.ioctl(fd, SIOCOUTQ, count) === 0 ? count[0]! : 0
}

/** Larger than any `sigset_t`. */
const SIGNAL_SET_BYTES = 128
const SIG_UNBLOCK = process.platform === 'darwin' ? 2 : 1

/**
 * Lets this thread get SIGUSR1. Node blocks it at start until its debugger takes it, which `--disable-sigusr1` keeps it from
 * doing: without this call a listener never hears of it. One that was sent before comes now.
 */
export function unblockUserSignal(): void {
  const set = new Uint8Array(SIGNAL_SET_BYTES)
  const bit = constants.signals.SIGUSR1 - 1
  set[bit >> 3] = 1 << (bit & 7)
  libc.pthread_sigmask(SIG_UNBLOCK, set, null)
}
