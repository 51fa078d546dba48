/**
 * What a proxy removes from a message that passes and what it tells the backend about the client
 * (RFC 9110 §7.6, RFC 7239's predecessors). One pass over the known-name ids of a head finds what is to go.
 */
import { canonicalAddress } from '#lib/ip/address.ts'
import type { Head } from '#wire/http1/head.ts'
import {
  H_CONNECTION,
  H_CONTENT_LENGTH,
  H_FORWARDING_VARIANT,
  H_FRAMING_VARIANT,
  H_HOST,
  H_KEEP_ALIVE,
  H_PROXY,
  H_PROXY_CONNECTION,
  H_TE,
  H_TRAILER,
  H_TRANSFER_ENCODING,
  H_UPGRADE,
  H_X_FORWARDED_SCHEME,
  H_X_ORIGINAL_URI,
  H_X_REQUEST_ID,
  H_X_SCHEME,
  isForwardingId,
} from '#wire/http1/known-names.ts'
import type { EntryPoint } from './entry-point.ts'

const HOP = 1
const FORWARDING = 2
const NEVER = 4

const ZERO = 0x30

const IDS = 256
const FLAGS = new Uint8Array(IDS)
for (const id of [
  H_CONNECTION,
  H_KEEP_ALIVE,
  H_PROXY_CONNECTION,
  H_TE,
  H_TRAILER,
  H_TRANSFER_ENCODING,
  H_UPGRADE,
]) {
  FLAGS[id]! |= HOP
}
for (let id = 1; id < IDS; id++) if (isForwardingId(id)) FLAGS[id]! |= FORWARDING
// X-Request-ID names this request in our logs; a stranger may not choose it.
FLAGS[H_X_REQUEST_ID]! |= FORWARDING
// An underscore variant never counts as the real field, and CGI-like backends cannot tell them apart.
FLAGS[H_FORWARDING_VARIANT]! |= NEVER
FLAGS[H_FRAMING_VARIANT]! |= NEVER
// HTTPoxy: CGI programs read it as HTTP_PROXY.
FLAGS[H_PROXY]! |= NEVER

/** Fields that a Connection field must not remove: without them the message would be another one. */
const PROTECTED = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'expect',
  'x-request-id',
  'forwarded',
])

function isProtected(token: string): boolean {
  return (
    PROTECTED.has(token) || token.startsWith('x-forwarded-') || token === 'x-real-ip' || token === 'x-scheme'
  )
}

/** Removes hop-by-hop fields and those nominated by Connection. Framing fields are written anew by whoever sends. */
export function removeHopByHop(head: Head): void {
  const { ids, fieldCount } = head
  for (let index = 0; index < fieldCount; index++) {
    if ((FLAGS[ids[index]!]! & HOP) !== 0) head.removeAt(index)
  }
  if (head.connectionTokens.length > 0) removeNominated(head, [])
}

/**
 * The same for a request, together with everything about forwarding that the client has no right to say. `te` keeps
 * `trailers`: gRPC-like backends ask for it.
 */
export function cleanRequest(head: Head, isTrusted: boolean, entryPoint: EntryPoint): void {
  const { ids, fieldCount } = head
  const unwanted = isTrusted ? HOP | NEVER : HOP | NEVER | FORWARDING
  let acceptsTrailers = false
  for (let index = 0; index < fieldCount; index++) {
    const id = ids[index]!
    if ((FLAGS[id]! & unwanted) === 0) continue
    if (id === H_TE && head.value(index).toLowerCase() === 'trailers') acceptsTrailers = true
    head.removeAt(index)
  }
  if (head.connectionTokens.length > 0) removeNominated(head, entryPoint.keptConnectionFields)
  // RFC 9110 §10.1.4: who sends TE has to name it in Connection.
  if (acceptsTrailers) head.appendRaw('TE: trailers\r\nConnection: TE\r\n')
}

function removeNominated(head: Head, kept: readonly string[]): void {
  for (const token of head.connectionTokens) {
    if (token !== 'upgrade' && !isProtected(token) && !kept.includes(token)) head.remove(token)
  }
}

/** Facts of a connection that go into every request of it, written once. */
export interface ClientFacts {
  readonly address: string
  readonly scheme: 'http' | 'https'
  readonly port: number
}

