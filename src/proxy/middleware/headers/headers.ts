/** Sets and removes fields of responses. */
import { ConfigError, type Issue } from '#lib/errors.ts'
import type { Filter } from '../middleware.ts'

export interface HeadersOptions {
  readonly response: Readonly<Record<string, string>>
  readonly onlyScheme?: 'http' | 'https' | undefined
}

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
/** They say where a message ends and what becomes of the connection; only who sends it knows (RFC 9110 §7.6.1). */
const OWN = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

export function headers(options: HeadersOptions): Filter {
  const entries = Object.entries(options.response)
  const issues: Issue[] = []
  for (const [name, value] of entries) {
    const message = wrongField(name, value)
    if (message !== undefined) issues.push({ path: ['response', name], message })
  }
  if (issues.length > 0) throw new ConfigError(issues)
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

function wrongField(name: string, value: string): string | undefined {
  if (!NAME.test(name)) return 'is not a field name'
  if (OWN.has(name.toLowerCase())) return 'belongs to the connection and cannot be set'
  return VALUE.test(value) ? undefined : 'has a character that no field may have'
}
