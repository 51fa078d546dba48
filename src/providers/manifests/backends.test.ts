import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Backends } from './backends.ts'

describe('--backend', () => {
  const good: readonly [string, [string, string, number | string], unknown][] = [
    ['shop/web:80=127.0.0.1:3000', ['shop', 'web', 80], [{ host: '127.0.0.1', port: 3000 }]],
    ['shop/web:http=127.0.0.1:3000', ['shop', 'web', 'http'], [{ host: '127.0.0.1', port: 3000 }]],
    ['shop/web=127.0.0.1:3000', ['shop', 'web', 8080], [{ host: '127.0.0.1', port: 3000 }]],
    ['shop/web:80=127.0.0.1:3000', ['shop', 'web', 81], []],
    ['shop/web:80=127.0.0.1:3000', ['other', 'web', 80], []],
    ['shop/web:080=127.0.0.1:3000', ['shop', 'web', 80], [{ host: '127.0.0.1', port: 3000 }]],
    [
      'a/b=[::1]:1, LocalHost:65535',
      ['a', 'b', 1],
      [
        { host: '::1', port: 1 },
        { host: 'localhost', port: 65_535 },
      ],
    ],
    ['a/b=my_host.example.com.:80', ['a', 'b', 1], [{ host: 'my_host.example.com.', port: 80 }]],
  ]
  for (const [value, question, expected] of good) {
    test(`${value} answers ${question.join(' ')}`, () => {
      assert.deepEqual(Backends.parse([value]).backendsFor(...question), expected)
    })
  }

  test('values for one port add up, and a port goes before the whole service', () => {
    const backends = Backends.parse(['a/b=h:1', 'a/b:80=h:2', 'a/b:80=h:3'])
    assert.deepEqual(
      backends.backendsFor('a', 'b', 80).map(({ port }) => port),
      [2, 3],
    )
    assert.deepEqual(
      backends.backendsFor('a', 'b', 'http').map(({ port }) => port),
      [1],
    )
    assert.deepEqual(backends.services, ['a/b'])
  })

  const bad: readonly [string, RegExp][] = [
    ['shop/web', /has no =/],
    ['web=127.0.0.1:3000', /no namespace/],
    ['web=http://h/x:80', /no namespace/],
    ['Shop/web=h:1', /"Shop" where a namespace/],
    ['shop/=h:1', /"" where the name of a service/],
    ['shop/web:=h:1', /"" where a port's number or name/],
    ['shop/web:0=h:1', /"0" where a port's number or name/],
    ['shop/web:65536=h:1', /"65536" where a port/],
    ['shop/web=', /empty address/],
    ['shop/web=h:1,', /empty address/],
    ['shop/web=h', /no port in "h"/],
    ['shop/web=h:', /"" where a port from 1/],
    ['shop/web=h:99999', /"99999" where a port from 1/],
    ['shop/web=http://h:1', /URL/],
    ['shop/web=::1', /without brackets; write \[::1\]:PORT/],
    ['shop/web=2001:db8:::1:80', /where an address/],
    ['shop/web=[::1]', /no port/],
    ['shop/web=[h]:1', /brackets, which is not an IPv6/],
    ['shop/web=1.2.3.400:1', /where an address or DNS name/],
    ['shop/web=a..b:1', /where an address or DNS name/],
  ]
  for (const [value, message] of bad) {
    test(`${value} is refused with the way to write it`, () => {
      assert.throws(
        () => Backends.parse([value]),
        (error: Error) => {
          assert.match(error.message, message)
          assert.ok(error.message.startsWith(`--backend ${value}`))
          assert.match(error.message, /write NAMESPACE\/SERVICE\[:PORT\]=HOST:PORT/)
          return true
        },
      )
    })
  }
})
