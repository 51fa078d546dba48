/** Declaration of `replacePath`. */
import { object } from '#lib/schema/composites.ts'
import { string } from '#lib/schema/scalars.ts'
import { defineMiddleware } from '../middleware.ts'
import { replacePath } from './replace-path.ts'

export default defineMiddleware({
  name: 'replacePath',
  protocols: ['http'],
  status: 'stable',
  trust: 'untrusted-downstream',
  bodies: 'none',
  schema: object({
    path: string({ minLength: 1 }).describe('Path that every request gets; the query stays.'),
  }),
  create: (options) => replacePath(options),
})
