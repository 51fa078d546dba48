/**
 * What `kubectl logs` may ask for (core/v1 PodLogOptions, as the API server hands it on to a kubelet), and how a line is
 * written. Pure.
 */
import type { LogLine } from './container-log.ts'

export interface LogQuery {
  readonly follow: boolean
  readonly previous: boolean
  readonly timestamps: boolean
  /** Milliseconds since the epoch; older lines are left out. */
  readonly since: number
  /** Lines at the end. */
  readonly tail: number
  readonly limitBytes: number
}

/** A text says what is wrong with it. `now`: milliseconds since the epoch. */
export function parseLogQuery(query: URLSearchParams, now: number): LogQuery | string {
  const number = (name: string): number => Number(query.get(name) ?? Number.NaN)
  for (const name of ['sinceSeconds', 'tailLines', 'limitBytes']) {
    if (query.has(name) && !/^[0-9]{1,15}$/.test(query.get(name) ?? ''))
      return `${name} must be a whole number`
  }
  const sinceTime = query.get('sinceTime')
  if (sinceTime !== null && query.has('sinceSeconds'))
    return 'at most one of sinceTime and sinceSeconds may be given'
  const since = sinceTime === null ? now - number('sinceSeconds') * 1000 : Date.parse(sinceTime)
  if (sinceTime !== null && Number.isNaN(since)) return 'sinceTime must be a time as in RFC 3339'
  return {
    follow: query.get('follow') === 'true',
    previous: query.get('previous') === 'true',
    timestamps: query.get('timestamps') === 'true',
    since: Number.isNaN(since) ? -Infinity : since,
    tail: query.has('tailLines') ? number('tailLines') : Infinity,
    limitBytes: query.has('limitBytes') ? number('limitBytes') : Infinity,
  }
}

/** Of what is there already. */
export function selectLines(lines: readonly LogLine[], query: LogQuery): readonly LogLine[] {
  const recent = query.since === -Infinity ? lines : lines.filter(({ at }) => at >= query.since)
  return query.tail === Infinity ? recent : recent.slice(Math.max(0, recent.length - query.tail))
}

export function lineBytes(line: LogLine, timestamps: boolean): Buffer {
  const time = timestamps ? `${nanoTime(line.at)} ` : ''
  return Buffer.concat([Buffer.from(time), line.text, Buffer.from(line.isPartial === true ? '' : '\n')])
}

/** RFC 3339 with nine digits, the last three zero: microseconds are what the clock gives. */
export function nanoTime(at: number): string {
  const ms = Math.floor(at)
  const micros = Math.floor((at - ms) * 1000)
  return `${new Date(ms).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}000Z`
}
