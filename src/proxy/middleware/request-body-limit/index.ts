/** Declaration of `requestBodyLimit`. */
import { object } from '#lib/schema/composites.ts'
import { size } from '#lib/schema/scalars.ts'
import { defineMiddleware } from '../middleware.ts'
import { requestBodyLimit } from './request-body-limit.ts'

export default defineMiddleware({
  name: 'requestBodyLimit',
  protocols: ['http'],
  status: 'stable',
  trust: 'untrusted-downstream',
  // It counts what passes; it does not look inside.
  bodies: 'none',
  schema: object({ maxBytes: size({ min: 1 }).describe('Longest request body; more gets 413.') }),
  create: (options) => requestBodyLimit(options),
})
