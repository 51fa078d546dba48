/** What a fuzzer is made of: `tools/fuzz.ts` runs targets for seconds, the suite runs them for a number of executions. */
import type { Random } from './random.ts'

export interface FuzzTarget {
  readonly name: string
  /** One execution. Throws when an invariant does not hold. */
  run(random: Random): void
  /** The input of the last execution, to be printed when it threw. */
  describe(): string
}
