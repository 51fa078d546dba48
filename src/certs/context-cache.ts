/**
 * TLS contexts by certificate set, made on first use and dropped when not used for long. Called by `CertificateStore`
 * once per handshake. An OpenSSL context knows one ticket key, so a set has up to two: with the current key, and, once
 * a client comes with an older ticket, with the previous one.
 *
 * Invariant: at most `limit` sets, in two halves. A hit in the old half moves to the young one; when the young half
 * is full the old one is dropped. Connections keep the context they began with.
 */
import type { SecureContext } from 'node:tls'
import type { CertificateSet } from './host-index.ts'
import { createServerContext, sessionIdContextOf, setContextTicketKey } from './secure-context.ts'
import { TICKET_KEY_NAME_BYTES, type TicketKeys } from './ticket-keys.ts'

class CachedContexts {
  current: SecureContext | null = null
  previous: SecureContext | null = null
}

export class ContextCache {
  readonly #halfLimit: number
  #young = new Map<string, CachedContexts>()
  #old = new Map<string, CachedContexts>()
  #ticketKeys: TicketKeys | null = null

  constructor(limit: number) {
    this.#halfLimit = Math.max(1, Math.ceil(limit / 2))
  }

  /** Certificate sets with a context at present. */
  get size(): number {
    return this.#young.size + this.#old.size
  }

  /**
   * The context for `set` that opens the ticket with this key name, when there is a choice. Throws what OpenSSL says
   * when it refuses a certificate.
   */
  context(set: CertificateSet, ticketKeyName: Buffer | null): SecureContext {
    const contexts = this.#contexts(set.id)
    const keys = this.#ticketKeys
    if (ticketKeyName !== null && keys?.previous !== undefined && hasName(keys.previous, ticketKeyName))
      return (contexts.previous ??= create(set, keys.previous))
    return (contexts.current ??= create(set, keys?.current))
  }

  /** Contexts in use take over the new keys; no certificate is loaded again. */
  setTicketKeys(keys: TicketKeys): void {
    this.#ticketKeys = keys
    for (const half of [this.#young, this.#old]) {
      for (const contexts of half.values()) {
        if (contexts.current !== null) setContextTicketKey(contexts.current, keys.current)
        // Few clients need it at all, and then for one period: made anew on demand.
        contexts.previous = null
      }
    }
  }

  #contexts(id: string): CachedContexts {
    const young = this.#young.get(id)
    if (young !== undefined) return young
    const contexts = this.#old.get(id) ?? new CachedContexts()
    this.#old.delete(id)
    if (this.#young.size >= this.#halfLimit) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(id, contexts)
    return contexts
  }
}

function create(set: CertificateSet, ticketKey: Buffer | undefined): SecureContext {
  const names = set.certificates.map((certificate) => certificate.config.name)
  return createServerContext(set.certificates, sessionIdContextOf(names), ticketKey)
}

/** Names are public: they stand in front of every ticket. */
function hasName(key: Buffer, name: Buffer): boolean {
  return key.compare(name, 0, name.length, 0, TICKET_KEY_NAME_BYTES) === 0
}
