/**
 * Leader election over a Lease (coordination.k8s.io/v1), compatible with client-go's: the holder renews, others watch
 * the record and take it over when it has not changed for the holder's own lease duration. That is measured on the local
 * monotonic clock from when the change was seen; times written in the record are never compared, so clocks may differ.
 *
 * Invariants: a holder whose last successful renewal is older than the renew deadline does not lead any more, even when
 * the process could not run in between (`isLeading` looks at the clock); the renew deadline is shorter than the lease, so
 * nobody else leads before. Writes carry the resource version that was read: of two candidates one gets a conflict.
 */
import type { KubeClient } from './client.ts'
import { asKubeError, KubeError } from './errors.ts'
import { microTime, type Lease } from './objects.ts'
import { LEASES } from './resource.ts'
import { sleep, type Timers } from './timers.ts'

export interface ElectionOptions {
  readonly namespace: string
  readonly name: string
  /** Of this replica, unique: pod name and something random. */
  readonly identity: string
  readonly leaseDurationMs?: number
  readonly renewDeadlineMs?: number
  readonly retryPeriodMs?: number
}

export interface ElectionHandler {
  onStartedLeading(): void
  /** Follows each onStartedLeading. */
  onStoppedLeading(): void
  /** Another leader is seen, ourselves included; `''`: nobody holds the lease. */
  onLeader?(identity: string): void
  /** A try failed for another reason than that somebody else leads. */
  onError?(error: KubeError): void
}

const LEASE_DURATION_MS = 15_000
const RENEW_DEADLINE_MS = 10_000
const RETRY_PERIOD_MS = 2000
/** Candidates spread their tries over this part of the period, so that they do not all try together. */
const JITTER = 1.2

export class Election {
  readonly #client: KubeClient
  readonly #timers: Timers
  readonly #handler: ElectionHandler
  readonly #name: { readonly name: string; readonly namespace: string }
  readonly #identity: string
  readonly #leaseDurationMs: number
  readonly #renewDeadlineMs: number
  readonly #retryPeriodMs: number
  readonly #stop = new AbortController()
  #running: Promise<void> | null = null
  /** The record as it was last seen or written. */
  #observed: Lease | undefined
  #observedText = ''
  /** Timers.now when it was seen to change. */
  #observedAt = 0
  /** Timers.now before the last successful write of ours. */
  #renewedAt = -Infinity
  #isLeading = false
  /** What was written or seen last may not be what is there. */
  #mustRead = true
  #hasWritten = false
  #reported: string | undefined

