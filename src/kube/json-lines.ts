/**
 * Cuts a stream of bytes into lines and parses each as JSON: what a watch sends. A line that came in one piece is
 * decoded where it stands; pieces of a longer one are kept and joined once, so the cost is linear however the bytes
 * were split. A line feed cannot stand inside of a JSON text but as white space, which API servers do not send.
 */
import { KubeError } from './errors.ts'

const LF = 10
/** Objects are bounded by etcd's request limit (1.5 MB by default, raised by some). */
const MAX_LINE_BYTES = 64 * 1024 * 1024

export class JsonLines {
  #pieces: Buffer[] = []
  #heldBytes = 0
  readonly #maxLineBytes: number

  constructor(maxLineBytes = MAX_LINE_BYTES) {
    this.#maxLineBytes = maxLineBytes
  }

  /** Bytes of a line that has not ended. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Appends the value of each line that ends in `chunk` to `into`. Throws a KubeError (`BadAnswer`). The chunk may be kept. */
  push(chunk: Buffer, into: unknown[]): void {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(LF, start)
      if (end === -1) break
      const text = this.#heldBytes === 0 ? chunk.toString('utf8', start, end) : this.#join(chunk, start, end)
      start = end + 1
      if (text.trim() !== '') into.push(parseLine(text))
    }
    if (start === chunk.length) return
    const rest = start === 0 ? chunk : chunk.subarray(start)
    this.#heldBytes += rest.length
    if (this.#heldBytes > this.#maxLineBytes) {
      this.#pieces = []
      this.#heldBytes = 0
      throw new KubeError(0, 'BadAnswer', `a line of a watch is longer than ${this.#maxLineBytes} bytes`)
    }
    this.#pieces.push(rest)
  }

  #join(chunk: Buffer, start: number, end: number): string {
    this.#pieces.push(chunk.subarray(start, end))
    const text = Buffer.concat(this.#pieces).toString('utf8')
    this.#pieces = []
    this.#heldBytes = 0
    return text
  }
}

function parseLine(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    // JSON.parse quotes what it could not read, and that may be a Secret.
    throw new KubeError(0, 'BadAnswer', `a line of a watch (${text.length} characters) is not JSON`)
  }
}
