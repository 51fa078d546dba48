/**
 * The certificate authority of one test cluster: certificates for servers by name and address, and for clients. The API
 * server's own self-signed certificate would be for 127.0.0.1 and the first Service address only, never for a name.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { extension, issueCertificate } from '#certs/issue.ts'
import { parseAddress } from '#lib/ip/address.ts'
import { OID_CLIENT_AUTH, OID_SERVER_AUTH, OID_SUBJECT_ALT_NAME } from '#wire/der/tags.ts'
import { implicit, sequence } from '#wire/der/writer.ts'

const DAY_MS = 86_400_000
/** GeneralName (RFC 5280 §4.2.1.6): dNSName is [2], iPAddress is [7]. */
const GENERAL_NAME_DNS = 2
const GENERAL_NAME_IP = 7

/** PEM of a certificate and its private key. */
export interface Pair {
  readonly certificate: string
  readonly key: string
}

export class Authority {
  readonly #key = newKey()
  readonly #commonName: string
  /** PEM of the authority's own certificate. */
  readonly certificate: string

  constructor(commonName: string) {
    this.#commonName = commonName
    this.certificate = issueCertificate({
      ...this.#common(createPublicKey(this.#key)),
      commonName,
      dnsNames: [],
      isAuthority: true,
    })
  }

  /** `names`: host names and addresses. */
  server(commonName: string, names: readonly string[]): Pair {
    const general = names.map((name) =>
      isIP(name) === 0
        ? implicit(GENERAL_NAME_DNS, Buffer.from(name, 'latin1'))
        : implicit(GENERAL_NAME_IP, parseAddress(name) ?? Buffer.alloc(0)),
    )
    return this.#issue(commonName, OID_SERVER_AUTH, [extension(OID_SUBJECT_ALT_NAME, sequence(...general))])
  }

  client(commonName: string): Pair {
    return this.#issue(commonName, OID_CLIENT_AUTH, [])
  }

  #issue(commonName: string, purpose: string, extensions: readonly Uint8Array[]): Pair {
    const key = newKey()
    const certificate = issueCertificate({
      ...this.#common(key),
      commonName,
      dnsNames: [],
      purposes: [purpose],
      extensions,
    })
    return { certificate, key: key.export({ type: 'pkcs8', format: 'pem' }) }
  }

  #common(subjectKey: KeyObject) {
    const now = Date.now()
    return {
      notBefore: now - DAY_MS,
      notAfter: now + 365 * DAY_MS,
      subjectKey,
      issuer: { commonName: this.#commonName, key: this.#key },
    }
  }
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}
