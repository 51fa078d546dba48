/**
 * Whether this process should get traffic, and why not: every provider's first configuration must be in force, every
 * listener bound, and it must not be ending. Providers, listeners and the shutdown report here; `/ready` reads it.
 */

export interface NotReady {
  readonly provider?: string
  readonly listener?: string
  readonly reason: string
}

export class Readiness {
  readonly #providers = new Map<string, (() => string | undefined) | undefined>()
  readonly #listeners = new Map<string, string>()
  #isDraining = false

  get isDraining(): boolean {
    return this.#isDraining
  }

  get isReady(): boolean {
    return !this.#isDraining && this.#providers.size === 0 && this.#listeners.size === 0
  }

  /** Not ready until `providerSynced` of the same name. `waitsFor`: what it waits for at the moment, if it can say. */
  expectProvider(name: string, waitsFor?: () => string | undefined): void {
    this.#providers.set(name, waitsFor)
  }

  providerSynced(name: string): void {
    this.#providers.delete(name)
  }

  /** Not ready until `listenerBound` of the same name (`web 0.0.0.0:80`). */
  expectListener(name: string): void {
    this.#listeners.set(name, 'is not bound yet')
  }

  listenerBound(name: string): void {
    this.#listeners.delete(name)
  }

  /** `reason`: lower case, as the kernel says it. */
  listenerFailed(name: string, reason: string): void {
    this.#listeners.set(name, reason)
  }

  /** No longer wanted: configuration took it away. */
  forgetListener(name: string): void {
    this.#listeners.delete(name)
  }

  /** From here on never ready again. */
  drain(): void {
    this.#isDraining = true
  }

  /** Empty when ready. */
  reasons(): NotReady[] {
    const reasons: NotReady[] = []
    if (this.#isDraining) reasons.push({ reason: 'is shutting down' })
    for (const [provider, waitsFor] of this.#providers) {
      const reason = waitsFor?.() ?? 'has not delivered its first configuration'
      reasons.push({ provider, reason })
    }
    for (const [listener, reason] of this.#listeners) reasons.push({ listener, reason })
    return reasons
  }
}
