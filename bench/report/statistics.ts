/** Medians and spreads of rounds. */

export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly rounds: number
}

/** Values that are not numbers (a round without that figure) are left out; undefined when none is left. */
export function summarize(values: readonly number[]): Summary | undefined {
  const sorted = values.filter((value) => Number.isFinite(value)).toSorted((a, b) => a - b)
  const min = sorted[0]
  const max = sorted.at(-1)
  if (min === undefined || max === undefined) return undefined
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? max
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
  return { median, min, max, rounds: sorted.length }
}

/** How often `mine` is better than `theirs`, round by round: both were measured in the same minute. */
export function ratios(
  mine: readonly number[],
  theirs: readonly number[],
  better: 'less' | 'more',
): readonly number[] {
  const rounds = Math.min(mine.length, theirs.length)
  return Array.from({ length: rounds }, (_, round) => {
    const own = mine[round] ?? Number.NaN
    const other = theirs[round] ?? Number.NaN
    return better === 'less' ? other / own : own / other
  })
}

/** Of values in any order; NaN for none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
