/**
 * Reads a configured certificate: PEM chain and key to what the store selects by and what TLS is given, with a finding
 * for everything that is wrong. Called by `CertificateStore`, in control (for findings) and in workers alike; about
 * 0.1 ms. Nothing here throws on what users configure.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { CertificateConfig } from '#config/model/dynamic.ts'
import type { Finding } from '#config/model/finding.ts'
import {
  OID_ECDSA_WITH_SHA1,
  OID_MD5_WITH_RSA,
  OID_RSA,
  OID_RSA_PSS,
  OID_SHA1_WITH_RSA,
  OID_ED25519,
} from '#wire/der/tags.ts'
import { type CertificateFields, readCertificateFields } from '#wire/der/x509.ts'
import { certificateFinding } from './certificate-findings.ts'
import { type Chain, type ChainLink, isSelfIssued, orderChain } from './chain.ts'
import { certificateNames, coversHost, hostNames } from './names.ts'
import { parsePem } from './pem.ts'

/** One of each kind can stand side by side for a host; the client's offer decides. */
export type KeyType = 'ec' | 'rsa' | 'ed25519'

/** A certificate that TLS can use. */
export interface Certificate {
  readonly config: CertificateConfig
  /** Hosts that it names itself, in normal form. */
  readonly names: readonly string[]
  /** Hosts that select it: those it is configured for, without any those it names. `*.` in front is a wildcard. */
  readonly hosts: readonly string[]
  readonly keyType: KeyType
  /** Milliseconds since the epoch; of the leaf. */
  readonly notBefore: number
  /** Milliseconds since the epoch; the earliest of the leaf and the certificates behind it. */
  readonly notAfter: number
  readonly serial: string
  /** Common names of subject and issuer, `''` without one. */
  readonly commonName: string
  readonly issuer: string
  /** PEM, leaf first, in order. */
  readonly chain: string
  readonly key: string
}

export interface CertificateReading {
  /** Null when TLS cannot use it. */
  readonly certificate: Certificate | null
  /** What does not depend on the time; see `validityFindings`. */
  readonly findings: readonly Finding[]
}

const MIN_RSA_BITS = 2048
const EXPIRES_SOON_MS = 14 * 86_400_000
/** More certificates than this in a file are a trust store put in by mistake. */
const MAX_CHAIN_CERTIFICATES = 32

export function readCertificate(config: CertificateConfig): CertificateReading {
  const findings: Finding[] = []
  const note = (...[code, message, hint]: NoteArguments): void => {
    findings.push(certificateFinding(code, config, message, hint))
  }
  const links = readLinks(config.certificate, note)
  const key = readKey(config.key, note)
  if (links === null || key === null) return { certificate: null, findings }

  const leafIndex = leafOf(links, key)
  if (leafIndex === -1) {
    note('certificate-key-mismatch', 'the private key does not belong to the certificate')
    return { certificate: null, findings }
  }
  const chain = orderChain(links, leafIndex)
  const leaf = (links[leafIndex] as ChainLink).fields
  const keyType = usableKeyType(leaf, note)
  if (keyType === null) return { certificate: null, findings }
  noteChain(chain, note)

  const names = certificateNames(leaf)
  const configured = hostNames(config.hosts)
  noteNames(names, configured, note)
  return {
    certificate: {
      config,
      names,
      hosts: configured.length > 0 ? configured : names,
      keyType,
      notBefore: leaf.notBefore,
      notAfter: Math.min(...chain.links.map((link) => link.fields.notAfter)),
      serial: leaf.serial,
      commonName: leaf.commonName,
      issuer: leaf.issuerCommonName,
      chain: chain.links.map((link) => link.pem).join(''),
      key: config.key,
    },
    findings,
  }
}

/** Findings that come and go with the time. `now` in milliseconds since the epoch. */
export function validityFindings(certificate: Certificate, now: number): Finding[] {
  const { config, notBefore, notAfter } = certificate
  if (now > notAfter)
    return [certificateFinding('certificate-expired', config, `the certificate expired on ${day(notAfter)}`)]
  if (now < notBefore)
    return [
      certificateFinding(
        'certificate-not-yet-valid',
        config,
        `the certificate is valid from ${day(notBefore)} on`,
      ),
    ]
  if (notAfter - now < EXPIRES_SOON_MS)
    return [
      certificateFinding('certificate-expires-soon', config, `the certificate expires on ${day(notAfter)}`),
    ]
  return []
}

type NoteArguments = [code: Parameters<typeof certificateFinding>[0], message: string, hint?: string]
type Note = (...values: NoteArguments) => void

