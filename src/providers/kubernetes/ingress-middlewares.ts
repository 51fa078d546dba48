/**
 * Which middlewares a path of an Ingress gets, in order. By default a request is sent to https before anything else is
 * decided; with nginx habits the order is nginx's, where the redirect of `/` comes first. Called by the rendering of
 * routers; `null` in a list's place means none.
 */
import type { PathMatch } from '#config/model/dynamic.ts'
import type { Rewrite } from './annotations/options.ts'
import { NGINX_BODY_LIMIT, NGINX_HSTS, type Middlewares, type MiddlewareRequest } from './middlewares.ts'
import type { IngressPlan } from './plan.ts'

/** Where ACME answers are served; nginx never redirects there. */
const ACME_PATH = '/.well-known/acme-challenge'

export interface PathSituation {
  readonly path: string
  readonly match: PathMatch
  /** Captures of a regular expression. */
  readonly captures: number
  readonly isTlsHost: boolean
  /** The path is `/` alone, and the Ingress redirects it. */
  readonly isAppRoot: boolean
}

export function middlewaresFor(
  plan: IngressPlan,
  situation: PathSituation,
  middlewares: Middlewares,
  identities: string[],
): string[] {
  const names: string[] = []
  const add = (request: MiddlewareRequest | undefined, part = ''): void => {
    if (request !== undefined) names.push(middlewares.forIngress(plan, request, part, identities))
  }
  const { options, isNginx } = plan
  const redirect = shouldRedirect(plan, situation) ? TO_HTTPS : undefined
  if (isNginx) names.push(middlewares.forNginx(NGINX_HSTS, identities))
  else add(redirect)
  if (situation.isAppRoot && options.appRoot !== undefined) {
    add({ type: 'redirectPath', options: { from: '/', to: options.appRoot, code: 302 } })
  }
  if (isNginx) add(redirect)
  if (options.maxBodyBytes !== undefined) {
    if (options.maxBodyBytes > 0) {
      add({ type: 'requestBodyLimit', options: { maxBytes: options.maxBodyBytes } })
    }
  } else if (isNginx) names.push(middlewares.forNginx(NGINX_BODY_LIMIT, identities))
  const { rewrite } = options
  if (rewrite !== undefined && situation.match.kind !== 'any' && rewrite.target !== situation.path) {
    const request = rewriteRequest(rewrite, situation)
    add(request, request.type === 'replacePath' ? '' : situation.path)
  }
  return names
}

function shouldRedirect(plan: IngressPlan, situation: PathSituation): boolean {
  const { forceSslRedirect, sslRedirect } = plan.options
  if (situation.path.startsWith(ACME_PATH) && plan.isNginx) return false
  if (forceSslRedirect) return true
  return situation.isTlsHost && (sslRedirect ?? plan.isNginx)
}

const TO_HTTPS: MiddlewareRequest = {
  type: 'redirectScheme',
  options: { scheme: 'https', permanentCode: 308 },
}

function rewriteRequest(rewrite: Rewrite, situation: PathSituation): MiddlewareRequest {
  const { match } = situation
  const replacement = withoutMissingCaptures(rewrite.target, situation.captures)
  if (match.kind === 'regex') {
    // The whole path becomes the replacement, as nginx's `rewrite` does, not only what matched.
    const options = {
      regex: match.value,
      replacement,
      caseInsensitive: match.caseInsensitive,
    }
    return { type: 'replacePathRegex', options }
  }
  if (rewrite.isPrefixOnly && (match.kind === 'prefix' || match.kind === 'stringPrefix')) {
    return { type: 'replacePathPrefix', options: { prefix: match.value, replacement } }
  }
  return { type: 'replacePath', options: { path: replacement } }
}

/** nginx puts nothing where a path has no such capture; several paths often share one target. */
function withoutMissingCaptures(target: string, captures: number): string {
  if (!target.includes('$')) return target
  return target.replaceAll(/\$([1-9])/g, (text, digit: string) => (Number(digit) <= captures ? text : ''))
}
