/** Certificate authorities, keys and configurations for the tests of this folder. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { CertificateConfig } from '#config/model/dynamic.ts'
import { issueCertificate, type IssueOptions } from '../issue.ts'
import type { PemPair } from '../self-signed.ts'

export const DAY_MS = 86_400_000

export type TestKeyType = 'ec' | 'rsa' | 'ed25519'

/** RSA keys take long to make; tests share one. */
let sharedRsaKey: KeyObject | undefined

export function newKey(type: TestKeyType): KeyObject {
  if (type === 'ec') return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  if (type === 'ed25519') return generateKeyPairSync('ed25519').privateKey
  return (sharedRsaKey ??= generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
}

export function keyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' })
}

export interface LeafOptions extends Partial<IssueOptions> {
  readonly keyType?: TestKeyType
}

export class TestAuthority {
  readonly commonName: string
  readonly key: KeyObject
  readonly certificate: string

  constructor(commonName: string, parent?: TestAuthority) {
    this.commonName = commonName
    this.key = newKey('ec')
    const now = Date.now()
    this.certificate = issueCertificate({
      commonName,
      dnsNames: [],
      notBefore: now - DAY_MS,
      notAfter: now + 1000 * DAY_MS,
      subjectKey: createPublicKey(this.key),
      issuer: parent ?? this,
      isAuthority: true,
    })
  }

  /** A leaf for these names, with a new key. */
  issue(dnsNames: readonly string[], options: LeafOptions = {}): PemPair {
    const key = options.subjectKey ?? newKey(options.keyType ?? 'ec')
    const now = Date.now()
    const certificate = issueCertificate({
      commonName: dnsNames[0] ?? 'nameless leaf',
      dnsNames,
      notBefore: now - DAY_MS,
      notAfter: now + 90 * DAY_MS,
      issuer: this,
      ...options,
      subjectKey: key,
    })
    return { certificate, key: keyPem(key) }
  }
}

export function configOf(
  name: string,
  pair: PemPair,
  more: Partial<CertificateConfig> = {},
): CertificateConfig {
  return {
    name,
    hosts: [],
    certificate: pair.certificate,
    key: pair.key,
    origin: { provider: 'test', kind: 'Secret', namespace: 'shop', name },
    ...more,
  }
}
