/**
 * Configuration changes while requests run: every kind of change, every way in which programs write files, what stays
 * (state, what was good) and what goes (routes, their series). No change may fail a request.
 */
import assert from 'node:assert/strict'
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { createSelfSigned } from '#certs/self-signed.ts'
import { Asker, type AskedAnswer } from './bed/asker.ts'
import { endAll, namedServers } from './bed/backends.ts'
import { GatewayProcess } from './bed/gateway-process.ts'
import { Inspector, INSPECTED } from './bed/inspector.ts'
import { Load } from './bed/load.ts'
import { ingress, service, type IngressOptions } from './bed/manifests.ts'
import { metric, seriesOf } from './bed/metrics-text.ts'
import { IS_PLAIN, scaled } from './bed/modes.ts'
import type { RawServer } from './bed/raw-peer.ts'

const MAX_HEAP_GROWTH = 5 * 1024 * 1024

/** Servers that answer with their names. */
class Named implements AsyncDisposable {
  readonly addresses: readonly string[]
  readonly #servers: readonly RawServer[]

  private constructor(servers: readonly RawServer[]) {
    this.#servers = servers
    this.addresses = servers.map((server) => server.address)
  }

  static async start(...names: readonly string[]): Promise<Named> {
    return new Named(await namedServers(names))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endAll(this.#servers)
  }
}

function documents(...texts: readonly string[]): string {
  return texts.join('\n---\n')
}

function route(name: string, to: string, more: Partial<IngressOptions> = {}): string {
  return ingress({ name, host: `${name}.example`, paths: [{ service: to }], ...more })
}

function secret(name: string, host: string): string {
  const { certificate, key } = createSelfSigned({ now: Date.now(), dnsNames: [host] })
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: { name, namespace: 'default' },
    stringData: { 'tls.crt': certificate, 'tls.key': key },
  })
}

function request(host: string, lines = ''): string {
  return `GET / HTTP/1.1\r\nHost: ${host}\r\n${lines}\r\n`
}

/** Asks until the answer is right, and says how long that took. */
async function takesEffect(
  asker: Asker,
  host: string,
  isRight: (answer: AskedAnswer) => boolean,
): Promise<number> {
  const startedAt = performance.now()
  for (;;) {
    const answer = await asker.ask(request(host))
    const tookMs = performance.now() - startedAt
    if (isRight(answer)) return tookMs
    assert.ok(tookMs < 10_000, `no effect at ${host}: ${answer.head}${answer.body}`)
  }
}

function figures(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): string => sorted[Math.floor((sorted.length - 1) * share)]!.toFixed(1)
  return `${sorted.length} changes, median ${at(0.5)} ms, p90 ${at(0.9)} ms, max ${at(1)} ms`
}

