import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { StickyCookieConfig } from '#config/model/dynamic.ts'
import { FAIL_CONNECT } from '#client/failure.ts'
import { checkService } from './check.ts'
import { StickySession, cookieValue } from './sticky.ts'
import type { Service } from './service.ts'
import { Fixture, fakeExchange, serverConfigs, serviceConfig } from './upstream.fixture.ts'
import type { ServerSpec } from './upstream.fixture.ts'

const PLAIN: StickyCookieConfig = { name: 'route', secure: 'auto', httpOnly: true }

function setUp(sticky: StickyCookieConfig, specs: readonly ServerSpec[] = [{}, {}, {}]): [Fixture, Service] {
  const fixture = new Fixture()
  fixture.ejection = { ...fixture.ejection, failures: 1 }
  return [fixture, fixture.service(fixture.worker(), serviceConfig(serverConfigs(specs), { sticky }))]
}

function valueOf(service: Service, index: number): string {
  return cookieValue('fixture', service.name, service.servers[index]!.id)
}

describe('sticky cookie: Set-Cookie', () => {
  const rows: readonly [
    name: string,
    config: StickyCookieConfig,
    scheme: 'http' | 'https',
    attributes: string,
  ][] = [
    ['session cookie', PLAIN, 'http', '; Path=/; HttpOnly'],
    ['Secure on https by itself', PLAIN, 'https', '; Path=/; HttpOnly; Secure'],
    ['Secure as told', { ...PLAIN, secure: true }, 'http', '; Path=/; HttpOnly; Secure'],
    ['never Secure as told', { ...PLAIN, secure: false }, 'https', '; Path=/; HttpOnly'],
    ['without HttpOnly', { ...PLAIN, httpOnly: false }, 'http', '; Path=/'],
    [
      'every attribute',
      { ...PLAIN, path: '/app', domain: 'a.example', maxAge: 60, sameSite: 'None', secure: true },
      'http',
      '; Path=/app; Domain=a.example; Max-Age=60; HttpOnly; SameSite=None; Secure',
    ],
    [
      'Expires counts from now',
      { ...PLAIN, maxAge: 60, expires: 60 },
      'http',
      '; Path=/; Max-Age=60; HttpOnly; Expires=Fri, 15 Jan 2027 08:01:00 GMT',
    ],
  ]
  for (const [name, config, scheme, attributes] of rows) {
    it(name, () => {
      const [fixture, service] = setUp(config)
      const server = service.select(fakeExchange({ scheme }), [], fixture.now)!
      const value = valueOf(service, service.servers.indexOf(server))
      assert.equal(service.cookieToSet, `route=${value}${attributes}`)
    })
  }
})

describe('sticky cookie: value', () => {
  it('is the same for every replica with the key, and shows no address', () => {
    const value = cookieValue('key', 'shop@kubernetes', '10.0.0.1:80')
    // printf 'shop@kubernetes\00010.0.0.1:80' | openssl dgst -sha256 -hmac key, first 16 bytes.
    assert.equal(value, '5240699bd520ccbf7d6feea27816aefb')
    assert.notEqual(value, cookieValue('other', 'shop@kubernetes', '10.0.0.1:80'))
    assert.notEqual(value, cookieValue('key', 'cart@kubernetes', '10.0.0.1:80'))
    assert.notEqual(value, cookieValue('key', 'shop@kubernetes', '10.0.0.2:80'))
  })

  it('is found among foreign and repeated cookies', () => {
    const [, service] = setUp(PLAIN)
    const session = new StickySession(PLAIN, service.name, 'fixture', service.servers)
    const good = valueOf(service, 1)
    const foreign = 'f'.repeat(32)
    for (const [field, index] of [
      [`route=${good}`, 1],
      [`a=b; route=${good}; c=d`, 1],
      [`route=${foreign}; route=${good}`, 1],
      [`route=short; route=${good}`, 1],
      [`route=${foreign}`, -1],
      [`Route=${good}`, -1],
      [`route=${good}0`, -1],
      [`route="${good}"`, -1],
    ] as const) {
      assert.equal(session.serverOf(field), service.servers[index], field)
    }
  })
})

