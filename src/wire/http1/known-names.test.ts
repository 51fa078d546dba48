import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as names from './known-names.ts'
import { viewOf } from './words.ts'

const ids: [string, number][] = []
for (const [constant, id] of Object.entries(names)) {
  if (typeof id === 'number' && !constant.endsWith('_VARIANT')) ids.push([constant, id])
}

function idOfToken(text: string): number {
  const buffer = Buffer.from(`xyz${text}:   `, 'latin1')
  return names.knownNameIdOfToken(buffer, viewOf(buffer), 3, 3 + text.length)
}

describe('known names', () => {
  for (const [constant, id] of ids) {
    const name = constant.slice(2).toLowerCase().replaceAll('_', '-')
    it(`finds ${name} in any case, as text and as bytes`, () => {
      assert.equal(names.nameOfId(id), name)
      for (const text of [name, name.toUpperCase(), name[0]!.toUpperCase() + name.slice(1)]) {
        assert.equal(names.knownNameId(text), id)
        assert.equal(idOfToken(text), id)
      }
    })

    it(`takes nothing else for ${name}`, () => {
      for (let i = 0; i < name.length; i++) {
        for (const other of ['!', '0', '.', '~', '^', 'q']) {
          if (name[i] === other) continue
          const text = name.slice(0, i) + other + name.slice(i + 1)
          assert.equal(names.knownNameId(text), 0, text)
          assert.equal(idOfToken(text), 0, text)
        }
      }
      assert.equal(idOfToken(`${name}x`), 0)
      assert.equal(idOfToken(`x${name}`), 0)
    })
  }

  it('gives every name another id that fits the masks of a head', () => {
    assert.equal(new Set(ids.map(([, id]) => id)).size, ids.length)
    for (const [constant, id] of ids) assert.ok(id >= 1 && id <= 60, constant)
  })

  it('recognises forwarding fields with underscores', () => {
    for (const name of ['X_Forwarded_For', 'x-forwarded_proto', 'X_REAL_IP', 'X_Original-URI', 'x_scheme']) {
      assert.equal(names.knownNameId(name), names.H_FORWARDING_VARIANT, name)
    }
  })

  it('recognises framing fields with underscores', () => {
    assert.equal(names.knownNameId('Content_Length'), names.H_FRAMING_VARIANT)
    assert.equal(names.knownNameId('transfer_encoding'), names.H_FRAMING_VARIANT)
  })

  it('leaves other names with underscores alone', () => {
    assert.equal(names.knownNameId('User_Agent'), 0)
    assert.equal(names.knownNameId('x_request_id'), 0)
    assert.equal(names.knownNameId('x_forwarded_foo'), 0)
  })

  it('knows nothing of empty, long and non-ASCII names', () => {
    for (const name of ['', 'x'.repeat(1000), 'hõst', 'ho\u{12a}t']) assert.equal(names.knownNameId(name), 0)
  })
})
