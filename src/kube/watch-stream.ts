/**
 * The events of one watch, in the batches they arrive in: everything that one read of the socket brought. Reading is
 * pulled, so a consumer that is busy stops the server (the queue behind is bounded by bytes).
 */
import { errorOfStatus, KubeError } from './errors.ts'
import { JsonLines } from './json-lines.ts'
import type { KubeObject } from './objects.ts'
import type { Timers } from './timers.ts'
import type { HttpResponse } from './transport/http-response.ts'

/** Annotation of the bookmark that ends the initial events of a streaming list. */
export const INITIAL_EVENTS_END = 'k8s.io/initial-events-end'

export interface WatchEvent<T> {
  /** BOOKMARK carries a resource version only. */
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  readonly object: T
}

export interface WatchBatch<T> {
  readonly events: readonly WatchEvent<T>[]
  /** Timers.now when the bytes were taken from the socket. */
  readonly receivedAt: number
}

export class WatchStream<T extends KubeObject> {
  readonly #response: HttpResponse
  readonly #timers: Timers
  readonly #action: string
  readonly #lines = new JsonLines()
  #pending: KubeError | null = null

  constructor(response: HttpResponse, timers: Timers, action: string) {
    this.#response = response
    this.#timers = timers
    this.#action = action
  }

  /**
   * The next events, at least one; null when the server ended the watch. Throws a KubeError: for a cut connection, an
   * abort, and for what the server reports inside of the stream (410 among them), after the events that came before it.
   */
  async next(): Promise<WatchBatch<T> | null> {
    for (;;) {
      if (this.#pending !== null) throw this.#pending
      const pieces = await this.#response.read()
      if (pieces === null) {
        if (this.#lines.heldBytes === 0) return null
        throw new KubeError(0, 'Unreachable', `${this.#action}: the answer ended inside of an event`)
      }
      const receivedAt = this.#timers.now()
      const values: unknown[] = []
      for (const piece of pieces) {
        try {
          this.#lines.push(piece, values)
        } catch (error) {
          this.#stop(error as KubeError)
          break
        }
      }
      const events = this.#events(values)
      if (events.length > 0) return { events, receivedAt }
    }
  }

  cancel(): void {
    this.#response.cancel()
  }

  #events(values: readonly unknown[]): WatchEvent<T>[] {
    const events: WatchEvent<T>[] = []
    for (const value of values) {
      const event = value as { type?: unknown; object?: unknown } | null
      switch (event?.type) {
        case 'ADDED':
        case 'MODIFIED':
        case 'DELETED':
        case 'BOOKMARK':
          if (!hasMetadata(event.object)) {
            this.#stop(new KubeError(0, 'BadAnswer', `${this.#action}: an event without an object`))
            return events
          }
          events.push(event as WatchEvent<T>)
          break
        case 'ERROR':
          this.#stop(errorOfStatus(500, event.object, this.#action))
          return events
        default:
          this.#stop(new KubeError(0, 'BadAnswer', `${this.#action}: an event of unknown type`))
          return events
      }
    }
    return events
  }

  #stop(error: KubeError): void {
    this.#pending ??= error
    this.#response.cancel()
  }
}

function hasMetadata(value: unknown): value is KubeObject {
  return (
    typeof value === 'object' &&
    value !== null &&
    'metadata' in value &&
    typeof value.metadata === 'object' &&
    value.metadata !== null
  )
}
