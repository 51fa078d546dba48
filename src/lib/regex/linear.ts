/**
 * Decides whether a backtracking engine runs an expression in linear time. Conservative: "no" costs speed only.
 * Called by `translate.ts`, when configuration is compiled.
 *
 * The expression is read from its end. Of what follows a place it is known which characters it can begin with,
 * whether it cannot fail, and whether trying it can take more than a bounded number of steps. Then
 * - a repetition whose characters cannot begin what follows is never given back with success: each step back fails
 *   at once, so it adds its own length;
 * - a repetition whose characters can is retried at each of its positions, which is allowed when what follows is
 *   bounded: length times a constant;
 * - a repetition before something that cannot fail is never given back at all;
 * - bounded ambiguity (`a?a`, `ab|ac`) multiplies, up to MAX_AMBIGUITY;
 * - nested repetitions are refused, except within `?`;
 * - where a match may begin anywhere, nothing unbounded may fail.
 *
 * What V8 and RE2 treat differently is refused here as well: repeated captures within repetitions, repetitions
 * of what can be empty, `^` in the middle.
 */
import { ALL_CHARS, type CharSet, NO_CHARS } from './char-set.ts'
import type { Pattern } from './parse.ts'

const MAX_AMBIGUITY = 32
/** From here on a counted repetition counts as unbounded. */
const MAX_COUNT = 8
const MAX_EXACT_COUNT = 16

/** What is known of everything that follows a place. */
interface Tail {
  /** Characters it can begin with, if it takes any. */
  readonly first: CharSet
  readonly cannotFail: boolean
  readonly isUnbounded: boolean
}

const ACCEPT: Tail = { first: NO_CHARS, cannotFail: true, isUnbounded: false }

/** `isAnchored`: a match can begin at one place only, the expression's own `^` aside. */
export function isLinear(pattern: Pattern, isAnchored: boolean): boolean {
  const begins = pattern.kind === 'sequence' && pattern.items[0]?.kind === 'begin'
  const body: Pattern = begins ? { kind: 'sequence', items: pattern.items.slice(1) } : pattern
  const check = new LinearCheck()
  const whole = check.before(body, ACCEPT)
  return check.isSafe && check.ambiguity <= MAX_AMBIGUITY && (isAnchored || begins || !whole.isUnbounded)
}

class LinearCheck {
  isSafe = true
  /** Ways in which bounded choices can multiply. */
  ambiguity = 1

  /** What is known of `pattern` with `tail` behind it. */
  before(pattern: Pattern, tail: Tail): Tail {
    switch (pattern.kind) {
      case 'set':
        return { first: pattern.set, cannotFail: false, isUnbounded: tail.isUnbounded }
      case 'begin':
        return this.#refuse()
      case 'end':
        return { first: NO_CHARS, cannotFail: false, isUnbounded: tail.isUnbounded }
      case 'wordBoundary':
      case 'noWordBoundary':
        return { first: tail.first, cannotFail: false, isUnbounded: tail.isUnbounded }
      case 'sequence':
        return pattern.items.reduceRight((rest, item) => this.before(item, rest), tail)
      case 'group':
        return this.before(pattern.body, tail)
      case 'choice':
        return this.#choice(pattern.options, tail)
      case 'repeat':
        return this.#repeat(pattern, tail)
      default:
        return this.#refuse()
    }
  }

  #choice(options: readonly Pattern[], tail: Tail): Tail {
    let first = NO_CHARS
    let cannotFail = false
    let isUnbounded = false
    let isAmbiguous = false
    for (const option of options) {
      const known = this.before(option, tail)
      if ((first & known.first) !== NO_CHARS) isAmbiguous = true
      first |= known.first
      cannotFail ||= known.cannotFail
      isUnbounded ||= known.isUnbounded
    }
    if (isAmbiguous) this.ambiguity *= options.length
    return { first, cannotFail, isUnbounded }
  }

  #repeat(pattern: Pattern & { readonly kind: 'repeat' }, tail: Tail): Tail {
    const { min, max } = pattern
    const body = pattern.body.kind === 'group' ? pattern.body.body : pattern.body
    if (max === 0 || min > (min === max ? MAX_EXACT_COUNT : MAX_COUNT)) return this.#refuse()
    const isOptional = min === 0 && max === 1
    const start = isOptional && minLength(body) > 0 ? this.before(body, tail) : this.#step(body)
    const first = min === 0 ? start.first | tail.first : start.first
    const isAmbiguous = (start.first & tail.first) !== NO_CHARS
    const cannotFail = min === 0 && tail.cannotFail
    if (max <= MAX_COUNT || min === max) {
      if (isAmbiguous && min < max) this.ambiguity *= max - min + 1
      return { first, cannotFail, isUnbounded: tail.isUnbounded || start.isUnbounded }
    }
    // A step of several characters may fail in its middle; then what follows is tried with the step given back,
    // which is fine as well: it cannot fail.
    if (tail.cannotFail) return { first, cannotFail, isUnbounded: false }
    if (isAmbiguous && tail.isUnbounded) return this.#refuse()
    return { first, cannotFail, isUnbounded: true }
  }

  /** One step of a repetition: characters, or a choice among rows of them that differ in their first one. */
  #step(body: Pattern): Tail {
    const options = body.kind === 'choice' ? body.options : [body]
    let first = NO_CHARS
    for (const option of options) {
      const items = option.kind === 'sequence' ? option.items : [option]
      const head = items[0]
      if (head?.kind !== 'set' || (first & head.set) !== NO_CHARS) return this.#refuse()
      if (items.some((item) => item.kind !== 'set')) return this.#refuse()
      first |= head.set
    }
    return { first, cannotFail: false, isUnbounded: false }
  }

  #refuse(): Tail {
    this.isSafe = false
    return { first: ALL_CHARS, cannotFail: false, isUnbounded: true }
  }
}

/** Characters that a match of the pattern takes at least. */
function minLength(pattern: Pattern): number {
  switch (pattern.kind) {
    case 'set':
      return 1
    case 'sequence':
      return pattern.items.reduce((sum, item) => sum + minLength(item), 0)
    case 'choice':
      return Math.min(...pattern.options.map(minLength))
    case 'group':
      return minLength(pattern.body)
    case 'repeat':
      return pattern.min * minLength(pattern.body)
    case 'begin':
    case 'end':
    case 'wordBoundary':
    case 'noWordBoundary':
      return 0
    default:
      return pattern satisfies never
  }
}
