/**
 * What a match looked at, written by the same code that routes requests; read by `explain`. Bounded: a host with
 * 100,000 routers leaves at most `MAX_CANDIDATES` of them here, and a count.
 */
import type { RouterConfig } from '#config/model/dynamic.ts'

export const MAX_CANDIDATES = 20

export type LevelKind = 'exact' | 'wildcard' | 'any'

/**
 * `chosen`; `shadowed`: matches, another one comes first; `path`, `scheme`, `entryPoint`: what does not match.
 */
export type Verdict = 'chosen' | 'shadowed' | 'path' | 'scheme' | 'entryPoint'

export interface Candidate {
  readonly router: RouterConfig
  verdict: Verdict
}

export interface LevelRecord {
  readonly kind: LevelKind
  /** Host name, without `*.`; `''` for any. */
  readonly name: string
  /** Routers filed here, on whatever entrypoint. */
  readonly routers: number
  /** A request that matches nothing here ends here. */
  readonly isOwned: boolean
  /** Those that match first, then those that nearly do. */
  readonly candidates: Candidate[]
  /** Routers of this level that are not listed. */
  more: number
}

export class MatchRecorder {
  entryPoint = ''
  host = ''
  path = ''
  isSecure = false
  /** Levels that have routers, as they were asked. */
  readonly levels: LevelRecord[] = []
  chosen: RouterConfig | null = null
  #level: LevelRecord | null = null

  begin(entryPoint: string, host: string, path: string, isSecure: boolean): void {
    this.entryPoint = entryPoint
    this.host = host
    this.path = path
    this.isSecure = isSecure
  }

  /** The host level that is asked from now on. */
  enter(kind: LevelKind, name: string, routers: number, isOwned: boolean): void {
    this.#level = { kind, name, routers, isOwned, candidates: [], more: routers }
    this.levels.push(this.#level)
  }

  matched(router: RouterConfig): void {
    this.#add(router, 'shadowed')
  }

  rejected(router: RouterConfig, verdict: Verdict): void {
    this.#add(router, verdict)
  }

  /** Ends a level: `others` are all its routers, of which those not seen did not match the path. */
  leave(chosen: RouterConfig | null, others: Iterable<{ readonly router: RouterConfig }>): void {
    const level = this.#level
    if (level === null) return
    if (chosen !== null) this.#choose(level, chosen)
    const seen = new Set(level.candidates.map((candidate) => candidate.router))
    for (const { router } of others) {
      if (level.candidates.length >= MAX_CANDIDATES) break
      if (!seen.has(router)) this.#add(router, 'path')
    }
    this.#level = null
  }

  #choose(level: LevelRecord, chosen: RouterConfig): void {
    this.chosen = chosen
    const known = level.candidates.find((candidate) => candidate.router === chosen)
    if (known !== undefined) known.verdict = 'chosen'
    else level.candidates[level.candidates.length - 1] = { router: chosen, verdict: 'chosen' }
  }

  #add(router: RouterConfig, verdict: Verdict): void {
    const level = this.#level
    if (level === null || level.candidates.length >= MAX_CANDIDATES) return
    level.candidates.push({ router, verdict })
    level.more--
  }
}
