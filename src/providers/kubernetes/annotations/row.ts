/** One row of an annotation table: what a name means here. The reference page is generated from the rows. */
import type { OptionsDraft } from './options.ts'

/**
 * `works`: does what it says. `closes`: restricts access and is not built yet, so the paths answer 503. `later`: known,
 * not built yet, and serving without it lets nobody in who was kept out. `no effect`: there is nothing here for it to
 * change.
 */
export type AnnotationStatus = 'closes' | 'later' | 'no effect' | 'works'

/** What is wrong with a value. Undefined results of `apply` mean that all is well. */
export interface ValueProblem {
  readonly message: string
  /**
   * `closes`: the paths answer 503. `note` and `warning`: taken, but not quite as it says, and the message says how.
   * Absent: the default holds.
   */
  readonly effect?: 'closes' | 'note' | 'warning'
}

export interface ApplyContext {
  /** The annotation stands below the old prefix `ingress.kubernetes.io/`. */
  readonly isOldPrefix: boolean
}

export interface AnnotationRow {
  readonly name: string
  readonly status: AnnotationStatus
  /** Values in words, for the reference. */
  readonly values: string
  readonly summary: string
  /** `works`: puts the value into the options, or says what is wrong with it. */
  readonly apply?: (value: string, options: OptionsDraft, context: ApplyContext) => ValueProblem | undefined
  /** `closes`: whether this value asks for nothing. Empty values never do. */
  readonly isOff?: (value: string) => boolean
}

/** A value that is not of the annotation's kind. */
export function wrong(value: string, wanted: string): ValueProblem {
  return { message: `${JSON.stringify(value.slice(0, 100))} is not ${wanted}` }
}

/** Annotations that have nothing to change here, or are not built yet, from lines `name: summary`. */
export function plainRows(status: 'later' | 'no effect', lines: string): AnnotationRow[] {
  return lines
    .trim()
    .split('\n')
    .map((line) => {
      const colon = line.indexOf(':')
      return { name: line.slice(0, colon).trim(), status, values: '', summary: line.slice(colon + 1).trim() }
    })
}
