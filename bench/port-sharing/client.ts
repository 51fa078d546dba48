/** Connections to the server program, and what became of each. */
import { connect, type Socket } from 'node:net'

export interface Outcome {
  /** Worker that said its index; -1 when none did. */
  readonly worker: number
  readonly end: 'answered' | 'refused' | 'reset' | 'silent'
}

const SILENT_MS = 5000

/** Connects, sends a byte, waits for greeting and answer. */
export function shortConnection(port: number): Promise<Outcome> {
  return new Promise((resolve) => {
    let text = ''
    let end: Outcome['end'] = 'reset'
    const socket = connect(port, '127.0.0.1', () => socket.write('x'))
    const timer = setTimeout(() => {
      end = 'silent'
      socket.destroy()
    }, SILENT_MS)
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (text.endsWith('.')) end = 'answered'
    })
    socket.on('error', (error: Error & { code?: string }) => {
      if (error.code === 'ECONNREFUSED') end = 'refused'
    })
    socket.once('close', () => {
      clearTimeout(timer)
      resolve({ worker: text === '' || text === '.' ? -1 : Number(text.slice(0, 1)), end })
    })
  })
}

/** `count` of them, `atATime` open at once. */
export async function manyShort(port: number, count: number, atATime: number): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  let left = count
  const one = async (): Promise<void> => {
    while (left-- > 0) outcomes.push(await shortConnection(port))
  }
  await Promise.all(Array.from({ length: atATime }, () => one()))
  return outcomes
}

/** A connection that stays, and the worker that has it. */
export function longConnection(port: number): Promise<{ readonly worker: number; readonly socket: Socket }> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('data', (chunk: Buffer) =>
      resolve({ worker: Number(chunk.toString('latin1').slice(0, 1)), socket }),
    )
    socket.once('error', reject)
  })
}
