/**
 * Fields of an X.509 certificate (RFC 5280 §4.1) that `crypto.X509Certificate` gives only as prose or not at all:
 * names with their kinds, raw issuer and subject, key and signature algorithms, key identifiers. Called by
 * src/certs. The signature is not looked at. Never throws.
 */
import { formatAddress } from '#lib/ip/address.ts'
import { DerReader, objectIdentifierText } from './reader.ts'
import {
  CONSTRUCTED,
  OID_AUTHORITY_INFO_ACCESS,
  OID_AUTHORITY_KEY_ID,
  OID_BASIC_CONSTRAINTS,
  OID_CA_ISSUERS,
  OID_COMMON_NAME,
  OID_ED25519,
  OID_ED448,
  OID_P256,
  OID_P384,
  OID_P521,
  OID_RSA,
  OID_RSA_PSS,
  OID_SUBJECT_ALT_NAME,
  OID_SUBJECT_KEY_ID,
  TAG_BIT_STRING,
  TAG_BMP_STRING,
  TAG_BOOLEAN,
  TAG_CONTEXT,
  TAG_INTEGER,
  TAG_OBJECT_IDENTIFIER,
  TAG_OCTET_STRING,
  TAG_SEQUENCE,
  TAG_SET,
  TAG_UTF8_STRING,
} from './tags.ts'
import { parseTime } from './time.ts'

/** A GeneralName (RFC 5280 §4.2.1.6). `value` is as written; `other` is a kind that names no host. */
export interface AltName {
  readonly kind: 'dns' | 'ip' | 'uri' | 'email' | 'other'
  readonly value: string
}

export interface CertificateFields {
  /** Lower-case hexadecimal, without the sign byte. */
  readonly serial: string
  /** Names as DER, for comparing; views into the certificate. */
  readonly issuer: Buffer
  readonly subject: Buffer
  /** The subject's last common name, `''` without one. */
  readonly commonName: string
  readonly issuerCommonName: string
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
  readonly signatureAlgorithm: string
  readonly keyAlgorithm: string
  /** Bits of an RSA modulus or of the curve; 0 when the algorithm is not known here. */
  readonly keyBits: number
  /** Null when the extension is absent. */
  readonly altNames: readonly AltName[] | null
  readonly isAuthority: boolean
  readonly subjectKeyId: Buffer | null
  readonly authorityKeyId: Buffer | null
  /** Where the issuer's certificate can be fetched (RFC 5280 §4.2.2.1), `''` when it does not say. */
  readonly issuerUrl: string
}

/** Null when `der` is not one well-formed certificate. */
export function readCertificateFields(der: Buffer): CertificateFields | null {
  const outer = new DerReader(der)
  if (!outer.expect(TAG_SEQUENCE) || !outer.isAtEnd) return null
  const certificate = outer.enter()
  if (!certificate.expect(TAG_SEQUENCE)) return null
  const tbs = certificate.enter()
  if (!certificate.expect(TAG_SEQUENCE) || !certificate.expect(TAG_BIT_STRING) || !certificate.isAtEnd)
    return null

  tbs.optional(TAG_CONTEXT | CONSTRUCTED)
  if (!tbs.expect(TAG_INTEGER)) return null
  const serial = tbs.content.toString('hex').replace(/^00(?=.)/, '')
  if (!tbs.expect(TAG_SEQUENCE)) return null
  const signatureAlgorithm = firstObjectIdentifier(tbs.enter())
  if (!tbs.expect(TAG_SEQUENCE)) return null
  const issuer = tbs.element
  if (!tbs.expect(TAG_SEQUENCE)) return null
  const validity = tbs.enter()
  const notBefore = validity.next() ? parseTime(validity.tag, validity.content) : Number.NaN
  const notAfter = validity.next() ? parseTime(validity.tag, validity.content) : Number.NaN
  if (!tbs.expect(TAG_SEQUENCE)) return null
  const subject = tbs.element
  if (!tbs.expect(TAG_SEQUENCE)) return null
  const key = readKey(tbs.enter())
  if (signatureAlgorithm === '' || key === null || Number.isNaN(notBefore) || Number.isNaN(notAfter))
    return null

  const extensions = readExtensions(tbs)
  if (extensions === null) return null
  return {
    serial,
    issuer,
    subject,
    commonName: lastCommonName(subject),
    issuerCommonName: lastCommonName(issuer),
    notBefore,
    notAfter,
    signatureAlgorithm,
    keyAlgorithm: key.algorithm,
    keyBits: key.bits,
    ...extensions,
  }
}

interface ExtensionFields {
  altNames: readonly AltName[] | null
  isAuthority: boolean
  subjectKeyId: Buffer | null
  authorityKeyId: Buffer | null
  issuerUrl: string
}

function readExtensions(tbs: DerReader): ExtensionFields | null {
  const fields: ExtensionFields = {
    altNames: null,
    isAuthority: false,
    subjectKeyId: null,
    authorityKeyId: null,
    issuerUrl: '',
  }
  // issuerUniqueID and subjectUniqueID, which nobody uses, stand in between.
  tbs.optional(TAG_CONTEXT | 1)
  tbs.optional(TAG_CONTEXT | 2)
  if (!tbs.optional(TAG_CONTEXT | CONSTRUCTED | 3)) return tbs.isMalformed || !tbs.isAtEnd ? null : fields
  const wrapper = tbs.enter()
  if (!wrapper.expect(TAG_SEQUENCE)) return null
  const list = wrapper.enter()
  while (!list.isAtEnd) {
    if (!list.expect(TAG_SEQUENCE)) return null
    const extension = list.enter()
    if (!extension.expect(TAG_OBJECT_IDENTIFIER)) return null
    const id = objectIdentifierText(extension.content)
    extension.optional(TAG_BOOLEAN)
    if (!extension.expect(TAG_OCTET_STRING)) return null
    if (!readExtension(id, extension.enter(), fields)) return null
  }
  return fields
}

