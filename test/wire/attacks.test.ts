/** Every attack case against the codec, whole and in pieces, and against the page that explains it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { WIRE_ERROR_CODES, wireError } from '#wire/http1/codes.ts'
import { ATTACKS } from './attacks/all.ts'
import type { AttackCase } from './attacks/case.ts'
import { everyByte, runCodec, type Outcome } from './codec-driver.ts'

function check(one: AttackCase, outcome: Outcome): void {
  assert.equal(outcome.expect, one.expect, outcome.events.join('\n'))
  assert.equal(outcome.code, one.code ?? '')
  assert.equal(outcome.messages, one.messages ?? 1)
  if (one.body !== undefined) assert.equal(outcome.body, one.body)
  if (one.host !== undefined) assert.equal(outcome.host, one.host)
}

const groups = Map.groupBy(ATTACKS, (one) => one.group)

for (const [group, cases] of groups) {
  describe(`${cases[0]!.side}: ${group}`, () => {
    for (const one of cases) {
      it(`${one.expect}s ${one.name}`, () => {
        const bytes = Buffer.from(one.bytes, 'latin1')
        const method = one.method ?? 'GET'
        const whole = runCodec(one.side, bytes, { method })
        check(one, whole)
        const pieces = runCodec(one.side, bytes, { method, cuts: everyByte(bytes.length) })
        assert.deepEqual(pieces.events, whole.events)
        check(one, pieces)
        // In two pieces, cut at every byte of the first 150: shortcuts that look ahead must not see the cut.
        for (let cut = 1; cut < Math.min(bytes.length, 150); cut++) {
          const two = runCodec(one.side, bytes, { method, cuts: [cut] })
          assert.deepEqual(two.events, whole.events, `cut at ${cut}`)
        }
      })
    }
  })
}

describe('the table of attacks', () => {
  const page = readFileSync(new URL('../../docs/internals/attacks.md', import.meta.url), 'utf8')
  const documented = [...page.matchAll(/^### ([a-z0-9-]+)$/gm)].map((match) => match[1]!)

  it('has at least three cases for each class', () => {
    const thin = [...groups].filter(([, cases]) => cases.length < 3).map(([group]) => group)
    assert.deepEqual(thin, [])
  })

  it('has the same classes as docs/internals/attacks.md', () => {
    assert.deepEqual(documented.toSorted(), [...groups.keys()].toSorted())
  })

  it('names every case once within its class', () => {
    const names = ATTACKS.map((one) => `${one.group}: ${one.name}`)
    assert.deepEqual(
      names.filter((name, index) => names.indexOf(name) !== index),
      [],
    )
  })

  it('reaches every error code of the codec', () => {
    // A cut body is an event of its own kind: `close`.
    const reached = new Set([...ATTACKS.map((one) => one.code), 'body-cut'])
    const missed = WIRE_ERROR_CODES.map((code) => wireError(code).name).filter((name) => !reached.has(name))
    assert.deepEqual(missed, [])
  })
})
