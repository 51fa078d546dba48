import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  generateTicketKey,
  TICKET_KEY_BYTES,
  TICKET_KEY_PERIOD_MS,
  ticketKeysAt,
  ticketKeysDueInMs,
} from './ticket-keys.ts'

function counter(): () => Buffer {
  let n = 0
  return () => Buffer.from([++n])
}

test('a key makes tickets for one period, opens them for one more, and is gone', () => {
  const generate = counter()
  const key = (n: number): Buffer => Buffer.from([n])
  const first = ticketKeysAt(null, 1000, generate)
  assert.deepEqual(first, { keys: { current: key(1) }, since: 1000 })
  const lastMoment = 1000 + TICKET_KEY_PERIOD_MS - 1
  assert.equal(ticketKeysAt(first, lastMoment, generate), first)
  const second = ticketKeysAt(first, lastMoment + 1, generate)
  assert.deepEqual(second, { keys: { current: key(2), previous: key(1) }, since: lastMoment + 1 })
  const third = ticketKeysAt(second, second.since + TICKET_KEY_PERIOD_MS, generate)
  assert.deepEqual(third.keys, { current: key(3), previous: key(2) })
})

test('after a pause of two periods no old key is accepted', () => {
  const generate = counter()
  const first = ticketKeysAt(null, 0, generate)
  const late = ticketKeysAt(first, 2 * TICKET_KEY_PERIOD_MS, generate)
  assert.deepEqual(late, { keys: { current: Buffer.from([2]) }, since: 2 * TICKET_KEY_PERIOD_MS })
})

test('the wait until the next change shrinks to zero', () => {
  const state = ticketKeysAt(null, 500, counter())
  assert.equal(ticketKeysDueInMs(state, 500), TICKET_KEY_PERIOD_MS)
  assert.equal(ticketKeysDueInMs(state, 500 + TICKET_KEY_PERIOD_MS - 1), 1)
  assert.equal(ticketKeysDueInMs(state, 500 + TICKET_KEY_PERIOD_MS), 0)
  assert.equal(ticketKeysDueInMs(state, 500 + 5 * TICKET_KEY_PERIOD_MS), 0)
})

test('keys have the length that OpenSSL wants and differ', () => {
  const key = generateTicketKey()
  assert.equal(key.length, TICKET_KEY_BYTES)
  assert.notDeepEqual(key, generateTicketKey())
})