function readExtension(id: string, value: DerReader, fields: ExtensionFields): boolean {
  switch (id) {
    case OID_SUBJECT_ALT_NAME:
      if (!value.expect(TAG_SEQUENCE)) return false
      fields.altNames = readAltNames(value.enter())
      return fields.altNames !== null
    case OID_BASIC_CONSTRAINTS: {
      if (!value.expect(TAG_SEQUENCE)) return false
      const constraints = value.enter()
      fields.isAuthority = constraints.optional(TAG_BOOLEAN) && constraints.content[0] === 0xff
      return true
    }
    case OID_SUBJECT_KEY_ID:
      if (!value.expect(TAG_OCTET_STRING)) return false
      fields.subjectKeyId = value.content
      return true
    case OID_AUTHORITY_KEY_ID: {
      if (!value.expect(TAG_SEQUENCE)) return false
      const identifier = value.enter()
      if (identifier.optional(TAG_CONTEXT)) fields.authorityKeyId = identifier.content
      return true
    }
    case OID_AUTHORITY_INFO_ACCESS:
      if (!value.expect(TAG_SEQUENCE)) return false
      fields.issuerUrl = readIssuerUrl(value.enter())
      return true
    default:
      return true
  }
}

function readAltNames(list: DerReader): AltName[] | null {
  const names: AltName[] = []
  while (!list.isAtEnd) {
    if (!list.next()) return null
    const text = list.content.toString('latin1')
    // The numbers of the GeneralName CHOICE.
    switch (list.tag & ~CONSTRUCTED) {
      case TAG_CONTEXT | 1:
        names.push({ kind: 'email', value: text })
        break
      case TAG_CONTEXT | 2:
        names.push({ kind: 'dns', value: text })
        break
      case TAG_CONTEXT | 6:
        names.push({ kind: 'uri', value: text })
        break
      case TAG_CONTEXT | 7:
        if (list.content.length !== 4 && list.content.length !== 16) return null
        names.push({ kind: 'ip', value: formatAddress(list.content) })
        break
      default:
        names.push({ kind: 'other', value: '' })
    }
  }
  return names
}

function readIssuerUrl(list: DerReader): string {
  while (list.next()) {
    const access = list.enter()
    if (!access.expect(TAG_OBJECT_IDENTIFIER)) return ''
    if (objectIdentifierText(access.content) !== OID_CA_ISSUERS) continue
    if (access.optional(TAG_CONTEXT | 6)) return access.content.toString('latin1')
  }
  return ''
}

/** `spki` is inside a SubjectPublicKeyInfo. */
function readKey(spki: DerReader): { algorithm: string; bits: number } | null {
  if (!spki.expect(TAG_SEQUENCE)) return null
  const identifier = spki.enter()
  if (!identifier.expect(TAG_OBJECT_IDENTIFIER)) return null
  const algorithm = objectIdentifierText(identifier.content)
  const curve = identifier.optional(TAG_OBJECT_IDENTIFIER) ? objectIdentifierText(identifier.content) : ''
  if (!spki.expect(TAG_BIT_STRING) || algorithm === '') return null
  switch (algorithm) {
    case OID_RSA:
    case OID_RSA_PSS: {
      // The bit string starts with its count of unused bits, then holds SEQUENCE { modulus, exponent }.
      const outer = new DerReader(spki.bytes, spki.contentStart + 1, spki.contentEnd)
      if (!outer.expect(TAG_SEQUENCE)) return null
      const numbers = outer.enter()
      if (!numbers.expect(TAG_INTEGER)) return null
      return { algorithm, bits: bitLength(numbers.content) }
    }
    case OID_ED25519:
      return { algorithm, bits: 256 }
    case OID_ED448:
      return { algorithm, bits: 448 }
    default:
      return {
        algorithm,
        bits: curve === OID_P256 ? 256 : curve === OID_P384 ? 384 : curve === OID_P521 ? 521 : 0,
      }
  }
}

function bitLength(number: Buffer): number {
  let start = 0
  while (start < number.length && number[start] === 0) start++
  return start === number.length ? 0 : (number.length - start) * 8 - Math.clz32(number[start] ?? 0) + 24
}

function firstObjectIdentifier(reader: DerReader): string {
  return reader.expect(TAG_OBJECT_IDENTIFIER) ? objectIdentifierText(reader.content) : ''
}

/** The most specific common name of a Name, which stands last. */
function lastCommonName(name: Buffer): string {
  let found = ''
  const outer = new DerReader(name)
  if (!outer.expect(TAG_SEQUENCE)) return ''
  const parts = outer.enter()
  while (parts.expect(TAG_SET)) {
    const attributes = parts.enter()
    while (attributes.expect(TAG_SEQUENCE)) {
      const attribute = attributes.enter()
      if (firstObjectIdentifier(attribute) !== OID_COMMON_NAME || !attribute.next()) continue
      found = stringText(attribute.tag, attribute.content)
    }
  }
  return found
}

function stringText(tag: number, content: Buffer): string {
  if (tag === TAG_UTF8_STRING) return content.toString('utf8')
  if (tag !== TAG_BMP_STRING) return content.toString('latin1')
  // UCS-2, big-endian.
  return Buffer.from(content.subarray(0, content.length & ~1))
    .swap16()
    .toString('utf16le')
}
