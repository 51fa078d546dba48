/**
 * Names of what the translation yields, and ages of objects. Names are readable (letters and digits of what they are
 * made of, joined by hyphens, `@provider` behind) and unique: two that would read the same are told apart by a hash of
 * what they were made of. Called by everything here that yields an object.
 */
import { createHash } from 'node:crypto'
import type { ObjectMeta } from './objects.ts'

/** Objects without a timestamp have not been created yet: they are newer than all that have one. */
export const NOT_CREATED = Number.MAX_SAFE_INTEGER

const MAX_NAME_LENGTH = 200

/** Milliseconds since the epoch. */
export function createdAt(metadata: ObjectMeta): number {
  if (metadata.creationTimestamp === undefined) return NOT_CREATED
  const time = Date.parse(metadata.creationTimestamp)
  return Number.isNaN(time) ? NOT_CREATED : time
}

/** Runs of anything but letters and digits become one hyphen; none at the ends. */
export function readableName(text: string): string {
  let result = ''
  let start = -1
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    const isKept = (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || (code >= 65 && code <= 90)
    if (isKept) {
      if (start === -1) start = i
      continue
    }
    if (start === -1) continue
    result += result === '' ? text.slice(start, i) : `-${text.slice(start, i)}`
    start = -1
  }
  if (start !== -1) result += result === '' ? text.slice(start) : `-${text.slice(start)}`
  return result.length > MAX_NAME_LENGTH ? result.slice(0, MAX_NAME_LENGTH) : result
}

/** Eight hexadecimal digits. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}

/** Gives out names, each to one holder at a time. */
export class NameRegistry {
  readonly #suffix: string
  readonly #taken = new Set<string>()

  constructor(provider: string) {
    this.#suffix = `@${provider}`
  }

  /** `text` made readable; where that is taken, with a hash of `identity` behind. */
  claim(text: string, identity: string): string {
    const base = readableName(text)
    const plain = base + this.#suffix
    if (base !== '' && this.#take(plain)) return plain
    for (let attempt = 0; ; attempt++) {
      const hash = shortHash(attempt === 0 ? identity : `${identity}\n${attempt}`)
      const name = base === '' ? hash + this.#suffix : `${base}-${hash}${this.#suffix}`
      if (this.#take(name)) return name
    }
  }

  release(name: string): void {
    this.#taken.delete(name)
  }

  #take(name: string): boolean {
    if (this.#taken.has(name)) return false
    this.#taken.add(name)
    return true
  }
}
