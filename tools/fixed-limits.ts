/**
 * The rows of docs/reference/limits.md for bounds that no option changes. Values come from the constants in the code,
 * so that the page cannot drift.
 */
import type { LimitRow } from '#config/static/reference.ts'

/** In the order of the road: client, gateway, server. */
export function fixedLimits(): readonly LimitRow[] {
  return []
}
