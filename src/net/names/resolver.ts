/**
 * Names of servers (ExternalName Services, `--backend` with a name) to addresses. An answer is kept for its TTL, within
 * bounds; a name that is in use is asked for again when it has run out, and requests go on with what is known
 * meanwhile. When a name no longer resolves its last addresses stay in use until it does. Called by connection pools
 * and probes; one for each worker.
 */
import { networkInterfaces } from 'node:os'
import type { FamilyAnswer, NameAnswer, NameSource } from './system-names.ts'

/** Bounds of the time that an answer is kept. */
const MIN_TTL_MS = 1_000
const MAX_TTL_MS = 3_600_000
/** After a failure, doubled with each further one. */
const RETRY_MS = 1_000
const MAX_RETRY_MS = 10_000
/** For so long after its time an answer is used while a new one is asked for; later it is waited for. */
const GRACE_MS = 5_000
const MAX_NAMES = 10_000

const NO_ADDRESSES: readonly string[] = []

type Callback = (addresses: readonly string[], error: string | undefined) => void

/** Told when a name begins to fail, and when it resolves again. */
export interface NameObserver {
  /** `kept`: how many addresses stay in use. */
  onFailing(name: string, error: string, kept: number): void
  onRecovered(name: string): void
}

/** Written by the resolver, read by metrics. */
export interface NameCounters {
  /** Questions that were answered, those without an answer or an address, and names that are failing now. */
  resolved: number
  failed: number
  failing: number
}

interface Entry {
  readonly name: string
  v4: readonly string[]
  v6: readonly string[]
  /** What of both is used, in order; the same array while it is the same. */
  addresses: readonly string[]
  error: string | undefined
  failures: number
  /** ms since epoch. */
  freshUntil: number
  isAsking: boolean
  waiting: Callback[]
}

export class Resolver {
  readonly counters: NameCounters = { resolved: 0, failed: 0, failing: 0 }
  readonly #entries = new Map<string, Entry>()
  readonly #now: () => number
  readonly #source: NameSource
  readonly #observer: NameObserver | undefined

  constructor(now: () => number, source: NameSource, observer?: NameObserver) {
    this.#now = now
    this.#source = source
    this.#observer = observer
  }

  /** Calls back, at once when the answer is known, with at least one address or an error text. */
  resolve(name: string, callback: Callback): void {
    const entry = this.#entry(name)
    const now = this.#now()
    if (entry.freshUntil > now) {
      callback(entry.addresses, entry.error)
      return
    }
    const isUsable = entry.addresses.length > 0 && (entry.failures > 0 || now - entry.freshUntil < GRACE_MS)
    if (!isUsable) entry.waiting.push(callback)
    if (!entry.isAsking) this.#ask(entry)
    if (isUsable) callback(entry.addresses, entry.error)
  }

  /** The addresses as they are known, perhaps none; asks again when their time is over. For every use of a connection. */
  current(name: string): readonly string[] {
    const entry = this.#entries.get(name)
    if (entry === undefined) return NO_ADDRESSES
    if (!entry.isAsking && entry.freshUntil <= this.#now()) this.#ask(entry)
    return entry.addresses
  }

  #entry(name: string): Entry {
    let entry = this.#entries.get(name)
    if (entry === undefined) {
      entry = {
        name,
        v4: NO_ADDRESSES,
        v6: NO_ADDRESSES,
        addresses: NO_ADDRESSES,
        error: undefined,
        failures: 0,
        freshUntil: 0,
        isAsking: false,
        waiting: [],
      }
      this.#entries.set(name, entry)
    }
    return entry
  }

  #ask(entry: Entry): void {
    entry.isAsking = true
    // Those that are asked for stay, those that nobody uses are the first.
    this.#entries.delete(entry.name)
    this.#entries.set(entry.name, entry)
    if (this.#entries.size > MAX_NAMES) this.#dropOldest()
    void this.#source.lookup(entry.name).then((answer) => this.#take(entry, answer))
  }

  #take(entry: Entry, { v4, v6 }: NameAnswer): void {
    const now = this.#now()
    if (v4.kind === 'found' || v6.kind === 'found') {
      entry.v4 = addressesOf(v4, entry.v4)
      entry.v6 = addressesOf(v6, entry.v6)
      const addresses = reachable(entry.v4, entry.v6)
      if (!isSame(addresses, entry.addresses)) entry.addresses = addresses
      // A family without an answer is asked for again soon, whatever the TTL of the other one.
      const isWhole = v4.kind !== 'failed' && v6.kind !== 'failed'
      const ttlMs = Math.min(ttlOf(v4), ttlOf(v6), isWhole ? MAX_TTL_MS : MAX_RETRY_MS)
      entry.freshUntil = now + Math.max(MIN_TTL_MS, ttlMs)
      this.#recovered(entry)
    } else {
      const error = v4.kind === 'failed' ? v4.error : v6.kind === 'failed' ? v6.error : 'ENOTFOUND'
      entry.freshUntil = now + Math.min(RETRY_MS * 2 ** entry.failures, MAX_RETRY_MS)
      this.#failed(entry, error)
    }
    entry.isAsking = false
    if (entry.waiting.length === 0) return
    const waiting = entry.waiting
    entry.waiting = []
    for (const each of waiting) each(entry.addresses, entry.error)
  }

  #recovered(entry: Entry): void {
    this.counters.resolved++
    entry.error = undefined
    if (entry.failures === 0) return
    entry.failures = 0
    if (this.#isKnown(entry)) this.counters.failing--
    this.#observer?.onRecovered(entry.name)
  }

  #failed(entry: Entry, error: string): void {
    this.counters.failed++
    entry.error = error
    if (++entry.failures > 1) return
    if (this.#isKnown(entry)) this.counters.failing++
    this.#observer?.onFailing(entry.name, error, entry.addresses.length)
  }

  #isKnown(entry: Entry): boolean {
    return this.#entries.get(entry.name) === entry
  }

  #dropOldest(): void {
    for (const [name, entry] of this.#entries) {
      if (entry.isAsking) continue
      if (entry.failures > 0) this.counters.failing--
      this.#entries.delete(name)
      return
    }
  }
}

/** What is known of a family after an answer: no answer changes nothing. Sorted, for servers turn their lists round. */
function addressesOf(answer: FamilyAnswer, before: readonly string[]): readonly string[] {
  if (answer.kind === 'found') return answer.addresses.toSorted()
  return answer.kind === 'none' ? NO_ADDRESSES : before
}

function ttlOf(answer: FamilyAnswer): number {
  return answer.kind === 'found' ? answer.ttlMs : MAX_TTL_MS
}

/**
 * IPv4 first, without the family that this machine has no address of: requests take turns among all of them. Where that
 * would leave nothing (loopback on a machine without network) all.
 */
function reachable(v4: readonly string[], v6: readonly string[]): readonly string[] {
  if (v6.length === 0) return v4
  if (v4.length === 0) return v6
  const { hasV4, hasV6 } = ownFamilies()
  if (hasV4 === hasV6) return [...v4, ...v6]
  return hasV4 ? v4 : v6
}

function ownFamilies(): { hasV4: boolean; hasV6: boolean } {
  let hasV4 = false
  let hasV6 = false
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { family, internal, address } of addresses ?? []) {
      if (internal) continue
      if (family === 'IPv4') hasV4 = true
      // fe80::/10 reaches nobody beyond the link.
      else if (!/^fe[89ab]/i.test(address)) hasV6 = true
    }
  }
  return { hasV4, hasV6 }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((address, i) => address === b[i])
}
