/**
 * What one run of a container wrote: lines with the time at which they came, held in memory up to a bound (the oldest
 * go first), and told to those who follow. Read by log-server.ts through log-query.ts.
 */

export interface LogLine {
  /** Milliseconds since the epoch, with a fraction. */
  readonly at: number
  /** Without the line feed. */
  readonly text: Buffer
  /** It was cut, or the container ended in the middle of it. */
  readonly isPartial?: boolean
}

const MAX_BYTES = 16 * 1024 * 1024
/** A line that does not end is cut here, as container runtimes do. */
const MAX_LINE_BYTES = 16_384
const LINE_FEED = 10

export class ContainerLog {
  #lines: LogLine[] = []
  #bytes = 0
  #hasEnded = false
  readonly #partial: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] }
  readonly #followers = new Set<(line: LogLine | null) => void>()

  get lines(): readonly LogLine[] {
    return this.#lines
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  append(stream: 'stdout' | 'stderr', piece: Buffer): void {
    const at = performance.timeOrigin + performance.now()
    let from = 0
    for (;;) {
      const end = piece.indexOf(LINE_FEED, from)
      if (end === -1) break
      this.#partial[stream].push(piece.subarray(from, end))
      from = end + 1
      this.#take(stream, at)
    }
    if (from === piece.length) return
    this.#partial[stream].push(piece.subarray(from))
    if (this.#partial[stream].reduce((sum, part) => sum + part.length, 0) >= MAX_LINE_BYTES)
      this.#take(stream, at, true)
  }

  /** Nothing comes any more. */
  end(): void {
    const at = performance.timeOrigin + performance.now()
    for (const stream of ['stdout', 'stderr'] as const)
      if (this.#partial[stream].length > 0) this.#take(stream, at, true)
    this.#hasEnded = true
    for (const follower of this.#followers) follower(null)
    this.#followers.clear()
  }

  /** Calls back with each further line, and with null at the end. The returned function ends it. */
  follow(follower: (line: LogLine | null) => void): () => void {
    if (this.#hasEnded) follower(null)
    else this.#followers.add(follower)
    return () => this.#followers.delete(follower)
  }

  /** The last lines as text, for a termination message. */
  tail(maxLines: number, maxBytes: number): string {
    const text = this.#lines
      .slice(-maxLines)
      .map((line) => `${line.text.toString('utf8')}\n`)
      .join('')
    return Buffer.from(text).subarray(-maxBytes).toString('utf8')
  }

  #take(stream: 'stdout' | 'stderr', at: number, isPartial = false): void {
    const parts = this.#partial[stream]
    this.#partial[stream] = []
    const text = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    const line: LogLine = isPartial ? { at, text, isPartial } : { at, text }
    this.#lines.push(line)
    this.#bytes += text.length
    if (this.#bytes > MAX_BYTES) this.#dropHalf()
    for (const follower of this.#followers) follower(line)
  }

  /** In one go, so that a chatty container does not move the whole list for each line. */
  #dropHalf(): void {
    let dropped = 0
    let bytes = this.#bytes
    while (bytes > MAX_BYTES / 2) bytes -= this.#lines[dropped++]!.text.length
    this.#lines = this.#lines.slice(dropped)
    this.#bytes = bytes
  }
}
