import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  isCookiePath,
  isLocalPath,
  isToken,
  readBoolean,
  readHashSource,
  readInteger,
  readSize,
} from './values.ts'

function rows<T>(
  title: string,
  read: (text: string) => T,
  table: readonly (readonly [text: string, value: T])[],
): void {
  for (const [text, value] of table) {
    it(`${title} ${JSON.stringify(text)} is ${JSON.stringify(value) ?? 'none'}`, () => {
      assert.deepEqual(read(text), value)
    })
  }
}

describe('values of annotations', () => {
  rows('boolean', readBoolean, [
    ['true', true],
    ['T', true],
    ['1', true],
    ['False', false],
    ['0', false],
    ['yes', undefined],
    ['on', undefined],
    ['', undefined],
    ['tRUE', undefined],
  ])
  rows('integer', (text) => readInteger(text, 1, 100), [
    ['1', 1],
    ['100', 100],
    ['0', undefined],
    ['101', undefined],
    ['60s', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['1e1', undefined],
    [' 1', undefined],
    ['', undefined],
  ])
  rows('size', readSize, [
    ['0', 0],
    ['10', 10],
    ['8k', 8192],
    ['8M', 8_388_608],
    ['2g', 2_147_483_648],
    ['1b', 1],
    ['1t', undefined],
    ['1.5m', undefined],
    ['m', undefined],
    ['', undefined],
  ])
  rows('path of a redirect', isLocalPath, [
    ['/', true],
    ['/app', true],
    ['/a//b', true],
    ['//evil.example', false],
    [String.raw`/\evil.example`, false],
    ['https://evil.example', false],
    ['app', false],
    ['/a\r\nSet-Cookie: x', false],
    ['/a b', false],
  ])
  rows('path of a cookie', isCookiePath, [
    ['/', true],
    ['/a', true],
    ['/a;Domain=x', false],
    ['a', false],
    ['/a b', false],
  ])
  rows('cookie name', isToken, [
    ['route', true],
    ['a=b', false],
    ['a;b', false],
    ['', false],
  ])
  rows('hash source', readHashSource, [
    ['$request_uri', [{ kind: 'variable', name: 'uri' }]],
    [
      '${uri}x',
      [
        { kind: 'variable', name: 'path' },
        { kind: 'literal', value: 'x' },
      ],
    ],
    [
      '$host$binary_remote_addr',
      [
        { kind: 'variable', name: 'host' },
        { kind: 'variable', name: 'clientAddress' },
      ],
    ],
    ['$http_X_User', [{ kind: 'header', name: 'x-user' }]],
    [
      'a-$cookie_Sid-$arg_q',
      [
        { kind: 'literal', value: 'a-' },
        { kind: 'cookie', name: 'Sid' },
        { kind: 'literal', value: '-' },
        { kind: 'query', name: 'q' },
      ],
    ],
    ['$args', '$args'],
    ['x${nothing}', '${nothing}'],
    ['$http_', '$http_'],
    ['plain', [{ kind: 'literal', value: 'plain' }]],
    ['$', [{ kind: 'literal', value: '$' }]],
    ['', []],
  ])
})
