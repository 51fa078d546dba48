/** The contract between the proxy and a middleware (architecture §4.5). */
import type { Schema } from '#lib/schema/schema.ts'
import type { Exchange, Reply, ResponseHead } from '../http/exchange.ts'

/** What a middleware runs per request; a phase that is absent costs nothing. */
export interface Filter {
  /** Outermost first. A returned reply is sent and nothing further is called but `response` of outer filters. */
  request?(exchange: Exchange): Reply | undefined
  /** Innermost first, for answers of servers and of filters. */
  response?(exchange: Exchange, head: ResponseHead): void
  /** Once per exchange whose `request` phase ran, after the last byte or the failure. */
  end?(exchange: Exchange): void
}

/** Collaborators a middleware may use; nothing comes from module globals. */
export interface MiddlewareHost {
  now(): number
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>): void
}

export interface MiddlewareDeclaration<Options> {
  /** Equals the folder's name in camelCase, as in configuration: `replacePathRegex`. */
  readonly name: string
  readonly protocols: readonly ('http' | 'tcp')[]
  readonly status: 'stable' | 'experimental'
  readonly trust: 'untrusted-downstream' | 'trusted-downstream'
  /** Which bodies it looks at; `none` keeps the fast path. */
  readonly bodies: 'none' | 'request' | 'response' | 'both'
  readonly schema: Schema<Options>
  /** Called once per configuration; throws a ConfigError for what the schema cannot say. */
  create(options: Options, host: MiddlewareHost): Filter
}

/** Keeps the option type from the schema to `create`. */
export function defineMiddleware<Options>(
  declaration: MiddlewareDeclaration<Options>,
): MiddlewareDeclaration<Options> {
  return declaration
}
