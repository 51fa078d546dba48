/**
 * Builds the programs of the test bed (programs.ts) from the Go module proxy into the cache: `node test/cluster/build.ts`.
 * Says one line per program with its seconds. What is built already stays; each program comes into place whole, by a
 * rename. Two builds at once wait for each other by a lock that the kernel lets go when its holder ends.
 */
import { spawn } from 'node:child_process'
import { chmod, mkdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { once } from 'node:events'
import {
  cacheDirectory,
  findGo,
  GO_DIRECTORY,
  missingPrograms,
  PROGRAMS,
  type Program,
  versionOf,
} from './programs.ts'
import { run } from './run-command.ts'

const HELP = `usage: node test/cluster/build.ts [--force]

Builds etcd, the Kubernetes control plane, kubectl, kube-proxy, Helm and an echo server for the test bed into
$SEKISHO_CLUSTER_CACHE (default: $XDG_CACHE_HOME/sekisho/cluster, or ~/.cache/sekisho/cluster). Needs Go and the
Go module proxy, about 8 minutes on two cores. --force builds again what is there.
`

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(HELP)
    return 0
  }
  const unknown = args.find((arg) => arg !== '--force')
  if (unknown !== undefined) {
    process.stderr.write(`build: unknown argument ${unknown}\n${HELP}`)
    return 2
  }
  try {
    await build({ isForced: args.includes('--force'), say: (line) => process.stdout.write(`${line}\n`) })
    return 0
  } catch (error) {
    process.stderr.write(`build: ${(error as Error).message}\n`)
    return 1
  }
}

/** Builds what is missing, all of it when forced. Rejects with a message for people. */
export async function build(options: {
  readonly isForced: boolean
  readonly say: (line: string) => void
}): Promise<void> {
  const directory = cacheDirectory()
  const bin = join(directory, 'bin')
  if (!options.isForced && missingPrograms(bin).length === 0) {
    await check(bin, options.say)
    return
  }
  const go = findGo()
  if (go === undefined) throw new Error('go is not installed (https://go.dev/dl)')
  await mkdir(bin, { recursive: true })
  const unlock = await lock(join(directory, 'lock'), () => options.say('another build is under way: waiting'))
  const temporary = join(directory, `tmp-${process.pid}`)
  try {
    // Another build may have done it while this one waited.
    const wanted = options.isForced ? PROGRAMS.map(({ name }) => name) : missingPrograms(bin)
    for (const program of PROGRAMS.filter(({ name }) => wanted.includes(name))) {
      const started = performance.now()
      const output = join(temporary, program.name)
      await compile(go, program, output)
      await chmod(output, 0o755)
      await rename(output, join(bin, program.name))
      options.say(`${program.name}: built in ${((performance.now() - started) / 1000).toFixed(0)} s`)
    }
  } finally {
    await rm(temporary, { recursive: true, force: true })
    unlock()
  }
  await check(bin, options.say)
}

async function compile(go: string, program: Program, output: string): Promise<void> {
  const directory = join(GO_DIRECTORY, program.directory)
  // A GOFLAGS or workspace of the user must not change what is built.
  const env = { ...process.env, GOFLAGS: '-mod=readonly', GOWORK: 'off', CGO_ENABLED: '0' }
  const flags = ['-s', '-w', ...versionFlags(program)]
  const args = ['build', '-trimpath', '-buildvcs=false', `-ldflags=${flags.join(' ')}`, '-o', output]
  await run('nice', ['-n', '10', go, ...args, program.target], { cwd: directory, env })
}

function versionFlags(program: Program): readonly string[] {
  const version = versionOf(program)
  const [, major = '', minor = ''] = /^v(\d+)\.(\d+)\./.exec(version) ?? []
  return (program.versionVariables ?? []).flatMap((variable) => {
    const values: Record<string, string> = { [variable]: version }
    if (variable.endsWith('.gitVersion')) {
      const prefix = variable.slice(0, -'gitVersion'.length)
      Object.assign(values, { [`${prefix}gitMajor`]: major, [`${prefix}gitMinor`]: minor })
      values[`${prefix}gitTreeState`] = 'clean'
    }
    return Object.entries(values).map(([name, value]) => `-X ${name}=${value}`)
  })
}

/** Every program is there, runs, and is of its version. */
async function check(bin: string, say: (line: string) => void): Promise<void> {
  for (const program of PROGRAMS) {
    const { name, versionArgs } = program
    const version = versionOf(program)
    const { size } = await stat(join(bin, name))
    if (versionArgs !== undefined) {
      const text = await run(join(bin, name), versionArgs)
      if (!text.includes(version.slice(1)))
        throw new Error(
          `${join(bin, name)} is not ${version} but says ${JSON.stringify(text)} (--force builds it again)`,
        )
    }
    say(`${name} ${version}`.padEnd(32) + `${(size / 1e6).toFixed(0)} MB`.padStart(8))
  }
  say(`programs are in ${bin}`)
}

/** Holds `file` until the returned function is called, or this process ends. */
async function lock(file: string, onWait: () => void): Promise<() => void> {
  // flock holds for cat, which ends with the pipe.
  const holder = spawn('flock', [file, 'sh', '-c', 'echo held && exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const timer = setTimeout(onWait, 1000)
  try {
    await Promise.race([
      once(holder.stdout, 'data'),
      once(holder, 'exit').then(() => Promise.reject(new Error(`${file} cannot be locked`))),
    ])
  } finally {
    clearTimeout(timer)
  }
  return () => holder.stdin.end()
}
