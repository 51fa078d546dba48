/**
 * Regular expressions from configuration (RE2 syntax), in time linear in the text whatever the expression: those
 * that `linear.ts` proves harmless run on V8's own engine, all others on re2js. Called when configuration is
 * checked and compiled; `test`, `exec` and `replace` run per request.
 *
 * Both engines give the same matches and captures; a capture that took no part is `''`. Texts are what comes off
 * the wire, one UTF-16 unit per byte: pairs of surrogates are one character to re2js and two to V8.
 */
import type { RE2JS, RE2JSException } from 're2js'
import { ConfigError, errorText } from '../errors.ts'
import { lazyModule } from '../lazy-module.ts'
import { expandTemplate, parseTemplate, type Template } from './template.ts'
import { translateToV8 } from './translate.ts'

const re2js = lazyModule<typeof import('re2js')>('re2js')

/** Longest accepted expression, in UTF-16 units. */
export const MAX_PATTERN_LENGTH = 2048

/** Largest accepted program, in instructions: bounds memory, and the constant in front of "linear". */
export const MAX_PROGRAM_SIZE = 5000

export interface RegexOptions {
  readonly caseInsensitive?: boolean
  /** A match begins where the text begins. */
  readonly anchored?: boolean
}

export interface Regex {
  readonly source: string
  readonly engine: 'v8' | 're2'
  /** Captures besides the whole match. */
  readonly groupCount: number
  test(text: string): boolean
  /** The first match: whole, then captures. */
  exec(text: string): string[] | null
  /** Checks a replacement text against this expression; throws a ConfigError. */
  template(source: string): Template
  /** `text` with every match replaced; `text` itself when there is none. */
  replace(text: string, template: Template): string
}

/** Throws a ConfigError that says where the expression is wrong and what to write instead. */
export function compileRegex(source: string, options: RegexOptions = {}): Regex {
  if (source.length > MAX_PATTERN_LENGTH) {
    throw new ConfigError(
      `regular expression of ${source.length} characters is longer than ${MAX_PATTERN_LENGTH}: split the rule`,
    )
  }
  const flags = options.caseInsensitive === true ? re2js().RE2JS.CASE_INSENSITIVE : 0
  const checked = compileRe2(source, source, flags)
  const size = checked.programSize()
  if (size > MAX_PROGRAM_SIZE) {
    throw new ConfigError(
      `regular expression ${quote(source)} compiles to ${size} steps, more than ${MAX_PROGRAM_SIZE}: ` +
        'use smaller repeat counts',
    )
  }
  const names = checked.namedGroups()
  const native = translateToV8(source, options.caseInsensitive === true, options.anchored === true)
  if (native !== null) return new V8Regex(source, native, checked.groupCount(), names)
  const whole = options.anchored === true ? compileRe2(source, `\\A(?:${source})`, flags) : checked
  return new Re2Regex(source, whole, names)
}

class V8Regex implements Regex {
  readonly source: string
  readonly engine = 'v8'
  readonly groupCount: number
  readonly #regex: RegExp
  readonly #global: RegExp
  readonly #names: Readonly<Record<string, number>>

  constructor(source: string, native: string, groupCount: number, names: Readonly<Record<string, number>>) {
    this.source = source
    this.groupCount = groupCount
    this.#regex = new RegExp(native)
    this.#global = new RegExp(native, 'g')
    this.#names = names
  }

  test(text: string): boolean {
    return this.#regex.test(text)
  }

  exec(text: string): string[] | null {
    const match = this.#regex.exec(text)
    return match === null ? null : filled(match)
  }

  template(source: string): Template {
    return parseTemplate(source, this.groupCount, this.#names)
  }

  replace(text: string, template: Template): string {
    const regex = this.#global
    let result = ''
    let copied = 0
    regex.lastIndex = 0
    for (let match = regex.exec(text); match !== null; match = regex.exec(text)) {
      const end = match.index + match[0].length
      if (match[0] === '') {
        regex.lastIndex = end + 1
        // An empty match right behind a match is part of it.
        if (end === copied && end > 0) continue
      }
      result += text.slice(copied, match.index) + expandTemplate(template, filled(match))
      copied = end
    }
    return copied === 0 && result === '' ? text : result + text.slice(copied)
  }
}

class Re2Regex implements Regex {
  readonly source: string
  readonly engine = 're2'
  readonly groupCount: number
  readonly #regex: RE2JS
  readonly #names: Readonly<Record<string, number>>

  constructor(source: string, regex: RE2JS, names: Readonly<Record<string, number>>) {
    this.source = source
    this.#regex = regex
    this.groupCount = regex.groupCount()
    this.#names = names
  }

  test(text: string): boolean {
    return this.#regex.test(text)
  }

  exec(text: string): string[] | null {
    const match = this.#regex.exec(text) as (string | undefined)[] | null
    return match === null ? null : filled(match)
  }

  template(source: string): Template {
    return parseTemplate(source, this.groupCount, this.#names)
  }

  replace(text: string, template: Template): string {
    const matcher = this.#regex.matcher(text)
    let result = ''
    let copied = 0
    while (matcher.find()) {
      const start = matcher.start()
      const end = matcher.end()
      if (start === end && end === copied && end > 0) continue
      const captures: (string | null)[] = []
      for (let i = 0; i <= this.groupCount; i++) captures.push(matcher.group(i))
      result += text.slice(copied, start) + expandTemplate(template, filled(captures))
      copied = end
    }
    return copied === 0 && result === '' ? text : result + text.slice(copied)
  }
}

function filled(captures: (string | null | undefined)[]): string[] {
  for (let i = 0; i < captures.length; i++) captures[i] ??= ''
  return captures as string[]
}

/** `source` is what the user wrote, `pattern` what is compiled. */
function compileRe2(source: string, pattern: string, flags: number): RE2JS {
  try {
    return re2js().RE2JS.compile(pattern, flags)
  } catch (error) {
    if (!(error instanceof re2js().RE2JSException)) throw error
    throw new ConfigError(explainFailure(source, error), { cause: error })
  }
}

function explainFailure(source: string, error: RE2JSException): string {
  const isSyntax = error instanceof re2js().RE2JSSyntaxException
  const reason = isSyntax ? error.error : errorText(error)
  const fragment = isSyntax ? (error.input ?? '') : ''
  const at = fragment === '' || fragment === source ? -1 : source.indexOf(fragment)
  const place = at === -1 ? '' : ` at character ${at + 1} (${quote(fragment)})`
  return `regular expression ${quote(source)}: ${reason}${place}; ${wayOut(source, reason, fragment)}`
}

function wayOut(source: string, reason: string, fragment: string): string {
  if (/^\(\?(?:<?[=!]|>)/.test(fragment) || (fragment === '(?' && source.includes('(?'))) {
    return 'look-around is left out because it cannot run in linear time: say what must match, in two rules if need be'
  }
  if (/^\\[1-9k]/.test(fragment)) {
    return 'back-references are left out because they cannot run in linear time'
  }
  if (reason.includes('escape')) return 'write \\\\ for a backslash itself'
  if (reason.includes('paren') || reason.includes(')')) return 'write \\( or \\) for the character itself'
  if (reason.includes('repeat count')) return 'a repeat count, and the product of nested ones, ends at 1000'
  if (reason.includes('repetition')) return `write \\${fragment.charAt(0)} for the character itself`
  return 'RE2 syntax is expected'
}

function quote(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text)
}
