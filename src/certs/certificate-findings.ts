/**
 * Everything that can be wrong with a configured certificate, as findings. The table is what
 * docs/reference/findings.md lists for this area.
 */
import type { CertificateConfig } from '#config/model/dynamic.ts'
import type { Finding } from '#config/model/finding.ts'

interface FindingKind {
  readonly severity: Finding['severity']
  /** One line for the reference page. */
  readonly summary: string
  readonly hint: string
}

export const CERTIFICATE_FINDINGS = {
  'certificate-unreadable': {
    severity: 'error',
    summary: 'the certificate is not PEM, or not an X.509 certificate',
    hint: 'give the chain as PEM blocks of type CERTIFICATE, leaf first',
  },
  'certificate-key-unreadable': {
    severity: 'error',
    summary: 'the private key is not PEM, is encrypted, or cannot be parsed',
    hint: 'give one unencrypted PEM block of type PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY',
  },
  'certificate-key-mismatch': {
    severity: 'error',
    summary: 'the private key belongs to none of the certificates',
    hint: 'put the key in that the certificate was requested with',
  },
  'certificate-key-unsupported': {
    severity: 'error',
    summary: 'TLS servers cannot use a key of this kind',
    hint: 'use ECDSA P-256, P-384 or P-521, RSA with at least 2048 bits, or Ed25519',
  },
  'certificate-weak-key': {
    severity: 'error',
    summary: 'an RSA key of less than 2048 bits, which OpenSSL and clients refuse',
    hint: 'request a certificate for a key of at least 2048 bits, or for ECDSA P-256',
  },
  'certificate-weak-signature': {
    severity: 'warning',
    summary: 'a certificate is signed with MD5 or SHA-1, which clients refuse',
    hint: 'have the certificate issued again, with SHA-256',
  },
  'certificate-expired': {
    severity: 'error',
    summary: 'the certificate, or one that its chain needs, has expired; it is served all the same',
    hint: 'renew the certificate',
  },
  'certificate-not-yet-valid': {
    severity: 'error',
    summary: 'the certificate is not valid yet; it is served all the same',
    hint: 'check the clocks of this machine and of the issuer',
  },
  'certificate-expires-soon': {
    severity: 'warning',
    summary: 'the certificate expires within 14 days',
    hint: 'renew the certificate, or see why automatic renewal did not',
  },
  'certificate-name-mismatch': {
    severity: 'warning',
    summary: 'the certificate is configured for a host that it does not name',
    hint: 'request a certificate that names this host, or take the host out of the TLS section',
  },
  'certificate-without-names': {
    severity: 'warning',
    summary: 'the certificate names no host and is configured for none, so nothing selects it',
    hint: 'name hosts where it is referred to, or request it with a subject alternative name',
  },
  'certificate-chain-order': {
    severity: 'warning',
    summary: 'the chain is not in order, leaf first and each followed by its issuer; it is served in order',
    hint: 'put the blocks in order for the sake of other programs',
  },
  'certificate-chain-unrelated': {
    severity: 'warning',
    summary: 'a certificate in the file is no part of the chain; it is not served',
    hint: 'take it out, or put in the intermediate that it was meant to be',
  },
  'certificate-chain-incomplete': {
    severity: 'warning',
    summary: 'the file holds the leaf alone, and the leaf says where its issuer can be fetched',
    hint: 'append the intermediate certificate: most clients do not fetch it themselves',
  },
  'certificate-issuer-absent': {
    severity: 'info',
    summary: 'the file holds the leaf alone, and its issuer is not in it',
    hint: 'append the issuer unless clients trust it directly',
  },
  'certificate-conflict': {
    severity: 'warning',
    summary:
      "another certificate with the same kind of key, or another namespace's, serves this host; that of the older Ingress, then the first by name, wins",
    hint: 'take the host, or one of the certificates, out',
  },
  'certificate-refused': {
    severity: 'error',
    summary: 'OpenSSL refused the certificate when it was first used; another one answers',
    hint: 'see the message of OpenSSL',
  },
} as const satisfies Record<string, FindingKind>

export type CertificateFindingCode = keyof typeof CERTIFICATE_FINDINGS

/** The object as findings name it: `Secret shop/tls`, or the bare name outside of namespaces. */
export function certificateObject(config: Pick<CertificateConfig, 'origin'>): string {
  const { kind, namespace, name } = config.origin
  return namespace === '' ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
}

export function certificateFinding(
  code: CertificateFindingCode,
  config: Pick<CertificateConfig, 'origin'>,
  message: string,
  hint?: string,
): Finding {
  const kind = CERTIFICATE_FINDINGS[code]
  const { place } = config.origin
  return {
    code,
    severity: kind.severity,
    object: certificateObject(config),
    ...(place === undefined ? {} : { place }),
    message,
    hint: hint ?? kind.hint,
  }
}
