/**
 * A worker of the server program. To every connection it says its index at once; to the first byte it answers after
 * HOLD_MS and closes. `'end'` ends it in good order: no more connections, those it has are finished.
 */
import { createServer, Socket, type Server } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { closeDescriptor, duplicate } from '#net/ffi.ts'
import { Handoff } from '#net/workers/handoff.ts'
import type { WorkerOptions } from './ways.ts'

const HOLD_MS = 2
const BACKLOG = 4096

const options = workerData as WorkerOptions
const port = parentPort!
let open = 0
let isEnding = false
let server: Server | undefined

const handoff = options.hasHandoff
  ? new Handoff(options.table, options.index, 'port-sharing', (fd) => serve(new Socket({ fd })))
  : undefined

handoff?.begin()

function serve(socket: Socket): void {
  open++
  socket.on('error', () => {})
  socket.once('close', () => {
    open--
    handoff?.release()
    port.postMessage('closed')
    endWhenIdle()
  })
  socket.write(String(options.index))
  socket.once('data', () => setTimeout(() => socket.end('.'), HOLD_MS))
  socket.resume()
}

function accept(socket: Socket): void {
  const chosen = handoff?.claim() ?? options.index
  if (handoff === undefined || chosen === options.index) return serve(socket)
  const fd = duplicate((socket as unknown as { _handle: { fd: number } })._handle.fd)
  if (handoff.give(chosen, fd, 0)) {
    socket.destroy()
    return
  }
  closeDescriptor(fd)
  serve(socket)
}

function endWhenIdle(): void {
  if (isEnding && open === 0) process.exit(0)
}

port.on('message', (message: 'end' | { fd: number }) => {
  if (message !== 'end') {
    serve(new Socket({ fd: message.fd, readable: true, writable: true }))
    return
  }
  isEnding = true
  if (server === undefined) endWhenIdle()
  else server.close(() => endWhenIdle())
})

if (options.kind === 'control') {
  port.postMessage('ready')
} else {
  // Sockets start paused: one that is given away must not have been read from.
  server = createServer({ pauseOnConnect: true, noDelay: true }, accept)
  const ready = (): void => port.postMessage('ready')
  // With a descriptor Node takes the backlog from the second argument only.
  if (options.kind === 'shared') server.listen({ fd: options.fd } as never, BACKLOG as never, ready as never)
  else server.listen({ host: '127.0.0.1', port: options.port, reusePort: true, backlog: BACKLOG }, ready)
}
