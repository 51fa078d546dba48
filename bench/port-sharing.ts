/**
 * Measures the ways to share a listening port among worker threads: connections lost when a worker starts, ends or is
 * killed under connect load, how short and long connections spread, CPU per connection. Takes about two minutes.
 * docs/design/0002-sharing-a-port.md is what was concluded.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Lab, type Started } from './lab/lab.ts'
import { longConnection, manyShort, shortConnection, type Outcome } from './port-sharing/client.ts'
import { WAYS, type ServerCommand, type ServerOptions, type Way } from './port-sharing/ways.ts'
import { asText, type Result, type Row, type Sample } from './report/result.ts'

const SERVER = fileURLToPath(new URL('port-sharing/server.ts', import.meta.url))
const MIGRATE = '/proc/sys/net/ipv4/tcp_migrate_req'
const MAX_WORKERS = 5
const ROUNDS = 3
const SHORT = 1000
const SHORT_AT_A_TIME = 32
const LONG = 4
const LONG_TRIALS = 5
const WARM_UP = 500
/** Connections of the CPU figure: enough that a clock tick of 10 ms does not show. */
const CPU_CONNECTIONS = 4000
/** Connect load: this many at once, so that some are always queued and not accepted. */
const BURST = 100
const BURST_PAUSE_MS = 25
const EVENTS = 6
const EVENT_PAUSE_MS = 150

class Server {
  readonly port: number
  readonly started: Started

  private constructor(port: number, started: Started) {
    this.port = port
    this.started = started
  }

  static async start(lab: Lab, way: Way, workers: number): Promise<Server> {
    const port = await lab.freePort()
    const { kind, hasHandoff } = way
    const options: ServerOptions = { kind, hasHandoff, port, workers, maxWorkers: MAX_WORKERS }
    const started = lab.start(way.name, {
      file: process.execPath,
      args: ['--disable-warning=ExperimentalWarning', SERVER, JSON.stringify(options)],
      hasChannel: true,
    })
    const server = new Server(port, started)
    await server.#done()
    return server
  }

  async ask(act: ServerCommand['act'], index: number): Promise<void> {
    const done = this.#done()
    this.started.child.send({ act, index } satisfies ServerCommand)
    await done
  }

  async #done(): Promise<void> {
    const answered = new Promise<string>((resolve) => {
      this.started.child.once('message', () => resolve('done'))
    })
    const outcome = await Promise.race([answered, this.started.ended])
    if (outcome !== 'done') throw new Error(`${this.started.name} ended: ${this.started.output}`)
  }
}

/** How many of `counts` are on the fullest worker, as a multiple of an even share. */
function unevenness(indices: readonly number[], workers: number): number {
  const counts = Array.from({ length: workers }, () => 0)
  for (const index of indices) if (index >= 0) counts[index] = (counts[index] ?? 0) + 1
  return Math.max(...counts) / (indices.length / workers)
}

async function measureSpread(lab: Lab, way: Way, workers: number): Promise<Sample> {
  const server = await Server.start(lab, way, workers)
  await manyShort(server.port, WARM_UP, SHORT_AT_A_TIME)
  const short = await manyShort(server.port, SHORT, SHORT_AT_A_TIME)
  let long = 0
  for (let trial = 0; trial < LONG_TRIALS; trial++) {
    const opened = []
    for (let index = 0; index < LONG; index++) opened.push(await longConnection(server.port))
    long +=
      unevenness(
        opened.map(({ worker }) => worker),
        workers,
      ) / LONG_TRIALS
    for (const { socket } of opened) socket.destroy()
    await pause(BURST_PAUSE_MS)
  }
  const before = server.started.use().cpuMicros
  const timed = await manyShort(server.port, CPU_CONNECTIONS, SHORT_AT_A_TIME)
  const cpuMicros = (server.started.use().cpuMicros - before) / timed.length
  await server.started.stop()
  return {
    [`short${workers}`]: unevenness(
      short.map(({ worker }) => worker),
      workers,
    ),
    [`long${workers}`]: long,
    [`cpu${workers}`]: cpuMicros,
  }
}

