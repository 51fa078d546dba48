/**
 * `kubectl exec` over a WebSocket (v5.channel.k8s.io, KEP-4006): the first byte of each message is a channel: 0 standard
 * input, 1 output, 2 errors, 3 how it ended (a Status), 255 closes the channel named by the second byte. No terminals.
 */
import type { WebSocket } from 'ws'
import { endGroup } from './container-process.ts'
import type { ContainerRun } from './container-run.ts'

export const EXEC_PROTOCOL = 'v5.channel.k8s.io'

const STDIN = 0
const STDOUT = 1
const STDERR = 2
const STATUS = 3
const CLOSE = 255
const NORMAL = 1000
/** Codes that a shell gives to what could not be run. */
const CANNOT_RUN = [126, 127]

export function runExec(socket: WebSocket, run: ContainerRun, command: readonly string[]): void {
  const child = run.process.exec([...run.prefix, ...command])
  const send = (channel: number, data: Buffer): void => socket.send(Buffer.concat([Buffer.of(channel), data]))
  child.stdout.on('data', (piece: Buffer) => send(STDOUT, piece))
  child.stderr.on('data', (piece: Buffer) => send(STDERR, piece))
  child.stdin.on('error', () => {})
  socket.on('message', (data: Buffer) => {
    if (data[0] === STDIN) child.stdin.write(data.subarray(1))
    else if (data[0] === CLOSE && data[1] === STDIN) child.stdin.end()
  })
  socket.on('close', () => {
    endGroup(child)
  })
  child.on('close', (code) => {
    send(STATUS, Buffer.from(JSON.stringify(statusOf(code ?? 137))))
    socket.close(NORMAL)
  })
}

function statusOf(code: number): unknown {
  if (code === 0) return { metadata: {}, status: 'Success' }
  const text = CANNOT_RUN.includes(code) ? 'the command could not be run' : 'command terminated'
  return {
    metadata: {},
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: `${text} with non-zero exit code: ${code}`,
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  }
}
