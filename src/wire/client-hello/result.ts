/** What `ClientHelloReader.read` returns. Plain numbers, because every accepted connection passes through. */

/** The hello is complete. */
export const COMPLETE = 1
/** More bytes are needed. */
export const NEED_MORE = 0
/** The first bytes are no TLS handshake record. */
export const NOT_TLS = -1
/** TLS, but no ClientHello, or one whose lengths or order break RFC 8446. */
export const MALFORMED = -2
/** Longer than `MAX_HELLO_BYTES` or spread over more than `MAX_WIRE_BYTES` of records. */
export const TOO_LONG = -3
/** The server name is neither a host name nor an address (RFC 6066 §3). */
export const BAD_SERVER_NAME = -4

/** Bound on the handshake message. A hello with post-quantum key shares and a large ticket stays below 5 kB. */
export const MAX_HELLO_BYTES = 16 * 1024
/** Bound on the records that carry it, headers included. Some clients cut the hello into very small records. */
export const MAX_WIRE_BYTES = 32 * 1024
