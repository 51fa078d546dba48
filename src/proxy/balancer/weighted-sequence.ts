/**
 * Weights as a fixed cyclic order in which each server appears as often as its weight says, spread evenly. Walking
 * it is weighted round robin; a random element of it is a weighted random choice. Every worker computes the same.
 */
import type { Server } from '../upstream/server.ts'

/** Longest sequence; finer proportions are rounded, and nobody falls below one turn. */
export const MAX_TURNS = 16_384

/** Null when all weights are equal: then the list itself is the sequence. */
export function weightedSequence(servers: readonly Server[]): Uint16Array | Uint32Array | null {
  const first = servers[0]!.weight
  if (servers.every((server) => server.weight === first)) return null
  const turns = turnsOf(servers)
  const total = turns.reduce((sum, count) => sum + count, 0)
  // The k-th of a server's n turns is due at (k + phase) / n of the cycle. Phases differ by the golden ratio, so that
  // servers do not come due together. Time and index share one number, which sorts without a comparison function.
  const due = new Float64Array(total)
  let at = 0
  turns.forEach((count, index) => {
    const phase = ((index + 1) * 0.618_033_988_749_895) % 1
    for (let k = 0; k < count; k++) due[at++] = Math.floor(((k + phase) / count) * 2 ** 32) * 2 ** 20 + index
  })
  due.sort()
  const sequence = servers.length <= 65_536 ? new Uint16Array(total) : new Uint32Array(total)
  for (let i = 0; i < total; i++) sequence[i] = due[i]! % 2 ** 20
  return sequence
}

/** Whole turns per cycle in the proportion of the weights, as few as possible. */
function turnsOf(servers: readonly Server[]): number[] {
  const weights = servers.map((server) => server.weight)
  const divisor = weights.reduce(greatestCommonDivisor)
  const turns = weights.map((weight) => weight / divisor)
  const total = turns.reduce((sum, count) => sum + count, 0)
  if (total <= MAX_TURNS) return turns
  return turns.map((count) => Math.max(1, Math.round((count * MAX_TURNS) / total)))
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b]
  return a
}
