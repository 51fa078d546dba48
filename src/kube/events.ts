/**
 * Writes Events (events.k8s.io/v1), so that `kubectl describe` tells what is wrong with an object. What is said again
 * becomes one event with a count (a series), brought up to date at most every half minute; its name comes of what it says,
 * so that another replica that says the same finds it there and goes on with it; many different notes of one reason
 * become one "combined" event; each object and the whole process have a bound. Recording never waits and never
 * fails: events are a courtesy, and what cannot be written is counted and dropped.
 */
import { createHash } from 'node:crypto'
import { Backoff } from './backoff.ts'
import type { KubeClient } from './client.ts'
import { asKubeError, type KubeError } from './errors.ts'
import { microTime, type EventObject, type KubeObject, type ObjectReference } from './objects.ts'
import { EVENTS } from './resource.ts'
import { sleep, type Timers } from './timers.ts'
import { TokenBucket } from './token-bucket.ts'

/** Limits of the API's validation. */
const MAX_NOTE = 1024
const MAX_NAME = 253
const MAX_SHORT = 128
/** An event that was not repeated for this long is over; the next one is another event. */
const SERIES_END_MS = 10 * 60_000
const SERIES_UPDATE_MS = 30_000
/** Different notes of one object and reason within a series' time, after which they are combined. */
const MAX_SIMILAR = 10
/** New events of one object: this many at once, then one in five minutes. */
const OBJECT_BURST = 25
const OBJECT_REFILL_MS = 5 * 60_000
/** Requests of this process. */
const BURST = 50
const REFILL_MS = 100
const MAX_KNOWN = 4096
const MAX_QUEUE = 1000
const MAX_TRIES = 5

export interface EventSource {
  /** `sekisho.dev/ingress-controller`. */
  readonly controller: string
  /** Pod name. */
  readonly instance: string
}

export interface EventText {
  readonly type: 'Normal' | 'Warning'
  /** CamelCase, for programs: `ServiceNotFound`. */
  readonly reason: string
  /** What was done: `Sync`. */
  readonly action: string
  /** For people. */
  readonly note: string
}

/** Counters, for metrics and tests. */
export interface EventFacts {
  /** Requests that succeeded. */
  written: number
  dropped: number
}

/** One event, as long as it may be repeated. */
interface Known {
  readonly key: string
  readonly regarding: ObjectReference
  readonly text: EventText
  /** Name in the API; `''` before it is there. */
  name: string
  lastAt: number
  readonly eventTime: string
  lastObservedTime: string
  count: number
  writtenAt: number
  isQueued: boolean
  cancelTimer: (() => void) | null
}

/** What one object said for one reason. */
interface Similar {
  readonly notes: Set<string>
  readonly since: number
}

export class EventRecorder {
  readonly facts: EventFacts = { written: 0, dropped: 0 }
  readonly #client: KubeClient
  readonly #timers: Timers
  readonly #source: EventSource
  readonly #onError: (error: KubeError) => void
  /** Oldest use first. */
  readonly #known = new Map<string, Known>()
  readonly #similar = new Map<string, Similar>()
  readonly #buckets = new Map<string, TokenBucket>()
  readonly #all: TokenBucket
  readonly #queue: Known[] = []
  readonly #stop = new AbortController()
  #running: Promise<void> | null = null

  /** `onError` hears of events that were dropped because of the server's answer. */
  constructor(client: KubeClient, source: EventSource, onError: (error: KubeError) => void = () => {}) {
    this.#client = client
    this.#timers = client.timers
    this.#source = source
    this.#onError = onError
    this.#all = new TokenBucket(BURST, REFILL_MS, this.#timers.now())
  }

  record(object: KubeObject, text: EventText): void {
    if (this.#stop.signal.aborted) return
    const now = this.#timers.now()
    const id = object.metadata.uid ?? `${object.kind}/${object.metadata.namespace}/${object.metadata.name}`
    const combined = this.#combined(`${id} ${text.type} ${text.reason} ${text.action}`, text, now)
    const key =
      combined === text
        ? `${id} ${text.type} ${text.reason} ${text.action} ${text.note}`
        : `${id} ${text.type} ${text.reason}`
    const known = this.#known.get(key)
    if (known !== undefined && now - known.lastAt < SERIES_END_MS) {
      this.#repeat(known, now)
      return
    }
    if (known !== undefined) this.#forget(known)
    if (!this.#bucketOf(id, now).take(now)) {
      this.facts.dropped++
      return
    }
    const time = microTime(this.#timers.wall())
    const fresh: Known = {
      key,
      regarding: referenceTo(object),
      text: combined,
      name: '',
      lastAt: now,
      eventTime: time,
      lastObservedTime: time,
      count: 1,
      writtenAt: -Infinity,
      isQueued: false,
      cancelTimer: null,
    }
    this.#known.set(key, fresh)
    if (this.#known.size > MAX_KNOWN) this.#forgetOldest()
    this.#enqueue(fresh)
  }

  /** Resolves when nothing is waiting to be written now (updates of series that wait for their time are left out). */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running
  }

  /** What is queued is dropped. */
  async stop(): Promise<void> {
    this.#stop.abort()
    for (const known of this.#known.values()) known.cancelTimer?.()
    this.#known.clear()
    await this.#running
  }

  #repeat(known: Known, now: number): void {
    known.count++
    known.lastAt = now
    known.lastObservedTime = microTime(this.#timers.wall())
    this.#known.delete(known.key)
    this.#known.set(known.key, known)
    if (known.isQueued || known.cancelTimer !== null) return
    const wait = known.writtenAt + SERIES_UPDATE_MS - now
    if (wait <= 0) this.#enqueue(known)
    else {
      known.cancelTimer = this.#timers.after(wait, () => {
        known.cancelTimer = null
        this.#enqueue(known)
      })
    }
  }

