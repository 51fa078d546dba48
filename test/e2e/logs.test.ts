/** The access log and the program's log of a running gateway: what clients cannot do to them, and that they hold nobody up. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { namedServer } from './bed/backends.ts'
import { GatewayProcess, until, type GatewayOptions } from './bed/gateway-process.ts'
import { Load } from './bed/load.ts'
import { ingress, service } from './bed/manifests.ts'
import { metric } from './bed/metrics-text.ts'
import { scaled } from './bed/modes.ts'
import { exchangeBytes, RawServer } from './bed/raw-peer.ts'
import { tlsSecret } from './bed/tls-peer.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/sekisho', import.meta.url))

type Entry = Record<string, unknown>

function start(server: RawServer, options: Partial<GatewayOptions> = {}): Promise<GatewayProcess> {
  return GatewayProcess.start({
    manifests: {
      'web.yaml': ingress({ paths: [{ service: 'a' }] }),
      'services.yaml': service('a', [server.address]),
    },
    ...options,
  })
}

const KEEP_HEADERS = '--accessLog.fields.headers.defaultMode=keep'

test('whatever a client sends, a line is one line of printable ASCII and says what it was', async (t) => {
  await using server = await namedServer('ok')
  const agents: readonly (readonly [name: string, sent: string, common: string, json: string])[] = [
    ['quotes and backslashes', 'a"b\\c" 200 0 "', 'a\\x22b\\x5cc\\x22 200 0 \\x22', 'a"b\\c" 200 0 "'],
    ['a tab', 'a\tb', 'a\\x09b', 'a\tb'],
    ['UTF-8', 'na\xc3\xafve', 'na\\xc3\\xafve', 'na\u00efve'],
    ['no UTF-8', 'a\xff\xfeb', 'a\\xff\\xfeb', 'a\u00ff\u00feb'],
    ['C1 controls', 'a\x85\x9bb', 'a\\x85\\x9bb', 'a\u0085\u009bb'],
    ['a line separator of Unicode', 'a\xe2\x80\xa8b', 'a\\xe2\\x80\\xa8b', 'a\u2028b'],
    [
      'a long one',
      'x'.repeat(20_000),
      `${'x'.repeat(8192)}...[11808 more]`,
      `${'x'.repeat(8192)}...[11808 more]`,
    ],
  ]
  for (const format of ['common', 'json'] as const) {
    await using gateway = await start(server, {
      flags: ['--accessLog', `--accessLog.format=${format}`, KEEP_HEADERS],
    })
    const ask = (target: string, lines: string): Promise<string> =>
      exchangeBytes(
        gateway.web,
        `GET ${target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n${lines}\r\n`,
      )
    for (const [index, [, sent]] of agents.entries()) {
      const answer = await ask(`/agent-${index}?q="'<\\>`, `User-Agent: ${sent}\r\nReferer: "${index}"\r\n`)
      assert.match(answer, /^HTTP\/1\.1 200 /)
    }
    // A value that ends the head and begins a line of its own is not one request, and no line of the log.
    for (const value of ['a\r\n\r\nforged', 'a\nforged', 'a\rforged', 'a\0forged', 'a\x1b[2Jforged']) {
      await ask('/control', `User-Agent: ${value}\r\n`)
    }
    await ask('/last', '')
    await gateway.printed(/\/last[^]*\n/)
    const lines = gateway.output.split('\n').slice(0, -1)
    for (const line of lines) assert.match(line, /^[\x20-\x7e]+$/)
    assert.ok(lines.every((line) => line.length < 20_000))
    for (const [index, [name, , common, json]] of agents.entries()) {
      await t.test(`${format}: ${name}`, () => {
        const own = lines.filter((line) => line.includes(`/agent-${index}?`))
        assert.equal(own.length, 1)
        if (format === 'common') {
          const request = `"GET /agent-${index}?q=\\x22'<\\x5c> HTTP/1.1" 200 2`
          assert.ok(own[0]?.includes(`${request} "\\x22${index}\\x22" "${common}" `), lines.join('\n'))
        } else {
          const entry = JSON.parse(own[0]!) as Entry
          assert.equal(entry['request_User-Agent'], json)
          assert.equal(entry['request_Referer'], `"${index}"`)
          assert.equal(entry['RequestPath'], `/agent-${index}?q="'<\\>`)
          assert.equal(entry['downstream_Content-Length'], '2')
          assert.equal(entry['origin_Content-Length'], '2')
        }
      })
    }
    await t.test(`${format}: nothing forged`, () => {
      assert.deepEqual(
        lines.filter((line) => line.includes('forged')),
        [],
      )
      // The complete request before the forged one is a request, and has its line.
      assert.equal(lines.filter((line) => line.includes('/control')).length, 1)
    })
  }
})

test('headers are kept, dropped and redacted, queries too, and filters choose lines', async () => {
  await using server = await RawServer.answering((head) =>
    head.includes(' /odd')
      ? 'HTTP/1.1 418 Odd\r\nContent-Length: 0\r\n\r\n'
      : 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  )
  await using gateway = await start(server, {
    flags: [
      '--accessLog.format=json',
      '--accessLog.filters.statusCodes=404,410-499',
      '--accessLog.fields.defaultMode=drop',
      '--accessLog.fields.names.requestpath=keep',
      '--accessLog.fields.names.DownstreamStatus=keep',
      '--accessLog.fields.headers.names.authorization=redact',
      '--accessLog.fields.headers.names.X-Kept=keep',
    ],
  })
  for (const target of ['/fine', '/odd?a=1', '/fine', '/odd?last']) {
    await exchangeBytes(
      gateway.web,
      `GET ${target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nAuthorization: Basic c2VjcmV0\r\n` +
        'X-Kept: 1\r\nX-Kept: 2\r\nX-Dropped: 3\r\n\r\n',
    )
  }
  await gateway.printed(/last[^]*\n/)
  const shown = gateway.output.split('\n').slice(0, -1)
  assert.equal(shown.length, 2)
  const { time, ...rest } = JSON.parse(shown[0]!) as Entry
  assert.equal(typeof time, 'string')
  assert.deepEqual(rest, {
    DownstreamStatus: 418,
    RequestPath: '/odd?a=1',
    level: 'info',
    msg: '',
    request_Authorization: 'REDACTED',
    'request_X-Kept': '1, 2',
  })
})

test('a request that cannot be read is counted by its error and has no line', async () => {
  await using server = await namedServer('ok')
  await using gateway = await start(server, { flags: ['--accessLog', '--accessLog.bufferingSize=1'] })
  const malformed: readonly (readonly [code: string, bytes: string])[] = [
    ['bare-lf', 'GET /malformed HTTP/1.1\nHost: a.example\r\n\r\n'],
    ['missing-host', 'GET /malformed HTTP/1.1\r\n\r\n'],
    ['space-before-colon', 'GET /malformed HTTP/1.1\r\nHost : a.example\r\n\r\n'],
    ['unsupported-version', 'GET /malformed HTTP/2.1\r\nHost: a.example\r\n\r\n'],
    ['head-too-large', `GET /malformed HTTP/1.1\r\nHost: a.example\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`],
  ]
  for (const [code, bytes] of malformed) {
    assert.match(await exchangeBytes(gateway.web, bytes), /^HTTP\/1\.1 (400|431|505) /, code)
  }
  await exchangeBytes(gateway.web, 'GET /last HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n')
  await gateway.printed(/last[^]*\n/)
  assert.doesNotMatch(gateway.output, /malformed/)
  const text = await gateway.metrics()
  for (const [code] of malformed) {
    assert.equal(metric(text, 'sekisho_http_parse_errors_total', { side: 'downstream', code }), 1, code)
  }
  assert.equal(metric(text, 'traefik_entrypoint_requests_total', { entrypoint: 'web' }), 1)
})

test('log rotation under load: no line is lost, torn or there twice', async (t) => {
  await using server = await namedServer('ok')
  await using folder = await TemporaryFolder.make()
  const file = join(folder.path, 'logs', 'access.log')
  await using gateway = await start(server, {
    workers: 2,
    flags: [`--accessLog.filePath=${file}`, '--accessLog.format=json'],
  })
  using load = new Load({
    port: gateway.web,
    connections: 8,
    perSecond: scaled(2000),
    host: (index) => `r-${index}.example`,
  })
  const ROTATIONS = 8
  for (let rotation = 0; rotation < ROTATIONS; rotation++) {
    await load.more(scaled(500))
    await rename(file, `${file}.${rotation}`)
    gateway.signal('SIGUSR1')
    await gateway.until(async () => (await readdir(join(folder.path, 'logs'))).includes('access.log'))
  }
  await load.more(scaled(500))
  await load.stop()
  assert.deepEqual(load.failures, [])
  gateway.signal('SIGTERM')
  assert.equal(await gateway.exited, 0)
  const names = await readdir(join(folder.path, 'logs'))
  assert.equal(names.length, ROTATIONS + 1)
  const seen = new Map<string, number>()
  const numbers = new Set<number>()
  for (const name of names) {
    const text = readFileSync(join(folder.path, 'logs', name), 'latin1')
    assert.ok(text.endsWith('}\n'), name)
    for (const line of text.trimEnd().split('\n')) {
      const { RequestHost, RequestCount } = JSON.parse(line) as { RequestHost: string; RequestCount: number }
      seen.set(RequestHost, (seen.get(RequestHost) ?? 0) + 1)
      numbers.add(RequestCount)
    }
  }
  t.diagnostic(`${load.ok} requests, ${ROTATIONS} rotations, ${seen.size} lines`)
  assert.equal(seen.size, load.sent)
  assert.ok([...seen.values()].every((count) => count === 1))
  assert.equal(numbers.size, load.sent)
})

/** One request per connection, all at the same time. */
async function burst(gateway: GatewayProcess, count: number): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: count }, () =>
      exchangeBytes(gateway.web, 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n'),
    ),
  )
  for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 200 /)
}

