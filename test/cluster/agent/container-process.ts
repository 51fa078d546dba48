/**
 * The process of a container: started by `unshare` in namespaces of its own (mount, pid, uts, ipc) inside of the
 * network namespace of its pod, in the root that root-directory.ts prepared. Its first process is number 1 of its pid
 * namespace: when it ends, the kernel ends all others of the container. Used by container.ts; one object per run.
 */
import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { constants } from 'node:os'

export interface LaunchOptions {
  /** Path of the network namespace. */
  readonly netns: string
  readonly hostname: string
  readonly root: string
  /** File with what is mounted. */
  readonly fstab: string
  readonly isReadOnlyRoot: boolean
  /** Run in the container: `setpriv`, `env`, the program. */
  readonly words: readonly string[]
  /** Every piece of output; it is kept. */
  onOutput(stream: 'stdout' | 'stderr', piece: Buffer): void
}

/** For what runs before the container's own program. */
const SEARCH_PATH = '/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * Waits for the first process of the new pid namespace, which is its child, and takes over how that ended. Not `unshare
 * --fork`, which ends with 1 when its child was killed (util-linux 2.38). A shell has a word to say then: not into the log.
 */
const PARENT = 'exec 4>&2 2>/dev/null; "$@" 2>&4 4>&-; exit $?'

/**
 * Runs as the first process of the new pid namespace; arguments: host name, fstab, root, `ro` or `rw`, then the program.
 * Tells its number as this process sees it (/proc is still the old one) on descriptor 3, and that all is in place.
 * `pivot_root . .` puts the old root on top of the new one, and `umount -l .` takes it away, with every mount of
 * this machine, so that no container holds on to what belongs to others.
 */
const SETUP = `set -e
read -r pid rest < /proc/self/stat
echo "$pid" >&3
echo "$1" > /proc/sys/kernel/hostname
mount --all --fstab "$2"
cd "$3"
pivot_root . .
umount -l .
cd /
[ "$4" = rw ] || mount -o remount,bind,ro /
shift 4
echo ready >&3
exec 3>&-
exec "$@"`

export class ContainerProcess {
  /** Number of the container's first process. */
  readonly pid: number
  /** Its exit code, 128 and the signal's number when one ended it; settles when all of its output has been read, too. */
  readonly exit: Promise<number>
  #hasEnded = false

  private constructor(pid: number, exit: Promise<number>) {
    this.pid = pid
    this.exit = exit
    void exit.then(() => (this.#hasEnded = true))
  }

  /** Resolves when the program has been started. Rejects with what kept it from starting. */
  static async launch(options: LaunchOptions): Promise<ContainerProcess> {
    const { netns, hostname, root, fstab, isReadOnlyRoot, words } = options
    const child = spawn(
      'nsenter',
      [
        `--net=${netns}`,
        ...['unshare', '--mount', '--pid', '--uts', '--ipc', 'sh', '-c', PARENT, 'sh'],
        ...['sh', '-c', SETUP, 'sh', hostname, fstab, root, isReadOnlyRoot ? 'ro' : 'rw', ...words],
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
        env: { PATH: SEARCH_PATH },
        cwd: '/',
        // No signal of a terminal reaches it.
        detached: true,
      },
    ) as ChildProcessByStdio<null, Readable, Readable>
    const report = child.stdio[3] as unknown as Readable
    let complaint = ''
    let isReady = false
    child.stdout.on('data', (piece: Buffer) => options.onOutput('stdout', piece))
    child.stderr.on('data', (piece: Buffer) => {
      if (isReady) options.onOutput('stderr', piece)
      else complaint += piece.toString('utf8')
    })
    const exit = once(child, 'close').then(([code, signal]) =>
      exitCodeOf(code as number | null, signal as NodeJS.Signals | null),
    )
    exit.catch(() => {})
    const text = await firstLines(report)
    const [pid, ready] = text.split('\n')
    if (ready !== 'ready') {
      await exit
      throw new Error(complaint.trim().replaceAll('\n', '; ') || 'the container could not be set up')
    }
    isReady = true
    // What the program said at once may have come before the word that it was started.
    if (complaint !== '') options.onOutput('stderr', Buffer.from(complaint))
    return new ContainerProcess(Number(pid), exit)
  }

  /** To the container's first process; `SIGTERM`. Nothing when it has ended. */
  signal(name: string): void {
    if (this.#hasEnded) return
    try {
      process.kill(this.pid, name)
    } catch {
      // It ended just now.
    }
  }

  /** Runs something beside it. The child's `close` tells its end; `endGroup` ends it. */
  exec(words: readonly string[]): ChildProcessByStdio<Writable, Readable, Readable> {
    const spaces = ['--mount', '--uts', '--ipc', '--net', '--pid']
    const child = spawn('nsenter', [`--target=${this.pid}`, ...spaces, ...words], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: SEARCH_PATH },
      cwd: '/',
      detached: true,
    })
    // What it could not start for, `close` tells as a code that is not 0.
    child.on('error', () => {})
    return child
  }
}

/** Kills what `exec` started: the group, because `nsenter` only waits for the program. Nothing when it has ended. */
export function endGroup({ exitCode, signalCode, pid }: ChildProcess): void {
  if (exitCode !== null || signalCode !== null || pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It ended just now.
  }
}

function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal])
}

/** Two lines; less when the stream ends before. The end itself does not come while the parent waits for its child. */
async function firstLines(stream: Readable): Promise<string> {
  let text = ''
  stream.setEncoding('utf8')
  for await (const piece of stream) {
    text += piece as string
    if (text.endsWith('ready\n')) break
  }
  return text
}
