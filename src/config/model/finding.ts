/** Something wrong or doubtful in the configuration; one list feeds `check`, log, status and API. */
export interface Finding {
  /** Stable kebab-case name, listed in docs/reference/findings.md. */
  readonly code: string
  readonly severity: 'error' | 'warning' | 'info'
  /** Object it is about: `Ingress shop/web`, `Secret shop/tls`, or a file. */
  readonly object: string
  readonly place?: Place
  /** Where in the object, when that is in no file: `spec.rules[0].http.paths[1].path`. */
  readonly field?: string
  /** What is wrong, lower case, no trailing dot. */
  readonly message: string
  /** What the user can do about it. */
  readonly hint?: string
}

/** Where in which file; line and column count from 1. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
}
