import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CertificateConfig } from '#config/model/dynamic.ts'
import type { ClientHello } from '#wire/client-hello/client-hello.ts'
import { CertificateStore } from './store.ts'
import { configOf, DAY_MS, TestAuthority } from './testdata/authority.ts'

const authority = new TestAuthority('Store Root')
const pair = authority.issue(['a.example', '*.b.example'])
const otherPair = authority.issue(['a.example'])
const rsaPair = authority.issue(['a.example'], { keyType: 'rsa' })

function hello(serverName: string, ticketKeyName: Buffer | null = null): ClientHello {
  return {
    serverName,
    alpn: [],
    versions: [0x0304],
    cipherSuites: [],
    signatureSchemes: [],
    groups: [],
    ticketKeyName,
    hasEarlyData: false,
  }
}

const chosen = (store: CertificateStore, name: string): readonly string[] => store.lookup(name).set.names
const codes = (findings: readonly { code: string }[]): string[] => findings.map(({ code }) => code)
const ofTenant = (name: string): CertificateConfig['origin'] => ({
  provider: 'test',
  kind: 'Secret',
  namespace: 'tenant',
  name,
})
/** A certificate whose key is another's. */
const broken = (name: string): CertificateConfig =>
  configOf(name, { certificate: pair.certificate, key: otherPair.key })

test('configured hosts select a certificate instead of the names in it', () => {
  const store = new CertificateStore()
  store.set('s', configOf('s', pair, { hosts: ['A.example.', 'x.b.example'] }))
  assert.deepEqual(chosen(store, 'a.example'), ['s'])
  assert.deepEqual(chosen(store, 'x.b.example'), ['s'])
  assert.equal(store.lookup('y.b.example').matched, 'default')
})

test('which of several certificates serves a host does not depend on the order they came in', async (t) => {
  const cases: readonly [string, readonly CertificateConfig[], readonly string[]][] = [
    ['the first by name', [configOf('m', pair), configOf('k', otherPair), configOf('z', pair)], ['k']],
    [
      'the oldest',
      [
        configOf('a', pair, { created: 30 }),
        configOf('b', otherPair, { created: 10 }),
        configOf('c', pair, { created: 20 }),
      ],
      ['b'],
    ],
    [
      'one that names the host before an older one that does not',
      [
        configOf('a', authority.issue(['else.example']), { hosts: ['a.example'], created: 1 }),
        configOf('b', pair, { created: 2 }),
      ],
      ['b'],
    ],
    [
      'one that names nothing fitting is better than none',
      [configOf('a', authority.issue(['else.example']), { hosts: ['a.example'] })],
      ['a'],
    ],
    ['one of each kind of key', [configOf('x', pair), configOf('y', rsaPair)], ['x', 'y']],
    [
      "nobody else's of another kind of key",
      [
        configOf('a', pair, { created: 2, origin: ofTenant('a') }),
        configOf('v', rsaPair, { created: 1 }),
        configOf('w', otherPair, { created: 3 }),
      ],
      ['v', 'w'],
    ],
  ]
  for (const [name, configs, expected] of cases) {
    await t.test(name, () => {
      for (const order of [configs, configs.toReversed()]) {
        const store = new CertificateStore()
        for (const config of order) store.set(config.name, config)
        assert.deepEqual(chosen(store, 'a.example').toSorted(), expected)
      }
    })
  }
})

test('a conflict is a finding of the loser, and the same certificate twice is none', () => {
  const store = new CertificateStore()
  store.set('new', configOf('new', otherPair, { created: 2 }))
  store.set('old', configOf('old', pair, { created: 1 }))
  store.set('rsa', configOf('rsa', rsaPair, { created: 3 }))
  store.set('again', configOf('again', pair, { created: 4 }))
  const conflicts = store.findings(Date.now()).filter(({ code }) => code === 'certificate-conflict')
  assert.deepEqual(
    conflicts.map(({ object, message }) => [object, message]),
    [['Secret shop/new', 'a.example is served with Secret shop/old, not with this one']],
  )
  store.remove('old')
  store.remove('again')
  assert.deepEqual(chosen(store, 'a.example'), ['new', 'rsa'])
})

