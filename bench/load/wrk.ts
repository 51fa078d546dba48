/** Closed-loop load by wrk: one thread, keep-alive connections, as many requests as the proxy answers. */
import { fileURLToPath } from 'node:url'
import { LOAD_CORE, type Lab, type Started } from '../lab/lab.ts'

const REPORT = fileURLToPath(new URL('report.lua', import.meta.url))
export const CONNECTIONS = 64

export interface WrkOptions {
  readonly url: string
  readonly host: string
  readonly seconds: number
  readonly connections?: number
}

/** Durations in microseconds. */
export interface WrkResult {
  readonly requests: number
  readonly bytes: number
  readonly micros: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
}

interface WrkReport extends WrkResult {
  readonly status: number
  readonly connect: number
  readonly read: number
  readonly write: number
  readonly timeout: number
}

/** Throws when a request failed: a figure with failed requests in it says nothing. */
export async function runWrk(lab: Lab, options: WrkOptions): Promise<WrkResult> {
  const connections = String(options.connections ?? CONNECTIONS)
  const args = ['-t1', `-c${connections}`, `-d${options.seconds}s`, '-s', REPORT]
  const wrk = lab.start('wrk', {
    file: 'wrk',
    args: [...args, '--latency', '-H', `Host: ${options.host}`, options.url],
    core: LOAD_CORE,
  })
  await wrk.ended
  const json = /^JSON (.*)$/m.exec(wrk.output)?.[1]
  if (json === undefined) throw new Error(`wrk failed: ${wrk.output}`)
  const report = JSON.parse(json) as WrkReport
  const failed = report.status + report.connect + report.read + report.write + report.timeout
  if (failed > 0 || report.requests === 0) throw new Error(`wrk on ${options.url}: failed requests: ${json}`)
  return report
}

export interface LoadSample {
  readonly requests: number
  readonly requestsPerSecond: number
  /** User and system time of the whole process group per request. */
  readonly cpuMicros: number
  readonly cpuSeconds: number
  readonly megabytesPerCpuSecond: number
  readonly p50: number
  readonly p99: number
  readonly residentMegabytes: number
}

/** Loads a running proxy and says what that cost it. */
export async function loadAndMeasure(lab: Lab, proxy: Started, options: WrkOptions): Promise<LoadSample> {
  const before = proxy.use()
  const result = await runWrk(lab, options)
  const after = proxy.use()
  const cpuMicros = after.cpuMicros - before.cpuMicros
  return {
    requests: result.requests,
    requestsPerSecond: result.requests / (result.micros / 1e6),
    cpuMicros: cpuMicros / result.requests,
    cpuSeconds: cpuMicros / 1e6,
    megabytesPerCpuSecond: result.bytes / cpuMicros,
    p50: result.p50,
    p99: result.p99,
    residentMegabytes: after.residentBytes / 1e6,
  }
}
