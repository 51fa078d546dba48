/**
 * Writes status sub-resources of one resource. Callers say what a status should be, as a function of the object; what is
 * so already is not written. Writes are merge patches of what differs, onto the version they were computed from: a
 * conflict means reading the object and computing again, so that what others wrote meanwhile stays.
 *
 * Only an active writer (the elected replica's) writes. An inactive one remembers, so that on becoming active it writes
 * what differs and nothing else. A status that somebody else keeps changing back is left alone and reported: two
 * controllers that fight would load the API server without end.
 */
import { isDeepStrictEqual } from 'node:util'
import { Backoff } from './backoff.ts'
import type { KubeClient } from './client.ts'
import { asKubeError, type KubeError } from './errors.ts'
import { keyOf, type ObjectWithStatus } from './objects.ts'
import type { ObjectName, Resource } from './resource.ts'
import { sleep, type Timers } from './timers.ts'

/** Writes of this resource under way at a time. */
const CONCURRENCY = 8
const BACKOFF = { baseMs: 200, maxMs: 10_000 }
/** Conflicts in a row before it waits a little. */
const MAX_CONFLICTS = 5
/** So many times others may undo a write within the window. */
const MAX_UNDONE = 3
const UNDONE_WINDOW_MS = 10 * 60_000

/** The whole status that the object should have; undefined: leave it as it is. Called again after a conflict; must be pure. */
export type StatusFunction<T> = (object: T) => unknown

export interface StatusWriterOptions<T> {
  readonly resource: Resource
  /** The informer's copy, with its status and resource version; undefined: not known, it is read. */
  current(key: string): T | undefined
  /** A status could not be written, for good: 403, 422. The next `set` tries again. */
  onError(name: ObjectName, error: KubeError): void
  /** Somebody else keeps writing another status; this one is not written any more until `forget`. */
  onContested(name: ObjectName): void
}

interface Wanted<T> {
  readonly key: string
  readonly name: ObjectName
  compute: StatusFunction<T>
  /** Waits, or is being written; `isAgain`: was set meanwhile. */
  isQueued: boolean
  isBusy: boolean
  isAgain: boolean
  /** What we wrote last. */
  written: unknown
  undoneAt: number[]
  isContested: boolean
}

/** Counters, for metrics and tests. */
export interface StatusFacts {
  written: number
  /** Not written, because nothing would change. */
  suppressed: number
  conflicts: number
}

export class StatusWriter<T extends ObjectWithStatus> {
  readonly facts: StatusFacts = { written: 0, suppressed: 0, conflicts: 0 }
  readonly #client: KubeClient
  readonly #timers: Timers
  readonly #options: StatusWriterOptions<T>
  readonly #wanted = new Map<string, Wanted<T>>()
  readonly #queue: Wanted<T>[] = []
  /** Aborted while not active. */
  #term = new AbortController()
  #isStopped = false
  #isActive = false
  #running = 0
  #idlers: (() => void)[] = []

  constructor(client: KubeClient, options: StatusWriterOptions<T>) {
    this.#client = client
    this.#timers = client.timers
    this.#options = options
  }

  /** Call again whenever the object or what the status depends on has changed: that is also how a foreign change is noticed. */
  set(name: ObjectName, compute: StatusFunction<T>): void {
    const key = keyOf({ metadata: name })
    let wanted = this.#wanted.get(key)
    if (wanted === undefined) {
      wanted = {
        key,
        name,
        compute,
        isQueued: false,
        isBusy: false,
        isAgain: false,
        written: undefined,
        undoneAt: [],
        isContested: false,
      }
      this.#wanted.set(key, wanted)
    } else {
      wanted.compute = compute
    }
    this.#enqueue(wanted)
  }

  /** The object is gone, or not ours any more: what waits is not written. A request that was sent is not called back. */
  forget(name: ObjectName): void {
    const key = keyOf({ metadata: name })
    const wanted = this.#wanted.get(key)
    if (wanted === undefined) return
    wanted.compute = leaveAsIs
    this.#wanted.delete(key)
  }

