/**
 * Limits and timeouts that hold for the whole process; those of one entrypoint are in entry-point.ts. Each has a safe
 * default and a row in docs/reference/limits.md, which is generated from here. Decoded durations are milliseconds.
 */
import { object } from '#lib/schema/composites.ts'
import { duration, integer, size } from '#lib/schema/scalars.ts'
import type { Infer } from '#lib/schema/schema.ts'

export const limitsSchema = object({
  maxHeaderFields: integer({ min: 10, max: 10_000 })
    .default(100)
    .describe('Header fields in one head, from clients and from servers; more get 431 or 502.'),
  maxResponseHeadBytes: size({ min: 1024, max: 16 * 1024 * 1024 })
    .default(65_536)
    .describe("Longest response head of a server; a longer one is the server's error, 502."),
  headTimeout: duration({ minMs: 100 })
    .default(60_000)
    .describe(
      'Time for a complete request head, then 408: for the first one from the opening of the connection (from the end of the handshake with TLS), for later ones from their first byte. Also the time for a TLS handshake. A connection that says nothing is closed without a word.',
    ),
  connectTimeout: duration({ minMs: 1 })
    .default(5000)
    .describe('Time for a connection to a server, TLS included; then the next server, or 504.'),
  responseHeadTimeout: duration({ minMs: 1 })
    .default(60_000)
    .describe(
      'Time from the end of the request to the head of the response; then 504. The end of a request above 64 KiB is when the server has taken all of it.',
    ),
  responseGapTimeout: duration({ minMs: 1 })
    .default(60_000)
    .describe(
      'Longest pause between two pieces of a response body; then the response is cut. There is no total.',
    ),
  requestSendTimeout: duration({ minMs: 1 })
    .default(60_000)
    .describe(
      'Longest time in which a server takes nothing of a request that waits for it; then 504. One that takes it slowly is left in peace.',
    ),
  tunnelIdleTimeout: duration({ minMs: 100 })
    .default(3_600_000)
    .describe(
      'A WebSocket (or other upgraded) connection is closed after this long without a byte either way.',
    ),
  upstreamIdleTimeout: duration({ minMs: 100 })
    .default(60_000)
    .describe(
      "Idle connections to servers are closed after this, or before the server's own `Keep-Alive: timeout`.",
    ),
  maxIdlePerServer: integer({ min: 0, max: 100_000 })
    .default(200)
    .describe('Idle connections kept for one server by one worker.'),
  maxConnections: integer({ min: 1 })
    .default(65_536)
    .describe('Client connections of the process; above it accepting pauses.'),
  maxConnectionsPerClient: integer({ min: 0 })
    .default(16_384)
    .describe('Connections of one client address over all workers; more are closed at once. 0: no limit.'),
  memoryBudget: size({ min: 1024 * 1024 })
    .optional()
    .describe(
      'Bytes that one worker may hold in buffers; above it new requests get 503. Without it: derived from the memory that the control group or the machine has.',
    ),
})

export type Limits = Infer<typeof limitsSchema>
