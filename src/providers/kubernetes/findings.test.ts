import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Place } from '#config/model/finding.ts'
import { FindingBook, type FindingDraft } from './findings.ts'
import type { SourcedObject } from './objects.ts'

class Source implements SourcedObject {
  readonly kind = 'ConfigMap'
  readonly key = 'ConfigMap/default/a'
  readonly object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', namespace: 'default' },
  } as const
  place: Place = { file: 'a.yaml', line: 1, column: 1 }
  lookups = 0

  placeOf(): Place {
    this.lookups++
    return { file: 'a.yaml', line: this.place.line + 1, column: 3 }
  }
}

const draft = (sourced: SourcedObject, message = 'x'): FindingDraft => ({
  code: 'ingress-host',
  severity: 'error',
  message,
  sourced,
  path: ['spec'],
})

describe('findings', () => {
  it('have the place of what they are about, looked up once', () => {
    const source = new Source()
    const book = new FindingBook()
    book.set('a', [draft(source)])
    const [first] = book.list()
    assert.deepEqual(first, {
      code: 'ingress-host',
      severity: 'error',
      object: 'ConfigMap default/a',
      place: { file: 'a.yaml', line: 2, column: 3 },
      message: 'x',
    })
    assert.equal(book.list()[0], first)
    assert.equal(source.lookups, 1)
  })

  it('move with their object', () => {
    const source = new Source()
    const book = new FindingBook()
    book.set('a', [draft(source)])
    book.list()
    source.place = { file: 'a.yaml', line: 11, column: 1 }
    assert.equal(book.list()[0]?.place?.line, 12)
  })

  it('are replaced by owner and gone when it has none', () => {
    const source = new Source()
    const book = new FindingBook()
    book.set('a', [draft(source, '1'), draft(source, '2')])
    book.set('b', [draft(source, '3')])
    book.set('a', [draft(source, '4')])
    assert.deepEqual(
      book.list().map((one) => one.message),
      ['4', '3'],
    )
    book.set('a', [])
    book.remove('b')
    assert.deepEqual(book.list(), [])
  })

  it('look up a bounded number of places per call and point at the start of the object beyond it', () => {
    const source = new Source()
    const book = new FindingBook()
    for (let i = 0; i < 1500; i++) book.set(String(i), [draft(source)])
    const lines = book.list().map((one) => one.place?.line)
    assert.equal(source.lookups, 1000)
    assert.equal(lines.filter((line) => line === 2).length, 1000)
    assert.equal(lines.filter((line) => line === 1).length, 500)
  })
})
