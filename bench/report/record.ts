/** One run as JSON: where and with what it was measured, and every figure of every round. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, type } from 'node:os'
import { dirname } from 'node:path'
import type { Result } from './result.ts'

export interface RunRecord {
  /** ISO 8601, UTC. */
  readonly date: string
  readonly kernel: string
  readonly processor: string
  readonly cores: number
  /** Load average of the last minute when the run began: above about 0.5 others were using the machine. */
  readonly loadBefore: number
  readonly rounds: number
  readonly seconds: number
  readonly versions: Readonly<Record<string, string>>
  /** Peers and scenarios that were not measured, with reasons. */
  readonly leftOut: readonly string[]
  readonly results: readonly Result[]
}

export function machineFacts(): Pick<RunRecord, 'kernel' | 'processor' | 'cores' | 'loadBefore'> {
  return {
    kernel: `${type()} ${release()}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    loadBefore: loadavg()[0] ?? 0,
  }
}

/** NaN, which JSON does not have, becomes null and is read as a round without that figure. */
export function writeRecord(file: string, record: RunRecord): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(record, undefined, 1)}\n`)
}

export function readRecord(file: string): RunRecord {
  const revive = (_key: string, value: unknown): unknown => (value === null ? Number.NaN : value)
  return JSON.parse(readFileSync(file, 'utf8'), revive) as RunRecord
}
