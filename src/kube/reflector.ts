/**
 * Follows one resource for good: lists it, watches from there, and goes on after whatever happens. A cut watch resumes
 * at the last resource version without a new list; 410 means a new list; a watch that says nothing for too long (no
 * event and no bookmark: API servers send one each minute) is replaced, because the connection may be gone unnoticed.
 * Lists come as a stream (KEP-3157) where the server has that, in pages elsewhere.
 *
 * Tells a sink; the informer is one. Failures never end it: they are reported, and tried again with back-off; a server that
 * was out of reach, as soon as any request of the client has found it again.
 */
import { Backoff } from './backoff.ts'
import type { KubeClient } from './client.ts'
import { asKubeError, KubeError } from './errors.ts'
import type { KubeObject } from './objects.ts'
import { apiVersionOf, type Resource } from './resource.ts'
import { sleep, type Timers } from './timers.ts'
import { INITIAL_EVENTS_END, type WatchBatch, type WatchEvent, type WatchStream } from './watch-stream.ts'

/** Two bookmarks missed, and some time. */
const STALL_MS = 150_000
/** The server ends a watch after between this and twice of it, so that watches do not all end together. */
const WATCH_SECONDS = 300
/** A watch that ended sooner counts as a failure. */
const SHORT_WATCH_MS = 1000
/** Not longer: an API server that comes back is to be followed within seconds. */
const BACKOFF = { baseMs: 200, maxMs: 5000 }
/** For what does not mend itself in seconds: missing rights, a kind that is not installed. */
const SLOW_BACKOFF = { baseMs: 1000, maxMs: 30_000 }
/** Answers "resource version too large" after which the server's memory is taken to be another one (restored from a backup). */
const MAX_AHEAD = 3
/** Bookmarks without the mark of the end, in a streaming list, after which it is no such list. */
const MAX_IDLE_BOOKMARKS = 2
/** Paged lists that ran out of time before one is asked for in one piece. */
const MAX_EXPIRED_PAGES = 2

export interface ReflectorSink<T> {
  /** A list begins: what is not in it is gone when it ends. A list that fails begins anew. */
  onListStart(): void
  onListed(objects: readonly T[]): void
  onListEnd(): void
  /** `receivedAt`: Timers.now when the bytes came. Without bookmarks. */
  onWatched(events: readonly WatchEvent<T>[], receivedAt: number): void
  /** What keeps the reflector from following, or null when it follows again. */
  onProblem(problem: KubeError | null): void
}

export interface ReflectorOptions {
  readonly resource: Resource
  /** Undefined: all namespaces. */
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  readonly isMetadataOnly?: boolean
  /** Objects in a page. */
  readonly pageSize?: number
  /** False: lists always in pages. */
  readonly useStreamingLists?: boolean
  readonly stallMs?: number
}

/** Counters, for metrics and tests. */
export interface ReflectorFacts {
  lists: number
  watches: number
  stalls: number
}

export class Reflector<T extends KubeObject> {
  readonly facts: ReflectorFacts = { lists: 0, watches: 0, stalls: 0 }
  readonly #client: KubeClient
  readonly #timers: Timers
  readonly #options: ReflectorOptions
  readonly #sink: ReflectorSink<T>
  readonly #stop = new AbortController()
  readonly #backoff: Backoff
  readonly #slowBackoff: Backoff
  #running: Promise<void> | null = null
  /** Undefined: a list is needed. */
  #version: string | undefined
  #useStreaming: boolean
  #isPaging = true
  #timesAhead = 0
  /** 410 in a row. */
  #expirations = 0
  #expiredPages = 0
  #hasProblem = false

  constructor(client: KubeClient, options: ReflectorOptions, sink: ReflectorSink<T>) {
    this.#client = client
    this.#timers = client.timers
    this.#options = options
    this.#sink = sink
    this.#useStreaming = options.useStreamingLists ?? true
    this.#backoff = new Backoff(BACKOFF, this.#timers)
    this.#slowBackoff = new Backoff(SLOW_BACKOFF, this.#timers)
  }

