/**
 * `npm run bench`: measures Sekisho against the proxies that are installed, prints a table per scenario, keeps every
 * figure as JSON. bench/README.md says how and why; the scenarios are in bench/scenarios/list.ts.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createSelfSigned } from '#certs/self-signed.ts'
import { Lab } from './lab/lab.ts'
import { findProgram, installDebian } from './lab/programs.ts'
import { parseOptions, USAGE, type BenchOptions } from './options.ts'
import { DEBIAN_PACKAGES, PEERS } from './peers/list.ts'
import type { TlsFiles } from './peers/peer.ts'
import { goalLines } from './report/goals.ts'
import { PAGE, performancePage } from './report/page.ts'
import { machineFacts, readRecord, writeRecord, type RunRecord } from './report/record.ts'
import { asText, type Result } from './report/result.ts'
import { Bench, TLS_RULE, type FoundPeer } from './scenarios/bench.ts'
import { SCENARIOS } from './scenarios/list.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MIN_CORES = 2

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args)
  if (options === 'help') return print(USAGE)
  if (options === 'list')
    return print(SCENARIOS.map(({ id, title }) => `${id.padEnd(14)} ${title}\n`).join(''))
  const unknown = options.only.find((id) => SCENARIOS.every((scenario) => scenario.id !== id))
  if (unknown !== undefined) throw new Error(`--only: there is no scenario '${unknown}'; see --list`)
  const record = options.from === undefined ? await measure(options) : readRecord(options.from)
  if (options.from !== undefined) for (const result of record.results) print(`\n${asText(result)}\n`)
  const goals = goalLines(record.results)
  if (goals.length > 0) print(`\ngoals\n${goals.join('\n')}\n`)
  if (options.isWriting) {
    writeFileSync(join(ROOT, PAGE), performancePage(record))
    print(`wrote ${PAGE}\n`)
  }
  return 0
}

async function measure(options: BenchOptions): Promise<RunRecord> {
  const started = performance.now()
  const date = new Date().toISOString()
  const facts = machineFacts()
  if (facts.cores < MIN_CORES)
    throw new Error(
      'one core only: proxy and load generator would measure each other; use a machine with two',
    )
  const leftOut: string[] = []
  const peers = await findPeers(options, leftOut)
  if (
    findProgram('wrk') === undefined ||
    findProgram('nginx') === undefined ||
    findProgram('taskset') === undefined
  )
    throw new Error(
      'wrk, nginx (the backend) and taskset are needed: apt-get install wrk nginx-light util-linux',
    )
  const versions = Object.fromEntries(peers.map(({ peer, version }) => [peer.name, version]))
  print(
    `${facts.cores} cores, ${facts.processor}, ${facts.kernel}, load ${facts.loadBefore.toFixed(2)} before\n`,
  )
  for (const [name, version] of Object.entries(versions)) print(`${name}: ${version}\n`)
  for (const line of leftOut) print(`left out: ${line}\n`)

  const results: Result[] = []
  const lab = new Lab()
  try {
    const bench = await Bench.open(lab, options, peers, progress, certificate(lab))
    for (const scenario of SCENARIOS) {
      if (options.only.length > 0 && !options.only.includes(scenario.id)) continue
      const begin = performance.now()
      try {
        const result = await scenario.run(bench)
        results.push(result)
        progress('')
        print(`\n${asText(result)}\n  (${((performance.now() - begin) / 1000).toFixed(0)} s)\n`)
      } catch (error) {
        leftOut.push(`${scenario.id}: ${(error as Error).message}`)
        print(`\nleft out: ${scenario.id}: ${(error as Error).message}\n`)
      }
    }
  } finally {
    await lab.close()
  }
  const { rounds, seconds } = options
  const record: RunRecord = { date, ...facts, rounds, seconds, versions, leftOut, results }
  const file =
    options.json ?? join(ROOT, 'bench', 'results', `${date.replaceAll(':', '-').slice(0, 19)}.json`)
  writeRecord(file, record)
  print(`\nall figures: ${file}\ntotal: ${((performance.now() - started) / 1000).toFixed(0)} s\n`)
  return record
}

async function findPeers(options: BenchOptions, leftOut: string[]): Promise<readonly FoundPeer[]> {
  if (options.isInstalling) {
    const failure = await installDebian(DEBIAN_PACKAGES)
    if (failure !== undefined) leftOut.push(`Debian packages: ${failure}`)
  }
  const found: FoundPeer[] = []
  for (const peer of PEERS) {
    const isWanted = options.peers.length === 0 || options.peers.includes(peer.name.toLowerCase())
    if (!isWanted && peer.name !== 'Sekisho') continue
    const { path, reason } = await peer.locate()
    if (path === undefined) leftOut.push(`${peer.name}: ${reason ?? 'not found'}`)
    else found.push({ peer, program: path, version: await peer.version(path) })
  }
  return found
}

function certificate(lab: Lab): TlsFiles {
  const pair = createSelfSigned({ now: Date.now(), commonName: TLS_RULE.host, dnsNames: [TLS_RULE.host] })
  const dir = lab.directory('certificate')
  const files = { certificate: join(dir, 'tls.crt'), key: join(dir, 'tls.key'), both: join(dir, 'tls.pem') }
  writeFileSync(files.certificate, pair.certificate)
  writeFileSync(files.key, pair.key)
  writeFileSync(files.both, `${pair.certificate}\n${pair.key}`)
  return files
}

/** What is going on, on a line of its own that the next one overwrites; only for a person watching. */
function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`)
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n`)
    process.exitCode = 1
  }
}
