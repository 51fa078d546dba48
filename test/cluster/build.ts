/**
 * Builds the programs of the test bed (programs.ts) from the Go module proxy into the cache: `node test/cluster/build.ts`.
 * Says one line per program with its seconds. What is built already stays; each program comes into place whole, by a
 * rename. Two builds at once wait for each other by a lock that the kernel lets go when its holder ends.
 */
import { spawn } from 'node:child_process'
import { chmod, mkdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { once } from 'node:events'
import { cacheDirectory, findGo, GO_DIRECTORY, missingPrograms, PROGRAMS, type Program } from './programs.ts'

const HELP = `usage: node test/cluster/build.ts [--force]

Builds etcd, the Kubernetes control plane, kubectl, kube-proxy, Helm and an echo server for the test bed into
$SEKISHO_CLUSTER_CACHE (default: $XDG_CACHE_HOME/sekisho/cluster, or ~/.cache/sekisho/cluster). Needs Go and the
Go module proxy, about 8 minutes on two cores. --force builds again what is there.
`
/** Placeholders of Kubernetes that its own build fills; without them \`kubectl version\` fails. */
const VERSION_PACKAGES = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version']

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
  const directory = join(GO_DIRECTORY, program.module)
  // A hoisted GOFLAGS or workspace of the user must not change what is built.
  const env = { ...process.env, GOFLAGS: '-mod=readonly', GOWORK: 'off', CGO_ENABLED: '0' }
  const flags = ['-s', '-w', ...(await versionFlags(go, program, directory, env))]
  const args = ['build', '-trimpath', '-buildvcs=false', `-ldflags=${flags.join(' ')}`, '-o', output]
  await run('nice', ['-n', '10', go, ...args, program.target], { cwd: directory, env })
}

async function versionFlags(
  go: string,
  program: Program,
  directory: string,
  env: NodeJS.ProcessEnv,
): Promise<readonly string[]> {
  if (program.module !== 'kubernetes') return []
  const version = (
    await run(go, ['list', '-m', '-f', '{{.Version}}', 'k8s.io/kubernetes'], { cwd: directory, env })
  ).trim()
  const [, major = '', minor = ''] = /^v(\d+)\.(\d+)\./.exec(version) ?? []
  const values = { gitVersion: version, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' }
  return VERSION_PACKAGES.flatMap((name) =>
    Object.entries(values).map(([variable, value]) => `-X ${name}.${variable}=${value}`),
  )
}

/** Every program is there and runs; says what it is. */
async function check(bin: string, say: (line: string) => void): Promise<void> {
  for (const { name, versionArgs } of PROGRAMS) {
    const { size } = await stat(join(bin, name))
    const version = versionArgs === undefined ? '' : firstVersion(await run(join(bin, name), versionArgs, {}))
    say(`${name} ${version}`.padEnd(32) + `${(size / 1e6).toFixed(0)} MB`.padStart(8))
  }
  say(`programs are in ${bin}`)
}

function firstVersion(text: string): string {
  return /v?\d+\.\d+\.\d+/.exec(text)?.[0] ?? text.split('\n', 1)[0] ?? ''
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

/** Standard output of a program that succeeds; else an error with what it said. */
async function run(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv },
): Promise<string> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-8000)))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code ?? 'a signal'}:\n${errors}`)
  return output
}
