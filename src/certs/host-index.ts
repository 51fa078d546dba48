/**
 * Which certificates serve which host: exact name, then one-label wildcard. Called by `CertificateStore`. What serves a
 * host is worked out on its first lookup after a change and does not depend on the order of changes.
 */
import type { Certificate, KeyType } from './certificate.ts'
import { coversHost, wildcardOf } from './names.ts'

/** Certificates that share a context: at most one for each kind of key, all of one owner. */
export interface CertificateSet {
  /** Equal for equal certificates, never used again for others. */
  readonly id: string
  readonly certificates: readonly Certificate[]
  /** Names of their configurations, in the same order. */
  readonly names: readonly string[]
}

/** One certificate as it entered the store; a replacement is another one. */
export interface Entry {
  readonly serialNumber: number
  readonly certificate: Certificate
}

export interface Conflict {
  readonly host: string
  readonly winner: Certificate
  readonly loser: Certificate
}

class Host {
  readonly entries: Entry[] = []
  set: CertificateSet | null = null
}

export class HostIndex {
  readonly #hosts = new Map<string, Host>()

  add(entry: Entry): void {
    for (const name of entry.certificate.hosts) {
      let host = this.#hosts.get(name)
      if (host === undefined) {
        host = new Host()
        this.#hosts.set(name, host)
      }
      host.entries.push(entry)
      host.set = null
    }
  }

  remove(entry: Entry): void {
    for (const name of entry.certificate.hosts) {
      const host = this.#hosts.get(name)
      const index = host?.entries.indexOf(entry) ?? -1
      if (host === undefined || index === -1) continue
      host.entries.splice(index, 1)
      host.set = null
      if (host.entries.length === 0) this.#hosts.delete(name)
    }
  }

  exact(host: string): CertificateSet | null {
    return this.#lookup(host)
  }

  wildcard(host: string): CertificateSet | null {
    const name = wildcardOf(host)
    return name === '' ? null : this.#lookup(name)
  }

  /** Certificates that serve a host not, because another one with the same kind of key, or another's, does. */
  *conflicts(): Generator<Conflict> {
    for (const [name, host] of this.#hosts) {
      if (host.entries.length < 2) continue
      const winners = new Map<KeyType, Certificate>()
      let first: Certificate | undefined
      for (const { certificate } of host.entries.toSorted((a, b) => precedence(name, a, b))) {
        first ??= certificate
        const winner = isOfOneOwner(first, certificate) ? winners.get(certificate.keyType) : first
        if (winner === undefined) winners.set(certificate.keyType, certificate)
        // The same Secret, referred to twice, is no conflict.
        else if (winner.chain !== certificate.chain) yield { host: name, winner, loser: certificate }
      }
    }
  }

  #lookup(name: string): CertificateSet | null {
    const host = this.#hosts.get(name)
    return host === undefined ? null : (host.set ??= choose(name, host.entries))
  }
}

export function certificateSet(entries: readonly Entry[]): CertificateSet {
  return {
    id: entries.map((entry) => entry.serialNumber).join(' '),
    certificates: entries.map((entry) => entry.certificate),
    names: entries.map((entry) => entry.certificate.config.name),
  }
}

function choose(host: string, entries: readonly Entry[]): CertificateSet {
  if (entries.length === 1) return certificateSet(entries)
  const winners = new Map<KeyType, Entry>()
  let first: Entry | undefined
  for (const entry of entries.toSorted((a, b) => precedence(host, a, b))) {
    first ??= entry
    const { keyType } = entry.certificate
    if (!winners.has(keyType) && isOfOneOwner(first.certificate, entry.certificate))
      winners.set(keyType, entry)
  }
  return certificateSet([...winners.values()].toSorted((a, b) => a.serialNumber - b.serialNumber))
}

/** Beside somebody's certificate with one kind of key nobody else can put one with another kind, which clients may prefer. */
function isOfOneOwner(
  { config: { origin: a } }: Certificate,
  { config: { origin: b } }: Certificate,
): boolean {
  return a.namespace === b.namespace && a.provider === b.provider
}

/** One that names the host, then the oldest (nobody can take a host over by coming later), then the first by name. */
function precedence(host: string, a: Entry, b: Entry): number {
  const first = a.certificate
  const second = b.certificate
  const covers =
    Number(coversHost(new Set(second.names), host)) - Number(coversHost(new Set(first.names), host))
  if (covers !== 0) return covers
  const age = (first.config.created ?? 0) - (second.config.created ?? 0)
  if (age !== 0) return age
  return first.config.name < second.config.name ? -1 : 1
}
