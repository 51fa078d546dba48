/** Bodies of our own answers: what went wrong in a line, and the id under which the logs have more. */
import { reasonOf } from '#wire/http1/reason.ts'
import type { ProxyErrorKind } from '../errors.ts'
import type { Reply } from './exchange.ts'

const TEXT = 'text/plain; charset=utf-8'

export function errorReply(kind: ProxyErrorKind, detail?: string): Reply {
  const text = detail === undefined ? kind.message : `${kind.message}: ${detail}`
  return {
    status: kind.status,
    fields: kind.status === 405 ? ['Allow', 'GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS'] : [],
    contentType: TEXT,
    body: `${kind.status} ${reasonOf(kind.status)}\n${text}\n`,
  }
}

/** Redirect with a short body for those who do not follow it. */
export function redirectReply(status: number, location: string): Reply {
  return {
    status,
    fields: ['Location', location],
    contentType: TEXT,
    body: `${status} ${reasonOf(status)}\n`,
  }
}