/** Of 48 kB in the log. */
const LONG_HEAD = Object.fromEntries(
  Array.from({ length: 6 }, (_, index) => [`x-long-${index}`, 'x'.repeat(8000)]),
)

test('standard output that nobody reads holds up neither requests nor changes; lost lines are counted', async () => {
  await using server = await namedServer('ok')
  await using gateway = await start(server, {
    // More than libuv has threads for files.
    workers: 5,
    flags: ['--accessLog.format=json', KEEP_HEADERS],
  })
  gateway.child.stdout!.pause()
  const lost = async (): Promise<number> =>
    metric(await gateway.metrics(), 'sekisho_access_log_dropped_lines_total')
  assert.equal(await lost(), 0)
  const ask = async (): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${gateway.web}/`, { headers: LONG_HEAD })
    assert.equal(await answer.text(), 'ok')
  }
  // 4 MiB of lines wait in each worker at most.
  for (let round = 0; (await lost()) < 100; round++) {
    assert.ok(round < 200, 'nothing is lost')
    await Promise.all(Array.from({ length: 50 }, ask))
  }
  // Files are still read: a change takes effect.
  await gateway.replace('web.yaml', ingress({ host: 'b.example', paths: [{ service: 'a' }] }))
  await gateway.until(async () => (await fetch(`http://127.0.0.1:${gateway.web}/`)).status === 404, 5000)
  gateway.child.stdout!.resume()
  await gateway.replace('web.yaml', ingress({ paths: [{ service: 'a' }] }))
  // Lines come through again. The long ones may be mixed: they are longer than what the kernel writes at once.
  await gateway.until(async () => {
    const { status } = await fetch(`http://127.0.0.1:${gateway.web}/again`)
    return status === 200 && gateway.output.includes('"RequestPath":"/again"')
  })
})

