/** `/metrics`, `/ping` and `/ready` of a running gateway: the documented families, right values, over workers and changes. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { TestAuthority } from '#certs/testdata/authority.ts'
import { namedServer } from './bed/backends.ts'
import { GatewayProcess } from './bed/gateway-process.ts'
import { Inspector, INSPECTED } from './bed/inspector.ts'
import { ingress, refusingAddress, service } from './bed/manifests.ts'
import { metric, seriesOf } from './bed/metrics-text.ts'
import { scaled } from './bed/modes.ts'
import { exchangeBytes, rawClient, RawServer, type RawConnection } from './bed/raw-peer.ts'
import { tlsClient, tlsSecret } from './bed/tls-peer.ts'

const REFERENCE = new URL('../../docs/reference/metrics.md', import.meta.url)
const LAST_REQUEST = 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n'

interface Family {
  readonly type: string
  readonly help: string
  readonly series: Map<string, { readonly labels: ReadonlyMap<string, string>; readonly value: number }>
}

/** Strict reader of the text format 0.0.4: throws on whatever a scraper might stumble over. */
function parseExposition(text: string): Map<string, Family> {
  assert.ok(text.endsWith('\n'))
  const families = new Map<string, Family>()
  let current: Family | null = null
  let name = ''
  let help: string | null = null
  for (const line of text.slice(0, -1).split('\n')) {
    const head = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line)
    if (head?.[1] === 'HELP') {
      assert.equal(help, null, line)
      assert.ok(!families.has(head[2]!), `twice: ${line}`)
      name = head[2]!
      help = head[3]!
      continue
    }
    if (head?.[1] === 'TYPE') {
      assert.equal(head[2], name)
      assert.notEqual(help, null, line)
      assert.match(head[3]!, /^(counter|gauge|histogram)$/)
      current = { type: head[3]!, help: help!, series: new Map() }
      families.set(name, current)
      help = null
      continue
    }
    assert.equal(help, null, `no TYPE before ${line}`)
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([-+]?(?:Inf|[0-9.]+(?:e[-+]?\d+)?)|NaN)$/.exec(
      line,
    )
    assert.ok(sample !== null, `not a sample: ${line}`)
    const labelText: string = sample[2] ?? ''
    const own: string = sample[1]!
    const value: string = sample[3]!
    const suffix: string = own.slice(name.length)
    assert.ok(
      own.startsWith(name) && (current!.type === 'histogram' ? /^_(bucket|sum|count)$/ : /^$/).test(suffix),
      `below ${name}: ${line}`,
    )
    const labels = new Map<string, string>()
    let rest = labelText
    while (rest !== '') {
      const label: RegExpExecArray | null =
        /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/.exec(rest)
      assert.ok(label !== null, `labels of ${line}`)
      assert.ok(!labels.has(label[1]!), line)
      labels.set(label[1]!, label[2]!)
      rest = rest.slice(label[0].length)
    }
    const key: string = `${suffix}{${labelText}}`
    assert.ok(!current!.series.has(key), `twice: ${line}`)
    current!.series.set(key, { labels, value: value === '+Inf' ? Infinity : Number(value) })
  }
  for (const [each, family] of families) if (family.type === 'histogram') checkHistogram(each, family)
  return families
}

/** Upper bounds of the one that has others than the default. */
const CHANGE_BOUNDS = '0.001 0.002 0.005 0.01 0.02 0.05 0.1 0.2 0.5 1 5 +Inf'.split(' ')

function checkHistogram(name: string, { series }: Family): void {
  const isOfChanges = name === 'sekisho_config_change_duration_seconds'
  const bounds = isOfChanges ? CHANGE_BOUNDS : ['0.1', '0.3', '1.2', '5', '+Inf']
  const buckets = new Map<string, number[]>()
  for (const [key, { value, labels }] of series) {
    if (!key.startsWith('_bucket')) continue
    const own = key.slice('_bucket'.length).replace(/,?le="[^"]*"/, '')
    const counts = buckets.get(own) ?? []
    buckets.set(own, counts)
    assert.ok(value >= (counts.at(-1) ?? 0), `${name} goes down at ${key}`)
    counts.push(value)
    assert.equal(labels.get('le'), bounds[counts.length - 1])
  }
  for (const [own, counts] of buckets) {
    assert.equal(counts.length, bounds.length)
    assert.equal(series.get(`_count${own}`)?.value, counts.at(-1))
    assert.ok(series.get(`_sum${own}`)!.value >= 0)
  }
}

