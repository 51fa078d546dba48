/**
 * What a process group has used, read from /proc/<pid>/stat (proc(5)): CPU time of all its processes and threads, and
 * resident memory. A peer is started as leader of a group of its own, so master, workers and threads are one figure.
 */
import { readFileSync, readdirSync } from 'node:fs'

/** sysconf(_SC_CLK_TCK) of every Linux that Node runs on. */
const TICK_MICROS = 10_000
const PAGE_BYTES = 4096

/** Fields of /proc/<pid>/stat after the name in parentheses, counted from the state (field 3 of proc(5)). */
const FIELD_GROUP = 2
const FIELD_UTIME = 11
const FIELD_CSTIME = 14
const FIELD_RSS = 21

export interface GroupUse {
  /** User and system time in microseconds, children that ended included; a multiple of 10 ms. */
  readonly cpuMicros: number
  /** Sum over the processes: pages that two of them share count twice. */
  readonly residentBytes: number
  readonly processes: number
}

/** Zeros when no process of the group is left. */
export function useOfGroup(group: number): GroupUse {
  let cpuMicros = 0
  let residentBytes = 0
  let processes = 0
  for (const entry of readdirSync('/proc')) {
    const first = entry.charCodeAt(0)
    if (first < 0x31 || first > 0x39) continue
    const fields = statFields(entry)
    if (fields === undefined || Number(fields[FIELD_GROUP]) !== group) continue
    processes++
    residentBytes += Number(fields[FIELD_RSS]) * PAGE_BYTES
    for (let field = FIELD_UTIME; field <= FIELD_CSTIME; field++)
      cpuMicros += Number(fields[field]) * TICK_MICROS
  }
  return { cpuMicros, residentBytes, processes }
}

/** Undefined when the process ended meanwhile. */
function statFields(pid: string): readonly string[] | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return line.slice(line.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
