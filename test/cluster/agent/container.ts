/**
 * One container of a pod through all of its runs: waits for what it needs, starts, is probed, ends, starts again with
 * back-off as its pod's policy says, until it is stopped or has no reason to run again. The worker of its pod starts and
 * stops it and reads `status`; a run's own things (process, probes, hooks) are in container-run.ts.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { findImage, type Image } from '../images.ts'
import { ContainerLog } from './container-log.ts'
import { ContainerRun } from './container-run.ts'
import { planLaunch, type LaunchPlan } from './launch-plan.ts'
import type { ContainerSpec, ContainerState, ContainerStatus, Terminated } from './pod.ts'
import type { PodContext } from './pod-context.ts'
import { waiting } from './status.ts'

/** `init`: runs once, to its end. `sidecar`: an init container that stays. */
export type ContainerKind = 'init' | 'sidecar' | 'app'

/** For what only a change of other objects mends. */
const CONFIG_RETRY_MS = 2000
const PULL_BACKOFF_AFTER_MS = 500

export class Container {
  readonly spec: ContainerSpec
  readonly kind: ContainerKind
  /** Settles when it does not run and will not run again. */
  ended: Promise<void> = Promise.resolve()
  readonly #context: PodContext
  readonly #stop = new AbortController()
  #kill: AbortSignal | undefined
  #state: ContainerState
  #last: Terminated | undefined
  #restarts = 0
  #run: ContainerRun | undefined
  #log = new ContainerLog()
  #previousLog: ContainerLog | undefined
  #backoffMs = 0

  constructor(context: PodContext, spec: ContainerSpec, kind: ContainerKind) {
    this.#context = context
    this.spec = spec
    this.kind = kind
    const hasInit = (context.pod().spec.initContainers?.length ?? 0) > 0
    this.#state = waiting(hasInit ? 'PodInitializing' : 'ContainerCreating')
  }

  get log(): ContainerLog {
    return this.#log
  }

  /** Of the run before. */
  get previousLog(): ContainerLog | undefined {
    return this.#previousLog
  }

  /** The present run, when it runs. */
  get run(): ContainerRun | undefined {
    return this.#run
  }