interface Row {
  readonly name: string
  readonly type: string
  readonly labels: readonly string[]
  readonly meaning: string
}

/** The table of docs/reference/metrics.md. */
function documented(): Row[] {
  return [...readFileSync(REFERENCE, 'utf8').matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$/gm)].map(
    ([, name, type, labels, meaning]) => ({
      name: name!,
      type: type!,
      labels: [...labels!.matchAll(/`(\w+)`/g)].map((label) => label[1]!),
      meaning: meaning!,
    }),
  )
}

async function scrape(gateway: GatewayProcess): Promise<Map<string, Family>> {
  return parseExposition(await gateway.metrics())
}

async function noneOpen(gateway: GatewayProcess, entrypoint: string): Promise<void> {
  await gateway.until(
    async () => metric(await gateway.metrics(), 'traefik_open_connections', { entrypoint }) === 0,
  )
}

test('every documented metric is there with its labels, and no other', async (t) => {
  await using server = await RawServer.answering((head) =>
    head.includes('/broken') ? 'HTTP/9.9 200 OK\r\n\r\n' : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  )
  const refusing = refusingAddress(server)
  const authority = new TestAuthority('Metrics Root')
  await using gateway = await GatewayProcess.start({
    workers: 2,
    flags: [
      '--accessLog.filePath=/dev/full',
      '--metrics.prometheus.addRoutersLabels=true',
      '--metrics.prometheus.headerLabels.agent=User-Agent',
      '--limits.maxConnectionsPerClient=20',
    ],
    manifests: {
      'web.yaml': [
        ingress({
          host: 'a.example',
          paths: [{ service: 'a' }],
          tls: { hosts: ['a.example'], secretName: 'cert' },
        }),
        ingress({ name: 'gone', host: 'gone.example', paths: [{ service: 'gone' }] }),
        tlsSecret('cert', authority.issue(['a.example'])),
      ].join('\n---\n'),
      'services.yaml': [service('a', [server.address]), service('gone', [refusing, server.address])].join(
        '\n---\n',
      ),
    },
  })
  const before = await scrape(gateway)
  for (const path of ['/', '/', '/broken']) {
    await exchangeBytes(gateway.web, LAST_REQUEST.replace('GET /', `GET ${path}`))
  }
  for (let i = 0; i < 8; i++)
    await exchangeBytes(gateway.web, LAST_REQUEST.replace('a.example', 'gone.example'))
  await exchangeBytes(gateway.web, 'GET / HTTP/1.1\nHost: a.example\r\n\r\n')
  await exchangeBytes(gateway.websecure, LAST_REQUEST)
  {
    using client = await tlsClient(gateway.websecure, { servername: 'a.example' })
    client.send(LAST_REQUEST)
    await client.until((each) => each.isEnded)
  }
  // One connection too many, once those before are over for the gateway, too.
  for (const entrypoint of ['web', 'websecure']) await noneOpen(gateway, entrypoint)
  const many = await Promise.all(Array.from({ length: 21 }, () => rawClient(gateway.web).catch(() => null)))
  await gateway.until(async () => metric(await gateway.metrics(), 'sekisho_connections_refused_total') > 0)
  for (const each of many) each?.socket.destroy()
  await gateway.until(
    async () => metric(await gateway.metrics(), 'sekisho_access_log_dropped_lines_total') > 0,
  )
  const families = await scrape(gateway)
  const rows = documented()
  assert.ok(rows.length > 50)
  for (const row of rows) {
    // Those of a gateway with a cluster behind it are for test/cluster.
    if (row.name.startsWith('sekisho_kube_')) {
      assert.ok(!families.has(row.name), row.name)
      continue
    }
    await t.test(row.name, () => {
      const family = families.get(row.name)
      assert.ok(family !== undefined, 'not there')
      assert.equal(family.type, row.type)
      assert.equal(family.help, row.meaning)
      for (const [key, { labels }] of family.series) {
        const own = [...labels.keys()].filter((label) => label !== 'le')
        // What the page calls `headerLabels` is here the one of the flags.
        const expected = row.labels.map((label) => (label === 'headerLabels' ? 'agent' : label))
        assert.deepEqual(own, expected, key)
      }
    })
  }
  await t.test('nothing that is not documented', () => {
    const names = new Set(rows.map(({ name }) => name))
    assert.deepEqual(
      [...families.keys()].filter((name) => !names.has(name)),
      [],
    )
  })
  await t.test('values are there from the first scrape', () => {
    const all = [...before.values()].flatMap(({ series }) => [...series])
    for (const name of [
      'sekisho_worker_heap_limit_bytes',
      'sekisho_memory_budget_limit_bytes',
      'process_open_fds',
    ]) {
      const values = [...before.get(name)!.series.values()].map(({ value }) => value)
      assert.ok(values.length > 0 && values.every((value) => value > 0), name)
    }
    assert.ok(all.length > 50)
  })
  await t.test('values', async () => {
    const text = await gateway.metrics()
    const value = (name: string, labels = {}): number => metric(text, name, labels)
    assert.equal(value('traefik_entrypoint_requests_total', { entrypoint: 'web', code: '502' }), 1)
    assert.equal(
      value('traefik_service_requests_total', { service: 'default-a-80@kubernetes', code: '200' }),
      3,
    )
    assert.equal(value('traefik_router_requests_total', { router: 'default-web-a-example@kubernetes' }), 4)
    assert.equal(
      value('traefik_entrypoint_requests_tls_total', { entrypoint: 'websecure', tls_version: '1.3' }),
      1,
    )
    assert.equal(value('sekisho_http_parse_errors_total', { side: 'downstream', code: 'bare-lf' }), 1)
    assert.equal(value('sekisho_http_parse_errors_total', { side: 'upstream' }), 1)
    assert.equal(
      value('sekisho_tls_handshake_failures_total', { entrypoint: 'websecure', reason: 'not-tls' }),
      1,
    )
    assert.equal(value('sekisho_connections_refused_total', { entrypoint: 'web', reason: 'client-cap' }), 1)
    assert.equal(value('sekisho_server_ejections_total', { service: 'default-gone-80@kubernetes' }), 1)
    // A worker may have chosen the server just before another one set it aside.
    const failed = { service: 'default-gone-80@kubernetes', reason: 'upstream-connect' }
    const failures = value('sekisho_upstream_connect_errors_total', failed)
    assert.ok(failures >= 3 && failures <= 5, `${failures}`)
    assert.equal(value('traefik_service_retries_total', { service: failed.service }), failures)
    const up = seriesOf(text, 'traefik_service_server_up', { service: 'default-gone-80@kubernetes' })
    assert.deepEqual(Object.fromEntries(up.map(({ labels, value: isUp }) => [labels['url'], isUp])), {
      [`http://${refusing}`]: 0,
      [`http://${server.address}`]: 1,
    })
    assert.equal(value('sekisho_config_objects', { kind: 'certificates' }), 1)
    const [certificate] = seriesOf(text, 'traefik_tls_certs_not_after')
    assert.equal(certificate!.labels['cn'], 'a.example')
    assert.equal(certificate!.labels['sans'], 'a.example')
    const days = (certificate!.value * 1000 - Date.now()) / 86_400_000
    assert.ok(days > 89 && days < 91)
    assert.equal(value('sekisho_workers'), 2)
    assert.ok(value('sekisho_config_last_change_duration_seconds') > 0)
  })
  await t.test('figures of each worker, looked at every few seconds', async () => {
    await gateway.until(async () => {
      const text = await gateway.metrics()
      const isThere = (name: string): boolean =>
        ['0', '1'].every((worker) => seriesOf(text, name, { worker }).some(({ value }) => value > 0))
      return (
        ['sekisho_worker_heap_used_bytes', 'sekisho_worker_loop_delay_seconds'].every(isThere) &&
        metric(text, 'sekisho_upstream_connections_reused_total') > 0
      )
    })
  })
  await noneOpen(gateway, 'web')
  await noneOpen(gateway, 'websecure')
})

