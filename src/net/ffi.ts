/**
 * Calls into the C library through `node:ffi`, all of them here. Only descriptors of listening sockets pass through
 * it now: Node cannot duplicate one, and a worker's listening handle closes what it was given.
 */
import { dlopen } from 'node:ffi'

const { functions: libc } = dlopen(null, {
  dup: { arguments: ['int32'], return: 'int32' },
  close: { arguments: ['int32'], return: 'int32' },
  listen: { arguments: ['int32', 'int32'], return: 'int32' },
} as never) as unknown as {
  functions: {
    dup(fd: number): number
    close(fd: number): number
    listen(fd: number, backlog: number): number
  }
}

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
