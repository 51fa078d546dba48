/**
 * One long-running program of the test cluster, inside of the cluster's host process: started, paused, killed and started
 * again with the same arguments and one log. A program that ends without being asked to is a failure of the cluster.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { once } from 'node:events'

export interface ManagedProcessOptions {
  readonly name: string
  /** Program and arguments. */
  readonly command: readonly [string, ...string[]]
  /** Takes standard output and error, appended. */
  readonly logFile: string
  /** Network namespace to run in; undefined: that of this process. */
  readonly netns?: string
  /** Called when it ended by itself; `text` says how, with the end of its log. */
  readonly onEnd: (text: string) => void
}

export class ManagedProcess {
  readonly name: string
  readonly #options: ManagedProcessOptions
  #child: ChildProcess | undefined
  #isStopping = false

  constructor(options: ManagedProcessOptions) {
    this.name = options.name
    this.#options = options
  }

  /** Of the program itself, in the process namespace of the cluster; undefined while it does not run. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  start(): void {
    if (this.#child !== undefined) throw new Error(`${this.name} runs already`)
    const { command, netns, logFile } = this.#options
    // nsenter replaces itself, so signals go to the program.
    const [program, ...args] = netns === undefined ? command : ['nsenter', `--net=${netns}`, ...command]
    const log = openSync(logFile, 'a')
    const child = spawn(program, args, { stdio: ['ignore', log, log] })
    closeSync(log)
    this.#isStopping = false
    this.#child = child
    const ended = (how: string) => {
      if (this.#child !== child) return
      this.#child = undefined
      if (!this.#isStopping) this.#options.onEnd(`${this.name} ${how}; its last words:\n${this.tail()}`)
    }
    child.once('error', (error) => ended(`cannot be started: ${error.message}`))
    child.once('exit', (code, signal) => ended(`ended with ${code ?? signal}`))
  }

  /** Ends it and resolves when it is gone. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.#isStopping = true
    const exit = once(child, 'exit')
    child.kill(signal)
    // A stopped process takes no other signal than SIGKILL before it goes on.
    if (signal !== 'SIGKILL') child.kill('SIGCONT')
    await exit
  }

  /** It stands still: it keeps its connections and answers nothing. */
  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  /** The last lines it has logged. */
  tail(lines = 20): string {
    try {
      return readFileSync(this.#options.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
    } catch {
      return ''
    }
  }
}