  get status(): ContainerStatus {
    const { name, image } = this.spec
    const run = this.#run
    const hasDone = 'terminated' in this.#state && this.#state.terminated.exitCode === 0
    const id = this.#id(this.#restarts)
    return {
      name,
      image,
      imageID: findImage(this.#context.node.images, image) === undefined ? '' : `test-bed/${image}`,
      ...('waiting' in this.#state && this.#last === undefined ? {} : { containerID: id }),
      ready: this.kind === 'init' ? hasDone : (run?.isReady ?? false),
      started: run?.isStarted ?? false,
      restartCount: this.#restarts,
      state: this.#state,
      lastState: this.#last === undefined ? {} : { terminated: this.#last },
    }
  }

  /** Undefined while it runs or may run again. */
  get exitCode(): number | undefined {
    if ('terminated' in this.#state) return this.#state.terminated.exitCode
    return undefined
  }

  start(): void {
    this.ended = this.#live()
  }

  /** For good. Resolves when it has ended; at the latest soon after `kill` aborts. */
  async stop(kill: AbortSignal): Promise<void> {
    this.#kill = kill
    this.#stop.abort()
    this.#run?.end(kill)
    await this.ended
  }

  async #live(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const plan = await this.#prepare()
      if (plan === undefined) break
      const end = await this.#runOnce(plan)
      this.#state = { terminated: end }
      this.#changed()
      if (this.#stop.signal.aborted || !this.#mayRunAgain(end.exitCode)) break
      await this.#waitToRestart(end)
    }
  }

  /** What the next run needs; undefined when it was stopped while that was missing. */
  async #prepare(): Promise<LaunchPlan | undefined> {
    const image = await this.#image()
    if (image === undefined) return undefined
    for (;;) {
      try {
        return planLaunch(this.#context, this.spec, image, this.#restarts)
      } catch (error) {
        // ConfigProblems, and what the file system of this machine said.
        const { message } = error as Error
        this.#context.event('Warning', 'Failed', `Error: ${message}`)
        this.#set(waiting('CreateContainerConfigError', message))
      }
      if (!(await this.#pause(CONFIG_RETRY_MS))) return undefined
    }
  }

  async #image(): Promise<Image | undefined> {
    const { image: name } = this.spec
    const { images } = this.#context.node
    const image = findImage(images, name)
    if (image !== undefined) return image
    const known = Object.keys(images).sort().join(', ')
    const message = `image "${name}" is not one of the test bed's (${known})`
    this.#context.event('Warning', 'Failed', `Failed to pull image "${name}": ${message}`)
    this.#set(waiting('ErrImagePull', message))
    if (await this.#pause(PULL_BACKOFF_AFTER_MS)) {
      this.#context.event('Normal', 'BackOff', `Back-off pulling image "${name}"`)
      this.#set(waiting('ImagePullBackOff', `Back-off pulling image "${name}": ${message}`))
      // The table does not change.
      await this.#pause(2 ** 31 - 1)
    }
    return undefined
  }

  async #runOnce(plan: LaunchPlan): Promise<Terminated> {
    if (this.#restarts > 0 || this.#last !== undefined) this.#previousLog = this.#log
    const log = new ContainerLog()
    this.#log = log
    const { name } = this.spec
    const startedAt = new Date().toISOString()
    const containerID = this.#id(this.#restarts)
    try {
      const run = await this.#context.node.starts.run(async () =>
        ContainerRun.start(this.#context, this.spec, this.kind, plan, log, () => this.#changed()),
      )
      this.#run = run
      this.#state = { running: { startedAt } }
      this.#changed()
      this.#context.event('Normal', 'Started', `Container started: ${name}`)
      if (this.#kill !== undefined) run.end(this.#kill)
      const code = await run.ended
      const message = terminationMessage(this.spec, plan, code, log)
      return {
        exitCode: code,
        reason: code === 0 ? 'Completed' : 'Error',
        ...(message === '' ? {} : { message }),
        startedAt,
        finishedAt: new Date().toISOString(),
        containerID,
      }
    } catch (error) {
      const { message } = error as Error
      this.#context.event('Warning', 'Failed', `Error: failed to start container "${name}": ${message}`)
      const finishedAt = new Date().toISOString()
      return { exitCode: 128, reason: 'StartError', message, startedAt, finishedAt, containerID }
    } finally {
      this.#run = undefined
      log.end()
      plan.dispose()
    }
  }

  #mayRunAgain(exitCode: number): boolean {
    if (this.kind === 'sidecar') return true
    const policy = this.#context.pod().spec.restartPolicy ?? 'Always'
    if (this.kind === 'init') return exitCode !== 0 && policy !== 'Never'
    return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0)
  }

  /** At once after the first end, then longer and longer, unless it ran well for long. */
  async #waitToRestart(end: Terminated): Promise<void> {
    const { baseMs, maxMs } = this.#context.node.restarts
    const ranMs = Date.parse(end.finishedAt ?? '') - Date.parse(end.startedAt ?? '')
    if (ranMs >= 2 * maxMs) this.#backoffMs = 0
    const waitMs = this.#backoffMs
    this.#backoffMs = waitMs === 0 ? baseMs : Math.min(maxMs, waitMs * 2)
    this.#last = end
    const { name } = this.spec
    const pod = this.#context.pod().metadata
    if (waitMs > 0) {
      const text = `back-off ${waitMs / 1000}s restarting failed container=${name} pod=${pod.name}_${pod.namespace}(${pod.uid})`
      this.#context.event(
        'Warning',
        'BackOff',
        `Back-off restarting failed container ${name} in pod ${pod.name}`,
      )
      this.#set(waiting('CrashLoopBackOff', text))
      if (!(await this.#pause(waitMs))) {
        // Its status tells how it ended, not that it waited.
        this.#state = { terminated: end }
        return
      }
    }
    this.#restarts++
  }

  /** False when it was stopped meanwhile. */
  async #pause(ms: number): Promise<boolean> {
    try {
      await delay(ms, undefined, { signal: this.#stop.signal })
      return true
    } catch {
      return false
    }
  }

  #set(state: ContainerState): void {
    this.#state = state
    this.#changed()
  }

  #changed(): void {
    this.#context.onChange()
  }

  #id(run: number): string {
    return `test-bed://${this.#context.pod().metadata.uid}/${this.spec.name}/${run}`
  }
}

function terminationMessage(spec: ContainerSpec, plan: LaunchPlan, code: number, log: ContainerLog): string {
  const message = plan.terminationMessage()
  if (message !== '' || code === 0 || spec.terminationMessagePolicy !== 'FallbackToLogsOnError')
    return message
  return log.tail(80, 2048)
}
