/**
 * Replaces the whole path by a text in which groups of a regular expression may stand (ingress-nginx
 * `rewrite-target`). The query stays, behind one that the replacement brings. What comes out is brought into normal
 * form again, so that a group cannot smuggle a dot segment past the router.
 */
import { compileRegex } from '#lib/regex/regex.ts'
import { errorReply } from '../../http/reply.ts'
import { BAD_PATH } from '../../errors.ts'
import { normalizePath } from '../../router/path.ts'
import type { Filter } from '../middleware.ts'

export interface ReplacePathRegexOptions {
  readonly regex: string
  readonly replacement: string
  readonly caseInsensitive: boolean
}

export function replacePathRegex(options: ReplacePathRegexOptions): Filter {
  const regex = compileRegex(`(?:${options.regex})[\\s\\S]*`, {
    caseInsensitive: options.caseInsensitive,
    anchored: true,
  })
  const template = regex.template(options.replacement)
  return {
    request(exchange) {
      if (!regex.test(exchange.path)) return undefined
      const target = regex.replace(exchange.path, template)
      const mark = target.indexOf('?')
      const rawPath = mark < 0 ? target : target.slice(0, mark)
      const path = normalizePath(rawPath.startsWith('/') ? rawPath : `/${rawPath}`)
      if (path === null) return errorReply(BAD_PATH)
      exchange.rewrite(path, joinQueries(mark < 0 ? '' : target.slice(mark), exchange.query))
      return undefined
    },
  }
}

function joinQueries(own: string, client: string): string {
  if (own === '' || own === '?') return client
  return client.length > 1 ? `${own}&${client.slice(1)}` : own
}
