/**
 * The client side of every attack case against nginx, HAProxy and Node's parser: what reaches a backend through them is compared with what
 * our codec lets through. Each difference has to be explained in differences.ts.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseAuthority } from '#wire/http1/authority.ts'
import { ATTACKS } from './attacks/all.ts'
import type { AttackCase } from './attacks/case.ts'
import { runCodec } from './codec-driver.ts'
import { explain, explainedCases, type DifferenceKind } from './differences.ts'
import { exchangeBytes, startPeer, type Peer, type PeerName, type SeenRequest } from './peers.ts'

const SLOTS = 24
const cases = ATTACKS.filter((one) => one.side === 'client')

function hostOf(authority: string): string {
  return parseAuthority(authority)?.host ?? authority.toLowerCase()
}

/** How the peer differs from us, null when it does not. */
function difference(one: AttackCase, seen: readonly SeenRequest[]): DifferenceKind | null {
  const ours = runCodec('client', Buffer.from(one.bytes, 'latin1'))
  if (seen.length > ours.messages) return 'lets more through'
  if (seen.length < ours.messages) return 'lets less through'
  if (one.expect !== 'accept' || seen.length === 0) return null
  if (seen.map((request) => request.body).join('') !== ours.body) return 'reads another body'
  return hostOf(seen.at(-1)!.host) === hostOf(ours.host) ? null : 'reads another host'
}

async function unexplained(peer: Peer): Promise<string[]> {
  const found: string[] = []
  const waiting = [...cases]
  const work = peer.slots.map(async (slot) => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const answer = await exchangeBytes(slot.port, Buffer.from(one.bytes, 'latin1'))
      const kind = difference(one, slot.take())
      if (kind === null || explain(peer.name, one, kind) !== null) continue
      found.push(
        `${one.group}: ${one.name}: ${peer.name} ${kind}; answer ${JSON.stringify(answer.slice(0, 60))}`,
      )
    }
  })
  await Promise.all(work)
  return found.toSorted()
}

describe('other servers given the same bytes', { concurrency: true }, () => {
  const names: readonly PeerName[] = ['nginx', 'haproxy', 'node']
  for (const name of names) {
    it(`${name} differs only where differences.ts says why`, { timeout: 240_000 }, async (t) => {
      const peer = await startPeer(name, SLOTS)
      if (peer === null) {
        assert.notEqual(process.env['CI'], 'true', `${name} is not installed`)
        t.skip(`${name} is not installed and could not be`)
        return
      }
      try {
        t.diagnostic(`${name} ${peer.version}, ${cases.length} cases`)
        assert.deepEqual(await unexplained(peer), [])
      } finally {
        await peer.stop()
      }
    })
  }
})

it('explains only cases that exist', () => {
  const stale = explainedCases().filter(
    ({ group, name }) => !cases.some((one) => one.group === group && (name === null || one.name === name)),
  )
  assert.deepEqual(stale, [])
})