function readLinks(text: string, note: Note): ChainLink[] | null {
  const unreadable = (why: string): null => {
    note('certificate-unreadable', why)
    return null
  }
  const blocks = parsePem(text)
  if (blocks === null) return unreadable('the certificate has a PEM block that is cut off or not base64')
  const certificates = blocks.filter((block) => block.label === 'CERTIFICATE')
  if (certificates.length === 0) return unreadable('there is no PEM block of type CERTIFICATE')
  if (certificates.length > MAX_CHAIN_CERTIFICATES)
    return unreadable(
      `there are ${certificates.length} certificates, at most ${MAX_CHAIN_CERTIFICATES} make a chain`,
    )
  const links: ChainLink[] = []
  for (const [index, block] of certificates.entries()) {
    const fields = readCertificateFields(block.der)
    if (fields === null) return unreadable(`PEM block ${index + 1} is not an X.509 certificate`)
    links.push({ fields, pem: block.text })
  }
  return links
}

function readKey(text: string, note: Note): KeyObject | null {
  if (!text.includes('PRIVATE KEY-----')) {
    note('certificate-key-unreadable', 'there is no PEM block of a private key')
    return null
  }
  try {
    return createPrivateKey(text)
  } catch (error) {
    const isEncrypted = text.includes('ENCRYPTED')
    note(
      'certificate-key-unreadable',
      isEncrypted ? 'the private key is encrypted' : `the private key cannot be parsed: ${reason(error)}`,
    )
    return null
  }
}

/** Index of the certificate that `key` belongs to, the first one where possible; -1 without any. */
function leafOf(links: readonly ChainLink[], key: KeyObject): number {
  return links.findIndex((link) => {
    try {
      return new X509Certificate(link.pem).checkPrivateKey(key)
    } catch {
      // OpenSSL is stricter than the DER reader in places; for OpenSSL this is no certificate.
      return false
    }
  })
}

/** What OpenSSL can present at its default security level; null with a note when it cannot. */
function usableKeyType(leaf: CertificateFields, note: Note): KeyType | null {
  switch (leaf.keyAlgorithm) {
    case OID_RSA:
    case OID_RSA_PSS:
      if (leaf.keyBits >= MIN_RSA_BITS) return 'rsa'
      note(
        'certificate-weak-key',
        `the RSA key has ${leaf.keyBits} bits, at least ${MIN_RSA_BITS} are needed`,
      )
      return null
    case OID_ED25519:
      return 'ed25519'
    default:
      // The curves that are known are those that TLS 1.3 can sign with (RFC 8446 §4.2.3).
      if (leaf.keyBits === 256 || leaf.keyBits === 384 || leaf.keyBits === 521) return 'ec'
      note('certificate-key-unsupported', 'the key is of a kind that TLS clients do not accept')
      return null
  }
}

function noteChain(chain: Chain, note: Note): void {
  for (const { fields } of chain.links) {
    const algorithm = WEAK_SIGNATURES.get(fields.signatureAlgorithm)
    // Nobody verifies the signature of a root.
    if (algorithm !== undefined && !isSelfIssued(fields))
      note('certificate-weak-signature', `the certificate of '${label(fields)}' is signed with ${algorithm}`)
  }
  for (const { fields } of chain.unrelated)
    note('certificate-chain-unrelated', `the certificate of '${label(fields)}' is no part of the chain`)
  if (chain.isReordered) note('certificate-chain-order', 'the certificates are not in order, leaf first')
  const [leaf] = chain.links
  if (leaf === undefined || chain.links.length > 1 || isSelfIssued(leaf.fields)) return
  const { issuerUrl } = leaf.fields
  const issuer = printable(leaf.fields.issuerCommonName)
  if (issuerUrl === '')
    note('certificate-issuer-absent', `the certificate of the issuer '${issuer}' is not in the file`)
  else
    note(
      'certificate-chain-incomplete',
      `the intermediate certificate '${issuer}' is missing`,
      `append the certificate that ${printable(issuerUrl)} gives: most clients do not fetch it themselves`,
    )
}

function noteNames(names: readonly string[], configured: readonly string[], note: Note): void {
  if (names.length === 0 && configured.length === 0)
    note('certificate-without-names', 'the certificate names no host')
  const named = new Set(names)
  for (const host of configured) {
    if (coversHost(named, host)) continue
    const listed =
      names.length === 0 ? 'no host' : names.slice(0, 5).join(', ') + (names.length > 5 ? ', …' : '')
    note('certificate-name-mismatch', `the certificate is configured for ${host} and names ${listed}`)
  }
}

const WEAK_SIGNATURES: ReadonlyMap<string, string> = new Map([
  [OID_MD5_WITH_RSA, 'MD5'],
  [OID_SHA1_WITH_RSA, 'SHA-1'],
  [OID_ECDSA_WITH_SHA1, 'SHA-1'],
])

function label(fields: CertificateFields): string {
  return printable(fields.commonName) || fields.serial
}

/** Text out of a certificate may hold anything; findings go to terminals and logs. */
function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?').slice(0, 200)
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
