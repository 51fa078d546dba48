import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Finding } from '#config/model/finding.ts'
import { countFindings, countsText, findingText, inFileOrder, shortFile } from './findings-text.ts'

const base: Finding = { code: 'a-code', severity: 'error', object: 'Ingress a/b', message: 'is wrong' }
const at = (file: string, line: number, column: number): Finding => ({
  ...base,
  place: { file, line, column },
})

describe('findings as text', () => {
  it('have place, severity, object, message and code on one line, and the hint below', () => {
    assert.equal(findingText(at('x.yaml', 3, 7)), 'x.yaml:3:7: error: Ingress a/b: is wrong [a-code]\n')
    assert.equal(
      findingText({ ...base, severity: 'info', object: '', hint: 'do this' }),
      'note: is wrong [a-code]\n    do this\n',
    )
  })

  it('name their object once', () => {
    const message = 'Ingress a/b has no rules'
    assert.equal(findingText({ ...base, message }), 'error: Ingress a/b has no rules [a-code]\n')
  })

  it('name files below the working directory as they would be typed', () => {
    assert.equal(shortFile(`${process.cwd()}/a/b.yaml`), 'a/b.yaml')
    assert.equal(shortFile('/elsewhere/b.yaml'), '/elsewhere/b.yaml')
  })

  it('cannot be broken by what is in the files', () => {
    assert.equal(
      findingText({ ...base, message: 'a\n\u001b[31mb' }),
      'error: Ingress a/b: a\\x0a\\x1b[31mb [a-code]\n',
    )
  })

  it('stand in file order, those without a place last', () => {
    const list = [base, at('b', 1, 1), at('a', 2, 1), at('a', 1, 5), at('a', 1, 2)]
    assert.deepEqual(
      inFileOrder(list).map(
        (finding) => finding.place && `${finding.place.file}${finding.place.line}${finding.place.column}`,
      ),
      ['a12', 'a15', 'a21', 'b11', undefined],
    )
  })

  it('are counted', () => {
    const list: Finding[] = [base, { ...base, severity: 'warning' }, { ...base, severity: 'warning' }]
    assert.equal(countsText(countFindings(list)), '1 error, 2 warnings, 0 notes')
  })
})
