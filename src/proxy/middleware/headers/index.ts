/** Declaration of `headers`. */
import { map, object } from '#lib/schema/composites.ts'
import { oneOf, string } from '#lib/schema/scalars.ts'
import { defineMiddleware } from '../middleware.ts'
import { headers } from './headers.ts'

export default defineMiddleware({
  name: 'headers',
  protocols: ['http'],
  status: 'stable',
  trust: 'untrusted-downstream',
  bodies: 'none',
  schema: object({
    response: map(string({ maxLength: 8192 }))
      .default({})
      .describe('Fields of the response by name; an empty value removes the field.'),
    onlyScheme: oneOf(['http', 'https'])
      .optional()
      .describe('Only responses to requests of this scheme; HSTS says something over https alone.'),
  }),
  create: (options) => headers(options),
})
