/**
 * Lets so many through at a time, the others in the order they came: containers that start together would otherwise keep
 * everything else on a small machine waiting.
 */

export class Gate {
  readonly #waiting: (() => void)[] = []
  #free: number

  constructor(places: number) {
    this.#free = places
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      // The place is handed on as it is.
      if (next === undefined) this.#free++
      else next()
    }
  }
}
