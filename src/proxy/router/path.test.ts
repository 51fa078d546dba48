import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { normalizePath, normalizeRulePath } from './path.ts'

const PAGE = readFileSync(new URL('../../../docs/internals/paths.md', import.meta.url), 'utf8')

/** Cells of the rows of the table below `heading`, without the two header rows. */
function tableBelow(heading: string): string[][] {
  const section = PAGE.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const rows = section.split('\n').filter((line) => line.startsWith('| '))
  // `|` is no column of any request in the page, so a plain split will do.
  return rows.slice(1).map((row) =>
    row
      .slice(2, -1)
      .split(' | ')
      .map((cell) => cell.trim()),
  )
}

function unquote(cell: string): string {
  const text = cell.replace(/^`(.*)`$/, '$1')
  if (text === '(empty)') return ''
  return text.replaceAll(/\\x([0-9a-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  )
}

describe('request paths of docs/internals/paths.md', () => {
  const rows = tableBelow('Table')
  it('are at least forty', () => assert.ok(rows.length >= 40, String(rows.length)))
  for (const [request = '', form = ''] of rows) {
    it(`${request} becomes ${form}`, () => {
      assert.equal(normalizePath(unquote(request)), form === '400' ? null : unquote(form))
    })
  }
})

describe('paths of rules of docs/internals/paths.md', () => {
  const rows = tableBelow('Literal paths of rules')
  it('are there', () => assert.ok(rows.length >= 10, String(rows.length)))
  for (const [rule = '', kind = '', form = ''] of rows) {
    it(`${kind} ${rule} becomes ${form}`, () => {
      const actual = normalizeRulePath(unquote(rule), kind === 'string prefix')
      assert.equal(actual, form === 'error' ? null : unquote(form))
    })
  }
})

describe('paths of targets of docs/internals/paths.md', () => {
  const rows = tableBelow('Whole targets')
  for (const [target = '', path = ''] of rows) {
    it(`${target} has the path ${path}`, () => {
      assert.equal(normalizePath(unquote(target).split('?')[0] ?? ''), unquote(path))
    })
  }
})

it('a path in normal form comes back as it is, not as a copy', () => {
  const path = '/api/v1/.well-known/a;b=1/c..d'
  assert.equal(normalizePath(path), path)
  assert.equal(normalizePath('/ā'), null, 'text beyond latin1 is no path')
})

it('holds its promises for random paths', () => {
  const pieces = [
    '/',
    '/',
    '//',
    '.',
    '..',
    '%2e',
    '%2E%2e',
    '%2f',
    '%2F',
    ';',
    '%3b',
    '%5c',
    'a',
    'B',
    '%41',
    '%25',
    '%c3%a9',
  ]
  const more = ['\xe9', '%', '%4', '%00', '\\', '#', ' ', '[', '%e0%80%80', '...', '.a', 'a.', '%7e', '|']
  let state = 7
  const random = (limit: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 0x1_0000_0000) * limit)
  }
  let accepted = 0
  for (let round = 0; round < 50_000; round++) {
    let path = '/'
    for (let count = random(9); count > 0; count--) {
      // Now and then something from the second list: nearly all of it is refused.
      path += random(12) === 0 ? more[random(more.length)] : pieces[random(pieces.length)]
    }
    const form = normalizePath(path)
    if (form === null) continue
    accepted++
    const context = `${JSON.stringify(path)} became ${form}`
    assert.equal(normalizePath(form), form, `not a fixed point: ${context}`)
    assert.match(form, /^\/[!-~]*$/, context)
    assert.ok(!/[\\#?"<>[\]^`{|}]/.test(form), context)
    assert.ok(!form.includes('//'), context)
    // Whatever a server decodes or cuts, it finds no dot segment.
    const segments = form.split(/\/|%2F|%5C/)
    for (const segment of segments) {
      const name = segment.split(/;|%3B/)[0]
      assert.ok(name !== '.' && name !== '..', context)
    }
    // What this program took for segments is what a server that decodes nothing takes for them.
    assert.equal(form.split('/').length, naiveSegments(path).length, context)
    assert.equal(decodeURIComponentBytes(form), naiveSegments(path).join('/'), context)
  }
  assert.ok(accepted > 10_000, `${accepted} accepted`)
})

/** Segments by the book, on decoded text: split, drop empty ones, resolve dots. The first is empty. */
function naiveSegments(path: string): string[] {
  const raw = path.split('/').map(decodeURIComponentBytes)
  const out: string[] = ['']
  for (const [index, segment] of raw.entries()) {
    const isLast = index === raw.length - 1
    if (segment === '..') out.pop()
    else if (segment !== '' && segment !== '.') out.push(segment)
    if (isLast && (segment === '' || segment === '.' || segment === '..')) out.push('')
  }
  return out
}

function decodeURIComponentBytes(text: string): string {
  return text.replaceAll(/%([0-9a-fA-F]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  )
}
