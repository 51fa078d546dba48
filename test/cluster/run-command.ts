/** Runs a short program to its end: `ip`, `mount`, `kubectl`. For the test bed; errors say what it printed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

export interface RunOptions {
  readonly stdin?: string | Buffer
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

export interface Outcome {
  /** -1: ended by a signal. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Standard output of a program that must succeed. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await outcomeOf(command, args, options)
  if (code === 0) return stdout
  throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${stderr.trim() || stdout.trim()}`)
}

/** How a program ended, whatever the code. Rejects when it cannot be started. */
export async function outcomeOf(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  // It may end before it has read everything; what it says then counts.
  child.stdin.on('error', () => {})
  child.stdin.end(options.stdin ?? '')
  const [code] = (await once(child, 'close')) as [number | null]
  return { code: code ?? -1, stdout, stderr }
}
