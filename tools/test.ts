/**
 * The `npm test` runner: installs what the tests need, runs the suites one after another, says how long each took and
 * how many tests ran, and ends with one line `N passed, N failed, N skipped`. The exit code is 0 only when nothing
 * failed; with CI=true a suite that was left out or a skipped test counts as a failure.
 *
 * The black-box suite `e2e` runs three times: plain, on the transport that poisons buffers after use, and with the
 * fast path off. All three have to see the same bytes.
 */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { relative, resolve } from 'node:path'
import { run } from 'node:test'
import type { EventData } from 'node:test'
import { build } from '../test/cluster/build.ts'
import { obstacle } from '../test/cluster/programs.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FUZZ_SECONDS = 60
const FILE_TIMEOUT_MS = 600_000

const HELP = `usage: npm test -- [--only SUITE]… [--fuzz-seconds N] [--list] [FILE…]

Runs every suite, or those named, or only the given test files.
Suites: unit, config, wire, cli, package, e2e, e2e-poison, e2e-slow-path, cluster, fuzz
The suite cluster runs when it is named (npm run test:cluster). It needs root on Linux, and Go for its first run (it builds a Kubernetes control plane, 8 minutes).
`

interface Suite {
  readonly name: string
  readonly patterns: readonly string[]
  /** Runs only when it is named. */
  readonly isApart?: boolean
  readonly env: Readonly<Record<string, string>>
  /** Files at a time; default 2. */
  readonly concurrency?: number
  /** Makes ready what the suite needs; answers why it cannot run here, if so. */
  readonly prepare?: () => Promise<string | undefined>
}

const SUITES: readonly Suite[] = [
  { name: 'unit', patterns: ['src/**/*.test.ts', 'tools/**/*.test.ts'], env: {} },
  { name: 'config', patterns: ['test/config/**/*.test.ts'], env: {} },
  { name: 'wire', patterns: ['test/wire/**/*.test.ts', 'test/fuzz/**/*.test.ts'], env: {} },
  { name: 'cli', patterns: ['test/cli/**/*.test.ts'], env: {} },
  { name: 'package', patterns: ['test/package/**/*.test.ts'], env: {} },
  { name: 'e2e', patterns: ['test/e2e/**/*.test.ts'], env: {} },
  { name: 'e2e-poison', patterns: ['test/e2e/**/*.test.ts'], env: { SEKISHO_TRANSPORT: 'poison' } },
  { name: 'e2e-slow-path', patterns: ['test/e2e/**/*.test.ts'], env: { SEKISHO_FAST_PATH: '0' } },
  // Each file has a cluster of its own, which takes both cores while it starts.
  {
    name: 'cluster',
    patterns: ['test/cluster/**/*.test.ts'],
    env: {},
    isApart: true,
    concurrency: 1,
    prepare: prepareCluster,
  },
]

/** Programs that the tests call, and the Debian package of each. */
const PROGRAMS: Readonly<Record<string, string>> = {
  curl: 'curl',
  openssl: 'openssl',
  nginx: 'nginx-light',
  haproxy: 'haproxy',
  ip: 'iproute2',
  ss: 'iproute2',
  nft: 'nftables',
}

interface Counts {
  passed: number
  failed: number
  skipped: number
}