test('routes, services, endpoints and secrets come, change and go without a failed request', async (t) => {
  await using servers = await Named.start('a', 'b', 'c')
  const [a, b, c] = servers.addresses as [string, string, string]
  await using gateway = await GatewayProcess.start({
    manifests: {
      'steady.yaml': documents(route('steady', 'a'), service('a', [a]), service('b', [b])),
      'moving.yaml': documents(route('moving', 'moving'), service('moving', [a])),
      'tls.yaml': documents(
        secret('cert', 'tls.example'),
        route('tls', 'a', { tls: { hosts: ['tls.example'], secretName: 'cert' } }),
      ),
    },
  })
  const hosts = ['steady.example', 'moving.example', 'tls.example']
  using load = new Load({
    port: gateway.web,
    connections: 8,
    perSecond: 300,
    host: (index) => hosts[index % hosts.length]!,
  })
  using asker = new Asker({ port: gateway.web })
  const times: number[] = []
  const certificateTimes: number[] = []
  const change = async (
    name: string,
    text: string,
    host: string,
    isRight: (answer: AskedAnswer) => boolean,
  ): Promise<void> => {
    await gateway.replace(name, text)
    times.push(await takesEffect(asker, host, isRight))
  }
  const has = (body: string) => (answer: AskedAnswer) => answer.status === 200 && answer.body === body
  const is = (status: number) => (answer: AskedAnswer) => answer.status === status
  const rounds = IS_PLAIN ? 8 : 2
  for (let round = 0; round < rounds; round++) {
    // A route comes, leads elsewhere, goes.
    await change('new.yaml', route('new', 'a'), 'new.example', has('a'))
    await change('new.yaml', route('new', 'b'), 'new.example', has('b'))
    await change('new.yaml', '# nothing\n', 'new.example', is(404))
    // A service comes after its route, gets endpoints, loses them, goes.
    await change('late.yaml', route('late', 'late'), 'late.example', is(503))
    await change(
      'late.yaml',
      documents(route('late', 'late'), service('late', [b])),
      'late.example',
      has('b'),
    )
    await change('late.yaml', documents(route('late', 'late'), service('late', [])), 'late.example', is(503))
    await change('late.yaml', '# nothing\n', 'late.example', is(404))
    // Endpoints move under load.
    await change(
      'moving.yaml',
      documents(route('moving', 'moving'), service('moving', [b])),
      'moving.example',
      has('b'),
    )
    await change(
      'moving.yaml',
      documents(route('moving', 'moving'), service('moving', [a])),
      'moving.example',
      has('a'),
    )
    await change(
      'moving.yaml',
      documents(route('moving', 'moving'), service('moving', [a, c])),
      'moving.example',
      has('c'),
    )
    const fingerprint = await shownFingerprint(gateway, 'tls.example')
    await gateway.replace(
      'tls.yaml',
      documents(
        secret('cert', 'tls.example'),
        route('tls', 'a', { tls: { hosts: ['tls.example'], secretName: 'cert' } }),
      ),
    )
    const startedAt = performance.now()
    await gateway.until(async () => (await shownFingerprint(gateway, 'tls.example')) !== fingerprint)
    certificateTimes.push(performance.now() - startedAt)
  }
  await load.stop()
  t.diagnostic(`in force after the rename: ${figures(times)}; certificates: ${figures(certificateTimes)}`)
  t.diagnostic(
    `${load.ok} requests meanwhile, ${load.failures.length} failed, slowest ${load.slowestMs.toFixed(0)} ms`,
  )
  assert.deepEqual(load.failures, [])
  assert.ok(load.ok > 0)
})

async function shownFingerprint(gateway: GatewayProcess, host: string): Promise<string> {
  using asker = new Asker({ port: gateway.websecure, tls: { serverName: host } })
  const answer = await asker.ask(request(host))
  assert.equal(answer.status, 200)
  return asker.fingerprint
}

/**
 * One way to bring `text` into the file that the test is about. What is gone in between stays away for a `moment`, as
 * slow programs and disks have it; the result is how long, in milliseconds.
 */
type Writer = (dir: string, text: string, moment: () => Promise<void>, round: number) => Promise<number>

/** Longer than files are left alone after an event, so that somebody really looks meanwhile. */
const MOMENT_MS = 10
/** What is gone longer than this may be believed to be gone. */
const MAX_ABSENCE_MS = 20

