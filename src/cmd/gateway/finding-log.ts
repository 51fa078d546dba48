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
    const present = new Map(list.map((finding) => [keyOf(finding), finding]))
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
    const { code, severity, object, place, message, hint } = finding
    const fields = {
      finding: code,
      object,
      ...(place === undefined ? {} : { place: `${place.file}:${place.line}:${place.column}` }),
      ...(hint === undefined ? {} : { hint }),
    }
    if (severity === 'error') this.#logger.error(message, fields)
    else if (severity === 'warning') this.#logger.warn(message, fields)
    else this.#logger.info(message, fields)
  }
}

function keyOf({ code, object, place, message }: Finding): string {
  return `${code}\n${object}\n${place?.file}:${place?.line}:${place?.column}\n${message}`
}
