/**
 * Files that somebody else rotates (service account tokens, authorities, client certificates): read when first asked
 * for and again at most once a minute, or at once after `expire`. A file that cannot be read any more keeps its last
 * content, because rotation replaces files and a request must not fail in between.
 */
import { readFileSync } from 'node:fs'
import { errorCode } from '#lib/errors.ts'
import { KubeError } from './errors.ts'
import type { Timers } from './timers.ts'

/** What client-go waits; tokens of pods are replaced long before they expire. */
const FRESH_MS = 60_000

export class CredentialFile {
  readonly path: string
  readonly #what: string
  readonly #timers: Timers
  #content: string | undefined
  #freshUntil = -Infinity

  /** `what` is for messages: `token`. `initial` counts until the file could be read. */
  constructor(path: string, what: string, timers: Timers, initial?: string) {
    this.path = path
    this.#what = what
    this.#timers = timers
    this.#content = initial
  }

  /** The content as it is now. Throws a KubeError (`Credentials`). */
  text(): string {
    const now = this.#timers.now()
    if (this.#content !== undefined && now < this.#freshUntil) return this.#content
    try {
      // Small local files: a few microseconds, once a minute.
      const content = readFileSync(this.path, 'utf8')
      if (content.trim() === '')
        throw new KubeError(0, 'Credentials', `${this.#what} file ${this.path}: is empty`)
      this.#content = content
      this.#freshUntil = now + FRESH_MS
    } catch (error) {
      if (this.#content !== undefined) return this.#content
      if (error instanceof KubeError) throw error
      const reason = errorCode(error) || 'cannot be read'
      throw new KubeError(0, 'Credentials', `${this.#what} file ${this.path}: ${reason}`, { cause: error })
    }
    return this.#content
  }

  /** The next `text` reads the file. */
  expire(): void {
    this.#freshUntil = -Infinity
  }
}
