/** Sets and removes fields of responses. */
import { ConfigError } from '#lib/errors.ts'
import type { Filter } from '../middleware.ts'

export interface HeadersOptions {
  readonly response: Readonly<Record<string, string>>
  readonly onlyScheme?: 'http' | 'https' | undefined
}

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

export function headers(options: HeadersOptions): Filter {
  const entries = Object.entries(options.response)
  for (const [name, value] of entries) {
    if (!NAME.test(name))
      throw new ConfigError([{ path: ['response', name], message: 'is not a field name' }])
    if (!VALUE.test(value)) {
      throw new ConfigError([{ path: ['response', name], message: 'has a character that no field may have' }])
    }
  }
  const { onlyScheme } = options
  return {
    response(exchange, head) {
      if (onlyScheme !== undefined && exchange.scheme !== onlyScheme) return
      for (const [name, value] of entries) {
        if (value === '') head.fields.remove(name)
        else head.fields.set(name, value)
      }
    },
  }
}