  /** Opaque; undefined before the first list and while another one is needed. */
  get resourceVersion(): string | undefined {
    return this.#version
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Resolves when nothing will be told any more. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      let delay = 0
      let isLost = false
      try {
        if (this.#version === undefined && !this.#useStreaming) await this.#listInPages()
        const startedAt = this.#timers.now()
        await this.#watch()
        // Ended by the server, which is usual: it goes on at once, unless the server ends every watch at once.
        if (this.#timers.now() - startedAt < SHORT_WATCH_MS) delay = this.#backoff.next()
      } catch (error) {
        if (signal.aborted) return
        const failure = asKubeError(error, `watch ${this.#options.resource.plural}`)
        isLost = failure.isUnanswered
        delay = this.#onFailure(failure)
      }
      if (delay > 0 && isLost) await this.#client.untilAnswering(delay, signal)
      else if (delay > 0) await sleep(this.#timers, delay, signal)
    }
  }

  /** Milliseconds to wait before the next try. */
  #onFailure(error: KubeError): number {
    if (error.isExpired) {
      // Not a problem: the server has forgotten the version. Once at once, whatever failed before it said so, then slower.
      this.#version = undefined
      return this.#expirations++ === 0 ? 0 : this.#backoff.next()
    }
    if (this.#version === undefined && this.#useStreaming && isStreamingRefused(error)) {
      this.#useStreaming = false
      return 0
    }
    if (error.isAheadOfServer && ++this.#timesAhead >= MAX_AHEAD) {
      this.#timesAhead = 0
      this.#version = undefined
    }
    this.#hasProblem = true
    this.#sink.onProblem(error)
    const isSlow = (error.code >= 400 && error.code < 429) || error.reason === 'Credentials'
    return (isSlow ? this.#slowBackoff : this.#backoff).next(error.retryAfterMs)
  }

  /** The server answers as it should. */
  #onWell(): void {
    this.#backoff.reset()
    this.#slowBackoff.reset()
    this.#expirations = 0
    this.#timesAhead = 0
    this.#endProblem()
  }

  #endProblem(): void {
    if (!this.#hasProblem) return
    this.#hasProblem = false
    this.#sink.onProblem(null)
  }

  async #listInPages(): Promise<void> {
    this.facts.lists++
    this.#sink.onListStart()
    const { resource, pageSize } = this.#options
    const limit = this.#isPaging ? (pageSize === undefined ? {} : { limit: pageSize }) : { limit: 0 }
    const options = { ...this.#selection(), ...limit, signal: this.#stop.signal }
    let version: string | undefined
    try {
      for await (const page of this.#client.pages<T>(resource, options)) {
        version = page.resourceVersion
        this.#sink.onListed(page.items)
      }
    } catch (error) {
      // A list that outlives the server's memory: in one piece it cannot.
      if (error instanceof KubeError && error.isExpired && ++this.#expiredPages >= MAX_EXPIRED_PAGES)
        this.#isPaging = false
      throw error
    }
    this.#expiredPages = 0
    this.#isPaging = true
    this.#sink.onListEnd()
    this.#version = version
    this.#onWell()
  }

  /** Until the server ends the watch. Without a version it is a streaming list first. */
  async #watch(): Promise<void> {
    const { resource, stallMs = STALL_MS } = this.#options
    const stall = new AbortController()
    const onStall = (): void => {
      this.facts.stalls++
      stall.abort(new KubeError(0, 'Deadline', `watch ${resource.plural}: silent for ${stallMs} ms`))
    }
    let isListing = this.#version === undefined
    const version = this.#version
    const stream = await this.#client.watch<T>(resource, {
      ...this.#selection(),
      ...(version === undefined ? { sendInitialEvents: true } : { resourceVersion: version }),
      timeoutSeconds: Math.round(WATCH_SECONDS * (1 + this.#timers.random())),
      signal: AbortSignal.any([this.#stop.signal, stall.signal]),
    })
    this.facts.watches++
    if (isListing) {
      this.facts.lists++
      this.#sink.onListStart()
    } else {
      this.#endProblem()
    }
    let idleBookmarks = 0
    try {
      for (;;) {
        const batch = await this.#next(stream, stallMs, onStall)
        if (batch === null) break
        // A server that took the option for nothing sends its usual bookmarks, and never the one that ends the list.
        if (isListing && isUsualBookmark(batch) && ++idleBookmarks >= MAX_IDLE_BOOKMARKS) break
        isListing = this.#take(batch, isListing)
        if (!isListing) this.#onWell()
      }
    } catch (error) {
      // Silence instead of the end of the list: a server that does not know streaming lists.
      if (isListing && stall.signal.aborted) this.#useStreaming = false
      throw error
    } finally {
      stream.cancel()
    }
    if (isListing) {
      // It ended in the middle of the list: also a way not to know them.
      this.#useStreaming = false
      throw new KubeError(0, 'Unreachable', `watch ${resource.plural}: ended before the list was complete`)
    }
  }

  async #next(stream: WatchStream<T>, stallMs: number, onStall: () => void): Promise<WatchBatch<T> | null> {
    const cancel = this.#timers.after(stallMs, onStall)
    try {
      return await stream.next()
    } finally {
      cancel()
    }
  }

  /** Passes a batch on. Whether the list is still going on. */
  #take(batch: WatchBatch<T>, wasListing: boolean): boolean {
    const { events, receivedAt } = batch
    let from = 0
    if (wasListing) {
      const end = events.findIndex(isListEnd)
      const listed = (end === -1 ? events : events.slice(0, end)).filter((event) => event.type !== 'BOOKMARK')
      if (listed.length > 0)
        this.#sink.onListed(listed.map((event) => typed(event.object, this.#options.resource)))
      if (end === -1) return true
      this.#sink.onListEnd()
      from = end + 1
      this.#version = events[end]!.object.metadata.resourceVersion
    }
    const changes = events.slice(from).filter((event) => event.type !== 'BOOKMARK')
    if (changes.length > 0) this.#sink.onWatched(changes, receivedAt)
    // Only once they are told: the version says what has been passed on.
    const last = events.at(-1)?.object.metadata.resourceVersion
    if (last !== undefined) this.#version = last
    return false
  }

  #selection(): {
    namespace?: string
    labelSelector?: string
    fieldSelector?: string
    isMetadataOnly?: boolean
  } {
    const { namespace, labelSelector, fieldSelector, isMetadataOnly } = this.#options
    return {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
      ...(isMetadataOnly === undefined ? {} : { isMetadataOnly }),
    }
  }
}

function isListEnd(event: WatchEvent<KubeObject>): boolean {
  return event.type === 'BOOKMARK' && event.object.metadata.annotations?.[INITIAL_EVENTS_END] === 'true'
}

function isUsualBookmark({ events }: WatchBatch<KubeObject>): boolean {
  return events.every((event) => event.type === 'BOOKMARK' && !isListEnd(event))
}

/** 422: the feature is off; 400: a server that checks options and does not know it; others: not implemented. */
function isStreamingRefused(error: KubeError): boolean {
  return (
    error.code === 422 || error.code === 400 || error.code === 405 || error.code === 406 || error.code === 501
  )
}

function typed<T extends KubeObject>(object: T, resource: Resource): T {
  return object.kind === undefined
    ? { ...object, kind: resource.kind, apiVersion: apiVersionOf(resource) }
    : object
}
