/** Declaration of `redirectScheme`. */
import { object } from '#lib/schema/composites.ts'
import { integer, oneOf, string } from '#lib/schema/scalars.ts'
import { wrongRedirect } from '../location.ts'
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
      .refine((port) =>
        /^[1-9]\d*$/.test(port) && Number(port) <= 65_535
          ? undefined
          : `must be a port from 1 to 65535, not ${JSON.stringify(port)}`,
      )
      .optional()
      .describe('Port of the new location; without it the default port of the scheme.'),
    permanentCode: integer({ min: 300, max: 308 })
      .refine(wrongRedirect)
      .default(308)
      .describe('Status of the redirect.'),
  }),
  create: (options) => redirectScheme(options),
})
