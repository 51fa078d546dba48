/**
 * What every layer says when something is wrong: where an error came from, whether a retry is safe, and the one
 * error that configuration and command line turn into. Areas with their own closed list of codes (the proxy, the
 * wire formats) declare those beside their code with the vocabulary of this file.
 */

/** Whose fault an error is: the client's, the server's behind us, ours, or the configuration's. */
export type ErrorSource = 'downstream' | 'upstream' | 'internal' | 'config'

/** Whether the same request may be tried again; `idempotent`: when doing it twice is as good as once. */
export type Retry = true | false | 'idempotent'

/** One thing wrong with one value. */
export interface Issue {
  /** Keys and indexes from the root of the checked value. */
  readonly path: readonly (string | number)[]
  /** Lower case, no trailing dot, without the path. */
  readonly message: string
  /** What to do, or the nearest right name. */
  readonly suggestion?: string
}

/** `entryPoints.web.address: message (suggestion)`; `prefix` stands before the path (`--` for flags). */
export function formatIssue(issue: Issue, prefix = ''): string {
  const path = formatPath(issue.path)
  const place = path === '' ? '' : `${prefix}${path}: `
  return `${place}${issue.message}${issue.suggestion === undefined ? '' : ` (${issue.suggestion})`}`
}

/** `a.b[0].c`; empty for the root. */
export function formatPath(path: readonly (string | number)[]): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else text += text === '' ? step : `.${step}`
  }
  return text
}

/** Wrong configuration: carries every issue found, and a message that lists them. */
export class ConfigError extends Error {
  readonly issues: readonly Issue[]

  constructor(
    issues: readonly Issue[] | string,
    options?: { readonly cause?: unknown; readonly prefix?: string },
  ) {
    const list = typeof issues === 'string' ? [{ path: [], message: issues }] : issues
    const text = list.map((issue) => formatIssue(issue, options?.prefix)).join('\n')
    super(text, options?.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ConfigError'
    this.issues = list
  }
}

/** Text of whatever was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** `code` of a system error (`EADDRINUSE`), `''` for everything else. */
export function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  return typeof error.code === 'string' ? error.code : ''
}
