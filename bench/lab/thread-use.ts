/**
 * CPU time of the threads of a process group by their names (proc(5)), for what one process does in several: Sekisho's
 * control (`node-MainThread`), its workers (`worker-0`, …), and what V8 and libuv have beside them.
 */
import { readdirSync, readFileSync } from 'node:fs'

const TICK_MILLIS = 10
/** Fields behind the name in parentheses. */
const FIELD_GROUP = 2
const FIELD_UTIME = 11
const FIELD_STIME = 12

export interface ThreadUse {
  /** Milliseconds, in steps of 10. */
  readonly control: number
  readonly workers: number
  /** Garbage collection and compilation in the background, name look-ups, files. */
  readonly others: number
}

export function useOfThreads(group: number): ThreadUse {
  const sums = { control: 0, workers: 0, others: 0 }
  for (const pid of numbersIn('/proc')) {
    const process = statOf(`/proc/${pid}`)
    if (process === undefined || Number(process.fields[FIELD_GROUP]) !== group) continue
    for (const tid of numbersIn(`/proc/${pid}/task`)) {
      const thread = statOf(`/proc/${pid}/task/${tid}`)
      if (thread === undefined) continue
      const kind = tid === pid ? 'control' : thread.name.startsWith('worker-') ? 'workers' : 'others'
      sums[kind] += (Number(thread.fields[FIELD_UTIME]) + Number(thread.fields[FIELD_STIME])) * TICK_MILLIS
    }
  }
  return sums
}

function numbersIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((entry) => /^\d+$/.test(entry))
  } catch {
    return []
  }
}

/** Undefined when it ended meanwhile. */
function statOf(
  directory: string,
): { readonly name: string; readonly fields: readonly string[] } | undefined {
  try {
    const line = readFileSync(`${directory}/stat`, 'latin1')
    const end = line.lastIndexOf(')')
    return { name: line.slice(line.indexOf('(') + 1, end), fields: line.slice(end + 2).split(' ') }
  } catch {
    return undefined
  }
}
