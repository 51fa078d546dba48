/**
 * The certificates of a process or worker, and which of them answers a ClientHello: exact name, then one-label wildcard,
 * then the default. Each worker has one for its handshakes; control has one for findings, `explain` and metrics
 * (contexts are made on first use, so that one costs no OpenSSL memory).
 *
 * Invariants: a certificate that cannot be used changes nothing but the findings, and the one of that name that was in
 * force stays; `select` always answers; what answers depends on the certificates, not on the order they came in.
 */
import type { CertificateConfig } from '#config/model/dynamic.ts'
import type { Finding } from '#config/model/finding.ts'
import type { TlsServerOptions } from '#net/transport/transport.ts'
import type { ClientHello } from '#wire/client-hello/client-hello.ts'
import { certificateFinding, certificateObject } from './certificate-findings.ts'
import { type Certificate, readCertificate, validityFindings } from './certificate.ts'
import { ContextCache } from './context-cache.ts'
import { type CertificateSet, certificateSet, type Entry, HostIndex } from './host-index.ts'
import { createServerContext, sessionIdContextOf } from './secure-context.ts'
import { createSelfSigned, type PemPair } from './self-signed.ts'
import type { TicketKeys } from './ticket-keys.ts'

/** How the name led to the certificates. */
export type CertificateMatch = 'exact' | 'wildcard' | 'default'

export interface CertificateLookup {
  readonly matched: CertificateMatch
  readonly set: CertificateSet
}

/** What `startTls` needs, and what logs and `explain` say about it. */
export interface TlsChoice extends TlsServerOptions {
  readonly matched: CertificateMatch
  /** Names of the certificates' configurations. */
  readonly certificates: readonly string[]
}

export interface CertificateStoreOptions {
  /** Certificate sets that keep a TLS context ready, about 35 kB each; the least recently used go. */
  readonly maxContexts?: number
  readonly alpnProtocols?: readonly string[]
}

const DEFAULT_MAX_CONTEXTS = 1000
const DEFAULT_ALPN: readonly string[] = ['http/1.1']
/** `@` cannot be part of a Kubernetes name, so no configured certificate is called this. */
const DEFAULT_NAME = 'default@internal'

interface Slot {
  /** In force; null while no usable one has come under this name. */
  entry: Entry | null
  /** About the configuration that came last, in force or not. */
  findings: readonly Finding[]
}

export class CertificateStore {
  readonly #slots = new Map<string, Slot>()
  readonly #index = new HostIndex()
  readonly #contexts: ContextCache
  readonly #alpnProtocols: readonly string[]
  /** Default until another one is set; without it one is made when it is needed first. */
  selfSigned: PemPair | null = null
  #serialNumber = 0
  #default: CertificateSet | null = null
  #defaultFindings: readonly Finding[] = []

  constructor(options: CertificateStoreOptions = {}) {
    this.#contexts = new ContextCache(options.maxContexts ?? DEFAULT_MAX_CONTEXTS)
    this.#alpnProtocols = options.alpnProtocols ?? DEFAULT_ALPN
  }

  /** Puts a certificate under `name` in force, in place of the one before if it can be used. Returns what is wrong. */
  set(name: string, config: CertificateConfig): readonly Finding[] {
    const slot = this.#slots.get(name)
    const { certificate, findings } = readCertificate(config)
    const refusal =
      certificate === null || slot === undefined || slot.entry === null ? null : this.#tryOut(certificate)
    const all = refusal === null ? findings : [...findings, refusal]
    if (certificate === null || refusal !== null) {
      if (slot === undefined) this.#slots.set(name, { entry: null, findings: all })
      else slot.findings = all
      return all
    }
    if (slot !== undefined && slot.entry !== null) this.#index.remove(slot.entry)
    const entry = this.#newEntry(certificate)
    this.#slots.set(name, { entry, findings: all })
    this.#index.add(entry)
    return all
  }

  remove(name: string): void {
    const slot = this.#slots.get(name)
    if (slot === undefined) return
    if (slot.entry !== null) this.#index.remove(slot.entry)
    this.#slots.delete(name)
  }

