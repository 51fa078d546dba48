/** Reads one answer of HTTP/1.1 that says its length, as the backends of the bed write them. Pure. */

export interface HttpAnswer {
  readonly status: number
  readonly head: string
  readonly body: string
  /** The connection carries no further one. */
  readonly isLast: boolean
}

/** Undefined: it is not complete. A phrase: it cannot be read. */
export function httpAnswer(text: string): HttpAnswer | string | undefined {
  const headEnd = text.indexOf('\r\n\r\n') + 4
  if (headEnd < 4) return undefined
  const head = text.slice(0, headEnd)
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? NaN)
  if (Number.isNaN(length)) return `an answer without length: ${JSON.stringify(head)}`
  if (text.length < headEnd + length) return undefined
  if (text.length > headEnd + length) return 'more than one answer'
  return {
    status: Number(head.slice(9, 12)),
    head,
    body: text.slice(headEnd),
    isLast: /^connection: *close/im.test(head),
  }
}
