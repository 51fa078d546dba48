/** Cookie affinity through the gateway: replicas agree, attributes, servers that fail or go, cookies that are none of ours. */
import assert from 'node:assert/strict'
import { connect as connectTls } from 'node:tls'
import { after, before, test } from 'node:test'
import { askEach, get, namesOf, tally } from './bed/ask.ts'
import { endAll, namedServer, namedServers } from './bed/backends.ts'
import { GatewayProcess } from './bed/gateway-process.ts'
import { ingress, service } from './bed/manifests.ts'
import type { RawServer } from './bed/raw-peer.ts'

const NAMES = ['a', 'b', 'c', 'd']
const NGINX = 'nginx.ingress.kubernetes.io'
const STICKY = { [`${NGINX}/affinity`]: 'cookie', [`${NGINX}/session-cookie-name`]: 'route' }
const HOSTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  plain: { [`${NGINX}/affinity`]: 'cookie' },
  named: STICKY,
  gone: STICKY,
  full: {
    ...STICKY,
    [`${NGINX}/session-cookie-path`]: '/shop',
    [`${NGINX}/session-cookie-domain`]: 'full.example',
    [`${NGINX}/session-cookie-samesite`]: 'strict',
    [`${NGINX}/session-cookie-max-age`]: '7200',
    [`${NGINX}/session-cookie-expires`]: '3600',
    [`${NGINX}/session-cookie-secure`]: 'true',
  },
  keeps: STICKY,
  changes: { ...STICKY, [`${NGINX}/session-cookie-change-on-failure`]: 'true' },
}
const KEY = { SEKISHO_STICKY_KEY: 'the key of this test' }

/** An address of our own, so that no other test takes the port of a server that is down for a while. */
const DYING_HOST = `127.70.${(process.pid >> 8) & 255}.${process.pid & 255}`

let servers: RawServer[]
let gateway: GatewayProcess
let replica: GatewayProcess
/** Has another key. */
let stranger: GatewayProcess

before(async () => {
  servers = await namedServers(NAMES)
  const manifests = {
    'ingresses.yaml': Object.entries(HOSTS)
      .map(([name, annotations]) =>
        ingress({ name, host: `${name}.example`, annotations, paths: [{ service: name }] }),
      )
      .join('\n---\n'),
    ...Object.fromEntries(Object.keys(HOSTS).map((name) => [`${name}.yaml`, backendsOf(name, servers)])),
  }
  ;[gateway, replica, stranger] = await Promise.all([
    GatewayProcess.start({ workers: 2, manifests, env: KEY }),
    GatewayProcess.start({ workers: 1, manifests, env: KEY }),
    GatewayProcess.start({ workers: 1, manifests, env: { SEKISHO_STICKY_KEY: 'another key' } }),
  ])
})

after(async () => {
  await Promise.all([gateway, replica, stranger].map((each) => each?.[Symbol.asyncDispose]()))
  await endAll(servers)
})

function backendsOf(name: string, used: readonly RawServer[]): string {
  return service(
    name,
    used.map((server) => server.address),
  )
}

interface Session {
  readonly server: string
  /** `name=value` */
  readonly pair: string
  readonly attributes: readonly string[]
}

async function open(at: GatewayProcess, host: string): Promise<Session> {
  const [answer] = await askEach(at, [get(host)])
  assert.equal(answer!.head.status, 200)
  const [pair = '', ...attributes] = (answer!.head.get('set-cookie') ?? '').split('; ')
  assert.notEqual(pair, '', 'no cookie')
  return { server: answer!.body, pair, attributes }
}

/** Sessions until every server has one, by server. */
async function openAll(at: GatewayProcess, host: string): Promise<Map<string, Session>> {
  const sessions = new Map<string, Session>()
  for (let i = 0; i < 100 && sessions.size < NAMES.length; i++) {
    const session = await open(at, host)
    const known = sessions.get(session.server)
    if (known === undefined) sessions.set(session.server, session)
    else assert.equal(known.pair, session.pair, 'one server, one value')
  }
  assert.equal(sessions.size, NAMES.length)
  return sessions
}

