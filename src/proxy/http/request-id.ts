/** Request ids: 32 hexadecimal digits from the system's generator, drawn in blocks. */
import { randomFillSync } from 'node:crypto'

const ID_CHARS = 32
/** One call of the generator serves a thousand ids. */
const BLOCK = Buffer.allocUnsafeSlow(16_384)

export class RequestIds {
  #text = ''
  #at = 0

  next(): string {
    if (this.#at >= this.#text.length) {
      this.#text = randomFillSync(BLOCK).toString('hex')
      this.#at = 0
    }
    const id = this.#text.slice(this.#at, this.#at + ID_CHARS)
    this.#at += ID_CHARS
    return id
  }
}
