/**
 * What `explain` found out about one request, stretch by stretch of the road. Plain data: printed by `text.ts`, and
 * serialisable as it is. A stretch that was not reached is null or empty; `outcome` says where the road ends.
 */
import type { Place } from '#config/model/finding.ts'
import type { Finding } from '#config/model/finding.ts'
import type { LevelKind, Verdict } from '#proxy/router/recorder.ts'

export interface Explanation {
  readonly request: ExplainedRequest
  readonly listener: ExplainedListener | null
  readonly certificate: CertificateAnswer | null
  /** Host levels in the order they were asked. */
  readonly levels: readonly ExplainedLevel[]
  readonly route: ExplainedRoute | null
  readonly middlewares: readonly ExplainedMiddleware[]
  readonly service: ExplainedService | null
  /** About the objects on this road, at most `MAX_FINDINGS`. */
  readonly findings: readonly Finding[]
  readonly outcome: Outcome
}

export interface ExplainedRequest {
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly authority: string
  /** As asked. */
  readonly path: string
  readonly query: string
  /** What routing compares, null: refused. */
  readonly host: string | null
  readonly normalPath: string | null
}

export interface ExplainedListener {
  readonly entryPoint: string
  readonly address: string
  readonly isTls: boolean
  /** Why this one, when the URL does not say so itself. */
  readonly note: string
}

export interface CertificateAnswer {
  readonly matched: 'exact' | 'wildcard' | 'default'
  readonly names: readonly string[]
}

export interface ExplainedLevel {
  readonly kind: LevelKind
  /** `a.example`, `*.example`, `*`. */
  readonly host: string
  readonly routers: number
  readonly isOwned: boolean
  readonly candidates: readonly ExplainedCandidate[]
  /** Routers of this host that are not listed. */
  readonly more: number
}

export interface ExplainedCandidate {
  readonly name: string
  readonly rule: string
  readonly verdict: Verdict
  /** In words; empty for the chosen one. */
  readonly reason: string
  readonly place: Place | null
}

export interface ExplainedRoute {
  readonly name: string
  readonly rule: string
  readonly object: string
  readonly place: Place | null
  readonly closed: string | null
}

export interface ExplainedMiddleware {
  readonly name: string
  readonly type: string
  /** What it would do with this request; empty: nothing that shows. */
  readonly effect: string
}

export interface ExplainedService {
  readonly name: string
  readonly object: string
  readonly balancer: string
  readonly scheme: 'http' | 'https'
  readonly sticky: string | null
  readonly servers: readonly ExplainedServer[]
  /** Servers that are not listed. */
  readonly more: number
}

export interface ExplainedServer {
  readonly id: string
  readonly weight: number
  /** `ready`, `terminating`, `ejected`… */
  readonly state: string
}

/** Where the road ends. `text` is a sentence's part for people. */
export type Outcome =
  | { readonly kind: 'no-listener'; readonly text: string }
  | { readonly kind: 'refused'; readonly status: number; readonly text: string }
  | { readonly kind: 'no-route'; readonly status: 404; readonly text: string }
  | { readonly kind: 'closed'; readonly status: 503; readonly text: string }
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly by: string
      readonly location: string | null
      readonly text: string
    }
  | { readonly kind: 'no-server'; readonly status: 503; readonly text: string }
  | {
      readonly kind: 'forwarded'
      readonly service: string
      /** Path and query that a server is asked for. */
      readonly target: string
      readonly text: string
    }
