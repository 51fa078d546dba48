/**
 * Keys of TLS session tickets (RFC 8446 §4.6.1, RFC 5077) and when they change. Control owns the state and sends
 * `keys` to every worker; workers give them to `CertificateStore.setTicketKeys`. Pure functions of the clock.
 *
 * A key makes tickets for one period and is accepted for one more, so a stolen key opens at most two periods of
 * TLS 1.2 traffic without forward secrecy. Keys live in memory only.
 */
import { randomBytes } from 'node:crypto'

/** OpenSSL's layout in Node: name (16), HMAC key (16), AES key (16). */
export const TICKET_KEY_BYTES = 48
export const TICKET_KEY_NAME_BYTES = 16
export const TICKET_KEY_PERIOD_MS = 12 * 3_600_000

export interface TicketKeys {
  /** Makes tickets and accepts them. */
  readonly current: Buffer
  /** Accepts tickets. */
  readonly previous?: Buffer
}

export interface TicketKeyState {
  readonly keys: TicketKeys
  /** When `current` came into force, in milliseconds on the clock of the caller. */
  readonly since: number
}

export function generateTicketKey(): Buffer {
  return randomBytes(TICKET_KEY_BYTES)
}

/** The state that holds at `now`: the same object while no change is due. Null starts. */
export function ticketKeysAt(
  state: TicketKeyState | null,
  now: number,
  generate: () => Buffer = generateTicketKey,
): TicketKeyState {
  if (state === null) return { keys: { current: generate() }, since: now }
  const age = now - state.since
  if (age < TICKET_KEY_PERIOD_MS) return state
  // After a suspend of more than a period the old key is over as well.
  if (age >= 2 * TICKET_KEY_PERIOD_MS) return { keys: { current: generate() }, since: now }
  return { keys: { current: generate(), previous: state.keys.current }, since: now }
}

/** Milliseconds until `ticketKeysAt` will give another state; 0 when it is due. */
export function ticketKeysDueInMs(state: TicketKeyState, now: number): number {
  return Math.max(0, state.since + TICKET_KEY_PERIOD_MS - now)
}