function cookie(...pairs: readonly string[]): string {
  return `Cookie: ${pairs.join('; ')}\r\n`
}

test('every session stays with its server, over workers, connections and replicas, and gets no second cookie', async () => {
  for (const [server, { pair }] of await openAll(gateway, 'named.example')) {
    const requests = Array.from({ length: 12 }, (_, index) =>
      get('named.example', `/${index}`, cookie('theme=dark', pair, 'x="y"')),
    )
    for (const at of [gateway, replica]) {
      for (const { head, body } of await askEach(at, requests, { connections: 4 })) {
        assert.equal(body, server)
        assert.equal(head.get('set-cookie'), undefined)
      }
    }
  }
})

test('replicas with one key give the same cookie for a server, others another one', async () => {
  const here = await openAll(gateway, 'named.example')
  const there = await openAll(replica, 'named.example')
  const elsewhere = await openAll(stranger, 'named.example')
  for (const name of NAMES) {
    assert.equal(there.get(name)!.pair, here.get(name)!.pair)
    assert.notEqual(elsewhere.get(name)!.pair, here.get(name)!.pair)
  }
})

test('the value says nothing about the server, and differs from service to service', async () => {
  const named = await openAll(gateway, 'named.example')
  const plain = await openAll(gateway, 'plain.example')
  for (const [index, name] of NAMES.entries()) {
    const { pair } = named.get(name)!
    assert.match(pair, /^route=[0-9a-f]{32}$/)
    const value = pair.slice('route='.length)
    assert.ok(!value.includes(String(servers[index]!.port)), value)
    assert.notEqual(plain.get(name)!.pair.split('=')[1], value)
  }
})

test('attributes are those of the annotations, and safe ones without any', async () => {
  const plain = await open(gateway, 'plain.example')
  assert.match(plain.pair, /^INGRESSCOOKIE=/)
  assert.deepEqual(plain.attributes, ['Path=/', 'HttpOnly'])
  const full = await open(gateway, 'full.example')
  const [expires] = full.attributes.filter((each) => each.startsWith('Expires='))
  assert.deepEqual(full.attributes.filter((each) => each !== expires).toSorted(), [
    'Domain=full.example',
    'HttpOnly',
    'Max-Age=7200',
    'Path=/shop',
    'SameSite=Strict',
    'Secure',
  ])
  const inSeconds = (Date.parse(expires!.slice('Expires='.length)) - Date.now()) / 1000
  assert.ok(inSeconds > 3500 && inSeconds <= 3601, expires ?? '')
})

test('over TLS the cookie is Secure unless told otherwise', async () => {
  const socket = connectTls({ port: gateway.websecure, host: '127.0.0.1', rejectUnauthorized: false })
  try {
    socket.setEncoding('latin1').write(get('plain.example'))
    let text = ''
    for await (const part of socket) if ((text += part as string).includes('\r\n\r\n')) break
    assert.match(text, /^set-cookie: INGRESSCOOKIE=[0-9a-f]{32}; Path=\/; HttpOnly; Secure\r$/im)
  } finally {
    socket.destroy()
  }
})

test('forged, foreign and broken cookies are like none: balanced, answered, and replaced', async () => {
  const other = (await openAll(stranger, 'named.example')).get('a')!
  const value = (await openAll(gateway, 'named.example')).get('b')!.pair.slice('route='.length)
  const rows = [
    'route=',
    'route',
    'route=127.0.0.1:80',
    `route=${'0'.repeat(32)}`,
    `route=${value}0`,
    `route=${value.slice(1)}`,
    `route=${value.toUpperCase()}x`,
    `Route=${value}`,
    `xroute=${value}`,
    `route="${value}"`,
    other.pair,
    `route=${'%00'.repeat(2000)}`,
    `${'; '.repeat(500)}=;==;`,
    'route=__proto__',
  ]
  const requests = rows.flatMap((row) => NAMES.map(() => get('named.example', '/', cookie(row))))
  const answers = await askEach(gateway, requests)
  answers.forEach(({ head }, index) => {
    const row = rows[Math.floor(index / NAMES.length)]!
    assert.equal(head.status, 200, row)
    assert.match(head.get('set-cookie') ?? '', /^route=[0-9a-f]{32}; Path=\/; HttpOnly$/, row)
  })
  const counts = tally(answers.map(({ body }) => body))
  assert.deepEqual(counts, Object.fromEntries(NAMES.map((name) => [name, rows.length])))
})

