/** The ways to share a listening port among the workers of one process that are compared. */

export interface Way {
  readonly name: string
  readonly kind: 'shared' | 'reuse-port' | 'control'
  /** Accepted sockets go to the least loaded worker. */
  readonly hasHandoff: boolean
  /** With net.ipv4.tcp_migrate_req=1. */
  readonly migrates: boolean
}

export const WAYS: readonly Way[] = [
  { name: 'A0 one socket, every worker accepts', kind: 'shared', hasHandoff: false, migrates: false },
  { name: 'A  the same, with handoff', kind: 'shared', hasHandoff: true, migrates: false },
  { name: 'B  SO_REUSEPORT, a socket each', kind: 'reuse-port', hasHandoff: false, migrates: false },
  { name: 'B+ the same, tcp_migrate_req=1', kind: 'reuse-port', hasHandoff: false, migrates: true },
  { name: 'C  control accepts and gives', kind: 'control', hasHandoff: false, migrates: false },
]

/** Argument of the server program, as JSON. */
export interface ServerOptions {
  readonly kind: Way['kind']
  readonly hasHandoff: boolean
  readonly port: number
  readonly workers: number
  /** Indices that workers may have. */
  readonly maxWorkers: number
}

/** `workerData` of a worker of the server program. */
export interface WorkerOptions extends ServerOptions {
  readonly index: number
  readonly table: SharedArrayBuffer
  /** Descriptor of the shared listening socket, this worker's own; -1 when it has none. */
  readonly fd: number
}

/** What the parent asks of the server program; it answers each with `'done'`. */
export interface ServerCommand {
  readonly act: 'start' | 'end' | 'kill' | 'replace'
  readonly index: number
}
