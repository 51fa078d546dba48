/**
 * One run of a container, from its start to its end: its process, its probes and hooks, and how it is ended (preStop
 * hook, signal, and SIGKILL when its time is over). Made by container.ts.
 */
import type { ContainerLog } from './container-log.ts'
import { ContainerProcess } from './container-process.ts'
import type { ContainerKind } from './container.ts'
import { runHandler, type HandlerTarget, type Outcome } from './handler.ts'
import type { LaunchPlan } from './launch-plan.ts'
import type { ContainerSpec, Handler, ProbeSpec } from './pod.ts'
import type { PodContext } from './pod-context.ts'
import { Prober } from './prober.ts'

const DEFAULT_GRACE_SECONDS = 30
/** Hooks have no time of their own; the grace of the pod, or the end of the container, ends them. */
const HOOK_MS = 2 ** 31 - 1

type ProbeKind = 'Startup' | 'Readiness' | 'Liveness'

export class ContainerRun {
  readonly process: ContainerProcess
  /** What comes before a program that is run in it. */
  readonly prefix: readonly string[]
  /** With the exit code. */
  readonly ended: Promise<number>
  readonly #context: PodContext
  readonly #spec: ContainerSpec
  readonly #kind: ContainerKind
  readonly #onChange: () => void
  readonly #over = new AbortController()
  #isStarted = false
  #isReady = false
  #isEnding = false
  #startup: Prober | undefined
  #readiness: Prober | undefined
  #liveness: Prober | undefined

  private constructor(
    context: PodContext,
    spec: ContainerSpec,
    kind: ContainerKind,
    plan: LaunchPlan,
    process: ContainerProcess,
    onChange: () => void,
  ) {
    this.#context = context
    this.#spec = spec
    this.#kind = kind
    this.#onChange = onChange
    this.process = process
    this.prefix = plan.prefix
    this.ended = this.#untilEnd()
  }

  /** Rejects with what kept it from starting. */
  static async start(
    context: PodContext,
    spec: ContainerSpec,
    kind: ContainerKind,
    plan: LaunchPlan,
    log: ContainerLog,
    onChange: () => void,
  ): Promise<ContainerRun> {
    const process = await ContainerProcess.launch({
      ...plan.launch,
      onOutput: (stream, piece) => log.append(stream, piece),
    })
    const run = new ContainerRun(context, spec, kind, plan, process, onChange)
    void run.#begin()
    return run
  }

  /** Its startup probe went well, or it has none; its postStart hook is over. */
  get isStarted(): boolean {
    return this.#isStarted
  }

  get isReady(): boolean {
    return this.#isReady
  }

  /** Ends it: hook, signal, and SIGKILL as soon as `kill` aborts. Readiness is asked on until the end. May be called again, with another `kill`. */
  end(kill: AbortSignal): void {
    const finish = (): void => this.process.signal('SIGKILL')
    if (kill.aborted) finish()
    else {
      kill.addEventListener('abort', finish, { once: true })
      this.#over.signal.addEventListener('abort', () => kill.removeEventListener('abort', finish))
    }
    if (this.#isEnding) return
    this.#isEnding = true
    this.#startup?.stop()
    this.#liveness?.stop()
    void this.#terminate(kill)
  }

  async #terminate(kill: AbortSignal): Promise<void> {
    const { preStop, stopSignal } = this.#spec.lifecycle ?? {}
    if (preStop !== undefined && !kill.aborted)
      await this.#hook('FailedPreStopHook', preStop, AbortSignal.any([kill, this.#over.signal]))
    this.process.signal(stopSignal ?? 'SIGTERM')
  }

  async #untilEnd(): Promise<number> {
    const code = await this.process.exit
    this.#over.abort()
    for (const prober of [this.#startup, this.#readiness, this.#liveness]) prober?.stop()
    this.#isStarted = false
    this.#isReady = false
    return code
  }

  async #begin(): Promise<void> {
    const { postStart } = this.#spec.lifecycle ?? {}
    if (postStart !== undefined) {
      const outcome = await this.#hook('FailedPostStartHook', postStart, this.#over.signal)
      if (outcome !== undefined && !this.#over.signal.aborted) {
        this.#restart('FailedPostStartHook', this.#graceSeconds)
        return
      }
    }
    if (this.#isGone) return
    const { startupProbe } = this.#spec
    if (startupProbe === undefined || this.#kind === 'init') this.#onStarted()
    else {
      this.#startup = this.#prober('Startup', startupProbe, false, (isGood) => {
        if (!isGood) this.#restart('failed startup probe', graceOf(startupProbe) ?? this.#graceSeconds)
        else if (!this.#isStarted) {
          this.#startup?.stop()
          this.#onStarted()
        }
      })
    }
  }

  #onStarted(): void {
    this.#isStarted = true
    const { readinessProbe, livenessProbe } = this.#spec
    if (this.#kind !== 'init') {
      if (readinessProbe === undefined) this.#isReady = true
      else {
        this.#readiness = this.#prober('Readiness', readinessProbe, false, (isGood) => {
          if (this.#isReady === isGood) return
          this.#isReady = isGood
          this.#onChange()
        })
      }
      if (livenessProbe !== undefined) {
        this.#liveness = this.#prober('Liveness', livenessProbe, true, (isGood) => {
          if (!isGood) this.#restart('failed liveness probe', graceOf(livenessProbe) ?? this.#graceSeconds)
        })
      }
    }
    this.#onChange()
  }

  /** Ends this run; another one follows if the policy says so. */
  #restart(why: string, graceSeconds: number): void {
    if (this.#isEnding) return
    const { name } = this.#spec
    this.#context.event('Normal', 'Killing', `Container ${name} ${why}, will be restarted`)
    this.end(AbortSignal.timeout(graceSeconds * 1000))
  }

  #prober(kind: ProbeKind, spec: ProbeSpec, initial: boolean, onVerdict: (isGood: boolean) => void): Prober {
    return new Prober({
      spec,
      initial,
      isEager: kind !== 'Liveness' && spec.exec === undefined,
      ask: async (timeoutMs, signal) => runHandler(spec, this.#target, timeoutMs, signal),
      onVerdict,
      onFailure: (reason) => this.#context.event('Warning', 'Unhealthy', `${kind} probe failed: ${reason}`),
    })
  }

  async #hook(reason: string, handler: Handler, signal: AbortSignal): Promise<Outcome> {
    const outcome = await runHandler(handler, this.#target, HOOK_MS, signal)
    if (outcome !== undefined && !signal.aborted) this.#context.event('Warning', reason, outcome)
    return outcome
  }

  get #target(): HandlerTarget {
    const { node, network } = this.#context
    return {
      container: this.#spec,
      address: network.addresses[0] ?? '127.0.0.1',
      network: node.network,
      process: this.process,
      prefix: this.prefix,
    }
  }

  get #isGone(): boolean {
    return this.#isEnding || this.#over.signal.aborted
  }

  get #graceSeconds(): number {
    return this.#context.pod().spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS
  }
}

function graceOf(probe: ProbeSpec): number | undefined {
  return probe.terminationGracePeriodSeconds
}
