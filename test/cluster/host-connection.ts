/** The test's end of the channel to the cluster's host process: calls, and failures of the cluster as a signal. */
import type { ChildProcess } from 'node:child_process'
import type { HostMessage, HostMethod, HostMethods } from './channel.ts'

interface Pending {
  readonly resolve: (result: never) => void
  readonly reject: (error: Error) => void
}

export class HostConnection {
  /** Resolves when the host runs. */
  readonly hello: Promise<void>
  /** Resolves with the reason when the cluster, or one of its programs, ends by itself. */
  readonly failed: Promise<Error>
  readonly #child: ChildProcess
  readonly #pending = new Map<number, Pending>()
  readonly #failure = new AbortController()
  #lastId = 0

  constructor(child: ChildProcess) {
    this.#child = child
    this.hello = new Promise((resolve, reject) => {
      this.#pending.set(0, { resolve, reject })
    })
    this.failed = new Promise((resolve) => {
      const { signal } = this.#failure
      signal.addEventListener('abort', () => resolve(signal.reason as Error), { once: true })
    })
    child.on('message', (message: HostMessage) => this.#receive(message))
    child.once('error', (error) => this.#fail(error))
    child.once('exit', (code, signal) => {
      this.#fail(new Error(`the cluster ended with ${code ?? signal}`))
    })
  }

  /** The same, as a signal. */
  get signal(): AbortSignal {
    return this.#failure.signal
  }

  call<M extends HostMethod>(method: M, ...args: Parameters<HostMethods[M]>): ReturnType<HostMethods[M]> {
    const id = ++this.#lastId
    const answer = new Promise<unknown>((resolve, reject) => {
      if (this.signal.aborted) reject(this.signal.reason as Error)
      this.#pending.set(id, { resolve, reject })
      this.#child.send({ id, method, args }, (error) => {
        if (error !== null) this.#settle(id)?.reject(error)
      })
    })
    return answer as ReturnType<HostMethods[M]>
  }

  #receive(message: HostMessage): void {
    switch (message.kind) {
      case 'hello':
        this.#settle(0)?.resolve(undefined as never)
        break
      case 'result':
        this.#settle(message.id)?.resolve(message.result as never)
        break
      case 'error':
        this.#settle(message.id)?.reject(new Error(message.message))
        break
      case 'failure':
        this.#fail(new Error(message.message))
        break
    }
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending
  }

  #fail(error: Error): void {
    this.#failure.abort(error)
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(error)
  }
}
