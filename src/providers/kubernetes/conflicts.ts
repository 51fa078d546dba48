/**
 * Rules that claim the same requests: same host, same way of matching, same path. Both stay in force; the routing
 * program asks the older one first, so the other never answers until that one goes. The loser is told. Called once per
 * rendered host; the order is that of `RouterOrder`.
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

export function findConflicts(host: string, claims: readonly Claim[], report: Report): void {
  const groups = new Map<string, Claim[]>()
  for (const claim of claims) {
    const key = claimKey(claim.router)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [claim])
    else group.push(claim)
  }
  for (const group of groups.values()) {
    if (group.length < 2) continue
    const [winner, ...losers] = group.sort(byOrder)
    if (winner === undefined) continue
    for (const loser of losers)
      report.add('ingress-conflict', 'warning', loser.plan.sourced, loser.path, ...text(host, winner, loser))
  }
}

function text(host: string, winner: Claim, loser: Claim): [message: string, hint: string] {
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
    `${what} of ${where} is served by ${who}${why}; this rule gets no requests`,
    'remove one of the two',
  ]
}

function pathText(router: RouterConfig): string {
  return router.path.kind === 'any' ? 'the default backend' : `path ${router.path.value}`
}

/** Routers on different entrypoints or schemes do not meet. */
function claimKey(router: RouterConfig): string {
  const { path, entryPoints, order, scheme } = router
  const value = path.kind === 'any' ? '' : path.value
  return `${order.rank} ${path.kind} ${scheme} ${entryPoints?.join(',') ?? ''} ${value}`
}

function byOrder(a: Claim, b: Claim): number {
  const age = a.router.order.created - b.router.order.created
  if (age !== 0) return age
  return a.router.name < b.router.name ? -1 : 1
}