async function timed(work: () => void | Promise<void>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

const WRITERS: Readonly<Record<string, Writer>> = {
  'renamed over': async (dir, text) => {
    writeFileSync(join(dir, 'web.yaml.tmp1'), text)
    renameSync(join(dir, 'web.yaml.tmp1'), join(dir, 'web.yaml'))
    return 0
  },
  'written in place': (dir, text) => timed(() => writeFileSync(join(dir, 'web.yaml'), text)),
  'emptied, then written in pieces': (dir, text, moment) =>
    timed(async () => {
      const file = openSync(join(dir, 'web.yaml'), 'r+')
      ftruncateSync(file)
      await moment()
      for (let at = 0; at < text.length; at += 100) writeSync(file, text.slice(at, at + 100))
      closeSync(file)
    }),
  'backed up, written anew, backup removed': (dir, text, moment) =>
    timed(async () => {
      renameSync(join(dir, 'web.yaml'), join(dir, 'web.yaml~'))
      await moment()
      writeFileSync(join(dir, 'web.yaml'), text)
      unlinkSync(join(dir, 'web.yaml~'))
    }),
  'deleted and created': (dir, text, moment) =>
    timed(async () => {
      unlinkSync(join(dir, 'web.yaml'))
      await moment()
      writeFileSync(join(dir, 'web.yaml'), text)
    }),
  'its directory deleted and created': (dir, text, moment) =>
    timed(async () => {
      rmSync(dir, { recursive: true })
      await moment()
      mkdirSync(dir)
      writeFileSync(join(dir, 'web.yaml'), text)
    }),
  'its directory replaced by another': async (dir, text, moment) => {
    const next = join(dirname(dir), '.next')
    const last = join(dirname(dir), '.last')
    mkdirSync(next)
    writeFileSync(join(next, 'web.yaml'), text)
    const absence = await timed(async () => {
      renameSync(dir, last)
      await moment()
      renameSync(next, dir)
    })
    rmSync(last, { recursive: true })
    return absence
  },
  'a link of a ConfigMap volume': async (dir, text, _moment, round) => {
    // As the kubelet does: a new directory, ..data renamed over, the old directory removed.
    const version = (index: number): string => `..2026_${index}`
    mkdirSync(join(dir, version(round)))
    writeFileSync(join(dir, version(round), 'web.yaml'), text)
    symlinkSync(version(round), join(dir, '..data_tmp'))
    renameSync(join(dir, '..data_tmp'), join(dir, '..data'))
    if (round === 0) {
      symlinkSync('..data/web.yaml', join(dir, 'web.link'))
      renameSync(join(dir, 'web.link'), join(dir, 'web.yaml'))
    } else rmSync(join(dir, version(round - 1)), { recursive: true })
    return 0
  },
}

test('every way of writing files takes effect without a failed request', async (t) => {
  await using servers = await Named.start('a', 'b')
  await using gateway = await GatewayProcess.start({
    manifests: {
      'services.yaml': documents(
        service('a', [servers.addresses[0]!]),
        service('b', [servers.addresses[1]!]),
      ),
      'conf/web.yaml': route('web', 'a'),
    },
  })
  using load = new Load({ port: gateway.web, connections: 4, perSecond: 300, host: () => 'web.example' })
  using asker = new Asker({ port: gateway.web })
  const dir = join(gateway.dir, 'conf')
  const all: number[] = []
  const moment = async (): Promise<void> => {
    const until = performance.now() + MOMENT_MS
    while (performance.now() < until) await asker.ask(request('web.example'))
  }
  // Long enough for several writes; the route comes last.
  const text = (to: string): string => `# ${'x'.repeat(500)}\n${route('web', to)}`
  let turn = 0
  for (const [name, write] of Object.entries(WRITERS)) {
    const times: number[] = []
    let slow = 0
    for (let round = 0; round < (IS_PLAIN ? 6 : 3); round++) {
      const to = turn++ % 2 === 0 ? 'b' : 'a'
      const failedBefore = load.failures.length
      const absence = await write(dir, text(to), moment, round)
      times.push(await takesEffect(asker, 'web.example', ({ body }) => body === to))
      if (absence < MAX_ABSENCE_MS) continue
      // The machine stopped us in the middle: the file was really gone for long.
      load.failures.length = failedBefore
      slow++
    }
    all.push(...times)
    t.diagnostic(`${name}: ${figures(times)}${slow === 0 ? '' : `, ${slow} of them written slowly`}`)
  }
  await load.stop()
  t.diagnostic(`all ways: ${figures(all)}; ${load.ok} requests meanwhile, ${load.failures.length} failed`)
  assert.deepEqual(load.failures, [])
})

test('a file that is half written for long costs nothing', async () => {
  await using servers = await Named.start('a', 'b')
  const [a, b] = servers.addresses as [string, string]
  const text = (to: string): string =>
    documents(
      service('a', [a]),
      service('b', [b]),
      route('first', to),
      route('second', to),
      route('third', to),
    )
  await using gateway = await GatewayProcess.start({ manifests: { 'all.yaml': text('a') } })
  const hosts = ['first.example', 'second.example', 'third.example']
  using load = new Load({
    port: gateway.web,
    connections: 4,
    perSecond: 300,
    host: (index) => hosts[index % hosts.length]!,
  })
  using asker = new Asker({ port: gateway.web })
  const next = text('b')
  const half = next.indexOf('"second"') + 4
  writeFileSync(join(gateway.dir, 'all.yaml'), next.slice(0, half))
  // What stands in the first half is in force, what was in the second stays.
  await takesEffect(asker, hosts[0]!, ({ body }) => body === 'b')
  await gateway.logged(/all\.yaml:\d+:\d+/)
  await load.more(100)
  for (const host of hosts.slice(1)) assert.equal((await asker.ask(request(host))).body, 'a')
  writeFileSync(join(gateway.dir, 'all.yaml'), next)
  for (const host of hosts) await takesEffect(asker, host, ({ body }) => body === 'b')
  await gateway.logged(/findings mended/)
  await load.stop()
  assert.deepEqual(load.failures, [])
})

test('1,000 changes at 1,000 requests a second fail no request and leave nothing in memory', async (t) => {
  await using servers = await Named.start('a', 'b', 'c')
  const [a, b, c] = servers.addresses as [string, string, string]
  await using gateway = await GatewayProcess.start({
    manifests: {
      'steady.yaml': documents(route('steady', 'a'), service('a', [a, b])),
      'moving.yaml': documents(route('moving', 'moving'), service('moving', [a])),
    },
    env: INSPECTED,
  })
  using inspector = await Inspector.attach(gateway, 1)
  const hosts = ['steady.example', 'moving.example']
  using load = new Load({
    port: gateway.web,
    connections: 16,
    perSecond: 1000,
    host: (index) => hosts[index % hosts.length]!,
  })
  using asker = new Asker({ port: gateway.web })
  let changes = 0
  const times: number[] = []
  const change = async (): Promise<void> => {
    const index = changes++
    switch (index % 4) {
      // A route with a middleware and a name of its own each time.
      case 0: {
        const more = { annotations: { 'nginx.ingress.kubernetes.io/rewrite-target': `/r${index}` } }
        await gateway.replace(
          'new.yaml',
          documents(route(`new-${index}`, 'a', more), service(`s-${index}`, [c])),
        )
        times.push(await takesEffect(asker, `new-${index}.example`, ({ status }) => status === 200))
        return
      }
      case 1:
        await gateway.replace('new.yaml', '# nothing\n')
        times.push(await takesEffect(asker, `new-${index - 1}.example`, ({ status }) => status === 404))
        return
      case 2:
        await gateway.replace('moving.yaml', documents(route('moving', 'moving'), service('moving', [b])))
        times.push(await takesEffect(asker, 'moving.example', ({ body }) => body === 'b'))
        return
      default: {
        const more = {
          annotations: { 'nginx.ingress.kubernetes.io/proxy-read-timeout': `${60 + (index % 30)}` },
        }
        await gateway.replace(
          'moving.yaml',
          documents(route('moving', 'moving', more), service('moving', [a])),
        )
        times.push(await takesEffect(asker, 'moving.example', ({ body }) => body === 'a'))
      }
    }
  }
  // What grows once, with the first changes and requests, is no growth.
  for (let i = 0; i < 100; i++) await change()
  await load.more(1000)
  const before = await inspector.heapAfterCollection()
  const reloadsBefore = metric(await gateway.metrics(), 'traefik_config_reloads_total')
  times.length = 0
  const startedAt = performance.now()
  const requestsBefore = load.ok
  const wanted = scaled(1000)
  for (let i = 0; i < wanted; i++) await change()
  const tookS = (performance.now() - startedAt) / 1000
  const requests = load.ok - requestsBefore
  const reloads = metric(await gateway.metrics(), 'traefik_config_reloads_total') - reloadsBefore
  const after = await inspector.heapAfterCollection()
  await load.stop()
  const growth = after - before
  const mb = (bytes: number): string => (bytes / 1024 / 1024).toFixed(2)
  t.diagnostic(
    `${reloads} changes and ${requests} requests (${(requests / tookS).toFixed(0)}/s) in ${tookS.toFixed(1)} s, ` +
      `${load.failures.length} failed, slowest ${load.slowestMs.toFixed(0)} ms`,
  )
  t.diagnostic(`in force after the rename: ${figures(times)}`)
  t.diagnostic(
    `heap of both threads after collection: ${mb(before)} MB before, ${mb(after)} MB after: ${mb(growth)} MB`,
  )
  assert.deepEqual(load.failures, [])
  assert.ok(reloads >= wanted, `${reloads} changes`)
  assert.ok(growth <= MAX_HEAP_GROWTH, `${growth} bytes`)
})

test('round-robin position, ejection and stickiness survive changes', async () => {
  await using servers = await Named.start('a', 'b', 'c', 'd')
  const [a, b, c, d] = servers.addresses as [string, string, string, string]
  const dead = '127.0.0.1:1'
  const affinity = { 'nginx.ingress.kubernetes.io/affinity': 'cookie' }
  const version = (index: number): string =>
    documents(
      route('turns', 'turns', {
        annotations: { 'nginx.ingress.kubernetes.io/proxy-read-timeout': `${30 + index}` },
        // The route itself changes too.
        paths: [{ service: 'turns' }, { path: `/v${index}`, service: 'turns' }],
      }),
      route('ejected', 'ejected'),
      route('sticky', 'sticky', { annotations: affinity }),
      route(`marker-${index}`, 'turns-not'),
      service('turns', [a, b, c]),
      service('turns-not', [a]),
      service('ejected', [dead, a, b]),
      service('sticky', index === 0 ? [a, b, c] : [a, b, c, d]),
    )
  await using gateway = await GatewayProcess.start({ manifests: { 'all.yaml': version(0) } })
  using asker = new Asker({ port: gateway.web })
  const bodies: string[] = []
  for (let i = 0; i < 4; i++) bodies.push((await asker.ask(request('turns.example'))).body)
  const isUp = async (): Promise<number | undefined> =>
    seriesOf(await gateway.metrics(), 'traefik_service_server_up', { url: `http://${dead}` })[0]?.value
  for (let i = 0; i < 9; i++) assert.equal((await asker.ask(request('ejected.example'))).status, 200)
  await gateway.until(async () => (await isUp()) === 0)
  const first = await asker.ask(request('sticky.example'))
  const cookie = /^set-cookie: ([^;]+)/im.exec(first.head)![1]!

  for (let index = 1; index <= 3; index++) {
    await gateway.replace('all.yaml', version(index))
    await takesEffect(asker, `marker-${index}.example`, ({ status }) => status === 200)
    for (let i = 0; i < 4; i++) bodies.push((await asker.ask(request('turns.example'))).body)
    assert.equal(await isUp(), 0)
    for (let i = 0; i < 9; i++) assert.equal((await asker.ask(request('ejected.example'))).status, 200)
    for (let i = 0; i < 8; i++) {
      const answer = await asker.ask(request('sticky.example', `Cookie: ${cookie}\r\n`))
      assert.equal(answer.body, first.body)
      assert.doesNotMatch(answer.head, /^set-cookie:/im)
    }
  }
  const cycle = bodies.slice(0, 3)
  assert.deepEqual(new Set(cycle), new Set(['a', 'b', 'c']))
  bodies.forEach((body, index) => assert.equal(body, cycle[index % 3], `turn ${index} of ${bodies.join('')}`))
  // Its failures of before the changes are the only ones.
  const text = await gateway.metrics()
  assert.equal(metric(text, 'sekisho_server_ejections_total'), 1)
  assert.equal(metric(text, 'traefik_service_retries_total'), 3)
})

test('a broken document keeps its last good version, the others go on, also after a worker is replaced', async () => {
  await using servers = await Named.start('a', 'b')
  const services = servers.addresses.map((address, index) => service('ab'[index]!, [address]))
  await using gateway = await GatewayProcess.start({
    manifests: {
      'services.yaml': documents(...services),
      'web.yaml': documents(route('one', 'a'), route('two', 'a')),
    },
    env: INSPECTED,
  })
  using inspector = await Inspector.attach(gateway, 1)
  const broken: readonly (readonly [text: string, place: RegExp])[] = [
    ['apiVersion: networking.k8s.io/v1\n\tkind: Ingress', /web\.yaml:2:1\b/],
    ['apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: one', /web\.yaml:\d+:\d+/],
    [
      'apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: one\nspec:\n  rules: 7',
      /web\.yaml:6:3\b/,
    ],
  ]
  let turn = 0
  for (const [text, place] of broken) {
    const to = turn++ % 2 === 0 ? 'b' : 'a'
    const logged = gateway.log.length
    await gateway.replace('web.yaml', documents(text, route('two', to)))
    using asker = new Asker({ port: gateway.web })
    await takesEffect(asker, 'two.example', ({ body }) => body === to)
    assert.equal((await asker.ask(request('one.example'))).body, 'a')
    await gateway.until(() => gateway.log.indexOf('ERR', logged) > 0)
    assert.match(gateway.log.slice(logged), place)
    // The replacement gets what was in force, not what the files say.
    await gateway.until(() => inspector.workers.size === 1)
    const replaced = gateway.log.split('a worker ended').length
    await inspector.crash('worker-0')
    await gateway.until(() => gateway.log.split('a worker ended').length > replaced)
    using fresh = new Asker({ port: gateway.web })
    assert.equal((await fresh.ask(request('one.example'))).body, 'a')
    assert.equal((await fresh.ask(request('two.example'))).body, to)
  }
  await gateway.replace('web.yaml', documents(route('one', 'b'), route('two', 'a')))
  using asker = new Asker({ port: gateway.web })
  await takesEffect(asker, 'one.example', ({ body }) => body === 'b')
  await gateway.logged(/findings mended/)
})

test('a kind that is not known is counted and named once', async () => {
  await using servers = await Named.start('a')
  const [address] = servers.addresses as [string]
  const widget = (name: string): string =>
    JSON.stringify({ apiVersion: 'shop.example/v1', kind: 'Widget', metadata: { name } })
  const all = service('a', [address])
  await using gateway = await GatewayProcess.start({
    manifests: {
      'a.yaml': documents(route('web', 'a'), widget('one'), all, widget('two')),
      'b.yaml': widget('three'),
    },
  })
  const named = (): string[] => gateway.log.split('\n').filter((line) => line.includes('Widget'))
  await gateway.logged(/Widget/)
  assert.equal(named().length, 1, named().join('\n'))
  assert.match(named()[0]!, /3 objects of this kind are not read/)
  // Nor when more of them come, or when their place moves.
  using asker = new Asker({ port: gateway.web })
  await gateway.replace('b.yaml', documents(widget('three'), widget('four'), route('more', 'a')))
  await takesEffect(asker, 'more.example', ({ status }) => status === 200)
  await gateway.replace(
    'a.yaml',
    documents('# moved', route('web', 'a'), route('again', 'a'), widget('one'), all),
  )
  await takesEffect(asker, 'again.example', ({ status }) => status === 200)
  assert.equal(named().length, 1, named().join('\n'))
})

test('a removed route answers 404 and its series go, those of others stay', async () => {
  await using servers = await Named.start('a')
  const [address] = servers.addresses as [string]
  const both = (name: string): string => documents(route(name, name), service(name, [address]))
  await using gateway = await GatewayProcess.start({
    manifests: { 'kept.yaml': both('kept'), 'gone.yaml': both('gone') },
    flags: ['--metrics.prometheus.addRoutersLabels'],
  })
  using asker = new Asker({ port: gateway.web })
  const rounds = 3
  for (let round = 1; round <= rounds; round++) {
    await takesEffect(asker, 'gone.example', ({ status }) => status === 200)
    assert.equal((await asker.ask(request('kept.example'))).status, 200)
    await gateway.until(async () => {
      const text = await gateway.metrics()
      const names = [
        'traefik_router_requests_total',
        'traefik_service_requests_total',
        'traefik_service_server_up',
      ]
      return names.every((name) =>
        ['gone', 'kept'].every((part) => text.includes(`${name}{`) && hasSeries(text, name, part)),
      )
    })
    await gateway.remove('gone.yaml')
    await takesEffect(asker, 'gone.example', ({ status }) => status === 404)
    await gateway.until(async () => !(await gateway.metrics()).includes('gone'))
    assert.equal((await asker.ask(request('kept.example'))).status, 200)
    await gateway.until(async () => {
      const text = await gateway.metrics()
      const kept = seriesOf(text, 'traefik_service_requests_total').filter(({ labels }) =>
        labels['service']!.includes('kept'),
      )
      return kept.reduce((sum, { value }) => sum + value, 0) === 2 * round
    })
    await gateway.replace('gone.yaml', both('gone'))
  }
})

function hasSeries(text: string, name: string, part: string): boolean {
  return seriesOf(text, name).some(({ labels }) =>
    Object.values(labels).some((value) => value.includes(part)),
  )
}
