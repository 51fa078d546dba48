import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { SERVFAIL, TestNameServer, type Zone } from './name-server.fixture.ts'
import { parseHosts, parseSearch } from './system-files.ts'
import { SystemNames, type FamilyAnswer } from './system-names.ts'

const folder = mkdtempSync(join(tmpdir(), 'sekisho-names-'))
after(() => rmSync(folder, { recursive: true }))
let fileCount = 0

function files(hosts = '', resolvConf = ''): { hosts: string; resolvConf: string } {
  const base = join(folder, String(fileCount++))
  writeFileSync(`${base}.hosts`, hosts)
  writeFileSync(`${base}.resolv`, resolvConf)
  return { hosts: `${base}.hosts`, resolvConf: `${base}.resolv` }
}

/** `1.2.3.4 for 60s`, `none`, `failed ESERVFAIL`. */
function text(answer: FamilyAnswer): string {
  if (answer.kind === 'none') return 'none'
  if (answer.kind === 'failed') return `failed ${answer.error}`
  return `${answer.addresses.toSorted().join(' ')} for ${answer.ttlMs / 1000}s`
}

describe('the addresses of a name', () => {
  interface Row {
    readonly title: string
    readonly name: string
    readonly zones?: Record<string, Zone>
    readonly hosts?: string
    readonly search?: string
    readonly v4: string
    readonly v6: string
    readonly questions: readonly string[]
  }
  const rows: readonly Row[] = [
    {
      title: 'are those of both families, with the shortest of their TTLs',
      name: 'db.example',
      zones: { 'db.example': { ttl: 30, v4: ['192.0.2.2', '192.0.2.1'], v6: ['2001:db8:0:0:0:0:0:1'] } },
      v4: '192.0.2.1 192.0.2.2 for 30s',
      v6: '2001:db8::1 for 30s',
      questions: ['A db.example', 'AAAA db.example'],
    },
    {
      title: 'live as long as the alias that leads to them',
      name: 'db.example',
      zones: { 'db.example': { ttl: 300, v4: ['192.0.2.1'], alias: { name: 'real.example', ttl: 7 } } },
      v4: '192.0.2.1 for 7s',
      v6: 'none',
      questions: ['A db.example', 'AAAA db.example'],
    },
    {
      title: 'are looked for below the search domains when the name as it stands does not exist',
      name: 'web.other.svc',
      zones: { 'web.other.svc.cluster.local': { ttl: 5, v4: ['10.96.0.7'] } },
      search: 'search shop.svc.cluster.local cluster.local\noptions ndots:5\n',
      v4: '10.96.0.7 for 5s',
      v6: 'none',
      questions: [
        'A web.other.svc',
        'A web.other.svc.cluster.local',
        'A web.other.svc.shop.svc.cluster.local',
        'AAAA web.other.svc',
        'AAAA web.other.svc.cluster.local',
        'AAAA web.other.svc.shop.svc.cluster.local',
      ],
    },
    {
      title: 'of a name without a dot are looked for below the search domains first',
      name: 'web',
      zones: { 'web.shop.svc': { ttl: 5, v4: ['10.96.0.7'] }, web: { v4: ['192.0.2.9'] } },
      search: 'search shop.svc',
      v4: '10.96.0.7 for 5s',
      v6: 'none',
      questions: ['A web.shop.svc', 'AAAA web.shop.svc'],
    },
    {
      title: 'in /etc/hosts are no question to a name server',
      name: 'db.example',
      hosts: '192.0.2.5 other DB.example # comment\n2001:db8::5 db.example\n192.0.2.6 db.example\n',
      v4: '192.0.2.5 192.0.2.6 for 5s',
      v6: '2001:db8::5 for 5s',
      questions: [],
    },
    {
      title: 'of localhost are no question to a name server',
      name: 'a.localhost',
      v4: '127.0.0.1 for 5s',
      v6: '::1 for 5s',
      questions: [],
    },
    {
      title: 'are unknown while the name server fails',
      name: 'db.example',
      zones: { 'db.example': { code: SERVFAIL } },
      v4: 'failed ESERVFAIL',
      v6: 'failed ESERVFAIL',
      questions: ['A db.example', 'AAAA db.example'],
    },
    {
      title: 'of a name that does not exist are none',
      name: 'gone.example',
      v4: 'none',
      v6: 'none',
      questions: ['A gone.example', 'AAAA gone.example'],
    },
  ]
  for (const row of rows) {
    it(row.title, async () => {
      using server = await TestNameServer.start()
      for (const [name, zone] of Object.entries(row.zones ?? {})) server.zones.set(name, zone)
      const names = new SystemNames({ servers: [server.address], files: files(row.hosts, row.search) })
      const answer = await names.lookup(row.name)
      assert.equal(text(answer.v4), row.v4)
      assert.equal(text(answer.v6), row.v6)
      assert.deepEqual(server.questions.toSorted(), row.questions)
    })
  }

  it('are asked for anew each time: nothing in between keeps an answer', async () => {
    using server = await TestNameServer.start()
    server.zones.set('db.example', { ttl: 3600, v4: ['192.0.2.1'] })
    const names = new SystemNames({ servers: [server.address], files: files() })
    assert.equal(text((await names.lookup('db.example')).v4), '192.0.2.1 for 3600s')
    server.zones.set('db.example', { ttl: 60, v4: ['192.0.2.2'] })
    assert.equal(text((await names.lookup('db.example')).v4), '192.0.2.2 for 60s')
  })

  it('follow a change of /etc/hosts', async () => {
    using server = await TestNameServer.start()
    const paths = files('192.0.2.1 db.example')
    const names = new SystemNames({ servers: [server.address], files: paths })
    assert.equal(text((await names.lookup('db.example')).v4), '192.0.2.1 for 5s')
    writeFileSync(paths.hosts, '192.0.2.22 db.example')
    assert.equal(text((await names.lookup('db.example')).v4), '192.0.2.22 for 5s')
    rmSync(paths.hosts)
    assert.equal(text((await names.lookup('db.example')).v4), 'none')
  })

  it('are unknown when no name server answers, and no search domain is tried', async () => {
    const server = await TestNameServer.start()
    const { address } = server
    server[Symbol.dispose]()
    const names = new SystemNames({ servers: [address], files: files('', 'search a.example b.example') })
    const { v4 } = await names.lookup('db.example')
    assert.match(text(v4), /^failed E(?:CONNREFUSED|TIMEOUT)$/)
  })
})

describe('files about names', () => {
  it('may have lines that are none', () => {
    const hosts = parseHosts('# 192.0.2.1 a\n\nnonsense a\n192.0.2.2\n  192.0.2.3\ta.\tb # c\n')
    assert.deepEqual(
      [...hosts],
      [
        ['a', ['192.0.2.3']],
        ['b', ['192.0.2.3']],
      ],
    )
  })

  for (const [title, written, expected] of [
    ['the last search line counts', 'search a\nsearch B.Example. c', ['b.example', 'c']],
    ['a domain line is a search line of one', 'domain a.example b', ['a.example']],
    ['comments and other lines say nothing', '; search a\n# search b\nnameserver 192.0.2.1\n', []],
    ['the root is no search domain', 'search .', []],
  ] as const) {
    it(`of resolv.conf: ${title}`, () => assert.deepEqual(parseSearch(written), expected))
  }
})
