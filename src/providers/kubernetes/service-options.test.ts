import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { IngressOptions } from './annotations/options.ts'
import { serviceOptions } from './service-options.ts'

describe('the path of a sticky cookie', () => {
  const options = {
    isSticky: true,
    cookie: { name: 'route' },
    timeouts: {},
    useRegex: false,
  } as unknown as IngressOptions
  for (const [path, isNginx, expected] of [
    ['/shop', true, '/shop'],
    ['/shop', false, '/'],
    ['/shop/(.*)', true, '/'],
    ['/a;v=1', true, '/'],
    ['/caf\u00e9', true, '/'],
  ] as const) {
    it(`is ${expected} for ${path}${isNginx ? ' with the habits of nginx' : ''}`, () => {
      assert.equal(serviceOptions(options, path, isNginx).sticky?.path, expected)
    })
  }
})