/** `router`, `service` and `url` labels that are there now. */
async function objects(
  gateway: GatewayProcess,
): Promise<{ routers: string[]; services: string[]; urls: string[] }> {
  const text = await gateway.metrics()
  const distinct = (label: string): string[] =>
    [
      ...new Set([...text.matchAll(new RegExp(`[{,]${label}="([^"]*)"`, 'g'))].map((match) => match[1]!)),
    ].toSorted()
  return { routers: distinct('router'), services: distinct('service'), urls: distinct('url') }
}

test('series of routers, services, servers and certificates that are removed go, also when a request outlives them', async () => {
  await using first = await namedServer('1')
  await using second = await namedServer('2')
  await using slow = await RawServer.start()
  const authority = new TestAuthority('Metrics Root')
  const hostA = ingress({ host: 'a.example', paths: [{ service: 'a' }] })
  const hostB = ingress({
    name: 'b',
    host: 'b.example',
    paths: [{ service: 'b' }],
    tls: { hosts: ['b.example'], secretName: 'b' },
  })
  await using gateway = await GatewayProcess.start({
    workers: 2,
    flags: ['--metrics.prometheus.addRoutersLabels=true'],
    manifests: {
      'a.yaml': hostA,
      'a-service.yaml': service('a', [first.address, second.address]),
      'b.yaml': [hostB, tlsSecret('b', authority.issue(['b.example'])), service('b', [slow.address])].join(
        '\n---\n',
      ),
    },
  })
  for (let i = 0; i < 8; i++) await exchangeBytes(gateway.web, LAST_REQUEST)
  const waiting = await rawClient(gateway.web)
  waiting.send(LAST_REQUEST.replace('a.example', 'b.example'))
  const backend = await slow.connection()
  await backend.head()
  const counted = await rawClient(gateway.web)
  counted.send(LAST_REQUEST.replace('a.example', 'b.example'))
  const other = await slow.connection(1)
  await other.head()
  other.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  await counted.until((each) => each.isEnded)
  assert.deepEqual(await objects(gateway), {
    routers: ['default-b-b-example@kubernetes', 'default-web-a-example@kubernetes'],
    services: ['default-a-80@kubernetes', 'default-b-80@kubernetes'],
    urls: [first.address, second.address, slow.address].map((address) => `http://${address}`).toSorted(),
  })
  assert.equal(seriesOf(await gateway.metrics(), 'traefik_tls_certs_not_after').length, 1)
  const servedA = metric(await gateway.metrics(), 'traefik_service_requests_total', {
    service: 'default-a-80@kubernetes',
  })
  assert.equal(servedA, 8)
  await gateway.remove('b.yaml')
  await gateway.replace('a-service.yaml', service('a', [second.address]))
  const rest = {
    routers: ['default-web-a-example@kubernetes'],
    services: ['default-a-80@kubernetes'],
    urls: [`http://${second.address}`],
  }
  const isGone = async (): Promise<boolean> => JSON.stringify(await objects(gateway)) === JSON.stringify(rest)
  await gateway.until(isGone)
  assert.equal(seriesOf(await gateway.metrics(), 'traefik_tls_certs_not_after').length, 0)
  // The request that was under way ends well, counts at its entrypoint, and brings nothing back.
  backend.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  await waiting.until((each) => each.isEnded)
  await gateway.until(
    async () => metric(await gateway.metrics(), 'traefik_entrypoint_requests_total', { code: '200' }) === 10,
  )
  assert.ok(await isGone(), JSON.stringify(await objects(gateway)))
  // What stays has lost nothing.
  assert.equal(
    metric(await gateway.metrics(), 'traefik_service_requests_total', { service: 'default-a-80@kubernetes' }),
    servedA,
  )
  for (const each of [waiting, counted]) each.socket.destroy()
})

