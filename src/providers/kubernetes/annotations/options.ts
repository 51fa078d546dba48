/**
 * What the annotations of one Ingress come to. Filled in by the annotation table, read by the rendering of routers
 * and services. Most Ingresses have none: they share one object.
 */
import type { HashSource, ServiceConfig, StickyCookieConfig } from '#config/model/dynamic.ts'

/** A text that replaces the path of requests. */
export interface Rewrite {
  /** Starts with `/`; `$1` to `$9` are captures of the path's regular expression. */
  readonly target: string
  /** The old `ingress.kubernetes.io/` meaning: only the matched prefix is replaced. */
  readonly isPrefixOnly: boolean
  readonly hasCaptures: boolean
}

export interface IngressOptions {
  readonly rewrite: Rewrite | undefined
  readonly useRegex: boolean
  readonly appRoot: string | undefined
  /** Undefined: what the class does. */
  readonly sslRedirect: boolean | undefined
  readonly forceSslRedirect: boolean
  /** Undefined: what the Service's appProtocol says. */
  readonly backendScheme: 'http' | 'https' | undefined
  /** Undefined: what the Service's sessionAffinity says. */
  readonly balancer: ServiceConfig['balancer'] | undefined
  readonly hashOn: HashSource | undefined
  readonly isSticky: boolean
  readonly cookie: CookieOptions
  readonly timeouts: ServiceConfig['timeouts']
  /** Bytes; 0: unlimited; undefined: what the class does. */
  readonly maxBodyBytes: number | undefined
  readonly entryPoints: readonly string[] | undefined
  readonly isTlsOnly: boolean
  /** The Ingress is the alternative of another one and has no routes of its own. */
  readonly isCanary: boolean
  /** Why the paths of this Ingress answer 503. */
  readonly closed: string | undefined
}

export interface CookieOptions {
  readonly name: string
  readonly path?: string
  readonly domain?: string
  readonly secure: boolean | 'auto'
  readonly sameSite?: NonNullable<StickyCookieConfig['sameSite']>
  readonly maxAge?: number
  readonly expires?: number
  readonly changeOnFailure?: boolean
}

/** The same object while the table fills it in. */
export type OptionsDraft = {
  -readonly [Key in keyof IngressOptions]: Key extends 'cookie' | 'timeouts'
    ? { -readonly [Inner in keyof IngressOptions[Key]]: IngressOptions[Key][Inner] }
    : IngressOptions[Key]
}

export function emptyOptions(): OptionsDraft {
  return {
    rewrite: undefined,
    useRegex: false,
    appRoot: undefined,
    sslRedirect: undefined,
    forceSslRedirect: false,
    backendScheme: undefined,
    balancer: undefined,
    hashOn: undefined,
    isSticky: false,
    cookie: { name: 'INGRESSCOOKIE', secure: 'auto' },
    timeouts: {},
    maxBodyBytes: undefined,
    entryPoints: undefined,
    isTlsOnly: false,
    isCanary: false,
    closed: undefined,
  }
}

export const NO_OPTIONS: IngressOptions = emptyOptions()
