/**
 * Replaces the whole path by a text in which groups of a regular expression may stand (ingress-nginx
 * `rewrite-target`). The query stays, behind one that the replacement brings. What comes out is brought into normal
 * form again, so that a group cannot smuggle a dot segment past the router.
 */
import { ConfigError } from '#lib/errors.ts'
import { compileRegex } from '#lib/regex/regex.ts'
import { expandTemplate } from '#lib/regex/template.ts'
import { BAD_PATH } from '../../errors.ts'
import { errorReply } from '../../http/reply.ts'
import { normalizePath } from '../../router/path.ts'
import type { Filter } from '../middleware.ts'
import { joinQueries, targetText } from '../target-text.ts'

export interface ReplacePathRegexOptions {
  readonly regex: string
  readonly replacement: string
  readonly caseInsensitive: boolean
}

export function replacePathRegex(options: ReplacePathRegexOptions): Filter {
  const regex = located('regex', () =>
    compileRegex(options.regex, { caseInsensitive: options.caseInsensitive, anchored: true }),
  )
  const { path, query } = targetText(options.replacement, 'replacement')
  const template = located('replacement', () => regex.template(path + query))
  return {
    request(exchange) {
      const captures = regex.exec(exchange.path)
      if (captures === null) return undefined
      const target = expandTemplate(template, captures)
      // A path in normal form has no `?`, so the first one is the replacement's own.
      const mark = target.indexOf('?')
      const rawPath = mark < 0 ? target : target.slice(0, mark)
      const path = normalizePath(rawPath.startsWith('/') ? rawPath : `/${rawPath}`)
      if (path === null) return errorReply(BAD_PATH)
      exchange.rewrite(path, joinQueries(mark < 0 ? '' : target.slice(mark), exchange.query))
      return undefined
    },
  }
}

/** Says which option an error of the expression's compiler is about. */
function located<T>(option: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new ConfigError(
      error.issues.map((issue) => ({ ...issue, path: [option, ...issue.path] })),
      { cause: error },
    )
  }
}
