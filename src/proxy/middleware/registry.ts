/**
 * Every middleware there is. Order is alphabetical and means nothing: the order in a chain is the configuration's. A test
 * compares this list with the folders.
 */
import type { MiddlewareConfig } from '#config/model/dynamic.ts'
import { ConfigError } from '#lib/errors.ts'
import { nearestName } from '#lib/schema/nearest.ts'
import headers from './headers/index.ts'
import type { Filter, MiddlewareDeclaration, MiddlewareHost } from './middleware.ts'
import redirectPath from './redirect-path/index.ts'
import redirectScheme from './redirect-scheme/index.ts'
import replacePathPrefix from './replace-path-prefix/index.ts'
import replacePathRegex from './replace-path-regex/index.ts'
import replacePath from './replace-path/index.ts'
import requestBodyLimit from './request-body-limit/index.ts'
import trailingSlashRedirect from './trailing-slash-redirect/index.ts'

// The option type of each is closed over by its own declaration; the list only hands values through the schema.
type AnyDeclaration = MiddlewareDeclaration<never>

export const MIDDLEWARES: readonly AnyDeclaration[] = [
  headers,
  redirectPath,
  redirectScheme,
  replacePath,
  replacePathPrefix,
  replacePathRegex,
  requestBodyLimit,
  trailingSlashRedirect,
] as readonly unknown[] as readonly AnyDeclaration[]

const BY_NAME = new Map(MIDDLEWARES.map((declaration) => [declaration.name, declaration]))

const CHECKING: MiddlewareHost = { now: () => 0, log: () => {} }

/** Throws a ConfigError that says what is wrong with the type or the options. */
export function checkMiddleware(config: MiddlewareConfig): void {
  createFilter(config, CHECKING)
}

/** Throws a ConfigError. */
export function createFilter(config: MiddlewareConfig, host: MiddlewareHost): Filter {
  const declaration = BY_NAME.get(config.type)
  if (declaration === undefined) {
    const near = nearestName(config.type, BY_NAME.keys())
    throw new ConfigError([
      {
        path: ['type'],
        message: `there is no middleware ${JSON.stringify(config.type)}`,
        ...(near === undefined ? {} : { suggestion: `did you mean ${near}?` }),
      },
    ])
  }
  const parsed = declaration.schema.parse(config.options)
  if (!parsed.ok) throw new ConfigError(parsed.issues)
  return declaration.create(parsed.value, host)
}
