/**
 * Makes X.509 server and authority certificates (RFC 5280) for keys of node:crypto. Called for the self-signed
 * default; the tests build their authorities and chains with it.
 */
import { createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isHostName } from '#wire/client-hello/server-name.ts'
import {
  OID_BASIC_CONSTRAINTS,
  OID_COMMON_NAME,
  OID_ECDSA_WITH_SHA256,
  OID_ED25519,
  OID_EXTENDED_KEY_USAGE,
  OID_KEY_USAGE,
  OID_SERVER_AUTH,
  OID_SHA256_WITH_RSA,
  OID_SUBJECT_ALT_NAME,
  TAG_NULL,
} from '#wire/der/tags.ts'
import {
  bitString,
  booleanTrue,
  element,
  explicit,
  implicit,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  time,
  utf8String,
} from '#wire/der/writer.ts'

export interface IssueOptions {
  readonly commonName: string
  /** Subject alternative names; a `*` label may come first. Empty: the extension is left out. */
  readonly dnsNames: readonly string[]
  /** Milliseconds since the epoch, cut to seconds. */
  readonly notBefore: number
  readonly notAfter: number
  /** Of the subject; a private key stands for its public half. */
  readonly subjectKey: KeyObject
  readonly issuer: { readonly commonName: string; readonly key: KeyObject }
  readonly isAuthority?: boolean
  /** Object identifiers of what a certificate that is no authority's may be used for; default: server authentication. */
  readonly purposes?: readonly string[]
  /** Complete Extension elements, appended. */
  readonly extensions?: readonly Uint8Array[]
}

/** RFC 5280 §4.1.2.2 allows 20 bytes; CA rules want 64 random bits at least. */
const SERIAL_BYTES = 16
const VERSION_3 = 2
const GENERAL_NAME_DNS = 2
/** KeyUsage (RFC 5280 §4.2.1.3): digitalSignature is bit 0, keyCertSign bit 5. */
const USAGE_SIGNATURE = bitString(Uint8Array.of(0x80), 7)
const USAGE_CERTIFICATES = bitString(Uint8Array.of(0x04), 2)

/** The certificate as PEM. Throws a TypeError on a DNS name that is none, or a key that cannot sign. */
export function issueCertificate(options: IssueOptions): string {
  for (const name of options.dnsNames)
    if (!isHostName(name.startsWith('*.') ? name.slice(2) : name))
      throw new TypeError(`'${name}' is not a lower-case host name`)
  const { subjectKey, issuer } = options
  const publicKey = subjectKey.type === 'private' ? createPublicKey(subjectKey) : subjectKey
  const signature = SIGNATURES.get(issuer.key.asymmetricKeyType ?? '')
  if (signature === undefined)
    throw new TypeError(
      `a key of type ${issuer.key.asymmetricKeyType ?? issuer.key.type} cannot sign certificates`,
    )
  const { algorithm, digest } = signature
  const tbs = sequence(
    explicit(0, integer(Uint8Array.of(VERSION_3))),
    integer(randomSerial()),
    algorithm,
    distinguishedName(issuer.commonName),
    sequence(time(options.notBefore), time(options.notAfter)),
    distinguishedName(options.commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...extensionsOf(options))),
  )
  return pem('CERTIFICATE', sequence(tbs, algorithm, bitString(sign(digest, tbs, issuer.key))))
}

/** One Extension element. */
export function extension(id: string, value: Uint8Array): Buffer {
  return sequence(objectIdentifier(id), octetString(value))
}

function extensionsOf(options: IssueOptions): Uint8Array[] {
  const isAuthority = options.isAuthority === true
  const list: Uint8Array[] = [
    critical(OID_BASIC_CONSTRAINTS, isAuthority ? sequence(booleanTrue()) : sequence()),
    critical(OID_KEY_USAGE, isAuthority ? USAGE_CERTIFICATES : USAGE_SIGNATURE),
  ]
  if (!isAuthority) {
    const purposes = (options.purposes ?? [OID_SERVER_AUTH]).map((id) => objectIdentifier(id))
    list.push(extension(OID_EXTENDED_KEY_USAGE, sequence(...purposes)))
  }
  if (options.dnsNames.length > 0) {
    const names = options.dnsNames.map((name) => implicit(GENERAL_NAME_DNS, Buffer.from(name, 'latin1')))
    list.push(extension(OID_SUBJECT_ALT_NAME, sequence(...names)))
  }
  return [...list, ...(options.extensions ?? [])]
}

function critical(id: string, value: Uint8Array): Buffer {
  return sequence(objectIdentifier(id), booleanTrue(), octetString(value))
}

function distinguishedName(commonName: string): Buffer {
  return sequence(setOf(sequence(objectIdentifier(OID_COMMON_NAME), utf8String(commonName))))
}

/** AlgorithmIdentifier and what `crypto.sign` calls the digest: RFC 5758 §3.2, RFC 4055 §5, RFC 8410 §3. */
const SIGNATURES: ReadonlyMap<string, { readonly algorithm: Buffer; readonly digest: string | null }> =
  new Map([
    ['ec', { algorithm: sequence(objectIdentifier(OID_ECDSA_WITH_SHA256)), digest: 'sha256' }],
    // RFC 4055 §5: the parameters are NULL and present.
    [
      'rsa',
      { algorithm: sequence(objectIdentifier(OID_SHA256_WITH_RSA), element(TAG_NULL)), digest: 'sha256' },
    ],
    ['ed25519', { algorithm: sequence(objectIdentifier(OID_ED25519)), digest: null }],
  ])

/** Positive and never zero: the top bits are 01. */
function randomSerial(): Buffer {
  const serial = randomBytes(SERIAL_BYTES)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return serial
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
