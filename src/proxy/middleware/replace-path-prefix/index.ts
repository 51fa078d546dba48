/** Declaration of `replacePathPrefix`. */
import { object } from '#lib/schema/composites.ts'
import { string } from '#lib/schema/scalars.ts'
import { defineMiddleware } from '../middleware.ts'
import { replacePathPrefix } from './replace-path-prefix.ts'

export default defineMiddleware({
  name: 'replacePathPrefix',
  protocols: ['http'],
  status: 'stable',
  trust: 'untrusted-downstream',
  bodies: 'none',
  schema: object({
    prefix: string({ minLength: 1 }).describe(
      'Start of the path, by element: `/app` is no start of `/apple`.',
    ),
    replacement: string({ minLength: 1 }).describe('What stands there instead.'),
  }),
  create: (options) => replacePathPrefix(options),
})
