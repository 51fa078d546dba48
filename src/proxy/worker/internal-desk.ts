/** Questions that reach the internal entrypoint of this worker and that control answers. */
import { ROUTE_CLOSED } from '../errors.ts'
import type { Reply } from '../http/exchange.ts'
import { errorReply } from '../http/reply.ts'
import type { InternalAnswers } from '../http/data-plane.ts'
import type { ControlMessage, WorkerMessage } from './ops.ts'

/** Questions that may wait at the same time. */
const MAX_WAITING = 1000

export class InternalDesk implements InternalAnswers {
  readonly #post: (message: WorkerMessage) => void
  readonly #waiting = new Map<number, (reply: Reply) => void>()
  #lastId = 0

  constructor(post: (message: WorkerMessage) => void) {
    this.#post = post
  }

  ask(method: string, path: string, callback: (reply: Reply) => void): void {
    if (this.#waiting.size >= MAX_WAITING) {
      callback(errorReply(ROUTE_CLOSED))
      return
    }
    const id = ++this.#lastId
    this.#waiting.set(id, callback)
    this.#post({ kind: 'ask', id, method, path })
  }

  answered(message: Extract<ControlMessage, { kind: 'answer' }>): void {
    const callback = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    const { status, contentType, body, fields } = message
    callback?.({ status, contentType, body, fields })
  }
}