/** Values of all counters, histograms included, by name and labels. */
async function counters(gateway: GatewayProcess): Promise<Map<string, number>> {
  const values = new Map<string, number>()
  for (const [name, { type, series }] of await scrape(gateway)) {
    if (type === 'gauge') continue
    for (const [key, { value }] of series) values.set(name + key, value)
  }
  return values
}

test('counters are sums over the workers, equal what was sent, and never go down when workers crash', async (t) => {
  await using server = await RawServer.answering('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345')
  await using gateway = await GatewayProcess.start({
    workers: 3,
    manifests: {
      'web.yaml': ingress({ host: 'a.example', paths: [{ service: 'a' }] }),
      'services.yaml': service('a', [server.address]),
    },
    env: INSPECTED,
  })
  using inspector = await Inspector.attach(gateway, 3)
  const byUs = { ok: 0, missed: 0, bytes: 0 }
  const ask = async (host: string): Promise<boolean> => {
    const answer = await exchangeBytes(
      gateway.web,
      `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc`,
    )
    return answer.startsWith(host === 'a.example' ? 'HTTP/1.1 200 ' : 'HTTP/1.1 404 ')
  }
  const round = async (): Promise<void> => {
    const count = scaled(200)
    for (let sent = 0; sent < count; sent += 10) {
      const isRight = await Promise.all(
        Array.from({ length: 10 }, (_, index) => ask(index === 0 ? 'nobody.example' : 'a.example')),
      )
      assert.ok(isRight.every(Boolean))
      byUs.ok += 9
      byUs.missed += 1
      byUs.bytes += 9 * 5
    }
  }
  const check = async (): Promise<void> => {
    const text = await gateway.metrics()
    const value = (name: string, labels: Record<string, string>): number => metric(text, name, labels)
    const service = 'default-a-80@kubernetes'
    assert.deepEqual(
      [
        value('traefik_entrypoint_requests_total', { entrypoint: 'web', code: '200', method: 'POST' }),
        value('traefik_entrypoint_requests_total', { entrypoint: 'web', code: '404', method: 'POST' }),
        value('traefik_service_requests_total', { service }),
        value('traefik_service_request_duration_seconds_count', { service }),
        value('traefik_service_request_duration_seconds_bucket', { service, le: '+Inf' }),
        value('traefik_service_requests_bytes_total', { service }),
        value('traefik_service_responses_bytes_total', { service }),
        value('traefik_entrypoint_requests_total', {}),
      ],
      [byUs.ok, byUs.missed, byUs.ok, byUs.ok, byUs.ok, byUs.ok * 3, byUs.bytes, byUs.ok + byUs.missed],
    )
  }
  await round()
  await check()
  let before = await counters(gateway)
  for (const [index, name] of ['worker-1', 'worker-0', 'worker-1'].entries()) {
    await gateway.until(() => inspector.workers.size === 3)
    await inspector.crash(name)
    await gateway.until(() => gateway.log.split('a worker ended').length - 2 === index)
    // Also while there is one less.
    for (const phase of ['ended', 'served']) {
      if (phase === 'served') await round()
      const now = await counters(gateway)
      for (const [key, value] of before) {
        const current = now.get(key)
        assert.ok(current !== undefined && current >= value, `${key}: ${value}, then ${current}`)
      }
      before = now
    }
    await check()
  }
  const text = await gateway.metrics()
  assert.equal(metric(text, 'sekisho_worker_restarts_total'), 3)
  await gateway.until(async () => metric(await gateway.metrics(), 'sekisho_workers') === 3)
  await noneOpen(gateway, 'web')
  t.diagnostic(`${byUs.ok + byUs.missed} requests, 3 workers of 3 crashed, ${before.size} counters`)
})

