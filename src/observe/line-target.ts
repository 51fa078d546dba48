/**
 * Opens what a LineSink writes to, in the way that suits it: files by append, pipes and terminals without blocking
 * and in pieces that the kernel does not interleave with those of other threads.
 */
import { constants, fstatSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'

/** What is written at once to a file. */
export const CHUNK_BYTES = 64 * 1024
/** PIPE_BUF on Linux (POSIX write): a longer write to a pipe may be mixed with those of others. */
const PIPE_ATOMIC_BYTES = 4096

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK
const STANDARD_PATHS: ReadonlyMap<string | number, 1 | 2> = new Map([
  ['/dev/stdout', 1],
  ['/dev/stderr', 2],
])

export interface LineTarget {
  readonly fd: number
  readonly maxWriteBytes: number
  /** A write returns at once or says EAGAIN, so it needs no thread of the pool. */
  readonly isSynchronous: boolean
}

/** A path (parent folders are made), or 1 or 2 for standard output or error. Throws what the kernel says. */
export function openLineTarget(pathOrFd: string | 1 | 2): LineTarget {
  const target = STANDARD_PATHS.get(pathOrFd) ?? pathOrFd
  if (typeof target === 'string') {
    mkdirSync(dirname(target), { recursive: true })
    // O_NONBLOCK means nothing to files, and keeps a named pipe from holding us.
    const fd = openSync(target, APPEND | constants.O_CREAT, 0o644)
    return fstatSync(fd).isFile() ? file(fd) : pipe(fd)
  }
  // Redirected by a shell: an offset of our own would overwrite what others print there.
  if (fstatSync(target).isFile()) return file(target)
  try {
    // A description of our own, non-blocking without making it so for others.
    return pipe(openSync(`/proc/self/fd/${target}`, APPEND))
  } catch {
    // A socket (systemd's journal), or no /proc: the descriptor itself, written by a thread of the pool.
    return { fd: target, maxWriteBytes: PIPE_ATOMIC_BYTES, isSynchronous: false }
  }
}

function file(fd: number): LineTarget {
  return { fd, maxWriteBytes: CHUNK_BYTES, isSynchronous: false }
}

function pipe(fd: number): LineTarget {
  return { fd, maxWriteBytes: PIPE_ATOMIC_BYTES, isSynchronous: true }
}
