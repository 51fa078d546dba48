/**
 * For tests: an exchange with settable facts that records what filters do to it, filters made as configuration makes
 * them, and the issues of options that are refused.
 */
import assert from 'node:assert/strict'
import { ConfigError, formatIssue } from '#lib/errors.ts'
import type { ConnectionFacts } from '#net/connection.ts'
import type { Exchange, Fields, Reply, ResponseHead } from '../http/exchange.ts'
import { FieldList } from '../http/field-list.ts'
import type { Route } from '../route.ts'
import type { Filter, MiddlewareHost } from './middleware.ts'
import { createFilter } from './registry.ts'

export interface FakeExchangeFacts {
  readonly scheme?: 'http' | 'https'
  readonly method?: string
  readonly host?: string
  /** As sent; by default the host. */
  readonly authority?: string
  readonly path?: string
  /** As sent; by default path and query. */
  readonly originalTarget?: string
  readonly query?: string
  /** Flat list: name, value, name, value. */
  readonly fields?: readonly string[]
}

export class FakeExchange implements Exchange {
  readonly startedAt = 1_800_000_000_000
  readonly requestId = '0123456789abcdef0123456789abcdef'
  readonly entryPoint = 'web'
  readonly connection: ConnectionFacts = {
    remoteAddress: '192.0.2.1',
    remotePort: 40_000,
    localAddress: '192.0.2.9',
    localPort: 80,
  }
  readonly clientAddress = '192.0.2.1'
  readonly isTrustedPeer = false
  readonly scheme: 'http' | 'https'
  readonly method: string
  readonly host: string
  readonly authority: string
  readonly path: string
  readonly originalTarget: string
  query: string
  readonly protocol = 'HTTP/1.1'
  readonly route: Route | null = null
  readonly request: Fields
  readonly requestContentLength = 0
  readonly requestBodyBytes = 0
  /** What `rewrite` was last given. */
  forwardPath: string | undefined = undefined
  bodyLimit: number | undefined = undefined

  constructor(facts: FakeExchangeFacts = {}) {
    this.scheme = facts.scheme ?? 'http'
    this.method = facts.method ?? 'GET'
    this.host = facts.host ?? 'shop.example'
    this.authority = facts.authority ?? this.host
    this.path = facts.path ?? '/'
    this.query = facts.query ?? ''
    this.originalTarget = facts.originalTarget ?? this.path + this.query
    this.request = new FieldList(facts.fields ?? [])
  }

  /** What a server would be asked for. */
  get forwardTarget(): string {
    return (this.forwardPath ?? this.path) + this.query
  }

  rewrite(path: string, query: string): void {
    this.forwardPath = path
    this.query = query
  }

  limitRequestBody(maxBytes: number): void {
    this.bodyLimit = Math.min(this.bodyLimit ?? Infinity, maxBytes)
  }
}

const HOST: MiddlewareHost = { now: () => 0, log: () => {} }

/** The filter of a configuration; throws the ConfigError that its owner would see. */
export function filterOf(type: string, options: unknown): Filter {
  const origin = { provider: 'test', kind: 'Ingress', namespace: 'default', name: 'shop' }
  return createFilter({ name: `${type}@test`, type, options, origin }, HOST)
}

/** The request phase over one exchange. */
export function runRequest(filter: Filter, exchange: FakeExchange): Reply | undefined {
  return filter.request?.(exchange)
}

export function responseHead(
  status: number,
  fields: readonly string[],
): ResponseHead & { fields: FieldList } {
  return { status, fields: new FieldList(fields) }
}

/** Status and Location of a redirect, or undefined. */
export function redirectOf(reply: Reply | undefined): { status: number; location: string } | undefined {
  if (reply === undefined) return undefined
  // As it is sent: through the field list, which is what keeps a value on its line.
  const location = new FieldList(reply.fields).get('location')
  assert.ok(location !== undefined, 'a reply without Location')
  return { status: reply.status, location }
}

export interface WrongOptions {
  readonly options: unknown
  /** Of the one issue: place and message. */
  readonly says: RegExp
}

/** Every case must be refused with exactly one issue that matches. */
export function assertRefused(type: string, cases: readonly WrongOptions[]): void {
  for (const { options, says } of cases) {
    const what = `${type} ${JSON.stringify(options)}`
    let issues: readonly string[] | undefined
    try {
      filterOf(type, options)
    } catch (error) {
      assert.ok(error instanceof ConfigError, `${what}: ${String(error)}`)
      issues = error.issues.map((issue) => formatIssue(issue))
    }
    assert.equal(issues?.length, 1, `${what}: ${issues?.join('; ') ?? 'accepted'}`)
    assert.match(issues?.[0] ?? '', says, what)
  }
}
