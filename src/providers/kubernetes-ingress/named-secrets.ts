/**
 * The Secrets that served Ingresses name, and no others: each is fetched when it begins to be named and when the watch
 * of metadata says that it changed, and dropped when nothing names it any more. Told to the translation as demand, told
 * by the source of what changed. Where Secrets may be fetched but not watched they are fetched again at intervals.
 *
 * Invariants: what was fetched last stays until the server says something else (an answer, or that it is gone); at most
 * one request per Secret is under way; nothing of a Secret is in a message.
 */
import { Backoff } from '#kube/backoff.ts'
import type { KubeClient } from '#kube/client.ts'
import { asKubeError, type KubeError } from '#kube/errors.ts'
import type { KubeObject } from '#kube/objects.ts'
import { sleep } from '#kube/timers.ts'
import type { SecretDemand } from '#providers/kubernetes/certificates.ts'
import type { HeldObject, ObjectReader } from './held-object.ts'
import { SECRETS } from './resources.ts'

const BACKOFF = { baseMs: 200, maxMs: 5000 }
/** For what does not mend itself in seconds: missing rights. */
const SLOW_BACKOFF = { baseMs: 1000, maxMs: 30_000 }
/** Answers of no use after which nobody waits for a Secret any longer. */
const FAILURES_TO_SETTLE = 3
const REFRESH_MS = 30_000

export interface SecretListener {
  onSet(object: HeldObject): void
  /** It does not exist. */
  onAbsent(namespace: string, name: string): void
  /** Some requests were answered; nothing follows in this turn. */
  onBatch(): void
  /** Settled, or something else is to be said. */
  onState(): void
}

interface NamedSecret {
  readonly namespace: string
  readonly name: string
  /** Whether it exists has been told. */
  isKnown: boolean
  /** That was fetched; undefined: it does not exist, or that is not known. Contents are not kept here. */
  version: string | undefined
  isBusy: boolean
  /** Changed while it was fetched. */
  isStale: boolean
  failures: number
  problem: KubeError | undefined
  /** Of no shape that a Secret has. */
  isMalformed: boolean
}

export class NamedSecrets implements SecretDemand {
  readonly #client: KubeClient
  readonly #reader: ObjectReader
  readonly #listener: SecretListener
  readonly #named = new Map<string, NamedSecret>()
  readonly #stop = new AbortController()
  #isBatchDue = false
  #cancelRefresh: (() => void) | undefined

  constructor(client: KubeClient, reader: ObjectReader, listener: SecretListener) {
    this.#client = client
    this.#reader = reader
    this.#listener = listener
  }