  /** From now on it writes, first of all what was set before. */
  activate(): void {
    if (this.#isActive || this.#isStopped) return
    this.#isActive = true
    this.#term = new AbortController()
    for (const wanted of this.#wanted.values()) this.#enqueue(wanted)
  }

  /** Ends what is under way and remembers only. */
  deactivate(): void {
    if (!this.#isActive) return
    this.#isActive = false
    this.#term.abort()
    for (const wanted of this.#queue) wanted.isQueued = false
    this.#queue.length = 0
  }

  /** Resolves when nothing waits to be written. */
  idle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idlers.push(resolve))
  }

  async stop(): Promise<void> {
    this.deactivate()
    this.#isStopped = true
    await this.idle()
  }

  #enqueue(wanted: Wanted<T>): void {
    if (!this.#isActive || wanted.isQueued || wanted.isContested) return
    if (wanted.isBusy) {
      wanted.isAgain = true
      return
    }
    wanted.isQueued = true
    this.#queue.push(wanted)
    if (this.#running < CONCURRENCY) {
      this.#running++
      void this.#run()
    }
  }

  async #run(): Promise<void> {
    // After the turn of the loop: several changes of one object are one write.
    await Promise.resolve()
    while (this.#isActive) {
      const wanted = this.#queue.shift()
      if (wanted === undefined) break
      wanted.isQueued = false
      wanted.isBusy = true
      await this.#settle(wanted, this.#term.signal)
      wanted.isBusy = false
      if (!wanted.isAgain) continue
      wanted.isAgain = false
      this.#enqueue(wanted)
    }
    if (--this.#running > 0) return
    const idlers = this.#idlers
    this.#idlers = []
    for (const resolve of idlers) resolve()
  }

  /** Until the status is as wanted, or cannot be. */
  async #settle(wanted: Wanted<T>, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(BACKOFF, this.#timers)
    let object = this.#options.current(wanted.key)
    for (let conflicts = 0; !signal.aborted;) {
      try {
        object ??= await this.#client.get<T>(this.#options.resource, wanted.name, { signal })
        if (!(await this.#write(wanted, object, signal))) this.facts.suppressed++
        return
      } catch (error) {
        if (signal.aborted) return
        const failure = asKubeError(error, 'status')
        if (failure.isNotFound) return
        object = undefined
        if (failure.isConflict) {
          this.facts.conflicts++
          if (++conflicts < MAX_CONFLICTS) continue
        } else if (!failure.isTransient) {
          this.#options.onError(wanted.name, failure)
          return
        }
        await sleep(this.#timers, backoff.next(failure.retryAfterMs), signal)
      }
    }
  }

  /** False when there was nothing to write. */
  async #write(wanted: Wanted<T>, object: T, signal: AbortSignal): Promise<boolean> {
    const { resource } = this.#options
    const status = wanted.compute(object)
    if (status === undefined) return false
    const patch = mergePatch(object.status ?? {}, status)
    if (patch === undefined) return false
    const { resourceVersion, uid } = object.metadata
    const body = { metadata: { resourceVersion, uid }, status: patch }
    await this.#client.patch(resource, wanted.name, 'merge', body, { subresource: 'status', signal })
    this.facts.written++
    // It went onto the very version that was looked at, so that was no old copy: somebody has undone our write.
    if (wanted.written !== undefined && isDeepStrictEqual(wanted.written, status)) this.#countUndone(wanted)
    wanted.written = status
    return true
  }

  #countUndone(wanted: Wanted<T>): void {
    const now = this.#timers.now()
    wanted.undoneAt = wanted.undoneAt.filter((at) => now - at < UNDONE_WINDOW_MS)
    wanted.undoneAt.push(now)
    if (wanted.undoneAt.length < MAX_UNDONE) return
    wanted.isContested = true
    this.#options.onContested(wanted.name)
  }
}

function leaveAsIs(): undefined {
  return undefined
}

/** JSON merge patch (RFC 7396) that makes `to` of `from`; undefined when they are equal. Arrays are replaced as a whole. */
export function mergePatch(from: unknown, to: unknown): unknown {
  if (isDeepStrictEqual(from, to)) return undefined
  if (!isPlainObject(from) || !isPlainObject(to)) return to
  const patch: Record<string, unknown> = {}
  for (const key of Object.keys(from)) if (to[key] === undefined) patch[key] = null
  for (const [key, value] of Object.entries(to)) {
    if (value === undefined) continue
    const part = mergePatch(from[key], value)
    if (part !== undefined) patch[key] = part
  }
  return Object.keys(patch).length === 0 ? undefined : patch
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
