/** The server program: control of one way to share a port, told by its parent when workers start, end or are killed. */
import { createServer, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { duplicate } from '#net/ffi.ts'
import { ListeningSocket } from '#net/listening-socket.ts'
import { createHandoffTable, markAbsent } from '#net/workers/handoff.ts'
import type { ServerCommand, ServerOptions, WorkerOptions } from './ways.ts'

const ENTRY = new URL('worker.ts', import.meta.url)
const BACKLOG = 4096

const options = JSON.parse(process.argv[2] ?? '{}') as ServerOptions
const workers: (Worker | undefined)[] = Array.from({ length: options.maxWorkers })
/** Connections that control gave away and that have not been closed. */
const given = workers.map(() => 0)
const table = createHandoffTable(options.maxWorkers)
const listening = options.kind === 'shared' ? ListeningSocket.bind('127.0.0.1', options.port) : undefined

function startWorker(index: number): Promise<void> {
  const data: WorkerOptions = { ...options, index, table, fd: listening?.duplicate() ?? -1 }
  const worker = new Worker(ENTRY, { workerData: data })
  given[index] = 0
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.on('message', (message) => {
      if (message === 'closed') given[index] = (given[index] ?? 1) - 1
      else {
        workers[index] = worker
        resolve()
      }
    })
  })
}

async function removeWorker(index: number, isKilled: boolean): Promise<void> {
  const worker = workers[index]
  if (worker === undefined) return
  workers[index] = undefined
  markAbsent(table, index)
  const ended = new Promise((resolve) => {
    worker.once('exit', resolve)
  })
  if (isKilled) await worker.terminate()
  else worker.postMessage('end')
  await ended
}

/** Way C: the worker with the fewest connections gets it. */
function giveAway(socket: Socket): void {
  let best = -1
  for (const [index, worker] of workers.entries())
    if (worker !== undefined && (best < 0 || given[index]! < given[best]!)) best = index
  const fd = duplicate((socket as unknown as { _handle: { fd: number } })._handle.fd)
  given[best] = (given[best] ?? 0) + 1
  workers[best]?.postMessage({ fd })
  socket.destroy()
}

async function obey({ act, index }: ServerCommand): Promise<void> {
  if (act === 'start') await startWorker(index)
  else await removeWorker(index, act === 'kill' || act === 'replace')
  // As a pool does when a worker died: another one at once.
  if (act === 'replace') await startWorker(index)
  process.send?.('done')
}

for (let index = 0; index < options.maxWorkers; index++) markAbsent(table, index)
for (let index = 0; index < options.workers; index++) await startWorker(index)
if (options.kind === 'control') {
  const server = createServer({ pauseOnConnect: true }, giveAway)
  await new Promise<void>((resolve) => {
    server.listen({ host: '127.0.0.1', port: options.port, backlog: BACKLOG }, resolve)
  })
}
process.on('message', (command: ServerCommand) => void obey(command))
process.send?.('done')
