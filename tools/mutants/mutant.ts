/** One planted fault: a change of one place in one file that some test has to notice. */
export interface Mutant {
  /** What the program does wrong with it. */
  readonly fault: string
  /** From the root. */
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly replace: string
  /** Test files, at least one of which has to fail. */
  readonly tests: readonly string[]
}
