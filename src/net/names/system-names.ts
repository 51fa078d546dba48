/**
 * A name to its addresses as this machine means it, with the time they may be kept: `/etc/hosts`, then the name servers
 * (asked through c-ares, because `getaddrinfo` does not tell the TTL), then, for names that the name servers do not
 * have, whatever else the system knows. A name with a dot is asked for as it stands first and below the search domains
 * then, whatever `ndots` says: the other order would ask five questions for one in a pod. Called by `resolver.ts`.
 */
import { lookup, Resolver as NameServers } from 'node:dns'
import { isIPv4 } from 'node:net'
import { errorCode } from '#lib/errors.ts'
import { SystemFiles, type FilePaths } from './system-files.ts'

/** What one family of addresses came to. */
export type FamilyAnswer =
  | { readonly kind: 'found'; readonly addresses: readonly string[]; readonly ttlMs: number }
  /** There are none: the answer says so. */
  | { readonly kind: 'none' }
  /** Nobody knows: no answer, or one that is an error of the name server. */
  | { readonly kind: 'failed'; readonly error: string }

export interface NameAnswer {
  readonly v4: FamilyAnswer
  readonly v6: FamilyAnswer
}

export interface NameSource {
  /** Does not reject. */
  lookup(name: string): Promise<NameAnswer>
}

export interface SystemNamesOptions {
  /** `127.0.0.1:53`; undefined: those of resolv.conf, and what else the system knows. */
  readonly servers?: readonly string[]
  readonly files?: FilePaths
}

/** Answers that come without a TTL are kept so long. */
export const UNTIMED_MS = 5_000

/** For one question to one server, and how often each server is asked. */
const TIMEOUT_MS = 1_000
const TRIES = 2

const MAX_NAME_LENGTH = 253

const NONE: FamilyAnswer = { kind: 'none' }
const NOTHING: NameAnswer = { v4: NONE, v6: NONE }

export class SystemNames implements NameSource {
  readonly #servers: readonly string[] | undefined
  readonly #files: SystemFiles
  #nameServers: NameServers

  constructor(options: SystemNamesOptions = {}) {
    this.#servers = options.servers
    this.#files = new SystemFiles(options.files)
    this.#nameServers = this.#connect()
  }

  async lookup(name: string): Promise<NameAnswer> {
    // c-ares reads resolv.conf once.
    if (await this.#files.refresh()) this.#nameServers = this.#connect()
    const written = this.#files.hosts.get(name)
    if (written !== undefined) return byFamily(written)
    // RFC 6761 §6.3: never a question to a name server.
    if (name === 'localhost' || name.endsWith('.localhost')) return byFamily(['127.0.0.1', '::1'])
    let failed: NameAnswer | undefined
    for (const candidate of this.#candidates(name)) {
      const answer = await this.#ask(candidate)
      if (answer.v4.kind === 'found' || answer.v6.kind === 'found') return answer
      if (answer.v4.kind === 'none' && answer.v6.kind === 'none') continue
      failed ??= answer
      if (isSilent(answer.v4) || isSilent(answer.v6)) break
    }
    return failed ?? (this.#servers === undefined ? systemLookup(name) : NOTHING)
  }

  #connect(): NameServers {
    const nameServers = new NameServers({ timeout: TIMEOUT_MS, tries: TRIES })
    if (this.#servers !== undefined) nameServers.setServers(this.#servers)
    return nameServers
  }

  #candidates(name: string): readonly string[] {
    const below = this.#files.search.map((domain) => `${name}.${domain}`)
    const all = name.includes('.') ? [name, ...below] : [...below, name]
    return all.filter((candidate) => candidate.length <= MAX_NAME_LENGTH)
  }

  async #ask(name: string): Promise<NameAnswer> {
    const nameServers = this.#nameServers
    const [v4, v6] = await Promise.all([
      new Promise<FamilyAnswer>((resolve) => {
        nameServers.resolve4(name, { ttl: true }, (error, records) => resolve(answerOf(error, records)))
      }),
      new Promise<FamilyAnswer>((resolve) => {
        nameServers.resolve6(name, { ttl: true }, (error, records) => resolve(answerOf(error, records)))
      }),
    ])
    return { v4, v6 }
  }
}

interface TimedRecord {
  readonly address: string
  /** Seconds; that of the shortest-lived record on the way, aliases included. */
  readonly ttl: number
}

/** Codes with which a name server says that there is no such name or record. */
const ABSENT = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME'])

function answerOf(error: Error | null, records: readonly TimedRecord[] | undefined): FamilyAnswer {
  if (error !== null) {
    const code = errorCode(error)
    return ABSENT.has(code) ? NONE : { kind: 'failed', error: code }
  }
  if (records === undefined || records.length === 0) return NONE
  let ttl = Number.MAX_SAFE_INTEGER
  for (const record of records) ttl = Math.min(ttl, record.ttl)
  return { kind: 'found', addresses: records.map((record) => record.address), ttlMs: ttl * 1000 }
}

/** No name server can be reached: further questions would only take as long. */
function isSilent(answer: FamilyAnswer): boolean {
  return answer.kind === 'failed' && (answer.error === 'ETIMEOUT' || answer.error === 'ECONNREFUSED')
}

function byFamily(addresses: readonly string[]): NameAnswer {
  return { v4: untimed(addresses.filter(isIPv4)), v6: untimed(addresses.filter((one) => !isIPv4(one))) }
}

function untimed(addresses: readonly string[]): FamilyAnswer {
  return addresses.length === 0 ? NONE : { kind: 'found', addresses, ttlMs: UNTIMED_MS }
}

/** Other sources of nsswitch.conf (multicast names, directories). It waits on a thread, so it is asked last. */
function systemLookup(name: string): Promise<NameAnswer> {
  return new Promise((resolve) => {
    lookup(name, { all: true }, (error, found) => {
      if (error === null) resolve(byFamily(found.map((each) => each.address)))
      else resolve(NOTHING)
    })
  })
}