test('what is open is counted while it is open, however it ends', async (t) => {
  await using server = await RawServer.start()
  await using gateway = await GatewayProcess.start({
    workers: 2,
    flags: [
      '--limits.headTimeout=300ms',
      '--entryPoints.proxied.address=127.0.0.1:0',
      '--entryPoints.proxied.proxyProtocol.trustedIPs=127.0.0.0/8',
      '--entryPoints.proxied.http.tls=true',
    ],
    manifests: {
      'web.yaml': ingress({ host: 'a.example', paths: [{ service: 'a' }] }),
      'services.yaml': service('a', [server.address]),
    },
  })
  const open = async (entrypoint: string): Promise<number> =>
    metric(await gateway.metrics(), 'traefik_open_connections', { entrypoint, protocol: 'TCP' })
  const upstream = async (): Promise<number> =>
    metric(await gateway.metrics(), 'sekisho_upstream_connections_open')
  const plain = gateway.web
  const tls = gateway.websecure
  const proxied = gateway.ports['proxied']!
  const HELLO = Buffer.from('16030100c8010000c40303', 'hex')
  const cases: readonly (readonly [
    string,
    string,
    number,
    (client: RawConnection) => Promise<void> | void,
  ])[] = [
    ['silent, then closed', 'web', plain, () => {}],
    ['half a head, then closed', 'web', plain, (client) => client.send('GET / HT')],
    [
      'half a head, then reset',
      'web',
      plain,
      (client) => {
        client.send('GET / HT')
        client.socket.resetAndDestroy()
      },
    ],
    [
      'half a head, timed out',
      'web',
      plain,
      async (client) => {
        client.send('GET / HT')
        await client.until((each) => each.isEnded)
      },
    ],
    [
      'malformed',
      'web',
      plain,
      async (client) => {
        client.send('GET / HTTP/1.1\n\n')
        await client.until((each) => each.isEnded)
      },
    ],
    [
      'request given up',
      'web',
      plain,
      async (client) => {
        const before = server.connections.length
        client.send('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n')
        await (await server.connection(before)).head()
      },
    ],
    [
      'tunnel',
      'web',
      plain,
      async (client) => {
        const before = server.connections.length
        client.send('GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
        const backend = await server.connection(before)
        await backend.head()
        backend.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
        await client.until((each) => each.received.includes(' 101 '))
        backend.socket.end()
      },
    ],
    [
      'TLS: silent, timed out',
      'websecure',
      tls,
      (client) => client.until((each) => each.isEnded || each.isClosed),
    ],
    ['TLS: half a hello, then closed', 'websecure', tls, (client) => client.send(HELLO)],
    [
      'TLS: half a hello, then reset',
      'websecure',
      tls,
      (client) => {
        client.send(HELLO)
        client.socket.resetAndDestroy()
      },
    ],
    [
      'TLS: half a hello, timed out',
      'websecure',
      tls,
      async (client) => {
        client.send(HELLO)
        await client.until((each) => each.isEnded || each.isClosed)
      },
    ],
    [
      'TLS: garbage',
      'websecure',
      tls,
      async (client) => {
        client.send(Buffer.concat([Buffer.from([0x16]), Buffer.alloc(100, 0xff)]))
        await client.until((each) => each.isEnded || each.isClosed)
      },
    ],
    ['PROXY: half a header, then closed', 'proxied', proxied, (client) => client.send('PROXY TCP4 ')],
    [
      'PROXY: bad',
      'proxied',
      proxied,
      async (client) => {
        client.send('PROXY nonsense\r\n')
        await client.until((each) => each.isEnded || each.isClosed)
      },
    ],
    [
      'PROXY: then half a hello',
      'proxied',
      proxied,
      (client) => client.send(Buffer.concat([Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'), HELLO])),
    ],
  ]
  for (const [name, entrypoint, port, act] of cases) {
    await t.test(name, async () => {
      const clients = await Promise.all(Array.from({ length: 4 }, () => rawClient(port)))
      if (!name.includes('timed out')) await gateway.until(async () => (await open(entrypoint)) >= 1)
      for (const client of clients) await act(client)
      for (const client of clients) client.socket.destroy()
      await gateway.until(async () => (await open(entrypoint)) === 0, 5000)
      await gateway.until(async () => (await upstream()) === 0, 10_000)
    })
  }
})
