/**
 * Notices that the process is about to run out of descriptors, before accept(2) fails: libuv answers that failure by
 * accepting and closing, so a client would be refused. The kernel hands out the lowest free number, so the number of a
 * socket just accepted tells how many are in use.
 */
import { closeDescriptor, duplicate } from '#net/ffi.ts'

/** Kept for connections to servers, files and handshakes under way. */
const RESERVE = 64
const LOOK_AGAIN_MS = 200

export interface DescriptorWatchOptions {
  /** RLIMIT_NOFILE. */
  readonly limit: number
  /** Calls back once after about `delayMs`. */
  after(delayMs: number, callback: () => void): void
  onShort(): void
  onRoom(): void
}

export class DescriptorWatch {
  readonly #options: DescriptorWatchOptions
  readonly #highest: number
  #isShort = false
  /** How often accepting was paused for it. */
  pauses = 0

  constructor(options: DescriptorWatchOptions) {
    this.#options = options
    this.#highest = Math.max(16, options.limit - Math.min(RESERVE, options.limit >> 2))
  }

  /** A socket with this descriptor was accepted. */
  note(fd: number): void {
    if (fd < this.#highest || this.#isShort) return
    this.#isShort = true
    this.pauses++
    this.#options.onShort()
    this.#options.after(LOOK_AGAIN_MS, () => this.#lookAgain())
  }

  #lookAgain(): void {
    const fd = duplicate(0)
    if (fd >= 0) closeDescriptor(fd)
    if (fd < 0 || fd >= this.#highest) {
      this.#options.after(LOOK_AGAIN_MS, () => this.#lookAgain())
      return
    }
    this.#isShort = false
    this.#options.onRoom()
  }
}
