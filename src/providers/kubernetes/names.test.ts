import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createdAt, NameRegistry, NOT_CREATED, readableName } from './names.ts'

describe('names', () => {
  const rows: readonly [text: string, readable: string][] = [
    ['shop-web-shop.example-/app', 'shop-web-shop-example-app'],
    ['--a//b--', 'a-b'],
    ['Ab9', 'Ab9'],
    ['(/|$)', ''],
    ['café', 'caf'],
    ['x'.repeat(300), 'x'.repeat(200)],
  ]
  for (const [text, readable] of rows) {
    it(`${JSON.stringify(text.slice(0, 30))} reads ${readable.slice(0, 30)}`, () => {
      assert.equal(readableName(text), readable)
    })
  }

  it('tells apart what would read the same, by what it was made of', () => {
    const names = new NameRegistry('kubernetes')
    assert.equal(names.claim('a/b', 'first'), 'a-b@kubernetes')
    const second = names.claim('a.b', 'second')
    const third = names.claim('a b', 'third')
    assert.match(second, /^a-b-[0-9a-f]{8}@kubernetes$/)
    assert.match(third, /^a-b-[0-9a-f]{8}@kubernetes$/)
    assert.notEqual(second, third)
    assert.equal(new Set([second, third, names.claim('a-b', 'second'), names.claim('a-b', 'third')]).size, 4)
  })

  it('gives a name to another holder once it is released', () => {
    const names = new NameRegistry('kubernetes')
    names.release(names.claim('a', 'first'))
    assert.equal(names.claim('a', 'second'), 'a@kubernetes')
  })

  it('has a name for what cannot be read', () => {
    assert.match(new NameRegistry('file').claim('(/|$)', 'x'), /^[0-9a-f]{8}@file$/)
  })
})

describe('the age of objects', () => {
  it('is the timestamp, and those without a good one are newest', () => {
    assert.equal(createdAt({ name: 'a', creationTimestamp: '2024-01-01T00:00:00Z' }), 1704067200000)
    assert.equal(createdAt({ name: 'a' }), NOT_CREATED)
    assert.equal(createdAt({ name: 'a', creationTimestamp: 'yesterday' }), NOT_CREATED)
  })
})
