/**
 * The listening sockets of one worker. Each entrypoint's descriptor is kept and a second one is listened on, so that
 * accepting can pause (caps, drain) and go on again; meanwhile connections queue in the kernel at the socket that all
 * workers and control share.
 */
import { closeDescriptor, duplicate } from '#net/ffi.ts'
import { LISTEN_BACKLOG } from '#net/listening-socket.ts'
import type { Listener, Transport, TransportConnection } from '#net/transport/transport.ts'
import type { Acceptor } from '../accept/acceptor.ts'

const RETRY_MS = 200

interface Listening {
  readonly acceptor: Acceptor
  readonly fd: number
  listener: Listener | null
}

export class Listeners {
  readonly #transport: Transport
  readonly #divert: (acceptor: Acceptor, fd: number) => boolean
  readonly #byName = new Map<string, Listening>()
  /** Why accepting is paused; empty: it is not. */
  readonly #pauses = new Set<string>()
  /** Of all entrypoints so far; control counts them upwards. -1: none yet. */
  highestNumber = -1

  /** `divert` may give an accepted socket of an entrypoint to another worker. */
  constructor(transport: Transport, divert: (acceptor: Acceptor, fd: number) => boolean) {
    this.#transport = transport
    this.#divert = divert
  }

  /** Takes ownership of `fd`. Throws when listening fails. */
  open(acceptor: Acceptor, fd: number): void {
    this.close(acceptor.entry.name)
    const listening: Listening = { acceptor, fd, listener: null }
    this.#byName.set(acceptor.entry.name, listening)
    this.highestNumber = Math.max(this.highestNumber, acceptor.number)
    if (this.#pauses.size === 0 || acceptor.entry.isInternal) this.#listen(listening)
  }

  /** Returns whose connections live on. */
  close(name: string): Acceptor | undefined {
    const listening = this.#byName.get(name)
    if (listening === undefined) return undefined
    this.#byName.delete(name)
    listening.listener?.close()
    closeDescriptor(listening.fd)
    return listening.acceptor
  }

  byName(name: string): Acceptor | undefined {
    return this.#byName.get(name)?.acceptor
  }

  byNumber(number: number): Acceptor | undefined {
    for (const { acceptor } of this.#byName.values()) if (acceptor.number === number) return acceptor
    return undefined
  }

  get isEmpty(): boolean {
    return this.#byName.size === 0
  }

  /** All but the internal entrypoint: health checks must be answered. */
  pause(reason: string): void {
    this.#pauses.add(reason)
    for (const each of this.#byName.values()) {
      if (each.acceptor.entry.isInternal) continue
      each.listener?.close()
      each.listener = null
    }
  }

  /** Accepting goes on when no reason is left. */
  resume(reason: string): void {
    this.#pauses.delete(reason)
    this.#listenAgain()
  }

  #listenAgain(): void {
    if (this.#pauses.size > 0) return
    for (const each of this.#byName.values()) if (each.listener === null) this.#listen(each)
  }

  #listen(listening: Listening): void {
    const { acceptor } = listening
    const fd = duplicate(listening.fd)
    if (fd < 0) {
      // Not one descriptor is left, not even for this.
      setTimeout(() => this.#listenAgain(), RETRY_MS)
      return
    }
    listening.listener = this.#transport.listen(
      fd,
      LISTEN_BACKLOG,
      (fd) => this.#divert(acceptor, fd),
      (connection: TransportConnection) => acceptor.accept(connection),
    )
  }
}
