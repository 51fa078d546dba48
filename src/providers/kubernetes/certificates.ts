/**
 * Certificates from the Secrets that TLS sections name, and only those. Whether a certificate is valid and fits its
 * hosts is checked where certificates are kept; here a Secret must exist and have both parts. A host whose Secret is
 * missing is served with the default certificate. In a cluster each Ingress is told what is wrong with its Secret, the
 * certificate included. Called by the translator.
 */
import { readCertificate } from '#certs/certificate.ts'
import type { CertificateConfig } from '#config/model/dynamic.ts'
import { FewSet } from './few-set.ts'
import type { FindingBook, FindingDraft } from './findings.ts'
import { NameRegistry } from './names.ts'
import type { SecretObject, SourcedObject } from './objects.ts'
import type { IngressPlan } from './plan.ts'
import type { Published } from './published.ts'

/** Beyond it the names in the certificate are what counts, or each change would carry them all. */
const MAX_HOSTS = 1000

interface CertificateEntry {
  readonly namespace: string
  readonly secret: string
  readonly users: FewSet<IngressPlan>
  name: string
  /** The Ingress that ceased to name it last. */
  lastUser: string
  /** The Secret that was looked into, and why TLS cannot use it. */
  checked: SourcedObject | undefined
  problem: string | undefined
}

/** For sources that hold only those Secrets that something names. */
export interface SecretDemand {
  /**
   * A served Ingress names it; may be called again. False: nobody knows yet whether it exists. The source will set it
   * then, or remove it, which says that it does not exist.
   */
  need(namespace: string, name: string): boolean
  /** Nothing names it any more; what was set is forgotten here. */
  release(namespace: string, name: string): void
}

export class Certificates {
  readonly #provider: string
  readonly #demand: SecretDemand | undefined
  /** What is wrong is told of each Ingress, not of the Secret. */
  readonly #tellsEach: boolean
  readonly #published: Published<CertificateConfig>
  readonly #book: FindingBook
  readonly #names: NameRegistry
  /** Every Secret that was set, by `namespace/name`. */
  readonly #secrets = new Map<string, SourcedObject>()
  readonly #entries = new Map<string, CertificateEntry>()
  readonly #dirty = new Set<string>()
  /** Named, but whether they exist is not known yet. */
  readonly #awaited = new Set<CertificateEntry>()

  constructor(
    provider: string,
    published: Published<CertificateConfig>,
    book: FindingBook,
    demand: SecretDemand | undefined,
    tellsEach: boolean,
  ) {
    this.#tellsEach = tellsEach
    this.#provider = provider
    this.#demand = demand
    this.#published = published
    this.#book = book
    this.#names = new NameRegistry(provider)
  }

  setSecret(sourced: SourcedObject, namespace: string, name: string): void {
    this.#secrets.set(`${namespace}/${name}`, sourced)
    this.#dirty.add(`${namespace}/${name}`)
  }

  removeSecret(namespace: string, name: string): void {
    this.#secrets.delete(`${namespace}/${name}`)
    this.#dirty.add(`${namespace}/${name}`)
  }

  acquire(plan: IngressPlan): void {
    for (const secret of plan.tls?.secrets.keys() ?? []) {
      const key = `${plan.namespace}/${secret}`
      let entry = this.#entries.get(key)
      if (entry === undefined) {
        const users = new FewSet<IngressPlan>()
        const { namespace } = plan
        entry = {
          namespace,
          secret,
          users,
          name: '',
          lastUser: '',
          checked: undefined,
          problem: undefined,
        }
        this.#entries.set(key, entry)
      }
      entry.users.add(plan)
      this.#dirty.add(key)
    }
  }

  release(plan: IngressPlan): void {
    for (const secret of plan.tls?.secrets.keys() ?? []) {
      const key = `${plan.namespace}/${secret}`
      const entry = this.#entries.get(key)
      if (entry === undefined) continue
      entry.users.delete(plan)
      entry.lastUser = plan.sourced.key
      this.#dirty.add(key)
    }
  }

  resolve(): void {
    const unused: string[] = []
    for (const key of this.#dirty) {
      const entry = this.#entries.get(key)
      if (entry === undefined) continue
      if (entry.users.size > 0) this.#resolveEntry(key, entry)
      else unused.push(key)
    }
    this.#dirty.clear()
    for (const key of unused) {
      const entry = this.#entries.get(key)
      if (entry === undefined) continue
      // An Ingress that names another Secret now keeps its certificate until that one has come.
      if (entry.name !== '' && this.#isAwaiting(entry.lastUser)) this.#dirty.add(key)
      else this.#resolveEntry(key, entry)
    }
  }

  #isAwaiting(ingress: string): boolean {
    for (const entry of this.#awaited) {
      for (const plan of entry.users.values()) if (plan.sourced.key === ingress) return true
    }
    return false
  }

