/**
 * The certificate that answers when no other does: self-signed, ECDSA P-256. Control makes one and gives it to
 * every worker, so that a client sees the same one on each connection.
 */
import { generateKeyPairSync } from 'node:crypto'
import { issueCertificate } from './issue.ts'

/** Certificate chain and private key, both PEM. */
export interface PemPair {
  readonly certificate: string
  readonly key: string
}

export interface SelfSignedOptions {
  /** Milliseconds since the epoch that count as now. */
  readonly now: number
  /** Common name of subject and issuer. */
  readonly commonName?: string
  /** DNS names of the subject alternative name; a `*` label may come first. */
  readonly dnsNames?: readonly string[]
  readonly validDays?: number
}

export const DEFAULT_COMMON_NAME = 'SEKISHO DEFAULT CERT'

const DAY_MS = 86_400_000
const DEFAULT_VALID_DAYS = 365
/** Clients whose clocks are behind accept it too. */
const BACKDATED_MS = 3_600_000

/** A new key and certificate. Throws a TypeError on a DNS name that is none. About 0.2 ms. */
export function createSelfSigned(options: SelfSignedOptions): PemPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const commonName = options.commonName ?? DEFAULT_COMMON_NAME
  return {
    certificate: issueCertificate({
      commonName,
      dnsNames: options.dnsNames ?? [],
      notBefore: options.now - BACKDATED_MS,
      notAfter: options.now + (options.validDays ?? DEFAULT_VALID_DAYS) * DAY_MS,
      subjectKey: publicKey,
      issuer: { commonName, key: privateKey },
    }),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }
}