  /** The text itself, or one that stands for all of its kind. */
  #combined(group: string, text: EventText, now: number): EventText {
    let similar = this.#similar.get(group)
    if (similar === undefined || now - similar.since >= SERIES_END_MS) {
      similar = { notes: new Set(), since: now }
      this.#similar.delete(group)
      this.#similar.set(group, similar)
      dropFirst(this.#similar, MAX_KNOWN)
    }
    if (similar.notes.has(text.note)) return text
    if (similar.notes.size >= MAX_SIMILAR)
      return { ...text, note: `(combined from similar events): ${text.note}` }
    similar.notes.add(text.note)
    return text
  }

  #bucketOf(id: string, now: number): TokenBucket {
    let bucket = this.#buckets.get(id)
    if (bucket === undefined) {
      bucket = new TokenBucket(OBJECT_BURST, OBJECT_REFILL_MS, now)
      this.#buckets.set(id, bucket)
      dropFirst(this.#buckets, MAX_KNOWN)
    }
    return bucket
  }

  #enqueue(known: Known): void {
    if (this.#stop.signal.aborted) return
    if (this.#queue.length >= MAX_QUEUE) {
      this.#drop(known)
      return
    }
    known.isQueued = true
    this.#queue.push(known)
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    for (;;) {
      const known = this.#queue.shift()
      if (known === undefined || signal.aborted) break
      const wait = this.#all.wait(this.#timers.now())
      if (wait > 0 && !(await sleep(this.#timers, wait, signal))) break
      this.#all.take(this.#timers.now())
      known.isQueued = false
      await this.#write(known, signal)
    }
    this.#queue.length = 0
    this.#running = null
  }

  async #write(known: Known, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ baseMs: 500, maxMs: 10_000 }, this.#timers)
    while (!signal.aborted) {
      try {
        if (known.name === '') await this.#create(known, signal)
        else await this.#update(known, signal)
        known.writtenAt = this.#timers.now()
        this.facts.written++
        return
      } catch (error) {
        const failure = asKubeError(error, 'event')
        if (signal.aborted) return
        if (failure.isAlreadyExists) {
          // Said by this or another replica before. Its count is not known here: it begins again.
          known.name = this.#nameOf(known)
          known.count = Math.max(2, known.count)
          continue
        }
        if (failure.isNotFound && known.name !== '') {
          // The server forgets events after an hour.
          known.name = ''
          continue
        }
        if (!failure.isTransient || backoff.failures >= MAX_TRIES - 1) {
          this.#drop(known)
          this.#onError(failure)
          return
        }
        await sleep(this.#timers, backoff.next(failure.retryAfterMs), signal)
      }
    }
  }

  async #create(known: Known, signal: AbortSignal): Promise<void> {
    const { regarding, text } = known
    const namespace = regarding.namespace ?? 'default'
    const name = this.#nameOf(known)
    const event: EventObject = {
      metadata: { name, namespace },
      eventTime: known.eventTime,
      reportingController: this.#source.controller,
      reportingInstance: this.#source.instance.slice(0, MAX_SHORT),
      action: text.action.slice(0, MAX_SHORT),
      reason: text.reason.slice(0, MAX_SHORT),
      type: text.type,
      regarding,
      note: shortened(text.note),
      ...(known.count > 1 ? { series: seriesOf(known) } : {}),
    }
    await this.#client.create(EVENTS, event, { signal })
    known.name = name
  }

  async #update(known: Known, signal: AbortSignal): Promise<void> {
    const name = { name: known.name, namespace: known.regarding.namespace ?? 'default' }
    await this.#client.patch(EVENTS, name, 'merge', { series: seriesOf(known) }, { signal })
  }

  /** With a dot before what makes it unique, as kubectl expects. */
  #nameOf({ key, regarding }: Known): string {
    const hash = createHash('sha256').update(`${this.#source.controller}\n${key}`).digest('hex').slice(0, 16)
    return `${(regarding.name ?? 'event').slice(0, MAX_NAME - hash.length - 1)}.${hash}`
  }

  #drop(known: Known): void {
    this.facts.dropped++
    this.#forget(known)
  }

  #forget(known: Known): void {
    known.cancelTimer?.()
    known.cancelTimer = null
    if (this.#known.get(known.key) === known) this.#known.delete(known.key)
  }

  #forgetOldest(): void {
    for (const known of this.#known.values()) {
      this.#forget(known)
      return
    }
  }
}

function seriesOf(known: Known): { count: number; lastObservedTime: string } {
  return { count: known.count, lastObservedTime: known.lastObservedTime }
}

function referenceTo(object: KubeObject): ObjectReference {
  const { name, namespace, uid, resourceVersion } = object.metadata
  const { apiVersion, kind } = object
  return {
    ...(apiVersion === undefined ? {} : { apiVersion }),
    ...(kind === undefined ? {} : { kind }),
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  }
}

function shortened(note: string): string {
  if (Buffer.byteLength(note) <= MAX_NOTE) return note
  // Cut between characters: what is cut off in the middle of one decodes to U+FFFD.
  const cut = Buffer.from(note)
    .subarray(0, MAX_NOTE - 3)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')
  return `${cut}…`
}

function dropFirst(map: Map<string, unknown>, max: number): void {
  if (map.size <= max) return
  for (const key of map.keys()) {
    map.delete(key)
    return
  }
}