/** Bursts of connections while `act` happens to workers again and again. Answers what was lost. */
async function measureLoss(
  lab: Lab,
  way: Way,
  name: string,
  event: (server: Server, round: number) => Promise<void>,
): Promise<Sample> {
  const server = await Server.start(lab, way, 2)
  await manyShort(server.port, WARM_UP, SHORT_AT_A_TIME)
  const pending: Promise<Outcome>[] = []
  const load = { isOver: false }
  const bursts = (async () => {
    while (!load.isOver) {
      for (let index = 0; index < BURST; index++) pending.push(shortConnection(server.port))
      await pause(BURST_PAUSE_MS)
    }
  })()
  for (let round = 0; round < EVENTS; round++) {
    await pause(EVENT_PAUSE_MS)
    await event(server, round)
  }
  await pause(EVENT_PAUSE_MS)
  load.isOver = true
  await bursts
  const outcomes = await Promise.all(pending)
  await server.started.stop()
  const lost = outcomes.filter(({ end }) => end !== 'answered')
  return {
    // No worker ever said a word to them: lost on the way to a worker.
    [`${name}Queued`]: lost.filter(({ worker }) => worker < 0).length,
    [`${name}Held`]: lost.filter(({ worker }) => worker >= 0).length,
    [`${name}All`]: outcomes.length,
  }
}

async function measureWay(lab: Lab, way: Way): Promise<Sample> {
  const samples = [
    await measureSpread(lab, way, 2),
    await measureSpread(lab, way, 4),
    await measureLoss(lab, way, 'start', (server, round) =>
      round < MAX_WORKERS - 2 ? server.ask('start', 2 + round) : Promise.resolve(),
    ),
    await measureLoss(lab, way, 'end', async (server, round) => {
      await server.ask('end', round % 2)
      await server.ask('start', round % 2)
    }),
    await measureLoss(lab, way, 'kill', (server, round) => server.ask('replace', round % 2)),
  ]
  return Object.assign({}, ...samples) as Sample
}

/** Undefined when the setting is not there or may not be changed. */
function setMigrate(value: string): string | undefined {
  try {
    const before = readFileSync(MIGRATE, 'latin1').trim()
    writeFileSync(MIGRATE, value)
    return before
  } catch {
    return undefined
  }
}

async function measureMigrating(lab: Lab, way: Way, notes: string[]): Promise<Sample | undefined> {
  const before = setMigrate('1')
  if (before === undefined) {
    notes.push(`left out: ${way.name}: net.ipv4.tcp_migrate_req may not be set here`)
    return undefined
  }
  const restore = (): void => void setMigrate(before)
  process.once('exit', restore)
  try {
    return await measureWay(lab, way)
  } finally {
    restore()
    process.off('exit', restore)
  }
}

async function main(): Promise<void> {
  const started = performance.now()
  const lab = new Lab()
  const rows: Row[] = WAYS.map(({ name }) => ({ name, samples: [] }))
  const notes: string[] = []
  try {
    for (let round = 0; round < ROUNDS; round++)
      for (const [index, way] of WAYS.entries()) {
        if (process.stderr.isTTY) process.stderr.write(`\r\x1b[Kround ${round + 1} of ${ROUNDS}: ${way.name}`)
        const sample = way.migrates ? await measureMigrating(lab, way, notes) : await measureWay(lab, way)
        if (sample !== undefined) rows[index]?.samples.push(sample)
      }
  } finally {
    await lab.close()
  }
  const column = (key: string, title: string, digits = 0) => ({ key, title, digits })
  const tables: readonly Result[] = [
    {
      id: 'spread',
      title: `connections on the fullest worker, 1 being an even share: ${SHORT} short ones, ${LONG} long ones; CPU µs of all workers per short connection`,
      columns: [
        column('short2', 'short, 2 workers', 2),
        column('short4', 'short, 4 workers', 2),
        column('long2', 'long, 2 workers', 2),
        column('long4', 'long, 4 workers', 2),
        column('cpu2', 'CPU µs, 2 workers'),
        column('cpu4', 'CPU µs, 4 workers'),
      ],
      rows,
      notes,
    },
    {
      id: 'loss',
      title: `connections lost, bursts of ${BURST} every ${BURST_PAUSE_MS} ms, ${EVENTS} events (starts: ${MAX_WORKERS - 2}); queued: no worker had greeted them, held: the worker had`,
      columns: [
        column('startQueued', 'start: queued'),
        column('startAll', 'of'),
        column('endQueued', 'end: queued'),
        column('endHeld', 'held'),
        column('endAll', 'of'),
        column('killQueued', 'kill: queued'),
        column('killHeld', 'held'),
        column('killAll', 'of'),
      ],
      rows,
      notes: [],
    },
  ]
  for (const table of tables) process.stdout.write(`\n${asText(table)}\n`)
  process.stdout.write(`\ntotal: ${((performance.now() - started) / 1000).toFixed(0)} s\n`)
}

if (import.meta.main) await main()
