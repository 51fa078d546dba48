/**
 * The body of a TLS ClientHello (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2) and the extensions that a server decides by:
 * server_name (RFC 6066 §3), ALPN (RFC 7301), supported_versions, signature_algorithms, supported_groups,
 * session_ticket (RFC 5077), pre_shared_key and early_data.
 *
 * Called by `ClientHelloReader` with the reassembled handshake message. Every length is checked against the
 * vector that holds it, and every vector must be filled exactly; nothing throws. Values are reported as sent,
 * GREASE (RFC 8701) included.
 */
import { BAD_SERVER_NAME, MALFORMED } from './result.ts'
import { readServerName } from './server-name.ts'

/** What a client offers in its first message. Lists keep the client's order. */
export interface ClientHello {
  /** Lower case, no trailing dot; `''` when none was sent or it was an IP address. */
  readonly serverName: string
  /** Protocol names as latin1 text; empty when the extension is absent. */
  readonly alpn: readonly string[]
  /** supported_versions; without that extension the one legacy_version (0x0303 is TLS 1.2). */
  readonly versions: readonly number[]
  readonly cipherSuites: readonly number[]
  readonly signatureSchemes: readonly number[]
  readonly groups: readonly number[]
  /**
   * First 16 bytes of what the client wants to resume with: its TLS 1.3 PSK identity, otherwise its TLS 1.2 ticket.
   * For tickets that OpenSSL made this is the name of the ticket key. Null when there is none.
   */
  readonly ticketKeyName: Buffer | null
  /** The client may send 0-RTT data right behind its hello. */
  readonly hasEarlyData: boolean
}

const EXT_SERVER_NAME = 0
const EXT_SUPPORTED_GROUPS = 10
const EXT_SIGNATURE_ALGORITHMS = 13
const EXT_ALPN = 16
const EXT_SESSION_TICKET = 35
const EXT_PRE_SHARED_KEY = 41
const EXT_EARLY_DATA = 42
const EXT_SUPPORTED_VERSIONS = 43
/** Extensions up to this number are checked for duplicates by a bit set; ours all are. */
const HIGHEST_TRACKED_EXTENSION = 63

/** OpenSSL puts a key name of this many bytes in front of a ticket (RFC 5077 §4 recommends the same). */
const TICKET_KEY_NAME_BYTES = 16
/** RFC 8446 §4.2.11: a PskBinderEntry holds at least 32 bytes. */
const MIN_BINDER_BYTES = 32

/** Fills in while the extensions are walked; becomes the `ClientHello`. */
interface Fields {
  serverName: string
  alpn: readonly string[]
  versions: readonly number[]
  cipherSuites: readonly number[]
  signatureSchemes: readonly number[]
  groups: readonly number[]
  ticketKeyName: Buffer | null
  hasEarlyData: boolean
}

const NO_NUMBERS: readonly number[] = []
const NO_STRINGS: readonly string[] = []

/** Parses `bytes[start, end)`, a ClientHello without its four-byte handshake header. Negative: a code of result.ts. */
export function parseClientHello(bytes: Buffer, start: number, end: number): ClientHello | number {
  // legacy_version, random, and the length of legacy_session_id.
  if (end - start < 35) return MALFORMED
  const legacyVersion = bytes.readUInt16BE(start)
  if (legacyVersion >> 8 !== 3) return MALFORMED
  const sessionIdBytes = at(bytes, start + 34)
  let position = start + 35 + sessionIdBytes
  if (sessionIdBytes > 32 || position + 2 > end) return MALFORMED

  const cipherSuitesEnd = position + 2 + bytes.readUInt16BE(position)
  const cipherSuites = readUInt16List(bytes, position + 2, cipherSuitesEnd, end)
  if (cipherSuites === null) return MALFORMED
  position = cipherSuitesEnd

  if (position + 1 > end) return MALFORMED
  const compressionMethods = at(bytes, position)
  position += 1 + compressionMethods
  if (compressionMethods === 0 || position > end) return MALFORMED

  const fields: Fields = {
    serverName: '',
    alpn: NO_STRINGS,
    versions: NO_NUMBERS,
    cipherSuites,
    signatureSchemes: NO_NUMBERS,
    groups: NO_NUMBERS,
    ticketKeyName: null,
    hasEarlyData: false,
  }
  // RFC 5246 §7.4.1.2: a hello without extensions simply ends here.
  if (position < end) {
    const failure = readExtensions(bytes, position, end, fields)
    if (failure !== 0) return failure
  }
  if (fields.versions === NO_NUMBERS) fields.versions = [legacyVersion]
  return fields
}

