/** What scenarios share: the peers found, the lab, the backend, and starting a proxy on a set of rules. */
import { join } from 'node:path'
import { PROXY_CORE, LOAD_CORE, type Lab, type Started } from '../lab/lab.ts'
import type { BenchOptions } from '../options.ts'
import { getStatus } from '../load/get-status.ts'
import { backendCommand } from '../peers/nginx.ts'
import type { Peer, PeerSetup, Rule, TlsFiles } from '../peers/peer.ts'
import type { Result } from '../report/result.ts'

export interface FoundPeer {
  readonly peer: Peer
  readonly program: string
  readonly version: string
}

export interface Scenario {
  readonly id: string
  readonly title: string
  run(bench: Bench): Promise<Result>
}

/** A proxy that serves its rules. */
export interface Contestant {
  readonly name: string
  readonly setup: PeerSetup
  readonly started: Started
  /** From its start until the last rule answered. */
  readonly readyMs: number
  readonly url: (path: string) => string
}

export interface StartProxyOptions {
  readonly rules: readonly Rule[]
  readonly isTls?: boolean
  readonly workers?: number
  readonly label?: string
  /** Undefined: the proxy core. */
  readonly isPinned?: boolean
}

/** The rule of everything that needs only one. */
export const ONE_RULE: Rule = { host: 'a.example', path: '/app' }
/** wrk sends the host of its URL as server name, and this one leads to loopback. */
export const TLS_RULE: Rule = { host: 'localhost', path: '/app' }

const READY_TIMEOUT_MS = 60_000

export class Bench {
  readonly lab: Lab
  readonly options: BenchOptions
  readonly peers: readonly FoundPeer[]
  readonly log: (line: string) => void
  readonly #tls: TlsFiles
  readonly #backendPort: number
  /** Requests per second that nginx reached on small bodies, once known. */
  saturation: number | undefined

  private constructor(
    lab: Lab,
    options: BenchOptions,
    peers: readonly FoundPeer[],
    log: (line: string) => void,
    tls: TlsFiles,
    backendPort: number,
  ) {
    this.lab = lab
    this.options = options
    this.peers = peers
    this.log = log
    this.#tls = tls
    this.#backendPort = backendPort
  }

  /** Starts the backend too. */
  static async open(
    lab: Lab,
    options: BenchOptions,
    peers: readonly FoundPeer[],
    log: (line: string) => void,
    tls: TlsFiles,
  ): Promise<Bench> {
    const port = await lab.freePort()
    const command = backendCommand('nginx', lab.directory('backend'), port)
    const backend = lab.start('backend', { ...command, core: LOAD_CORE })
    await lab.untilListening(backend, port)
    return new Bench(lab, options, peers, log, tls, port)
  }

  get ours(): readonly FoundPeer[] {
    return this.peers.filter(({ peer }) => peer.name === 'Sekisho')
  }

  async startProxy(found: FoundPeer, options: StartProxyOptions): Promise<Contestant> {
    const { peer, program } = found
    const setup: PeerSetup = {
      dir: this.lab.directory(peer.name),
      port: await this.lab.freePort(),
      internalPort: await this.lab.freePort(),
      backendPort: this.#backendPort,
      rules: options.rules,
      tls: options.isTls === true ? this.#tls : undefined,
      workers: options.workers ?? 1,
    }
    const command = peer.prepare(program, setup)
    const begin = performance.now()
    const started = this.lab.start(options.label ?? peer.name, {
      ...command,
      ...(options.isPinned === false ? {} : { core: PROXY_CORE }),
    })
    const last = options.rules.at(-1)!
    await this.lab.until(started, READY_TIMEOUT_MS, `${last.host}${last.path} answers 200`, async () => {
      const status = await getStatus(setup.port, last.host, `${last.path}/x`, options.isTls === true)
      return status === 200
    })
    const scheme = options.isTls === true ? 'https://localhost' : 'http://127.0.0.1'
    return {
      name: options.label ?? peer.name,
      setup,
      started,
      readyMs: performance.now() - begin,
      url: (path) => `${scheme}:${setup.port}${path}`,
    }
  }

  /** Starts all peers on the same rules; one that does not come up is left out and named in `notes`. */
  async startAll(options: StartProxyOptions, notes: string[]): Promise<readonly Contestant[]> {
    const contestants: Contestant[] = []
    for (const found of this.peers) {
      try {
        contestants.push(await this.startProxy(found, options))
      } catch (error) {
        notes.push(`left out: ${found.peer.name}: ${(error as Error).message.slice(0, 300)}`)
      }
    }
    return contestants
  }

  async stopAll(contestants: readonly Contestant[]): Promise<void> {
    await Promise.all(contestants.map(({ started }) => started.stop()))
  }

  /** A file in the results directory of this run. */
  file(name: string): string {
    return join(this.lab.dir, name)
  }
}

/**
 * Rounds A B C A B C …: what disturbs the machine for a while disturbs all alike. One contestant that fails in a round is
 * left out from then on, with a note.
 */
export async function interleave<T extends { readonly name: string }, S>(
  bench: Bench,
  id: string,
  contestants: readonly T[],
  notes: string[],
  measure: (contestant: T, round: number) => Promise<S>,
  rounds = bench.options.rounds,
): Promise<{ readonly name: string; readonly samples: S[] }[]> {
  const rows = contestants.map(({ name }) => ({ name, samples: [] as S[] }))
  const failed = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    for (const [index, contestant] of contestants.entries()) {
      if (failed.has(contestant.name)) continue
      bench.log(`${id}: round ${round + 1} of ${rounds}: ${contestant.name}`)
      try {
        rows[index]?.samples.push(await measure(contestant, round))
      } catch (error) {
        failed.add(contestant.name)
        notes.push(
          `failed in round ${round + 1}: ${contestant.name}: ${(error as Error).message.slice(0, 300)}`,
        )
      }
    }
  }
  return rows.filter(({ samples }) => samples.length > 0)
}
