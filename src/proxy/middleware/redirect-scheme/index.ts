/** Declaration of `redirectScheme`. */
import { object } from '#lib/schema/composites.ts'
import { integer, oneOf, string } from '#lib/schema/scalars.ts'
import { defineMiddleware } from '../middleware.ts'
import { redirectScheme } from './redirect-scheme.ts'

export default defineMiddleware({
  name: 'redirectScheme',
  protocols: ['http'],
  status: 'stable',
  trust: 'untrusted-downstream',
  bodies: 'none',
  schema: object({
    scheme: oneOf(['http', 'https']).describe('Scheme that the client is sent to.'),
    port: string({ minLength: 1, maxLength: 5 })
      .optional()
      .describe('Port of the new location; without it the default port of the scheme.'),
    permanentCode: integer({ min: 300, max: 308 }).default(308).describe('Status of the redirect.'),
  }),
  create: (options) => redirectScheme(options),
})
