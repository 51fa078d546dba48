/**
 * From an RE2 expression to JavaScript source with the same meaning, for those that V8 runs in linear time.
 * Classes are written out character by character, so that no flag is needed and none can differ:
 * `.`, `\s` and folding of case mean other things in JavaScript.
 */
import { charSetSource } from './char-set.ts'
import { isLinear } from './linear.ts'
import { type Pattern, parsePattern } from './parse.ts'

/** Source for `new RegExp`; null: run it on re2js. `source` must be valid RE2 syntax. */
export function translateToV8(
  source: string,
  isCaseInsensitive: boolean,
  isAnchored: boolean,
): string | null {
  const pattern = parsePattern(source, isCaseInsensitive)
  if (pattern === null || !isLinear(pattern, isAnchored)) return null
  const text = sourceOf(pattern)
  return isAnchored ? `^(?:${text})` : text
}

function sourceOf(pattern: Pattern): string {
  switch (pattern.kind) {
    case 'set':
      return charSetSource(pattern.set)
    case 'begin':
      return '^'
    case 'end':
      return '$'
    case 'wordBoundary':
      return '\\b'
    case 'noWordBoundary':
      return '\\B'
    case 'sequence':
      return pattern.items.map(sourceOf).join('')
    case 'choice':
      return pattern.options.map(sourceOf).join('|')
    case 'group':
      return `${pattern.isCapture ? '(' : '(?:'}${sourceOf(pattern.body)})`
    case 'repeat':
      return sourceOf(pattern.body) + countSource(pattern.min, pattern.max) + (pattern.isLazy ? '?' : '')
    default:
      return pattern satisfies never
  }
}

function countSource(min: number, max: number): string {
  if (max === Number.POSITIVE_INFINITY) return min === 0 ? '*' : min === 1 ? '+' : `{${min},}`
  if (min === 0 && max === 1) return '?'
  return min === max ? `{${min}}` : `{${min},${max}}`
}