  /** What answers where no certificate is selected. One that cannot be used leaves the present default in force. */
  setDefault(pair: PemPair | CertificateConfig): readonly Finding[] {
    const { certificate, findings } = readCertificate('origin' in pair ? pair : defaultConfig(pair))
    const refusal = certificate === null ? null : this.#tryOut(certificate)
    // It is chosen when no name is; it needs none.
    const relevant = findings.filter(({ code }) => code !== 'certificate-without-names')
    this.#defaultFindings = refusal === null ? relevant : [...relevant, refusal]
    if (certificate !== null && refusal === null)
      this.#default = certificateSet([this.#newEntry(certificate)])
    return this.#defaultFindings
  }

  /** Keys that all workers share; the previous one still opens tickets. */
  setTicketKeys(keys: TicketKeys): void {
    this.#contexts.setTicketKeys(keys)
  }

  /** Certificates, context and protocols for this client. */
  select(hello: ClientHello): TlsChoice {
    for (;;) {
      const { matched, set } = this.lookup(hello.serverName)
      try {
        return {
          secureContext: this.#contexts.context(set, hello.ticketKeyName),
          alpnProtocols: this.#alpnProtocols,
          serverName: hello.serverName,
          matched,
          certificates: set.names,
        }
      } catch (error) {
        // A default is tried out before it comes in force: what fails there is memory, not a certificate.
        if (matched === 'default') throw error
        this.#takeOut(set, error)
      }
    }
  }

  /** Which certificates answer for `serverName`, without making a context. */
  lookup(serverName: string): CertificateLookup {
    if (serverName !== '') {
      const exact = this.#index.exact(serverName)
      if (exact !== null) return { matched: 'exact', set: exact }
      const wildcard = this.#index.wildcard(serverName)
      if (wildcard !== null) return { matched: 'wildcard', set: wildcard }
    }
    if (this.#default === null) this.setDefault(this.selfSigned ?? createSelfSigned({ now: Date.now() }))
    return { matched: 'default', set: this.#default as CertificateSet }
  }

  /** In force, in no order. */
  *certificates(): Generator<Certificate> {
    for (const { entry } of this.#slots.values()) if (entry !== null) yield entry.certificate
  }

  /** Everything that is wrong at `now` (milliseconds since the epoch): configuration, validity, conflicts. */
  findings(now: number): Finding[] {
    const all: Finding[] = [...this.#defaultFindings]
    for (const certificate of this.#default?.certificates ?? [])
      all.push(...validityFindings(certificate, now))
    for (const { entry, findings } of this.#slots.values()) {
      all.push(...findings)
      if (entry !== null) all.push(...validityFindings(entry.certificate, now))
    }
    for (const { host, winner, loser } of this.#index.conflicts()) {
      const other = certificateObject(winner.config)
      all.push(
        certificateFinding(
          'certificate-conflict',
          loser.config,
          `${host} is served with ${other}, not with this one`,
        ),
      )
    }
    return all
  }

  #newEntry(certificate: Certificate): Entry {
    return { serialNumber: ++this.#serialNumber, certificate }
  }

  /** Whether OpenSSL takes a certificate that is about to replace one that works. */
  #tryOut(certificate: Certificate): Finding | null {
    try {
      createServerContext([certificate], sessionIdContextOf([certificate.config.name]), undefined)
      return null
    } catch (error) {
      return refused(certificate, error)
    }
  }

  /** Takes those out of `set` that OpenSSL does not take; all of them when it takes each alone. */
  #takeOut(set: CertificateSet, error: unknown): void {
    const culprits = set.certificates.filter((certificate) => this.#tryOut(certificate) !== null)
    for (const certificate of culprits.length > 0 ? culprits : set.certificates) {
      for (const slot of this.#slots.values()) {
        if (slot.entry?.certificate !== certificate) continue
        this.#index.remove(slot.entry)
        slot.entry = null
        slot.findings = [...slot.findings, this.#tryOut(certificate) ?? refused(certificate, error)]
      }
    }
  }
}

function refused(certificate: Certificate, error: unknown): Finding {
  const reason = error instanceof Error ? error.message : String(error)
  return certificateFinding(
    'certificate-refused',
    certificate.config,
    `OpenSSL refused the certificate: ${reason}`,
  )
}

function defaultConfig(pair: PemPair): CertificateConfig {
  return {
    name: DEFAULT_NAME,
    hosts: [],
    certificate: pair.certificate,
    key: pair.key,
    origin: { provider: 'internal', kind: 'Certificate', namespace: '', name: 'default' },
  }
}