  /** Throws a RangeError when the times contradict each other. */
  constructor(client: KubeClient, options: ElectionOptions, handler: ElectionHandler) {
    this.#client = client
    this.#timers = client.timers
    this.#handler = handler
    this.#name = { name: options.name, namespace: options.namespace }
    this.#identity = options.identity
    this.#leaseDurationMs = options.leaseDurationMs ?? LEASE_DURATION_MS
    this.#renewDeadlineMs = options.renewDeadlineMs ?? RENEW_DEADLINE_MS
    this.#retryPeriodMs = options.retryPeriodMs ?? RETRY_PERIOD_MS
    if (this.#leaseDurationMs < 1000) throw new RangeError('leaseDurationMs must be at least 1000')
    if (this.#leaseDurationMs <= this.#renewDeadlineMs)
      throw new RangeError('leaseDurationMs must be greater than renewDeadlineMs')
    if (this.#renewDeadlineMs <= this.#retryPeriodMs * JITTER)
      throw new RangeError(`renewDeadlineMs must be greater than ${JITTER} times retryPeriodMs`)
  }

  /** Whether this replica may act as the leader now. */
  get isLeading(): boolean {
    return this.#isLeading && this.#timers.now() - this.#renewedAt < this.#renewDeadlineMs
  }

  /** Who holds the lease, as far as is known; `''`: nobody. */
  get leader(): string {
    return this.#observed?.spec?.holderIdentity ?? ''
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Gives the lease back when it is ours, so that another replica need not wait for its end. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#acquire(signal)
      if (signal.aborted) break
      this.#isLeading = true
      this.#handler.onStartedLeading()
      await this.#renew(signal)
      this.#isLeading = false
      this.#handler.onStoppedLeading()
    }
    // Never led, never tried to: nothing to give back.
    if (this.leader === this.#identity || this.#hasWritten) await this.#release()
  }

  /** Until the lease is ours. */
  async #acquire(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (await this.#tryOnce(this.#renewDeadlineMs, signal)) return
      await sleep(this.#timers, this.#retryPeriodMs * (1 + (JITTER - 1) * this.#timers.random()), signal)
    }
  }

  /** Until it is lost. */
  async #renew(signal: AbortSignal): Promise<void> {
    while (await sleep(this.#timers, this.#retryPeriodMs, signal)) {
      let left = this.#timeLeft()
      while (left > 0) {
        if (await this.#tryOnce(left, signal)) break
        // Somebody else has it: no further try can help.
        if (this.leader !== this.#identity) return
        left = this.#timeLeft()
        if (left > 0 && !(await sleep(this.#timers, Math.min(this.#retryPeriodMs, left), signal))) return
        left = this.#timeLeft()
      }
      if (left <= 0) return
    }
  }

  #timeLeft(): number {
    return this.#renewDeadlineMs - (this.#timers.now() - this.#renewedAt)
  }

  /** Takes or renews the lease. False when somebody else holds it, or it failed. */
  async #tryOnce(timeMs: number, signal: AbortSignal): Promise<boolean> {
    const startedAt = this.#timers.now()
    const limits = { signal, requestMs: timeMs }
    try {
      // The holder writes on top of what it wrote last; only a conflict makes it look.
      let current = this.#isHeldByUs() ? this.#observed : undefined
      if (current === undefined) {
        current = await this.#read(limits)
        if (current === undefined) {
          this.#hasWritten = true
          const created = await this.#client.create<Lease>(LEASES, this.#record(undefined), limits)
          this.#written(created, startedAt)
          return true
        }
        this.#observe(current)
        if (!this.#mayTake()) return false
      }
      this.#hasWritten = true
      const updated = await this.#client.replace<Lease>(LEASES, this.#record(current), limits)
      this.#written(updated, startedAt)
      return true
    } catch (error) {
      this.#failed(asKubeError(error, 'lease'), signal)
      return false
    }
  }

  async #read(limits: { signal: AbortSignal; requestMs: number }): Promise<Lease | undefined> {
    try {
      return await this.#client.get<Lease>(LEASES, this.#name, limits)
    } catch (error) {
      if (error instanceof KubeError && error.isNotFound) return undefined
      throw error
    }
  }

  #isHeldByUs(): boolean {
    return this.#isLeading && !this.#mustRead && this.leader === this.#identity
  }

  /** Nobody holds it, we do, or its holder has been silent for as long as it said it may be. */
  #mayTake(): boolean {
    const spec = this.#observed?.spec
    const holder = spec?.holderIdentity ?? ''
    if (holder === '' || holder === this.#identity) return true
    const durationMs = (spec?.leaseDurationSeconds ?? 0) * 1000
    return this.#timers.now() - this.#observedAt >= durationMs
  }

  #observe(lease: Lease): void {
    // The version may change without the record (a label): that is no sign of life.
    const text = JSON.stringify(lease.spec ?? {})
    if (this.#observed === undefined || text !== this.#observedText) this.#observedAt = this.#timers.now()
    this.#observed = lease
    this.#observedText = text
    this.#mustRead = false
    this.#report()
  }

  #written(lease: Lease, startedAt: number): void {
    this.#observe(lease)
    // From before the request: the server may have counted from there.
    this.#renewedAt = startedAt
  }

  #failed(error: KubeError, signal: AbortSignal): void {
    // Next time the record is read: somebody else was first, or what we know of it is not certain.
    this.#mustRead = true
    if (signal.aborted) return
    if (!error.isConflict && !error.isAlreadyExists && !error.isNotFound) this.#handler.onError?.(error)
  }

  #report(): void {
    const leader = this.leader
    if (leader === this.#reported) return
    this.#reported = leader
    this.#handler.onLeader?.(leader)
  }

  #record(current: Lease | undefined): Lease {
    const now = microTime(this.#timers.wall())
    const before = current?.spec
    const isOurs = before?.holderIdentity === this.#identity
    const transitions = before?.leaseTransitions ?? 0
    return {
      ...current,
      metadata: current?.metadata ?? this.#name,
      spec: {
        holderIdentity: this.#identity,
        leaseDurationSeconds: Math.ceil(this.#leaseDurationMs / 1000),
        acquireTime: isOurs ? (before.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: current === undefined || isOurs ? transitions : transitions + 1,
      },
    }
  }

  async #release(): Promise<void> {
    const limits = { requestMs: this.#retryPeriodMs }
    try {
      // An aborted renewal may have arrived or not.
      const current = this.#mustRead
        ? await this.#client.get<Lease>(LEASES, this.#name, limits)
        : this.#observed
      if (current?.spec?.holderIdentity !== this.#identity) return
      const now = microTime(this.#timers.wall())
      const spec = {
        ...current.spec,
        holderIdentity: '',
        leaseDurationSeconds: 1,
        acquireTime: now,
        renewTime: now,
      }
      this.#observe(await this.#client.replace<Lease>(LEASES, { ...current, spec }, limits))
    } catch (error) {
      const failure = asKubeError(error, 'lease')
      // Somebody else has it meanwhile, or it was deleted: nothing to give back.
      if (!failure.isConflict && !failure.isNotFound) this.#handler.onError?.(failure)
    }
  }
}
