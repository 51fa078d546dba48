/** An entrypoint as it is sent to workers: plain data; the worker makes an EntryPoint of it. */
import { PrefixSet } from '#lib/ip/prefix-set.ts'
import type { EntryPoint } from '../http/entry-point.ts'
import type { HttpLimits } from '../http/limits.ts'

export interface EntryPointSpec {
  readonly name: string
  /** Stable number in this process, from 0. */
  readonly number: number
  readonly port: number
  readonly isTls: boolean
  /** Answers `/ping`, `/ready` and `/metrics` instead of routing. */
  readonly isInternal: boolean
  readonly limits: HttpLimits
  readonly trustedPeers: readonly string[]
  readonly isInsecure: boolean
  readonly keptConnectionFields: readonly string[]
  readonly appendsForwardedFor: boolean
  readonly proxyProtocolPeers: readonly string[]
  readonly isProxyProtocolInsecure: boolean
  readonly upgradeTokens: readonly string[]
}

export function entryPointOf(spec: EntryPointSpec): EntryPoint {
  return {
    name: spec.name,
    port: spec.port,
    isTls: spec.isTls,
    isInternal: spec.isInternal,
    limits: spec.limits,
    trustedPeers: spec.trustedPeers.length === 0 ? null : PrefixSet.parse(spec.trustedPeers),
    isInsecure: spec.isInsecure,
    keptConnectionFields: spec.keptConnectionFields.map((name) => name.toLowerCase()),
    appendsForwardedFor: spec.appendsForwardedFor,
    proxyProtocolPeers:
      spec.proxyProtocolPeers.length === 0 ? null : PrefixSet.parse(spec.proxyProtocolPeers),
    isProxyProtocolInsecure: spec.isProxyProtocolInsecure,
    upgradeTokens: spec.upgradeTokens,
  }
}
