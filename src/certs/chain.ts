/**
 * Order and completeness of a certificate chain (RFC 8446 §4.4.2: each certificate certifies the one before it). Links
 * are followed by name and key identifier; signatures are the clients' business.
 */
import type { CertificateFields } from '#wire/der/x509.ts'

/** A certificate of the file. */
export interface ChainLink {
  readonly fields: CertificateFields
  readonly pem: string
}

export interface Chain {
  /** Leaf first, each followed by its issuer. */
  readonly links: readonly ChainLink[]
  /** In the file, and no issuer of anything in the chain. */
  readonly unrelated: readonly ChainLink[]
  /** The file had the same certificates in another order. */
  readonly isReordered: boolean
}

/** Puts `links` in order behind the one at `leafIndex`. */
export function orderChain(links: readonly ChainLink[], leafIndex: number): Chain {
  const rest = links.filter((_, index) => index !== leafIndex)
  const ordered = links.slice(leafIndex, leafIndex + 1)
  let last = ordered[0]
  while (last !== undefined && !isSelfIssued(last.fields)) {
    const { fields } = last
    const index = rest.findIndex((link) => hasIssued(link.fields, fields))
    last = index === -1 ? undefined : rest.splice(index, 1)[0]
    if (last !== undefined) ordered.push(last)
  }
  return {
    links: ordered,
    unrelated: rest,
    isReordered: ordered.some((link, index) => links[index] !== link),
  }
}

export function isSelfIssued(fields: CertificateFields): boolean {
  return fields.issuer.equals(fields.subject)
}

function hasIssued(issuer: CertificateFields, subject: CertificateFields): boolean {
  if (!issuer.subject.equals(subject.issuer)) return false
  // RFC 5280 §4.2.1.1: tells apart the several certificates of one authority.
  return (
    issuer.subjectKeyId === null ||
    subject.authorityKeyId === null ||
    issuer.subjectKeyId.equals(subject.authorityKeyId)
  )
}
