/**
 * Which fields of a trailer section are passed on (RFC 9110 §6.5.1). A trailer arrives after routing, authentication and framing
 * have been decided; a field that would have taken part in those decisions is dropped, because a backend that merges
 * trailers into its headers would act on something that nobody has checked. Called by the body reader.
 */
import type { Head } from './head.ts'
import { H_FORWARDING_VARIANT, H_FRAMING_VARIANT, isForwardingId } from './known-names.ts'

const FORBIDDEN: ReadonlySet<string> = new Set([
  // framing and hop-by-hop
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  // routing and request modifiers
  'cache-control',
  'expect',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'max-forwards',
  'pragma',
  'range',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-url',
  'x-request-id',
  'x-rewrite-url',
  // authentication and state
  'authorization',
  'cookie',
  'proxy-authenticate',
  'proxy-authorization',
  'set-cookie',
  'www-authenticate',
  // how the content is read
  'content-encoding',
  'content-range',
  'content-type',
  // control of a response
  'age',
  'date',
  'expires',
  'location',
  'retry-after',
  'strict-transport-security',
  'vary',
])

/** Flat list name, value, … of what may be passed on; null when nothing may. */
export function allowedTrailers(section: Head): string[] | null {
  let flat: string[] | null = null
  for (let i = 0; i < section.fieldCount; i++) {
    const id = section.ids[i]!
    if (isForwardingId(id) || id === H_FORWARDING_VARIANT || id === H_FRAMING_VARIANT) continue
    const name = section.name(i)
    if (FORBIDDEN.has(name.toLowerCase())) continue
    flat ??= []
    flat.push(name, section.value(i))
  }
  return flat
}
