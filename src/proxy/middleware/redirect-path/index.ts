/** Declaration of `redirectPath`. */
import { object } from '#lib/schema/composites.ts'
import { integer, string } from '#lib/schema/scalars.ts'
import { wrongRedirect } from '../location.ts'
import { defineMiddleware } from '../middleware.ts'
import { redirectPath } from './redirect-path.ts'

export default defineMiddleware({
  name: 'redirectPath',
  protocols: ['http'],
  status: 'stable',
  trust: 'untrusted-downstream',
  bodies: 'none',
  schema: object({
    from: string({ minLength: 1 }).describe('Path that is redirected; it must be exactly this one.'),
    to: string({ minLength: 1 }).describe('Path, or absolute URL, that the client is sent to.'),
    code: integer({ min: 300, max: 308 })
      .refine(wrongRedirect)
      .default(302)
      .describe('Status of the redirect.'),
  }),
  create: (options) => redirectPath(options),
})
