/** Declaration of `replacePathRegex`. */
import { object } from '#lib/schema/composites.ts'
import { boolean, string } from '#lib/schema/scalars.ts'
import { defineMiddleware } from '../middleware.ts'
import { replacePathRegex } from './replace-path-regex.ts'

export default defineMiddleware({
  name: 'replacePathRegex',
  protocols: ['http'],
  status: 'stable',
  trust: 'untrusted-downstream',
  bodies: 'none',
  schema: object({
    regex: string({ minLength: 1, maxLength: 2048 }).describe(
      'RE2 expression, matched at the start of the path.',
    ),
    replacement: string({ minLength: 1 }).describe('New path; `$1` … `$9` stand for what the groups caught.'),
    caseInsensitive: boolean().default(false).describe('Upper and lower case are the same.'),
  }),
  create: (options) => replacePathRegex(options),
})
