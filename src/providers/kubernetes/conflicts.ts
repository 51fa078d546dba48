/**
 * Rules that claim the same requests: same host, same way of matching, same path. Both stay in force; the routing
 * program asks the older one first, so the other never answers until that one goes. The loser is told. Called once per
 * rendered host; the order is that of `RouterOrder`. Routers meet where they share an entrypoint and a scheme.
 */
import type { RouterConfig } from '#config/model/dynamic.ts'
import type { Report } from './findings.ts'
import type { ObjectPath } from './objects.ts'
import type { IngressPlan } from './plan.ts'

export interface Claim {
  readonly plan: IngressPlan
  readonly router: RouterConfig
  readonly path: ObjectPath
}

/** `defaults`: entrypoints of routers that name none; undefined: not known, and they may be any. */
export function findConflicts(
  host: string,
  claims: readonly Claim[],
  defaults: readonly string[] | undefined,
  report: Report,
): void {
  const groups = new Map<string, Claim[]>()
  for (const claim of claims) {
    const key = claimKey(claim.router)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [claim])
    else group.push(claim)
  }
  for (const group of groups.values()) if (group.length > 1) findInGroup(host, group, defaults, report)
}

/** Routers for the same requests, but perhaps not on the same entrypoints or for the same scheme. */
function findInGroup(
  host: string,
  group: Claim[],
  defaults: readonly string[] | undefined,
  report: Report,
): void {
  const known = defaults ?? entryPointsOf(group)
  /** Who answers, by entrypoint and scheme. */
  const winners = new Map<string, Claim>()
  for (const claim of group.sort(byOrder)) {
    const { entryPoints = known, scheme } = claim.router
    let winner: Claim | undefined
    const lost = new Set<string>()
    const lostSchemes = new Set<string>()
    for (const entryPoint of entryPoints) {
      for (const one of scheme === 'both' ? BOTH_SCHEMES : [scheme]) {
        const cell = `${one} ${entryPoint}`
        const holder = winners.get(cell)
        if (holder === undefined) winners.set(cell, claim)
        else {
          winner ??= holder
          lost.add(entryPoint)
          lostSchemes.add(one)
        }
      }
    }
    if (winner === undefined) continue
    const names = [...lost].filter((name) => name !== '').sort()
    const on = lost.size < entryPoints.length ? ` on entrypoint ${names.join(', ')}` : ''
    const over = scheme === 'both' && lostSchemes.size === 1 ? ` over ${[...lostSchemes].join('')}` : ''
    const words = text(host, winner, claim, `${on}${over}`)
    report.add('ingress-conflict', 'warning', claim.plan.sourced, claim.path, ...words)
  }
}

const BOTH_SCHEMES = ['http', 'https'] as const

/** Where the defaults are not known: those that somebody names, and one that nobody does. */
function entryPointsOf(group: readonly Claim[]): readonly string[] {
  const names = new Set([''])
  for (const { router } of group) for (const name of router.entryPoints ?? []) names.add(name)
  return [...names]
}

/** `lost`: where it gets none, such as ` on entrypoint web`; empty: everywhere. */
function text(host: string, winner: Claim, loser: Claim, lost: string): [message: string, hint: string] {
  const what = pathText(loser.router)
  const where = host === '' ? 'every host' : `host ${host}`
  const isSame = winner.plan === loser.plan
  const who = isSame
    ? 'an earlier rule of this Ingress'
    : `Ingress ${winner.plan.namespace}/${winner.plan.name}`
  const why = isSame
    ? ''
    : winner.plan.order.created === loser.plan.order.created
      ? ', which comes first by name'
      : ', which is older'
  return [
    `${what} of ${where} is served by ${who}${why}; this rule gets no requests${lost}`,
    'remove one of the two',
  ]
}

function pathText(router: RouterConfig): string {
  return router.path.kind === 'any' ? 'the default backend' : `path ${router.path.value}`
}

function claimKey(router: RouterConfig): string {
  const { path, order } = router
  return `${order.rank} ${path.kind} ${path.kind === 'any' ? '' : path.value}`
}

function byOrder(a: Claim, b: Claim): number {
  const age = a.router.order.created - b.router.order.created
  if (age !== 0) return age
  return a.router.name < b.router.name ? -1 : 1
}