const total: Counts = { passed: 0, failed: 0, skipped: 0 }
const isCI = process.env['CI'] === 'true'

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const only: string[] = []
  const files: string[] = []
  let fuzzSeconds = FUZZ_SECONDS
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? ''
    const [flag, inline] = arg.split('=', 2)
    if (flag === '--help' || flag === '-h') {
      process.stdout.write(HELP)
      return 0
    }
    if (flag === '--list') {
      process.stdout.write(`${[...SUITES.map((suite) => suite.name), 'fuzz'].join('\n')}\n`)
      return 0
    }
    if (flag === '--only') only.push(inline ?? args[++i] ?? '')
    else if (flag === '--fuzz-seconds') fuzzSeconds = Number(inline ?? args[++i])
    else if (arg.startsWith('-')) return usage(`unknown flag ${arg}`)
    else files.push(arg)
  }
  const names = new Set([...SUITES.map((suite) => suite.name), 'fuzz'])
  const unknown = only.find((name) => !names.has(name))
  if (unknown !== undefined) return usage(`unknown suite ${JSON.stringify(unknown)}`)
  if (!(fuzzSeconds >= 0)) return usage('--fuzz-seconds needs a number')

  const started = performance.now()
  if (files.length > 0) {
    const missing = files.find((file) => !existsSync(file))
    if (missing !== undefined) return usage(`${missing} does not exist`)
    await runSuite(
      { name: 'files', patterns: [], env: {} },
      files.map((file) => resolve(file)),
    )
  } else {
    const isWanted = (name: string) => only.length === 0 || only.includes(name)
    if (SUITES.some((suite) => suite.name !== 'unit' && isWanted(suite.name))) installPrograms()
    for (const suite of SUITES) {
      if (!isWanted(suite.name)) continue
      if (suite.isApart === true && !only.includes(suite.name)) {
        process.stdout.write(
          `suite ${suite.name}: not part of this run, npm run test:${suite.name} runs it\n`,
        )
        continue
      }
      const found = globSync([...suite.patterns], { cwd: ROOT }).map((file) => resolve(ROOT, file))
      const reason = found.length === 0 ? 'it has no files' : await suite.prepare?.()
      if (reason === undefined) await runSuite(suite, found.toSorted())
      else leaveOut(suite.name, reason)
    }
    if (isWanted('fuzz') && fuzzSeconds > 0) await runFuzz(fuzzSeconds)
  }
  process.stdout.write(`all suites: ${seconds(started)} s\n`)
  process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`)
  return total.failed > 0 || (isCI && total.skipped > 0) ? 1 : 0
}

async function runSuite(suite: Suite, files: readonly string[]): Promise<void> {
  const started = performance.now()
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  // Children inherit the environment of this process.
  const before = { ...process.env }
  Object.assign(process.env, suite.env)
  try {
    const { concurrency = 2 } = suite
    const events = run({
      files: [...files],
      concurrency,
      timeout: FILE_TIMEOUT_MS,
      cwd: ROOT,
      // The FFI that the program is built on is experimental in this Node; the launcher says nothing of it either.
      execArgv: ['--disable-warning=ExperimentalWarning'],
    })
    let isSummarised = false
    events.on('test:fail', (data) => printFailure(suite.name, data))
    events.on('test:stderr', (data) => process.stderr.write(data.message))
    events.on('test:summary', (data) => {
      // One summary per file, and one without a file at the end.
      if (data.file !== undefined) return
      isSummarised = true
      counts.passed = data.counts.passed
      counts.failed = data.counts.tests - data.counts.passed - data.counts.skipped - data.counts.todo
      counts.skipped = data.counts.skipped + data.counts.todo
    })
    // Reading to the end is what makes the tests run.
    for await (const event of events) void event
    if (!isSummarised) throw new Error(`suite ${suite.name} ended without a summary`)
  } finally {
    for (const name of Object.keys(suite.env)) {
      if (before[name] === undefined) delete process.env[name]
      else process.env[name] = before[name]
    }
  }
  report(suite.name, started, counts, `${files.length} files`)
}

function printFailure(suite: string, data: EventData.TestFail): void {
  // A suite that fails because of its tests adds nothing to their messages.
  const { failureType } = data.details.error as { readonly failureType?: unknown }
  if (failureType === 'subtestsFailed') return
  const place = data.file === undefined ? '' : ` (${relative(ROOT, data.file)}:${data.line ?? 0})`
  const cause: unknown = data.details.error.cause ?? data.details.error
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
  process.stdout.write(`FAIL ${suite}: ${data.name}${place}\n${indent(text)}\n`)
}

/** The fuzzer is one test: it passes when it ran for its time without a finding. */
async function runFuzz(limit: number): Promise<void> {
  const script = resolve(ROOT, 'tools/fuzz.ts')
  if (!existsSync(script)) {
    leaveOut('fuzz', 'tools/fuzz.ts does not exist')
    return
  }
  const started = performance.now()
  const child = spawn(process.execPath, [script, '--seconds', String(limit)], { cwd: ROOT, stdio: 'inherit' })
  const code = await new Promise<number | null>((resolvePromise, reject) => {
    child.on('error', reject)
    child.on('exit', resolvePromise)
  })
  report(
    'fuzz',
    started,
    { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 },
    `${limit} s asked`,
  )
}

function report(name: string, started: number, counts: Counts, detail: string): void {
  total.passed += counts.passed
  total.failed += counts.failed
  total.skipped += counts.skipped
  const numbers = `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`
  process.stdout.write(`suite ${name}: ${seconds(started)} s, ${numbers} (${detail})\n`)
}

function leaveOut(name: string, reason: string): void {
  process.stdout.write(`suite ${name}: left out, ${reason}\n`)
  if (isCI) total.failed++
  else total.skipped++
}

/** Builds the programs of the test bed where that was not done yet. */
async function prepareCluster(): Promise<string | undefined> {
  const reason = obstacle()
  if (reason !== undefined) return reason
  try {
    await build({ isForced: false, say: (line) => process.stdout.write(`${line}\n`) })
    return undefined
  } catch (error) {
    return `its programs cannot be built: ${(error as Error).message}`
  }
}

/** Puts the programs that tests call on a Debian machine, when we may; says what is missing otherwise. */
function installPrograms(): void {
  let missing = missingPrograms()
  if (missing.length === 0) return
  if (process.getuid?.() === 0 && isOnPath('apt-get')) {
    const packages = [...new Set(missing.map((program) => PROGRAMS[program] ?? program))]
    process.stdout.write(`installing ${packages.join(' ')}\n`)
    const install = ['install', '-y', '--no-install-recommends', ...packages]
    const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
    for (const steps of [[install], [['update'], install]]) {
      try {
        for (const step of steps) execFileSync('apt-get', step, options)
        break
      } catch {
        // The lists of packages may be old: the second round brings new ones. What is missing then is said below.
      }
    }
    missing = missingPrograms()
  }
  if (missing.length > 0)
    leaveOut(`(tests that need ${missing.join(', ')})`, 'the programs are not installed')
}

function missingPrograms(): readonly string[] {
  return Object.keys(PROGRAMS).filter((program) => !isOnPath(program))
}

function isOnPath(program: string): boolean {
  const directories = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin']
  return directories.some((directory) => directory !== '' && existsSync(`${directory}/${program}`))
}

function seconds(started: number): string {
  return ((performance.now() - started) / 1000).toFixed(1)
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n')
}

function usage(message: string): number {
  process.stderr.write(`test: ${message}\n${HELP}`)
  return 2
}
