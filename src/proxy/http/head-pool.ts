/** Heads are some kilobytes with their tables; idle connections hold none. */
import { Head } from '#wire/http1/head.ts'

const MAX_FREE = 256

export class HeadPool {
  readonly #free: Head[] = []

  take(): Head {
    return this.#free.pop() ?? new Head()
  }

  give(head: Head): void {
    head.reset()
    if (this.#free.length < MAX_FREE) this.#free.push(head)
  }
}
