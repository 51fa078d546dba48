/**
 * The place where a benchmark runs: a temporary directory, free ports, and the processes that it started. Closing it,
 * or a signal, ends exactly those processes and removes the directory.
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { useOfGroup, type GroupUse } from './process-group.ts'

/** Core of the proxy, and core of load generator and backend. */
export const PROXY_CORE = 0
export const LOAD_CORE = 1

const OUTPUT_TAIL = 4000
const STOP_GRACE_MS = 3000
const POLL_MS = 5
/** Below the ephemeral range, so that no outgoing connection holds one. */
const FIRST_PORT = 18_000
const PORT_COUNT = 12_000

export interface StartOptions {
  readonly file: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Undefined: not pinned. */
  readonly core?: number
  /** With a channel for messages to a Node program, and its standard output readable. */
  readonly hasChannel?: boolean
}

/** A process that the lab started, leader of its own process group. */
export class Started {
  readonly name: string
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  #output = ''
  #hasEnded = false

  constructor(name: string, child: ChildProcess) {
    this.name = name
    this.child = child
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_TAIL)
    }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#output += error.message
        this.#hasEnded = true
        resolve(null)
      })
      child.once('close', (code) => {
        this.#hasEnded = true
        resolve(code)
      })
    })
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** The end of what it wrote to standard output and error. */
  get output(): string {
    return this.#output
  }

  use(): GroupUse {
    return useOfGroup(this.child.pid ?? -1)
  }

  signal(signal: NodeJS.Signals): void {
    const { pid } = this.child
    if (pid === undefined || this.#hasEnded) return
    try {
      process.kill(-pid, signal)
    } catch {
      // The group is gone already.
    }
  }

  async stop(): Promise<void> {
    if (this.#hasEnded) return
    this.signal('SIGTERM')
    await Promise.race([this.ended, pause(STOP_GRACE_MS, undefined, { ref: false })])
    this.signal('SIGKILL')
    await this.ended
  }
}

export class Lab {
  readonly dir: string
  readonly #started = new Set<Started>()
  readonly #onSignal: (signal: NodeJS.Signals) => void
  #directories = 0
  #nextPort = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT)

  constructor() {
    this.dir = mkdtempSync(join(tmpdir(), 'sekisho-bench-'))
    this.#onSignal = () => {
      for (const each of this.#started) each.signal('SIGKILL')
      rmSync(this.dir, { recursive: true, force: true })
      process.exit(130)
    }
    process.on('SIGINT', this.#onSignal)
    process.on('SIGTERM', this.#onSignal)
  }

  /** A new directory below the lab's own. */
  directory(name: string): string {
    const dir = join(this.dir, `${++this.#directories}-${name}`)
    mkdirSync(dir)
    return dir
  }

  async freePort(): Promise<number> {
    for (let tries = 0; tries < PORT_COUNT; tries++) {
      const port = FIRST_PORT + (this.#nextPort++ % PORT_COUNT)
      if (await isFree(port)) return port
    }
    throw new Error(`no free port between ${FIRST_PORT} and ${FIRST_PORT + PORT_COUNT}`)
  }

  start(name: string, options: StartOptions): Started {
    const pinned = options.core === undefined ? [] : ['taskset', '-c', String(options.core)]
    const [file = options.file, ...args] = [...pinned, options.file, ...options.args]
    const stdio: StdioOptions = options.hasChannel
      ? ['ignore', 'pipe', 'pipe', 'ipc']
      : ['ignore', 'pipe', 'pipe']
    const child = spawn(file, args, { detached: true, stdio, env: { ...process.env, ...options.env } })
    const started = new Started(name, child)
    this.#started.add(started)
    void started.ended.then(() => this.#started.delete(started))
    return started
  }

  /** Resolves when something accepts on the port; throws with the program's output when it ends before. */
  async untilListening(started: Started, port: number, timeoutMs = 30_000): Promise<void> {
    await this.until(started, timeoutMs, `listens on ${port}`, () => accepts(port))
  }

  async until(
    started: Started,
    timeoutMs: number,
    what: string,
    condition: () => Promise<boolean>,
  ): Promise<void> {
    const deadline = performance.now() + timeoutMs
    while (!(await condition())) {
      if (started.hasEnded) throw new Error(`${started.name} ended at its start: ${started.output}`)
      if (performance.now() > deadline)
        throw new Error(`${started.name}: not so after ${timeoutMs} ms: ${what}: ${started.output}`)
      await pause(POLL_MS)
    }
  }

  async close(): Promise<void> {
    process.off('SIGINT', this.#onSignal)
    process.off('SIGTERM', this.#onSignal)
    await Promise.all([...this.#started].map((each) => each.stop()))
    rmSync(this.dir, { recursive: true, force: true })
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
