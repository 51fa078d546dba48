/**
 * Plants faults and looks whether the tests notice: npm run test:mutants [-- --only TEXT]
 *
 * Works on a copy of the tree. First the tests have to pass without a fault; then each fault is planted by itself, the file is loaded (a
 * fault that does not even load proves nothing), and one of its tests has to fail. Ends with 1 when a fault is missed, or no
 * longer fits the source.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { CLUSTER_MUTANTS } from './mutants/cluster.ts'
import { HTTP1_MUTANTS } from './mutants/http1.ts'
import { KUBE_MUTANTS } from './mutants/kube.ts'
import type { Mutant } from './mutants/mutant.ts'
import { PROXY_MUTANTS } from './mutants/proxy.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** What the tests read. */
const COPIED = ['src', 'test', 'tools', 'docs', 'bin', 'examples', 'package.json']
/** A mutant may loop; that is noticed, too. */
const TEST_TIMEOUT_MS = 120_000

const HELP = `usage: npm run test:mutants [-- --only TEXT]

  --only TEXT  only the faults whose description or file contains it`

type Verdict = 'caught' | 'missed' | 'does not fit' | 'does not load'

async function run(args: readonly string[], cwd: string): Promise<boolean> {
  // Without the variable by which node:test tells a nested run, which would report instead of failing.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const child = spawn(process.execPath, args, { cwd, env, stdio: 'ignore', timeout: TEST_TIMEOUT_MS })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code === 0
}

async function runTests(files: readonly string[], cwd: string): Promise<boolean> {
  return run(['--test', ...files], cwd)
}

async function judge(mutant: Mutant, tree: string): Promise<Verdict> {
  const path = join(tree, mutant.file)
  const source = readFileSync(path, 'utf8')
  if (source.split(mutant.find).length !== 2) return 'does not fit'
  writeFileSync(
    path,
    source.replace(mutant.find, () => mutant.replace),
  )
  try {
    const load = `await import(${JSON.stringify(pathToFileURL(path).href)})`
    if (!(await run(['--input-type=module', '-e', load], tree))) return 'does not load'
    return (await runTests(mutant.tests, tree)) ? 'missed' : 'caught'
  } finally {
    writeFileSync(path, source)
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { only: { type: 'string', default: '' }, help: { type: 'boolean', default: false } },
  })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const mutants = [...HTTP1_MUTANTS, ...PROXY_MUTANTS, ...KUBE_MUTANTS, ...CLUSTER_MUTANTS].filter(
    ({ fault, file }) => fault.includes(values.only) || file.includes(values.only),
  )
  if (mutants.length === 0) {
    console.error(`no fault contains ${JSON.stringify(values.only)}\n\n${HELP}`)
    return 2
  }
  const tree = mkdtempSync(join(tmpdir(), 'sekisho-mutants-'))
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(tree, name), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'))
    const tests = [...new Set(mutants.flatMap((mutant) => mutant.tests))]
    if (!(await runTests(tests, tree))) {
      console.error(`the tests fail without any fault: ${tests.join(' ')}`)
      return 1
    }
    const counts = new Map<Verdict, number>()
    for (const mutant of mutants) {
      const verdict = await judge(mutant, tree)
      counts.set(verdict, (counts.get(verdict) ?? 0) + 1)
      console.log(`${verdict.padEnd(13)} ${mutant.file.padEnd(34)} ${mutant.fault}`)
    }
    const caught = counts.get('caught') ?? 0
    console.log(`${mutants.length} faults planted, ${caught} caught`)
    return caught === mutants.length ? 0 : 1
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}

process.exitCode = await main()
