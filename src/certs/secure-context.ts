/**
 * What the server side of TLS is given for a set of certificates: one OpenSSL context with TLS 1.2 and 1.3, ECDHE with
 * AEAD ciphers only, no renegotiation, stateless tickets. Called by `CertificateStore`. About 0.2 ms and 35 kB each.
 */
import { constants, createHash } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import { lazyBuiltin } from '#lib/lazy-module.ts'
import type { Certificate } from './certificate.ts'

const tls = lazyBuiltin<typeof import('node:tls')>('node:tls')

/** TLS 1.3 suites first in name only: the two lists are independent in OpenSSL. AES-128 is the cheaper of equals. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** A ticket is good for as long as its key makes tickets; the key of the period before still opens it. */
const SESSION_TIMEOUT_SECONDS = 12 * 3600
/** SSL_MAX_SID_CTX_LENGTH of OpenSSL. */
const SESSION_ID_CONTEXT_CHARACTERS = 32

/** Throws what OpenSSL says when it does not take a certificate. `ticketKey` undefined: a random one of its own. */
export function createServerContext(
  certificates: readonly Certificate[],
  sessionIdContext: string,
  ticketKey: Buffer | undefined,
): SecureContext {
  return tls().createSecureContext({
    cert: certificates.map((certificate) => certificate.chain),
    key: certificates.map((certificate) => certificate.key),
    // No client is verified here, so the built-in roots stay out of the context.
    ca: [],
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: CIPHERS,
    honorCipherOrder: true,
    // PRIORITIZE_CHACHA: a client that puts ChaCha20 first has no AES in hardware.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_PRIORITIZE_CHACHA,
    sessionIdContext,
    sessionTimeout: SESSION_TIMEOUT_SECONDS,
    ...(ticketKey === undefined ? {} : { ticketKeys: ticketKey }),
  })
}

/** Changes the key of a context in place, as `tls.Server.setTicketKeys` does: connections it made are not touched. */
export function setContextTicketKey(context: SecureContext, ticketKey: Buffer): void {
  ;(context.context as { setTicketKeys(key: Buffer): void }).setTicketKeys(ticketKey)
}

/**
 * Ties sessions to the certificates they began under, by name: a ticket of one host's certificate is a full
 * handshake under another's, and survives renewal.
 */
export function sessionIdContextOf(names: readonly string[]): string {
  const digest = createHash('sha256').update(JSON.stringify(names.toSorted()))
  return digest.digest('base64url').slice(0, SESSION_ID_CONTEXT_CHARACTERS)
}