test('of several values the first that means a server counts', async () => {
  const sessions = await openAll(gateway, 'named.example')
  const lines = cookie('route=forged', sessions.get('c')!.pair, sessions.get('d')!.pair)
  assert.deepEqual(await namesOf(gateway, [get('named.example', '/', lines)]), ['c'])
})

test('sessions of a server that leaves move and get a new cookie; the others notice nothing', async () => {
  const sessions = await openAll(gateway, 'gone.example')
  await gateway.reload('gone.yaml', backendsOf('gone', servers.slice(1)))
  for (const [name, { pair }] of sessions) {
    const [answer] = await askEach(gateway, [get('gone.example', '/', cookie(pair))])
    if (name === 'a') {
      assert.notEqual(answer!.body, 'a')
      const set = answer!.head.get('set-cookie')!
      assert.ok(set.startsWith(`${sessions.get(answer!.body)!.pair};`), set)
    } else {
      assert.equal(answer!.body, name)
      assert.equal(answer!.head.get('set-cookie'), undefined)
    }
  }
  // It comes back: what was bound to it finds it again.
  await gateway.reload('gone.yaml', backendsOf('gone', servers))
  assert.deepEqual(await namesOf(gateway, [get('gone.example', '/', cookie(sessions.get('a')!.pair))]), ['a'])
})

for (const name of ['keeps', 'changes'] as const) {
  test(`a server that fails: the session ${name === 'keeps' ? 'goes elsewhere until it is back' : 'moves for good'}`, async () => {
    const host = `${name}.example`
    let dying = await namedServer('dying', 0, DYING_HOST)
    const { port } = dying
    try {
      await gateway.reload(`${name}.yaml`, backendsOf(name, [servers[0]!, dying]))
      let session = await open(gateway, host)
      while (session.server !== 'dying') session = await open(gateway, host)
      await dying[Symbol.asyncDispose]()
      const [moved] = await askEach(gateway, [get(host, '/', cookie(session.pair))])
      assert.equal(moved!.head.status, 200)
      assert.equal(moved!.body, 'a')
      const set = moved!.head.get('set-cookie')
      if (name === 'keeps') assert.equal(set, undefined)
      else assert.match(set ?? '', /^route=/)
      dying = await namedServer('dying', port, DYING_HOST)
      const held = set?.split(';')[0] ?? session.pair
      assert.deepEqual(await namesOf(gateway, [get(host, '/', cookie(held))]), [
        name === 'keeps' ? 'dying' : 'a',
      ])
    } finally {
      await dying[Symbol.asyncDispose]()
    }
  })
}

test('a gateway without a key says so, once; one with a key does not', async () => {
  await using keyless = await GatewayProcess.start({
    workers: 1,
    manifests: {
      'web.yaml': ['one', 'two']
        .map((name) =>
          ingress({
            name,
            host: `${name}.example`,
            annotations: HOSTS['plain']!,
            paths: [{ service: name }],
          }),
        )
        .join('\n---\n'),
      'one.yaml': backendsOf('one', servers),
      'two.yaml': backendsOf('two', servers),
    },
    env: { SEKISHO_STICKY_KEY: '' },
  })
  await keyless.logged(/hashed without a key/)
  assert.equal(keyless.log.split('hashed without a key').length - 1, 1)
  assert.doesNotMatch(gateway.log, /hashed without a key/)
})
