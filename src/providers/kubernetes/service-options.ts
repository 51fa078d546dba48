/**
 * The part of an Ingress's options that belongs to the service: routers whose options agree share one. Called by the
 * translator for each backend of an Ingress that changed; pure.
 */
import type { ServiceConfig, StickyCookieConfig } from '#config/model/dynamic.ts'
import type { IngressOptions } from './annotations/options.ts'
import { hasRegexCharacters } from './path.ts'

/** Fields that the Ingress does not set are left to the Service. */
export interface ServiceOptions {
  /** The same for equal options; empty for none. */
  readonly key: string
  readonly balancer: ServiceConfig['balancer'] | undefined
  readonly hashOn: ServiceConfig['hashOn']
  readonly sticky: StickyCookieConfig | undefined
  readonly scheme: 'http' | 'https' | undefined
  readonly timeouts: ServiceConfig['timeouts']
}

/** A path with a semicolon or beyond ASCII cannot stand in a cookie (RFC 6265 §4.1.1). */
const COOKIE_PATH = /^[ -:<-~]+$/

const NO_TIMEOUTS: ServiceConfig['timeouts'] = {}

const NO_SERVICE_OPTIONS: ServiceOptions = {
  key: '',
  balancer: undefined,
  hashOn: undefined,
  sticky: undefined,
  scheme: undefined,
  timeouts: NO_TIMEOUTS,
}

export function serviceOptions(options: IngressOptions, path: string, isNginx: boolean): ServiceOptions {
  const { balancer, hashOn, backendScheme, timeouts, isSticky } = options
  const hasTimeouts = Object.keys(timeouts).length > 0
  if (balancer === undefined && backendScheme === undefined && !isSticky && !hasTimeouts)
    return NO_SERVICE_OPTIONS
  const sticky = isSticky ? stickyCookie(options, path, isNginx) : undefined
  const key = JSON.stringify([balancer, hashOn, sticky, backendScheme, timeouts])
  return {
    key,
    balancer,
    hashOn,
    sticky,
    scheme: backendScheme,
    timeouts: hasTimeouts ? timeouts : NO_TIMEOUTS,
  }
}

function stickyCookie(options: IngressOptions, path: string, isNginx: boolean): StickyCookieConfig {
  const { cookie, useRegex, rewrite } = options
  // ingress-nginx binds the cookie to the location; a regular expression is no cookie path.
  const isLiteral = !useRegex && rewrite === undefined && !hasRegexCharacters(path)
  const ownPath = isNginx && isLiteral && COOKIE_PATH.test(path) ? path : '/'
  return { ...cookie, path: cookie.path ?? ownPath, httpOnly: true }
}
