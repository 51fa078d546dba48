/**
 * A gateway under test: the real program on a directory of its own, ports chosen by the system, ended with the test.
 * `manifests` are the files of the directory by name.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../../../bin/sekisho', import.meta.url))
const START_TIMEOUT_MS = 30_000

export interface GatewayOptions {
  readonly manifests: Readonly<Record<string, string>>
  /** Further flags; entrypoints `web`, `websecure` (TLS) and `traefik` are on free ports of 127.0.0.1 already. */
  readonly flags?: readonly string[]
  readonly workers?: number
  readonly env?: Readonly<Record<string, string>>
  /** Program that runs it, such as `['prlimit', '--nofile=300']`: gets the gateway's command line behind its own. */
  readonly under?: readonly string[]
  /** Descriptors that it gets as 3 and so on. */
  readonly descriptors?: readonly number[]
}

export class GatewayProcess implements AsyncDisposable {
  readonly dir: string
  readonly child: ChildProcess
  /** Ports by entrypoint name. */
  ports: Readonly<Record<string, number>> = {}
  /** Everything it has said so far (standard error). */
  log = ''
  /** Standard output: the access log, when there is one. */
  output = ''
  readonly exited: Promise<number | null>
  #listeners = new Set<() => void>()

  private constructor(dir: string, child: ChildProcess) {
    this.dir = dir
    this.child = child
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.log += text
      for (const listener of this.#listeners) listener()
    })
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.output += text
      for (const listener of this.#listeners) listener()
    })
    this.exited = new Promise((resolve) =>
      child.once('exit', (code) => {
        resolve(code)
        for (const listener of this.#listeners) listener()
      }),
    )
  }

  /** Resolves when it serves. */
  static async start(options: GatewayOptions): Promise<GatewayProcess> {
    const dir = await mkdtemp(join(tmpdir(), 'sekisho-e2e-'))
    for (const [name, text] of Object.entries(options.manifests)) await write(join(dir, name), text)
    const [program, ...args] = [...(options.under ?? []), PROGRAM]
    const child = spawn(
      program,
      [
        ...args,
        'up',
        dir,
        ...(options.flags?.some((flag) => flag.startsWith('--entryPoints.web.address='))
          ? []
          : ['--entryPoints.web.address=127.0.0.1:0']),
        '--entryPoints.websecure.address=127.0.0.1:0',
        '--entryPoints.websecure.http.tls=true',
        '--entryPoints.traefik.address=127.0.0.1:0',
        '--ping',
        '--metrics.prometheus',
        `--workers=${options.workers ?? 1}`,
        ...(options.flags ?? []),
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe', ...(options.descriptors ?? [])],
        env: { ...process.env, ...options.env },
      },
    )
    const gateway = new GatewayProcess(dir, child)
    try {
      const line = await gateway.logged(/ INF serving (.*)/)
      gateway.ports = Object.fromEntries(
        [...line[1]!.matchAll(/(\S+)=\S+:(\d+)(?=\s|$)/g)].map((match) => [match[1]!, Number(match[2])]),
      )
      await gateway.until(async () => (await fetch(gateway.internalUrl('/ready'))).status === 200)
    } catch (error) {
      await gateway[Symbol.asyncDispose]()
      throw error
    }
    return gateway
  }

  get web(): number {
    return this.ports['web']!
  }
  get websecure(): number {
    return this.ports['websecure']!
  }

  internalUrl(path: string): string {
    return `http://127.0.0.1:${this.ports['traefik']}${path}`
  }

  /** Replaces a file as editors do: written beside it and renamed over it. */
  async replace(name: string, text: string): Promise<void> {
    const path = join(this.dir, name)
    await write(`${path}.new~`, text)
    await rename(`${path}.new~`, path)
  }

  /** The same, and waits until every worker has what changed by it. */
  async reload(name: string, text: string): Promise<void> {
    const reloads = async (): Promise<string | undefined> =>
      /^traefik_config_reloads_total (\d+)/m.exec(await this.metrics())?.[1]
    const before = await reloads()
    await this.replace(name, text)
    await this.until(async () => (await reloads()) !== before)
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.dir, name))
  }

  /** Resolves with the first match of the log, now or later. */
  async logged(pattern: RegExp, timeoutMs = START_TIMEOUT_MS): Promise<RegExpExecArray> {
    return this.#match(() => this.log, pattern, timeoutMs)
  }

  /** The same for standard output. */
  async printed(pattern: RegExp, timeoutMs = START_TIMEOUT_MS): Promise<RegExpExecArray> {
    return this.#match(() => this.output, pattern, timeoutMs)
  }

  /** Asks again and again until the condition holds; what it throws counts as no. */
  async until(condition: () => Promise<boolean> | boolean, timeoutMs = START_TIMEOUT_MS): Promise<void> {
    await until(condition, timeoutMs, () => this.log)
  }

  /** Text of `/metrics`. */
  async metrics(): Promise<string> {
    return (await fetch(this.internalUrl('/metrics'))).text()
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGKILL')
      await this.exited
    }
    await rm(this.dir, { recursive: true, force: true })
  }

  async #match(text: () => string, pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    const found = pattern.exec(text())
    if (found !== null) return found
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        const match = pattern.exec(text())
        if (match !== null) {
          done()
          resolve(match)
        } else if (this.child.exitCode !== null) {
          done()
          reject(new Error(`the gateway ended with ${this.child.exitCode} before ${pattern}:\n${this.log}`))
        }
      }
      const timer = setTimeout(() => {
        done()
        reject(new Error(`nothing like ${pattern} within ${timeoutMs} ms:\n${text()}`))
      }, timeoutMs)
      const done = (): void => {
        clearTimeout(timer)
        this.#listeners.delete(settle)
      }
      this.#listeners.add(settle)
    })
  }
}

/** Polls until the condition holds. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  timeoutMs = 10_000,
  context: () => string = () => '',
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      if (await condition()) return
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline) {
      throw new Error(`condition not met within ${timeoutMs} ms\n${context()}`, { cause: last })
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}
