/** An entrypoint as a worker sees it. */
import type { PrefixSet } from '#lib/ip/prefix-set.ts'
import type { HttpLimits } from './limits.ts'

export interface EntryPoint {
  readonly name: string
  readonly port: number
  readonly isTls: boolean
  /** Answers `/ping`, `/ready` and `/metrics` instead of routing. */
  readonly isInternal: boolean
  readonly limits: HttpLimits
  /** Peers whose forwarding headers count; null: none. */
  readonly trustedPeers: PrefixSet | null
  /** Every peer's forwarding headers count. */
  readonly isInsecure: boolean
  /** Names of fields that stay although the client's Connection lists them, lower case. */
  readonly keptConnectionFields: readonly string[]
  readonly appendsForwardedFor: boolean
  /** Peers that may speak the PROXY protocol; null: none. */
  readonly proxyProtocolPeers: PrefixSet | null
  readonly isProxyProtocolInsecure: boolean
  /** Tokens of Upgrade that become tunnels, lower case. */
  readonly upgradeTokens: readonly string[]
}
