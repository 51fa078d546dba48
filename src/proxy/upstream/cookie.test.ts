import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { cookieValueEnd, findCookie } from './cookie.ts'

describe('cookie lookup', () => {
  const rows: readonly [field: string, name: string, values: string[]][] = [
    ['', 'a', []],
    ['a=1', 'a', ['1']],
    ['a=', 'a', ['']],
    ['a=1; b=2', 'b', ['2']],
    ['b=2;a=1', 'a', ['1']],
    ['a=1;\t a=2 ; a=3  ', 'a', ['1', '2', '3']],
    ['aa=1; a=2', 'a', ['2']],
    ['ba=1; a=2', 'a', ['2']],
    ['A=1', 'a', []],
    ['a', 'a', []],
    ['a; b', 'a', []],
    ['x=a=1; a=2', 'a', ['2']],
    ['x="a=1"; a=2', 'a', ['2']],
    ['a=x=y', 'a', ['x=y']],
    [';;; ;a=1', 'a', ['1']],
    ['a=1;', 'b', []],
    ['; ', 'a', []],
  ]
  for (const [field, name, values] of rows) {
    it(`${JSON.stringify(field)} has for ${name} ${JSON.stringify(values)}`, () => {
      const found: string[] = []
      for (
        let at = findCookie(field, name, 0);
        at !== -1;
        at = findCookie(field, name, cookieValueEnd(field, at))
      ) {
        found.push(field.slice(at, cookieValueEnd(field, at)))
      }
      assert.deepEqual(found, values)
    })
  }
})