  #resolveEntry(key: string, entry: CertificateEntry): void {
    const drafts: FindingDraft[] = []
    const isUsed = entry.users.size > 0
    if (!isUsed && this.#demand !== undefined) {
      this.#demand.release(entry.namespace, entry.secret)
      this.#secrets.delete(key)
    }
    const isKnown = isUsed && (this.#demand?.need(entry.namespace, entry.secret) ?? true)
    if (isUsed && !isKnown) this.#awaited.add(entry)
    else this.#awaited.delete(entry)
    const config = isKnown ? this.#certificate(key, entry, drafts) : undefined
    if (config !== undefined) this.#published.set(config)
    else if (entry.name !== '') {
      this.#published.remove(entry.name)
      this.#names.release(entry.name)
      entry.name = ''
    }
    this.#book.set(`certificate:${key}`, drafts)
    if (!isUsed) this.#entries.delete(key)
  }

  #certificate(key: string, entry: CertificateEntry, drafts: FindingDraft[]): CertificateConfig | undefined {
    const sourced = this.#secrets.get(key)
    if (sourced === undefined) {
      if (this.#tellsEach) tellEach(entry, 'tls-secret-not-found', 'does not exist', drafts)
      else drafts.push(missingSecret(entry))
      return undefined
    }
    const secret = sourced.object as SecretObject
    const problem = secretProblem(secret)
    if (problem !== undefined && this.#tellsEach) {
      tellEach(entry, 'tls-secret', problem, drafts)
      return undefined
    }
    if (problem !== undefined) {
      const message = `${problem}; ${CONSEQUENCE}`
      const hint = 'kubectl create secret tls writes such a Secret'
      drafts.push({ code: 'tls-secret', severity: 'error', message, hint, sourced, path: ['data'] })
      return undefined
    }
    if (entry.name === '') entry.name = this.#names.claim(`${entry.namespace}-${entry.secret}`, key)
    const config: CertificateConfig = {
      name: entry.name,
      hosts: hostsOf(entry),
      certificate: decode(secret.data?.['tls.crt']),
      key: decode(secret.data?.['tls.key']),
      created: createdOf(entry),
      origin: {
        provider: this.#provider,
        kind: 'Secret',
        namespace: entry.namespace,
        name: entry.secret,
        ...(sourced.place === undefined ? {} : { place: sourced.place }),
      },
    }
    if (this.#tellsEach) check(entry, sourced, config, drafts)
    return config
  }
}

const CONSEQUENCE = 'the hosts that name it are served with the default certificate'

function tellEach(
  entry: CertificateEntry,
  code: 'tls-secret-not-found' | 'tls-secret',
  problem: string,
  drafts: FindingDraft[],
): void {
  const severity = code === 'tls-secret' ? 'error' : 'warning'
  const message = `Secret ${entry.namespace}/${entry.secret} ${problem}; ${CONSEQUENCE}`
  for (const plan of entry.users.values()) {
    const index = plan.tls?.secrets.get(entry.secret)?.index ?? 0
    const path = ['spec', 'tls', index, 'secretName']
    drafts.push({ code, severity, message, sourced: plan.sourced, path })
  }
}

/** Whether TLS can use it. Where it cannot, whatever else there is for the hosts is served. */
function check(
  entry: CertificateEntry,
  sourced: SourcedObject,
  config: CertificateConfig,
  drafts: FindingDraft[],
): void {
  if (entry.checked !== sourced) {
    const { certificate, findings } = readCertificate(config)
    entry.checked = sourced
    entry.problem = certificate === null ? (findings[0]?.message ?? 'no certificate is in it') : undefined
  }
  if (entry.problem !== undefined) tellEach(entry, 'tls-secret', `cannot be used: ${entry.problem}`, drafts)
}

function missingSecret(entry: CertificateEntry): FindingDraft {
  const plan = entry.users.first()
  const others = entry.users.size - 1
  const also = others > 0 ? ` (also named by ${others} other${others === 1 ? '' : 's'})` : ''
  const index = plan?.tls?.secrets.get(entry.secret)?.index ?? 0
  return {
    code: 'tls-secret-not-found',
    severity: 'warning',
    message: `Secret ${entry.namespace}/${entry.secret} does not exist${also}; ${CONSEQUENCE}`,
    ...(plan === undefined ? {} : { sourced: plan.sourced, path: ['spec', 'tls', index, 'secretName'] }),
  }
}

function secretProblem(secret: SecretObject): string | undefined {
  const type = secret.type ?? 'Opaque'
  if (type !== 'kubernetes.io/tls' && type !== 'Opaque') return `has type ${type}, not kubernetes.io/tls`
  const missing = ['tls.crt', 'tls.key'].filter((name) => decode(secret.data?.[name]) === '')
  return missing.length === 0 ? undefined : `has no ${missing.join(' and no ')}`
}

function decode(base64: string | undefined): string {
  return base64 === undefined ? '' : Buffer.from(base64, 'base64').toString('latin1')
}

/** As with paths the oldest Ingress counts, so that nobody takes over the TLS of a host by coming later. */
function createdOf(entry: CertificateEntry): number {
  let created = Infinity
  for (const plan of entry.users.values()) created = Math.min(created, plan.order.created)
  return created === Infinity ? 0 : created
}

/** Of all sections that name the Secret; empty where one lists none. */
function hostsOf(entry: CertificateEntry): readonly string[] {
  const hosts = new Set<string>()
  for (const plan of entry.users.values()) {
    const listed = plan.tls?.secrets.get(entry.secret)?.hosts ?? []
    if (listed.length === 0) return []
    for (const host of listed) hosts.add(host)
    if (hosts.size > MAX_HOSTS) return []
  }
  return [...hosts].sort()
}
