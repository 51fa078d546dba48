/** Findings in the log: each when it appears, once, and its end when it is gone. */
import type { Finding } from '#config/model/finding.ts'
import type { Logger } from '#observe/log.ts'

/** Of one change; the rest is a number. `sekisho check` shows all. */
const MAX_LINES = 50

export class FindingLog {
  readonly #logger: Logger
  #known = new Map<string, Finding>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** `list` is complete: what is not in it any more has been mended. */
  report(list: readonly Finding[]): void {
    const present = byIdentity(list)
    let shown = 0
    let hidden = 0
    for (const [key, finding] of present) {
      if (this.#known.has(key)) continue
      if (shown++ < MAX_LINES) this.#show(finding)
      else hidden++
    }
    if (hidden > 0) this.#logger.warn('further findings', { count: hidden, hint: 'sekisho check lists all' })
    let mended = 0
    for (const key of this.#known.keys()) if (!present.has(key)) mended++
    if (mended > 0) this.#logger.info('findings mended', { count: mended })
    this.#known = present
  }

  #show(finding: Finding): void {
    const { code, severity, object, place, field, message, hint } = finding
    const fields = {
      finding: code,
      object,
      ...(place === undefined ? {} : { place: `${place.file}:${place.line}:${place.column}` }),
      ...(field === undefined ? {} : { field }),
      ...(hint === undefined ? {} : { hint }),
    }
    if (severity === 'error') this.#logger.error(message, fields)
    else if (severity === 'warning') this.#logger.warn(message, fields)
    else this.#logger.info(message, fields)
  }
}

/** Findings by what makes them the same one in the next list, also when it stands elsewhere in its file by then. */
function byIdentity(list: readonly Finding[]): Map<string, Finding> {
  const findings = new Map<string, Finding>()
  // One object may say the same ten thousand times, about each of its paths: equal ones are numbered, not searched.
  const counts = new Map<string, number>()
  for (const finding of list) {
    const key = keyOf(finding)
    const count = (counts.get(key) ?? 0) + 1
    counts.set(key, count)
    findings.set(count === 1 ? key : `${key}\n${count}`, finding)
  }
  return findings
}

function keyOf({ code, object, place, message }: Finding): string {
  // Their number is part of the message, and a kind is named once.
  if (code === 'manifest-unknown-kind') return `${code}\n${object}`
  // About a text, not an object in it: elsewhere it is another mistake.
  if (object === place?.file) return `${code}\n${object}:${place.line}:${place.column}\n${message}`
  return `${code}\n${object}\n${message}`
}