describe('sticky cookie: selection', () => {
  const select = (
    fixture: Fixture,
    service: Service,
    cookie: string,
    tried: number[] = [],
  ): [number, boolean] => {
    const exchange = fakeExchange({ headers: { Cookie: cookie } })
    const server = service.select(
      exchange,
      tried.map((index) => service.servers[index]!),
      fixture.now,
    )
    return [server === null ? -1 : service.servers.indexOf(server), service.cookieToSet !== undefined]
  }

  it('keeps a client on its server, and says nothing', () => {
    const [fixture, service] = setUp(PLAIN)
    for (let i = 0; i < 10; i++) {
      assert.deepEqual(select(fixture, service, `route=${valueOf(service, 2)}`), [2, false])
    }
  })

  it('an unknown value is like none', () => {
    const [fixture, service] = setUp(PLAIN)
    assert.deepEqual(select(fixture, service, `route=${'0'.repeat(32)}`), [0, true])
    assert.deepEqual(select(fixture, service, 'other=1'), [1, true])
  })

  it('a failed server is left for one request only, and its cookie stays', () => {
    const [fixture, service] = setUp(PLAIN)
    const cookie = `route=${valueOf(service, 0)}`
    const [index, isSet] = select(fixture, service, cookie, [0])
    assert.notEqual(index, 0)
    assert.equal(isSet, false)
    service.servers[0]!.reportFailure(fixture.now, FAIL_CONNECT)
    const [whileEjected, isSetThen] = select(fixture, service, cookie)
    assert.notEqual(whileEjected, 0)
    assert.equal(isSetThen, false)
  })

  it('changeOnFailure moves the session with the server', () => {
    const [fixture, service] = setUp({ ...PLAIN, changeOnFailure: true })
    const [index, isSet] = select(fixture, service, `route=${valueOf(service, 0)}`, [0])
    assert.notEqual(index, 0)
    assert.equal(isSet, true)
    assert.ok(service.cookieToSet!.startsWith(`route=${valueOf(service, index)};`))
  })

  it('a fenced server gives its sessions to a ready one', () => {
    const [fixture, service] = setUp(PLAIN, [{ fenced: true }, {}])
    assert.deepEqual(select(fixture, service, `route=${valueOf(service, 0)}`), [1, true])
  })

  it('a session on a fenced server stays while nobody else is there', () => {
    const [fixture, service] = setUp(PLAIN, [{ fenced: true }])
    assert.deepEqual(select(fixture, service, `route=${valueOf(service, 0)}`), [0, false])
  })

  it('a server whose weight became 0 gives its sessions away', () => {
    const [fixture, service] = setUp(PLAIN)
    const cookie = `route=${valueOf(service, 0)}`
    fixture.update([service], { ...service.config, servers: serverConfigs([{ weight: 0 }, {}, {}]) })
    const [index, isSet] = select(fixture, service, cookie)
    assert.notEqual(index, 0)
    assert.equal(isSet, true)
  })

  it('nobody there: no server and no cookie', () => {
    const [fixture, service] = setUp(PLAIN, [])
    assert.deepEqual(select(fixture, service, ''), [-1, false])
  })

  it('a reload keeps sessions, and a server that comes back has the same cookie', () => {
    const [fixture, service] = setUp(PLAIN)
    const cookie = `route=${valueOf(service, 1)}`
    const { config } = service
    fixture.update([service], { ...config, servers: config.servers.toReversed() })
    assert.equal(service.select(fakeExchange({ headers: { cookie } }), [], fixture.now)!.id, '10.0.0.2:80')
    fixture.update([service], { ...config, servers: [config.servers[0]!] })
    fixture.update([service], config)
    assert.deepEqual(select(fixture, service, cookie), [1, false])
  })
})

describe('sticky cookie: configuration', () => {
  const rows: readonly [sticky: StickyCookieConfig, message: string][] = [
    [{ ...PLAIN, name: '' }, '"" is not a cookie name'],
    [{ ...PLAIN, name: 'a b' }, '"a b" is not a cookie name'],
    [{ ...PLAIN, path: '/a; Secure' }, '"/a; Secure" cannot stand in a cookie'],
    [{ ...PLAIN, domain: 'a\r\nX: y' }, '"a\\r\\nX: y" cannot stand in a cookie'],
  ]
  for (const [sticky, message] of rows) {
    it(`is refused: ${message}`, () => {
      const config = serviceConfig([], { sticky })
      assert.deepEqual(
        checkService(config).map((issue) => issue.message),
        [message],
      )
      const fixture = new Fixture()
      assert.throws(() => fixture.service(fixture.worker(), config), { name: 'ConfigError' })
    })
  }
})