/** Field lines about a client that is not trusted; the same for every request of a connection but for host and id. */
export function connectionFieldLines(client: ClientFacts): string {
  const { address, scheme, port } = client
  return `X-Real-IP: ${address}\r\nX-Forwarded-For: ${address}\r\nX-Forwarded-Port: ${port}\r\nX-Forwarded-Proto: ${scheme}\r\n`
}

/**
 * Completes what a trusted proxy in front of us said: its values stay, ours fill the gaps, and the chain of addresses
 * gets the peer's.
 */
export function addTrustedFields(
  head: Head,
  client: ClientFacts,
  peerAddress: string,
  authority: string,
  appendsForwardedFor: boolean,
): void {
  const chain = head.getAll('x-forwarded-for')
  if (chain === undefined) head.append('X-Forwarded-For', peerAddress)
  else if (appendsForwardedFor) head.set('X-Forwarded-For', `${chain}, ${peerAddress}`)
  if (!head.has('x-real-ip')) head.append('X-Real-IP', client.address)
  if (!head.has('x-forwarded-port')) head.append('X-Forwarded-Port', String(client.port))
  if (!head.has('x-forwarded-proto')) head.append('X-Forwarded-Proto', client.scheme)
  if (!head.has('x-forwarded-host')) head.append('X-Forwarded-Host', authority)
}

/**
 * A length goes on as a plain number. `010` is ten to us (RFC 9110 §8.6) and may be eight to the next reader.
 */
export function plainContentLength(head: Head): void {
  const index = head.indexOf(H_CONTENT_LENGTH)
  if (index < 0) return
  const at = index * 4
  const start = head.spans[at + 2]!
  if (head.text.charCodeAt(start) !== ZERO || head.spans[at + 3]! - start === 1) return
  head.set('Content-Length', String(head.contentLength))
}

/** Removes what a header set says anew, so that a trusted peer's own does not stand beside it. */
export function removeHeaderSet(head: Head): void {
  head.removeId(H_X_SCHEME)
  head.removeId(H_X_FORWARDED_SCHEME)
  head.removeId(H_X_ORIGINAL_URI)
  head.remove('X-Original-Forwarded-For')
}

/** What each source's manifests expect beyond the common set; the key is RouterConfig.headerSet. */
export const HEADER_SETS: Readonly<Record<string, (facts: HeaderSetFacts) => string>> = {
  default: () => '',
  nginx: ({ scheme, target, clientForwardedFor }) => {
    const original =
      clientForwardedFor === undefined ? '' : `X-Original-Forwarded-For: ${clientForwardedFor}\r\n`
    return `X-Forwarded-Scheme: ${scheme}\r\nX-Scheme: ${scheme}\r\nX-Original-URI: ${target}\r\n${original}`
  },
}

export interface HeaderSetFacts {
  readonly scheme: string
  /** Request target as the client sent it. */
  readonly target: string
  readonly clientForwardedFor: string | undefined
}

/** Host goes to the backend as it came; an absolute-form target replaces it (RFC 9112 §3.2.2). */
export function alignHost(head: Head): void {
  const index = head.indexOf(H_HOST)
  if (index < 0 || head.value(index) !== head.host) head.set('Host', head.host)
}

/** Client address behind trusted proxies: the rightmost entry of the chain that is not trusted itself. */
export function clientBehind(chain: string, entryPoint: EntryPoint, peerAddress: string): string {
  const entries = chain.split(',')
  for (let index = entries.length - 1; index >= 0; index--) {
    const address = addressOf(entries[index]!.trim())
    if (address === '') break
    if (entryPoint.isInsecure) {
      if (index === 0) return address
      continue
    }
    if (entryPoint.trustedPeers?.has(address) !== true) return address
    if (index === 0) return address
  }
  return peerAddress
}

/** `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80` and `::ffff:192.0.2.1` as an address; '' for anything else. */
function addressOf(text: string): string {
  let address = text
  if (address.startsWith('[')) address = address.slice(1, address.indexOf(']'))
  else if (address.split(':').length === 2) address = address.slice(0, address.indexOf(':'))
  return canonicalAddress(address) ?? ''
}
