/** The routers that a match looked at, and in words why it was not they. */
import type { RouterConfig } from '#config/model/dynamic.ts'
import type { RoutingProgram } from '#proxy/router/program.ts'
import type { Candidate, LevelRecord, MatchRecorder } from '#proxy/router/recorder.ts'
import type { OrderRule } from '#proxy/router/order.ts'
import type { ExplainedCandidate, ExplainedLevel } from './explanation.ts'
import { hostName, ruleText } from './rule-text.ts'

export function explainLevels<T>(recorder: MatchRecorder, program: RoutingProgram<T>): ExplainedLevel[] {
  const explain = (candidate: Candidate): ExplainedCandidate => ({
    name: candidate.router.name,
    rule: ruleText(candidate.router),
    verdict: candidate.verdict,
    reason: reasonOf(candidate, recorder, program),
    place: candidate.router.origin.place ?? null,
  })
  return recorder.levels.map((level) => ({
    kind: level.kind,
    host: levelHost(level),
    routers: level.routers,
    isOwned: level.isOwned,
    // The chosen one first, then those that nearly were.
    candidates: level.candidates.map(explain).sort((a, b) => WEIGHTS[a.verdict] - WEIGHTS[b.verdict]),
    more: level.more,
  }))
}

const WEIGHTS = { chosen: 0, shadowed: 1, scheme: 2, entryPoint: 3, path: 4 } as const

function levelHost(level: LevelRecord): string {
  return hostName(level.kind === 'any' ? { kind: 'any' } : { kind: level.kind, name: level.name })
}

const RULE_TEXTS: Readonly<Record<OrderRule, string>> = {
  rank: 'its kind of rule goes first',
  priority: 'it has the higher priority',
  'exact path': 'its path is exact',
  'longer path': 'its path is longer',
  age: 'it is older',
  name: 'its name sorts first',
}

function reasonOf<T>(candidate: Candidate, recorder: MatchRecorder, program: RoutingProgram<T>): string {
  const { router, verdict } = candidate
  switch (verdict) {
    case 'chosen':
      return ''
    case 'shadowed':
      return shadowedBy(router, recorder.chosen, program)
    case 'path':
      return 'the path does not match'
    case 'scheme':
      return `for ${router.scheme} only`
    case 'entryPoint':
      return `not bound to entrypoint ${recorder.entryPoint}`
    default:
      return verdict satisfies never
  }
}

function shadowedBy<T>(router: RouterConfig, by: RouterConfig | null, program: RoutingProgram<T>): string {
  if (by === null) return ''
  const rule = program.decidedBy(by.name, router.name)
  return `matches too, but ${by.name} goes first${rule === null ? '' : `: ${RULE_TEXTS[rule]}`}`
}
