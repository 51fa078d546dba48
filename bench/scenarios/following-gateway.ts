/** A gateway that follows a real API server on a core of its own, and the program with the API server on the other one. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { LOAD_CORE, PROXY_CORE, type Started } from '../lab/lab.ts'
import { readMetrics } from '../lab/metrics-page.ts'
import type { ClusterLoadMethods } from '../load/cluster-load.ts'
import type { Bench } from './bench.ts'

const PROGRAM = fileURLToPath(new URL('../load/cluster-load.ts', import.meta.url))
/** Without a write of status. */
const CALM_MS = 2000
const READY_TIMEOUT_MS = 120_000
/** As many as the machine has cores, at least. */
export const WORKERS = 2

type Answer = { readonly result: unknown } | { readonly error: string }

/** Calls into the program. */
export class ClusterLoadProcess {
  readonly #started: Started

  private constructor(started: Started) {
    this.#started = started
  }

  /** Resolves when the cluster is there. `isPinned`: together with its load on the load core. */
  static async start(bench: Bench, nodes: number, isPinned = true): Promise<ClusterLoadProcess> {
    const started = bench.lab.start('cluster', {
      file: process.execPath,
      args: ['--disable-warning=ExperimentalWarning', PROGRAM, String(nodes)],
      hasChannel: true,
      ...(isPinned ? { core: LOAD_CORE } : {}),
    })
    const load = new ClusterLoadProcess(started)
    await load.#answer()
    return load
  }

  async call<M extends keyof ClusterLoadMethods>(
    method: M,
    ...args: Parameters<ClusterLoadMethods[M]>
  ): Promise<Awaited<ReturnType<ClusterLoadMethods[M]>>> {
    const answer = this.#answer()
    this.#started.child.send({ method, args })
    return (await answer) as Awaited<ReturnType<ClusterLoadMethods[M]>>
  }

  async stop(): Promise<void> {
    await this.#started.stop()
  }

  async #answer(): Promise<unknown> {
    const ended = this.#started.ended.then(() => {
      throw new Error(`the cluster ended: ${this.#started.output}`)
    })
    const [answer] = (await Promise.race([once(this.#started.child, 'message'), ended])) as [Answer]
    if ('error' in answer) throw new Error(answer.error)
    return answer.result
  }
}

export class FollowingGateway {
  readonly started: Started
  readonly port: number
  /** From its start until it was ready. */
  readonly readyMs: number
  readonly #internalPort: number
  readonly #log: string

  private constructor(started: Started, ports: readonly [number, number], log: string, readyMs: number) {
    this.started = started
    ;[this.port, this.#internalPort] = ports
    this.#log = log
    this.readyMs = readyMs
  }

  static async start(bench: Bench, program: string, kubeconfig: string): Promise<FollowingGateway> {
    const { lab } = bench
    const log = join(lab.directory('gateway'), 'log')
    const ports = [await lab.freePort(), await lab.freePort()] as const
    const begin = performance.now()
    const started = lab.start('gateway', {
      file: program,
      args: [
        'gateway',
        `--kubeconfig=${kubeconfig}`,
        `--workers=${WORKERS}`,
        `--entryPoints.web.address=127.0.0.1:${ports[0]}`,
        `--entryPoints.traefik.address=127.0.0.1:${ports[1]}`,
        // So that status is written too.
        '--publish-address=192.0.2.1',
        '--metrics.prometheus',
        `--log.filePath=${log}`,
        '--log.format=json',
        // Tells how long each change took.
        '--log.level=DEBUG',
      ],
      core: PROXY_CORE,
    })
    await lab.until(started, READY_TIMEOUT_MS, 'is ready', () =>
      fetch(`http://127.0.0.1:${ports[1]}/ready`).then(
        ({ status }) => status === 200,
        () => false,
      ),
    )
    return new FollowingGateway(started, ports, log, performance.now() - begin)
  }

  async metrics(): Promise<ReadonlyMap<string, number>> {
    return readMetrics(await (await fetch(`http://127.0.0.1:${this.#internalPort}/metrics`)).text())
  }

  /** Resolves when status is written and nothing changes any more. */
  async untilCalm(): Promise<void> {
    for (let last = -1; ;) {
      const written = (await this.metrics()).get('sekisho_kube_status_writes_total{result="written"}') ?? 0
      if (written === last) return
      last = written
      await pause(CALM_MS)
    }
  }

  /** Of each change so far: milliseconds from the bytes of its event until every worker had it. */
  changes(): readonly number[] {
    return readFileSync(this.#log, 'utf8')
      .split('\n')
      .filter((line) => line.includes('configuration in force'))
      .map((line) => (JSON.parse(line) as { durationMs: number }).durationMs)
  }
}
