/**
 * What control tells a worker, in order. Every op is whole by itself: between two of them the worker serves a consistent
 * configuration, because what a router refers to is sent before it and removed behind it.
 */
import type { PemPair } from '#certs/self-signed.ts'
import type {
  CertificateConfig,
  MiddlewareConfig,
  RouterConfig,
  ServiceConfig,
} from '#config/model/dynamic.ts'
import type { HashTableShape } from '#net/shared/hash-table.ts'
import type { RetireAck, RetireNotice, Slab } from '#net/shared/slots.ts'
import type { AccessLogOptions } from '#observe/access-log.ts'
import type { LogOptions } from '#observe/log.ts'
import type { MetricsMessage } from '#observe/metrics/registry.ts'
import type { MetricsOptions } from '#observe/metrics/families.ts'
import type { ServiceSlots } from '../upstream/words.ts'
import type { EntryPointSpec } from './entry-point-spec.ts'

export type WorkerOp =
  | { readonly op: 'slab'; readonly slab: Slab }
  | { readonly op: 'retire'; readonly notice: RetireNotice }
  | { readonly op: 'service'; readonly config: ServiceConfig; readonly slots: ServiceSlots }
  | { readonly op: 'remove-service'; readonly name: string }
  | { readonly op: 'middleware'; readonly config: MiddlewareConfig }
  | { readonly op: 'remove-middleware'; readonly name: string }
  /** `closed` of the config is final: control has added what it found. */
  | { readonly op: 'router'; readonly config: RouterConfig }
  | { readonly op: 'remove-router'; readonly name: string }
  | { readonly op: 'certificate'; readonly config: CertificateConfig }
  | { readonly op: 'remove-certificate'; readonly name: string }
  | { readonly op: 'ticket-keys'; readonly keys: TicketKeys }
  /** Default certificate, the same in every worker; before the first entrypoint with TLS. */
  | { readonly op: 'self-signed'; readonly pair: PemPair }
  /** `fd` is the worker's own from now on. */
  | { readonly op: 'listen'; readonly entry: EntryPointSpec; readonly fd: number }
  | { readonly op: 'unlisten'; readonly name: string }

export interface TicketKeys {
  readonly current: Uint8Array
  readonly previous?: Uint8Array
}

export type ControlMessage =
  /** The worker answers `applied` with the same version when all ops are in force. */
  | { readonly kind: 'ops'; readonly version: number; readonly ops: readonly WorkerOp[] }
  /** Connections that are open now close with their next answer; with `isLate` those that come from now on too. */
  | { readonly kind: 'wane'; readonly name: string; readonly isLate: boolean }
  /** No more accepting and keep-alive on this entrypoint, idle connections close; answered by `drained`. */
  | { readonly kind: 'drain'; readonly name: string }
  /** What is still open there ends now. */
  | { readonly kind: 'cut'; readonly name: string }
  | { readonly kind: 'reopen-logs' }
  | {
      readonly kind: 'answer'
      readonly id: number
      readonly status: number
      readonly contentType: string
      readonly body: string
      readonly fields: readonly string[]
    }
  /** Last message: logs are written out, then the worker answers `flushed`. */
  | { readonly kind: 'flush'; readonly deadlineMs: number }

export type WorkerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'applied'; readonly version: number; readonly failures: readonly OpFailure[] }
  | { readonly kind: 'retired'; readonly ack: RetireAck }
  | { readonly kind: 'metrics'; readonly messages: readonly MetricsMessage[] }
  | { readonly kind: 'listening'; readonly name: string; readonly error: string | null }
  /** No connection of clients is left. */
  | { readonly kind: 'drained'; readonly name: string }
  | { readonly kind: 'flushed' }
  /** A request on the internal entrypoint, which control answers. */
  | { readonly kind: 'ask'; readonly id: number; readonly method: string; readonly path: string }

/** A router or service that the worker could not build; it is closed, the rest is in force. */
export interface OpFailure {
  readonly object: string
  readonly message: string
}

/** `workerData` of a worker: what does not change while it lives. */
export interface WorkerStart {
  readonly index: number
  readonly lane: number
  readonly lanes: number
  /** Unique to the process: names the channels between workers. */
  readonly processName: string
  readonly handoff: SharedArrayBuffer
  readonly addresses: HashTableShape
  /** Requests of the access log so far, a BigInt64. */
  readonly requestCount: SharedArrayBuffer
  readonly settings: WorkerSettings
}

export interface WorkerSettings {
  readonly defaultEntryPoints: readonly string[]
  readonly memoryBudgetBytes: number
  readonly maxConnectionsHere: number
  readonly maxConnectionsPerClient: number
  /** RLIMIT_NOFILE of the process. */
  readonly maxDescriptors: number
  readonly upstream: {
    readonly connectMs: number
    readonly headMs: number
    readonly gapMs: number
    readonly sendMs: number
    readonly idleMs: number
    readonly maxIdlePerServer: number
    readonly maxHeadBytes: number
    readonly maxFields: number
  }
  readonly stickyKey: string
  readonly log: LogOptions
  readonly accessLog: AccessLogOptions | undefined
  readonly metrics: MetricsOptions | undefined
  readonly isFastPath: boolean
  readonly transport: 'net' | 'poison'
}
