/**
 * Writes the status of one pod: the newest one, one request at a time, again until it succeeds, nothing when it did not
 * change. A status that comes while a request is under way waits for it, and stands for all that came meanwhile.
 * What somebody else wrote over it is written over in turn.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { KubeClient } from '#kube/client.ts'
import { asKubeError } from '#kube/errors.ts'
import { PODS, type Pod, type PodStatus } from './pod.ts'

const RETRY_MS = 250

export class StatusWriter {
  readonly #client: KubeClient
  readonly #pod: Pod
  #next: string | undefined
  #written = ''
  /** Somebody else has written since the request that is under way began. */
  #isForgotten = false
  #isRunning = false
  #running = Promise.resolve()

  constructor(client: KubeClient, pod: Pod) {
    this.#client = client
    this.#pod = pod
  }

  write(status: PodStatus): void {
    this.#next = JSON.stringify(patchOf(status))
    if (this.#isRunning) return
    this.#isRunning = true
    this.#running = this.#run()
  }

  /** The object has another status than was written: the next one is written even when it is the same. */
  forget(): void {
    this.#written = ''
    this.#isForgotten = true
  }

  /** Resolves when what was given last is there, or the pod is gone. */
  async settled(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    const { name, namespace, uid } = this.#pod.metadata
    while (this.#next !== undefined) {
      const text = this.#next
      this.#next = undefined
      if (text === this.#written) continue
      // With another object's uid the server refuses.
      const patch = { metadata: { uid }, status: JSON.parse(text) as unknown }
      this.#isForgotten = false
      try {
        await this.#client.patch(PODS, { name, namespace }, 'strategic', patch, { subresource: 'status' })
        // Which of the two came last is not known.
        if (!this.#isForgotten) this.#written = text
      } catch (error) {
        const failure = asKubeError(error, 'status')
        if (failure.isNotFound || failure.isConflict || failure.code === 422) continue
        this.#next ??= text
        await delay(failure.retryAfterMs ?? RETRY_MS)
      }
    }
    this.#isRunning = false
  }
}

/** Conditions are merged by type, so what no longer applies must be said to be gone. */
function patchOf(status: PodStatus): unknown {
  const conditions = status.conditions?.map((condition) => ({ reason: null, message: null, ...condition }))
  return { ...status, conditions }
}
