/** Host names of certificates: which ones a certificate carries, and whether they cover a host (RFC 9525 §6.3). */
import { isHostName } from '#wire/client-hello/server-name.ts'
import type { CertificateFields } from '#wire/der/x509.ts'

/**
 * DNS names of the subject alternative name; the common name only where that extension is absent, as clients of old did.
 * Normal form; what is no host name is left out.
 */
export function certificateNames(fields: CertificateFields): string[] {
  const raw: string[] = []
  if (fields.altNames === null) raw.push(fields.commonName)
  else for (const { kind, value } of fields.altNames) if (kind === 'dns') raw.push(value)
  return hostNames(raw)
}

/** Normal forms without duplicates: lower case, no trailing dot, `*` only as the whole first label. */
export function hostNames(raw: readonly string[]): string[] {
  const names = new Set<string>()
  for (const text of raw) {
    const lower = text.toLowerCase()
    const name = lower.endsWith('.') ? lower.slice(0, -1) : lower
    if (isHostName(name.startsWith('*.') ? name.slice(2) : name)) names.add(name)
  }
  return [...names]
}

/** Whether a client that asks for `host`, or for any name below a wildcard `host`, accepts one of `names`. */
export function coversHost(names: ReadonlySet<string>, host: string): boolean {
  if (names.has(host)) return true
  const wildcard = wildcardOf(host)
  return wildcard !== '' && !host.startsWith('*.') && names.has(wildcard)
}

/** `*.b.c` for `a.b.c`; `''` for a single label, which no wildcard covers. */
export function wildcardOf(host: string): string {
  const dot = host.indexOf('.')
  return dot === -1 ? '' : `*${host.slice(dot)}`
}
