/**
 * Names of servers (ExternalName Services, `--backend` with a name) to addresses. The system's resolver is asked, so
 * /etc/hosts and search domains count; it does not tell the TTL, so answers are kept for a short fixed time, as
 * the peers do. When a name stops resolving its last addresses stay in use for a while.
 */
import { lookup } from 'node:dns'

const FRESH_MS = 5_000
const FAILURE_MS = 1_000
const STALE_MS = 60_000
const MAX_NAMES = 10_000

type Callback = (addresses: readonly string[], error: string | undefined) => void

interface Entry {
  addresses: readonly string[]
  error: string | undefined
  /** ms since epoch. */
  freshUntil: number
  staleUntil: number
  waiting: Callback[] | null
}

export class Resolver {
  readonly #entries = new Map<string, Entry>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Calls back, at once when the answer is known, with at least one address or an error text. */
  resolve(name: string, callback: Callback): void {
    const now = this.#now()
    const entry = this.#entries.get(name)
    if (entry !== undefined && entry.freshUntil > now) {
      callback(entry.addresses, entry.error)
      return
    }
    if (entry?.waiting != null) {
      entry.waiting.push(callback)
      return
    }
    this.#ask(name, entry, callback)
  }

  #ask(name: string, known: Entry | undefined, callback: Callback): void {
    const entry: Entry = known ?? {
      addresses: [],
      error: undefined,
      freshUntil: 0,
      staleUntil: 0,
      waiting: null,
    }
    entry.waiting = [callback]
    this.#entries.delete(name)
    this.#entries.set(name, entry)
    if (this.#entries.size > MAX_NAMES) this.#dropOldest()
    lookup(name, { all: true, order: 'ipv4first' }, (error, found) => {
      const now = this.#now()
      if (error === null && found.length > 0) {
        entry.addresses = found.map((each) => each.address)
        entry.error = undefined
        entry.freshUntil = now + FRESH_MS
        entry.staleUntil = now + STALE_MS
      } else {
        entry.freshUntil = now + FAILURE_MS
        if (entry.staleUntil <= now) {
          entry.addresses = []
          entry.error = error?.code ?? 'ENOTFOUND'
        }
      }
      const waiting = entry.waiting ?? []
      entry.waiting = null
      for (const each of waiting) each(entry.addresses, entry.error)
    })
  }

  #dropOldest(): void {
    for (const [name, entry] of this.#entries) {
      if (entry.waiting !== null) continue
      this.#entries.delete(name)
      return
    }
  }
}
