/** Declaration of `trailingSlashRedirect`. */
import { object } from '#lib/schema/composites.ts'
import { string } from '#lib/schema/scalars.ts'
import { defineMiddleware } from '../middleware.ts'
import { trailingSlashRedirect } from './trailing-slash-redirect.ts'

export default defineMiddleware({
  name: 'trailingSlashRedirect',
  protocols: ['http'],
  status: 'stable',
  trust: 'untrusted-downstream',
  bodies: 'none',
  schema: object({
    path: string({ minLength: 2 }).describe(
      'Path with its slash; a request without it is sent there with 301.',
    ),
  }),
  create: (options) => trailingSlashRedirect(options),
})