/** Zero, or the code of what is wrong. */
function readExtensions(bytes: Buffer, start: number, end: number, fields: Fields): number {
  if (start + 2 > end || start + 2 + bytes.readUInt16BE(start) !== end) return MALFORMED
  let position = start + 2
  let seenLow = 0
  let seenHigh = 0
  let isPskSeen = false
  while (position < end) {
    if (position + 4 > end) return MALFORMED
    const type = bytes.readUInt16BE(position)
    const dataStart = position + 4
    const dataEnd = dataStart + bytes.readUInt16BE(position + 2)
    // RFC 8446 §4.2.11: pre_shared_key is the last extension.
    if (dataEnd > end || isPskSeen) return MALFORMED
    if (type <= HIGHEST_TRACKED_EXTENSION) {
      // RFC 8446 §4.2: not more than one extension of a type.
      const bit = 1 << (type & 31)
      if (((type < 32 ? seenLow : seenHigh) & bit) !== 0) return MALFORMED
      if (type < 32) seenLow |= bit
      else seenHigh |= bit
    }
    isPskSeen = type === EXT_PRE_SHARED_KEY
    const failure = readExtension(type, bytes, dataStart, dataEnd, fields)
    if (failure !== 0) return failure
    position = dataEnd
  }
  return 0
}

function readExtension(type: number, bytes: Buffer, start: number, end: number, fields: Fields): number {
  switch (type) {
    case EXT_SERVER_NAME: {
      const name = readServerName(bytes, start, end)
      if (typeof name === 'number') return name === BAD_SERVER_NAME ? BAD_SERVER_NAME : MALFORMED
      fields.serverName = name
      return 0
    }
    case EXT_ALPN: {
      const protocols = readProtocolNames(bytes, start, end)
      if (protocols === null) return MALFORMED
      fields.alpn = protocols
      return 0
    }
    case EXT_SUPPORTED_VERSIONS: {
      if (start >= end) return MALFORMED
      const versions =
        start + 1 + at(bytes, start) === end ? readUInt16List(bytes, start + 1, end, end) : null
      if (versions === null) return MALFORMED
      fields.versions = versions
      return 0
    }
    case EXT_SIGNATURE_ALGORITHMS:
    case EXT_SUPPORTED_GROUPS: {
      if (start + 2 > end || start + 2 + bytes.readUInt16BE(start) !== end) return MALFORMED
      const list = readUInt16List(bytes, start + 2, end, end)
      if (list === null) return MALFORMED
      if (type === EXT_SUPPORTED_GROUPS) fields.groups = list
      else fields.signatureSchemes = list
      return 0
    }
    case EXT_SESSION_TICKET:
      if (fields.ticketKeyName === null) fields.ticketKeyName = keyName(bytes, start, end)
      return 0
    case EXT_PRE_SHARED_KEY:
      return readPreSharedKeys(bytes, start, end, fields)
    case EXT_EARLY_DATA:
      if (start !== end) return MALFORMED
      fields.hasEarlyData = true
      return 0
    default:
      return 0
  }
}

/** RFC 7301 §3.1: ProtocolName protocol_name_list<2..2^16-1>, each opaque<1..2^8-1>. */
function readProtocolNames(bytes: Buffer, start: number, end: number): string[] | null {
  if (start + 4 > end || start + 2 + bytes.readUInt16BE(start) !== end) return null
  const names: string[] = []
  let position = start + 2
  while (position < end) {
    const nameEnd = position + 1 + at(bytes, position)
    if (nameEnd > end || nameEnd === position + 1) return null
    names.push(bytes.toString('latin1', position + 1, nameEnd))
    position = nameEnd
  }
  return names
}

/** RFC 8446 §4.2.11: identities<7..2^16-1> and binders<33..2^16-1>, as many of the one as of the other. */
function readPreSharedKeys(bytes: Buffer, start: number, end: number, fields: Fields): number {
  if (start + 2 > end) return MALFORMED
  const identitiesEnd = start + 2 + bytes.readUInt16BE(start)
  if (identitiesEnd + 2 > end) return MALFORMED
  let position = start + 2
  let identities = 0
  while (position < identitiesEnd) {
    if (position + 2 > identitiesEnd) return MALFORMED
    const identityEnd = position + 2 + bytes.readUInt16BE(position)
    // Four bytes of obfuscated_ticket_age follow each identity.
    if (identityEnd === position + 2 || identityEnd + 4 > identitiesEnd) return MALFORMED
    if (identities === 0) fields.ticketKeyName = keyName(bytes, position + 2, identityEnd)
    identities++
    position = identityEnd + 4
  }
  if (identitiesEnd + 2 + bytes.readUInt16BE(identitiesEnd) !== end) return MALFORMED
  position = identitiesEnd + 2
  let binders = 0
  while (position < end) {
    const binderBytes = at(bytes, position)
    position += 1 + binderBytes
    if (binderBytes < MIN_BINDER_BYTES || position > end) return MALFORMED
    binders++
  }
  return identities > 0 && identities === binders ? 0 : MALFORMED
}

/** The 16-bit numbers of `[start, end)`, null when there is none, half a one, or they pass `limit`. */
function readUInt16List(bytes: Buffer, start: number, end: number, limit: number): number[] | null {
  if (end > limit || end <= start || ((end - start) & 1) !== 0) return null
  const list: number[] = []
  for (let position = start; position < end; position += 2) list.push(bytes.readUInt16BE(position))
  return list
}

function keyName(bytes: Buffer, start: number, end: number): Buffer | null {
  return end - start < TICKET_KEY_NAME_BYTES ? null : bytes.subarray(start, start + TICKET_KEY_NAME_BYTES)
}

/** The byte at `index`, which the caller has checked to be there. */
function at(bytes: Buffer, index: number): number {
  return bytes[index] ?? 0
}