  /** Nothing is waited for. */
  get isSettled(): boolean {
    for (const each of this.#named.values()) if (!isSettled(each)) return false
    return true
  }

  get size(): number {
    return this.#named.size
  }

  /** Those that could not be fetched. */
  *problems(): Iterable<{ readonly namespace: string; readonly name: string; readonly error: KubeError }> {
    for (const { namespace, name, problem } of this.#named.values())
      if (problem !== undefined) yield { namespace, name, error: problem }
  }

  /** `namespace/name` of those that are no Secrets. */
  *malformed(): Iterable<string> {
    for (const [key, { isMalformed }] of this.#named) if (isMalformed) yield key
  }

  need(namespace: string, name: string): boolean {
    const key = `${namespace}/${name}`
    let named = this.#named.get(key)
    if (named === undefined) {
      named = {
        namespace,
        name,
        isKnown: false,
        version: undefined,
        isBusy: false,
        isStale: false,
        failures: 0,
        problem: undefined,
        isMalformed: false,
      }
      this.#named.set(key, named)
      void this.#fetch(key, named)
    }
    return named.isKnown
  }

  release(namespace: string, name: string): void {
    if (this.#named.delete(`${namespace}/${name}`)) this.#listener.onState()
  }

  /** The watch of metadata says that it is there, in this version. */
  changed(key: string, resourceVersion: string | undefined): void {
    const named = this.#named.get(key)
    if (named === undefined) return
    if (named.version !== undefined && named.version === resourceVersion) return
    void this.#fetch(key, named)
  }

  /** The watch says that it is gone. */
  gone(key: string): void {
    const named = this.#named.get(key)
    // What is under way may have been asked before: it is asked again behind it.
    if (named !== undefined) void this.#fetch(key, named)
  }

  /** Where Secrets cannot be watched, whether those that are named changed is asked at intervals. */
  setWatched(isWatched: boolean): void {
    if (isWatched || this.#stop.signal.aborted) {
      this.#cancelRefresh?.()
      this.#cancelRefresh = undefined
      return
    }
    this.#cancelRefresh ??= this.#client.timers.after(REFRESH_MS, () => {
      this.#cancelRefresh = undefined
      for (const [key, named] of this.#named) void this.#fetch(key, named)
      this.setWatched(false)
    })
  }

  stop(): void {
    this.#stop.abort()
    this.#cancelRefresh?.()
  }

  async #fetch(key: string, named: NamedSecret): Promise<void> {
    named.isStale = true
    if (named.isBusy) return
    named.isBusy = true
    const { timers } = this.#client
    const { signal } = this.#stop
    const backoff = new Backoff(BACKOFF, timers)
    const slowBackoff = new Backoff(SLOW_BACKOFF, timers)
    while (named.isStale && this.#named.get(key) === named && !signal.aborted) {
      named.isStale = false
      try {
        const object = await this.#client.get<KubeObject>(SECRETS, named, { signal })
        if (this.#named.get(key) === named) this.#take(named, object)
        backoff.reset()
        slowBackoff.reset()
      } catch (error) {
        if (signal.aborted || this.#named.get(key) !== named) break
        const failure = asKubeError(error, `GET secret ${key}`)
        if (failure.isNotFound) this.#absent(named)
        else {
          this.#failed(named, failure)
          named.isStale = true
          if (failure.isUnanswered) await this.#client.untilAnswering(backoff.next(), signal)
          else {
            const isSlow = failure.code >= 400 && failure.code < 429
            await sleep(timers, (isSlow ? slowBackoff : backoff).next(failure.retryAfterMs), signal)
          }
        }
      }
    }
    named.isBusy = false
  }

  #take(named: NamedSecret, object: KubeObject): void {
    const { held, problem } = this.#reader.read(object, undefined)
    this.#answered(named)
    named.isMalformed = problem !== undefined
    if (held === undefined) {
      if (named.version === undefined) this.#listener.onAbsent(named.namespace, named.name)
      return
    }
    const version = held.metadata.resourceVersion ?? ''
    if (version === named.version) return
    named.version = version
    this.#listener.onSet(held)
  }

  #absent(named: NamedSecret): void {
    const wasAbsent = named.isKnown && named.version === undefined
    this.#answered(named)
    named.version = undefined
    named.isMalformed = false
    if (!wasAbsent) this.#listener.onAbsent(named.namespace, named.name)
  }

  #answered(named: NamedSecret): void {
    named.isKnown = true
    named.failures = 0
    named.problem = undefined
    this.#endTurn()
  }

  #failed(named: NamedSecret, failure: KubeError): void {
    named.failures++
    if (named.problem?.code !== failure.code) named.problem = failure
    this.#endTurn()
  }

  /** Answers that come together are one change. */
  #endTurn(): void {
    if (this.#isBatchDue) return
    this.#isBatchDue = true
    setImmediate(() => {
      this.#isBatchDue = false
      if (this.#stop.signal.aborted) return
      this.#listener.onBatch()
      this.#listener.onState()
    })
  }
}

function isSettled({ isKnown, failures, problem }: NamedSecret): boolean {
  return isKnown || problem?.code === 403 || failures >= FAILURES_TO_SETTLE
}