test('a log on a full device fails no request; lost lines are counted, and the log says so once', async () => {
  await using server = await namedServer('ok')
  await using gateway = await start(server, { flags: ['--accessLog.filePath=/dev/full'] })
  const lost = async (): Promise<number> =>
    metric(await gateway.metrics(), 'sekisho_access_log_dropped_lines_total')
  for (let round = 1; round <= 3; round++) {
    await burst(gateway, 20)
    await gateway.until(async () => (await lost()) === round * 20)
  }
  assert.equal(gateway.log.split('cannot write the access log').length - 1, 1, gateway.log)
  assert.match(gateway.log, /ERR cannot write the access log .*ENOSPC/)
  gateway.signal('SIGTERM')
  assert.equal(await gateway.exited, 0)
})

/** Runs the program with a broken certificate until it has said `until` on standard error, and ends it. */
async function logOf(flags: readonly string[], file?: string): Promise<string> {
  await using folder = await TemporaryFolder.make()
  const crt = { certificate: 'none', key: 'none' }
  await writeFile(join(folder.path, 'secret.yaml'), tlsSecret('broken', crt))
  await writeFile(
    join(folder.path, 'web.yaml'),
    ingress({ paths: [{ service: 'missing' }], tls: { hosts: ['a.example'], secretName: 'broken' } }),
  )
  const child = spawn(
    PROGRAM,
    [
      'up',
      folder.path,
      '--entryPoints.web.address=127.0.0.1:0',
      '--entryPoints.traefik.address=127.0.0.1:0',
      '--workers=1',
      ...flags,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  try {
    let text = ''
    child.stderr.setEncoding('utf8').on('data', (piece: string) => (text += piece))
    const said = (): string =>
      file === undefined ? text : existsSync(file) ? readFileSync(file, 'utf8') : ''
    await until(() => said().includes('certificate-unreadable'), 30_000, said)
    child.kill('SIGTERM')
    const [code] = (await once(child, 'exit')) as [number]
    assert.equal(code, 0)
    if (file !== undefined) assert.equal(text, '')
    return said()
  } finally {
    child.kill('SIGKILL')
  }
}

test('the log: levels, JSON, a file', async (t) => {
  const levelsOf = (text: string): Set<string> =>
    new Set(
      text
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ')[1]!),
    )
  await t.test('INFO unless told', async () => {
    assert.deepEqual(levelsOf(await logOf([])), new Set(['ERR', 'WRN', 'INF']))
  })
  await t.test('ERROR alone', async () => {
    assert.deepEqual(levelsOf(await logOf(['--log.level=error'])), new Set(['ERR']))
  })
  await t.test('DEBUG', async () => {
    assert.ok(levelsOf(await logOf(['--log.level=DEBUG'])).has('DBG'))
  })
  await t.test('JSON', async () => {
    const text = await logOf(['--log.format=json', '--log.level=WARN'])
    for (const line of text.trimEnd().split('\n')) {
      const { level, time, message } = JSON.parse(line) as Entry
      assert.match(String(level), /^(warn|error)$/)
      assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000)
      assert.equal(typeof message, 'string')
    }
    const entry = text.split('\n').find((line) => line.includes('certificate-unreadable'))!
    const { finding, object, place, hint } = JSON.parse(entry) as Record<string, string>
    assert.equal(finding, 'certificate-unreadable')
    assert.equal(object, 'Secret default/broken')
    assert.match(place ?? '', /secret\.yaml:1:1$/)
    assert.match(hint ?? '', /PEM/)
  })
  await t.test('a file', async () => {
    await using folder = await TemporaryFolder.make()
    const file = join(folder.path, 'deep', 'log')
    assert.match(await logOf([`--log.filePath=${file}`], file), / INF serving [^]* INF ended\n$/)
  })
})

class TemporaryFolder implements AsyncDisposable {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async make(): Promise<TemporaryFolder> {
    return new TemporaryFolder(await mkdtemp(join(tmpdir(), 'sekisho-logs-')))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
  }
}