test('whose certificate has another kind of key than the one of another owner that serves the host is told', () => {
  const store = new CertificateStore()
  store.set('mine', configOf('mine', rsaPair, { created: 1 }))
  store.set(
    'theirs',
    configOf('theirs', pair, { created: 2, hosts: ['a.example'], origin: ofTenant('theirs') }),
  )
  const conflicts = store.findings(Date.now()).filter(({ code }) => code === 'certificate-conflict')
  assert.deepEqual(
    conflicts.map(({ object, message }) => [object, message]),
    [['Secret tenant/theirs', 'a.example is served with Secret shop/mine, not with this one']],
  )
})

test('a broken replacement leaves the certificate before in force, and only that one is reported', () => {
  const store = new CertificateStore()
  store.set('good', configOf('good', authority.issue(['good.example'])))
  assert.deepEqual(
    store.set('s', configOf('s', pair)),
    store.findings(Date.now()).filter((f) => f.object === 'Secret shop/s'),
  )
  const before = store.select(hello('a.example'))
  assert.deepEqual(codes(store.set('s', broken('s'))), ['certificate-key-mismatch'])
  const afterwards = store.select(hello('a.example'))
  assert.equal(afterwards.secureContext, before.secureContext)
  assert.equal(store.select(hello('good.example')).matched, 'exact')
  assert.deepEqual(
    codes(store.findings(Date.now())).filter((code) => code.startsWith('certificate-key')),
    ['certificate-key-mismatch'],
  )
  store.set('s', configOf('s', otherPair))
  assert.notEqual(store.select(hello('a.example')).secureContext, before.secureContext)
  assert.ok(!codes(store.findings(Date.now())).includes('certificate-key-mismatch'))
})

test('a first certificate that is broken serves nothing, and its name is free again after removal', () => {
  const store = new CertificateStore()
  store.set('s', broken('s'))
  assert.equal(store.lookup('a.example').matched, 'default')
  assert.ok(codes(store.findings(Date.now())).includes('certificate-key-mismatch'))
  store.remove('s')
  assert.deepEqual(store.findings(Date.now()), [])
  store.remove('never there')
})

test('what OpenSSL refuses at its first use is taken out, reported, and another one answers', () => {
  const store = new CertificateStore()
  // The leaf is right; the issuer behind it has a version that is an octet string, which only OpenSSL minds.
  const lines = authority.certificate.trimEnd().split('\n')
  const der = Buffer.from(lines.slice(1, -1).join(''), 'base64')
  const at = der.indexOf(Buffer.from([0xa0, 3, 2, 1, 2]))
  der[at + 2] = 4
  const bad = `${lines[0]}\n${der.toString('base64')}\n${lines.at(-1)}\n`
  const leaf = authority.issue(['*.example'])
  store.set(
    'bad',
    configOf('bad', { certificate: leaf.certificate + bad, key: leaf.key }, { hosts: ['r.example'] }),
  )
  store.set('wild', configOf('wild', authority.issue(['*.example'])))
  assert.deepEqual(chosen(store, 'r.example'), ['bad'])
  const choice = store.select(hello('r.example'))
  assert.deepEqual(choice.certificates, ['wild'])
  assert.ok(codes(store.findings(Date.now())).includes('certificate-refused'))
})

test('the default is made when none is given, replaced by one that is good, and kept when the next is not', () => {
  const store = new CertificateStore()
  const made = store.select(hello(''))
  assert.equal(made.matched, 'default')
  assert.equal(store.select(hello('unknown.example')).secureContext, made.secureContext)
  assert.deepEqual(store.findings(Date.now()), [])
  assert.deepEqual(codes(store.setDefault(pair)), ['certificate-issuer-absent'])
  const given = store.select(hello(''))
  assert.notEqual(given.secureContext, made.secureContext)
  assert.deepEqual(codes(store.setDefault({ certificate: 'x', key: 'y' })), [
    'certificate-unreadable',
    'certificate-key-unreadable',
  ])
  assert.equal(store.select(hello('')).secureContext, given.secureContext)
})

