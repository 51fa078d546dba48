/**
 * Replacement texts: `$1` to `$9` and `${name}` or `${12}` stand for captures, `$$` for a dollar sign, any other
 * `$` for itself. Read once when configuration changes, expanded per request.
 */
import { ConfigError } from '../errors.ts'

/** Literal text and numbers of captures, alternating as written. */
export type Template = readonly (string | number)[]

/** Throws a ConfigError for a capture that the expression does not have. */
export function parseTemplate(
  source: string,
  groupCount: number,
  groupNames: Readonly<Record<string, number>>,
): Template {
  const parts: (string | number)[] = []
  let literal = ''
  const add = (capture: number, text: string): void => {
    if (capture > groupCount) throw new ConfigError(noCapture(source, text, groupCount))
    if (literal !== '') parts.push(literal)
    literal = ''
    parts.push(capture)
  }
  for (let i = 0; i < source.length; i++) {
    const char = source.charAt(i)
    const next = source.charAt(i + 1)
    if (char !== '$') literal += char
    else if (next === '$') {
      literal += '$'
      i++
    } else if (next >= '0' && next <= '9' && next !== '') {
      add(Number(next), `$${next}`)
      i++
    } else if (next === '{' && source.includes('}', i)) {
      const end = source.indexOf('}', i)
      const name = source.slice(i + 2, end)
      const number = Object.hasOwn(groupNames, name) ? groupNames[name] : undefined
      add(number ?? (/^\d{1,3}$/.test(name) ? Number(name) : Number.POSITIVE_INFINITY), `\${${name}}`)
      i = end
    } else literal += '$'
  }
  if (literal !== '') parts.push(literal)
  return parts
}

/** `captures[0]` is the whole match. */
export function expandTemplate(template: Template, captures: readonly string[]): string {
  let text = ''
  for (const part of template) text += typeof part === 'string' ? part : (captures[part] ?? '')
  return text
}

function noCapture(source: string, text: string, groupCount: number): string {
  const has = groupCount === 0 ? 'no captures' : `captures up to $${groupCount}`
  return `${JSON.stringify(source)} uses ${text}, but the expression has ${has}; put what it should stand for in parentheses`
}