test('the ticket key name chooses between the contexts of the current and the previous key', () => {
  const store = new CertificateStore()
  store.set('s', configOf('s', pair))
  const key = (byte: number): Buffer => Buffer.alloc(48, byte)
  const name = (byte: number): Buffer => Buffer.alloc(16, byte)
  const context = (byte: number | null): unknown =>
    store.select(hello('a.example', byte === null ? null : name(byte))).secureContext
  store.setTicketKeys({ current: key(1) })
  const first = context(null)
  assert.equal(context(1), first)
  assert.equal(context(9), first)
  store.setTicketKeys({ current: key(2), previous: key(1) })
  // Changed in place: the certificate is not loaded again.
  assert.equal(context(2), first)
  assert.equal(context(null), first)
  const older = context(1)
  assert.notEqual(older, first)
  assert.equal(context(1), older)
  assert.equal(context(9), first)
  store.setTicketKeys({ current: key(3), previous: key(2) })
  assert.equal(context(1), first)
})

test('contexts of certificates that are not in use go, those in use stay', () => {
  const store = new CertificateStore({ maxContexts: 4 })
  for (let i = 0; i < 10; i++) store.set(`s${i}`, configOf(`s${i}`, pair, { hosts: [`h${i}.example`] }))
  const context = (i: number): unknown => store.select(hello(`h${i}.example`)).secureContext
  const busy = context(0)
  const idle = context(1)
  for (let i = 2; i < 10; i++) {
    context(i)
    assert.equal(context(0), busy)
  }
  assert.notEqual(context(1), idle)
})

test('hosts of one certificate share a context', () => {
  const store = new CertificateStore()
  store.set('s', configOf('s', pair))
  const exact = store.select(hello('a.example'))
  const wildcard = store.select(hello('z.b.example'))
  assert.equal(wildcard.matched, 'wildcard')
  assert.equal(wildcard.secureContext, exact.secureContext)
  assert.deepEqual(exact.alpnProtocols, ['http/1.1'])
  assert.equal(wildcard.serverName, 'z.b.example')
})

test('findings follow the clock', () => {
  const store = new CertificateStore()
  const now = Date.now()
  store.set('s', configOf('s', pair))
  const validity = (at: number): string[] =>
    codes(store.findings(at)).filter((code) => /expire|valid/.test(code))
  assert.deepEqual(validity(now), [])
  assert.deepEqual(validity(now + 77 * DAY_MS), ['certificate-expires-soon'])
  assert.deepEqual(validity(now + 91 * DAY_MS), ['certificate-expired'])
  assert.deepEqual(validity(now - 2 * DAY_MS), ['certificate-not-yet-valid'])
  assert.deepEqual(chosen(store, 'a.example'), ['s'])
})

test('any order of changes ends in the same choices', () => {
  let seed = 11
  const next = (bound: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % bound
  const pairs = [pair, otherPair, rsaPair, authority.issue(['b.example', '*.b.example', 'a.example'])]
  const hosts = ['a.example', 'b.example', 'x.b.example', 'c.example']
  const configs = Array.from({ length: 12 }, (_, i) =>
    configOf(`n${i}`, pairs[next(4)] ?? pair, {
      hosts: next(3) === 0 ? [hosts[next(4)] ?? ''] : [],
      created: next(3),
    }),
  )
  const outcome = (store: CertificateStore): string[] =>
    hosts.map((host) => chosen(store, host).toSorted().join())
  for (let round = 0; round < 30; round++) {
    const kept = configs.filter(() => next(2) === 0)
    const straight = new CertificateStore()
    for (const config of kept) straight.set(config.name, config)
    const winding = new CertificateStore()
    for (const config of configs.toReversed()) winding.set(config.name, config)
    outcome(winding)
    for (const config of configs) if (!kept.includes(config)) winding.remove(config.name)
    assert.deepEqual(outcome(winding), outcome(straight))
  }
})
